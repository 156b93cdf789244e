//! What the delivery service handled, as `server.log.jsonl` has it.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::{Result, text};

/// A line: what somebody wanted the service to take.
pub(crate) struct Entry {
    /// `log`, `talk` or `mailbox`.
    pub(crate) lane: String,
    /// Of the call or the mailbox.
    pub(crate) id: String,
    pub(crate) position: Option<u64>,
    /// The service took it.
    pub(crate) accepted: bool,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let lines = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    lines.lines().map(entry).collect()
}

fn entry(line: &str) -> Result<Entry> {
    let value: Value = serde_json::from_str(line)?;
    Ok(Entry {
        lane: text(&value, "/lane")?.to_owned(),
        id: text(&value, "/id")?.to_owned(),
        position: value["position"].as_u64(),
        accepted: text(&value, "/outcome")? == "accepted",
        bytes: HEXLOWER.decode(text(&value, "/bytes")?.as_bytes())?,
    })
}
