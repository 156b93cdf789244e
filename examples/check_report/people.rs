//! The participants, as the report has them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Result, count, counts, ensure, number, text};

/// A participant's part of the report.
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) sent: u64,
    pub(crate) opened: u64,
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    pub(crate) opened_after_end: u64,
    pub(crate) undecryptable: BTreeMap<String, u64>,
    pub(crate) packets_lost: u64,
    /// The first and the last position of the log.
    pub(crate) read: [u64; 2],
    pub(crate) skipped: BTreeSet<u64>,
    pub(crate) violations_seen: u64,
    pub(crate) times_cut_off: f64,
    pub(crate) code: String,
    pub(crate) ended: String,
}

pub(crate) fn of(report: &Value) -> Result<Vec<Person>> {
    let people = report["participants"].as_array().ok_or("no participants")?;
    people.iter().map(person).collect()
}

fn person(value: &Value) -> Result<Person> {
    let reasons = value["undecryptable"].as_object().ok_or("/participants/…/undecryptable is no map")?;
    let read = counts(value, "/entries_read")?;
    let skipped = counts(value, "/entries_skipped")?;
    let person = Person {
        name: text(value, "/name")?.to_owned(),
        port: count(value, "/port")?.try_into()?,
        sent: count(value, "/frames_sent")?,
        opened: count(value, "/frames_opened")?,
        expected: count(value, "/frames_expected")?,
        lost: count(value, "/frames_lost")?,
        opened_after_end: count(value, "/frames_opened_after_end")?,
        undecryptable: reasons
            .iter()
            .map(|(reason, frames)| Ok((reason.clone(), count(frames, "")?)))
            .collect::<Result<_>>()?,
        packets_lost: count(value, "/packets_lost")?,
        read: read.try_into().map_err(|_| "/participants/…/entries_read is not two positions")?,
        skipped: skipped.iter().copied().collect(),
        violations_seen: count(value, "/policy_violations_seen")?,
        times_cut_off: number(value, "/times_cut_off")?,
        code: text(value, "/code")?.to_owned(),
        ended: text(value, "/ended")?.to_owned(),
    };
    ensure(person.skipped.len() == skipped.len(), "an entry that was skipped twice")?;
    Ok(person)
}

impl Person {
    /// Whether his call got this position of the log.
    pub(crate) fn has_read(&self, position: u64) -> bool {
        (self.read[0]..=self.read[1]).contains(&position)
    }
}
