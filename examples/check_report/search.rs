//! Everything that the server handled, searched for media and names.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde_json::Value;
use subrosa_testkit::media::windows::{Needles, WindowSet};

use super::capture::datagrams;
use super::cast::{DENIED, TOO_LATE, needles};
use super::{Evidence, Result, ensure, text as text_at};

/// Every media window, proven to be findable.
fn windows(evidence: &Evidence) -> Result<WindowSet> {
    let windows = WindowSet::new(evidence.video.frames.iter().chain(&evidence.audio.frames));
    let found = evidence.video.frames.iter().map(|frame| windows.count_in(frame)).sum::<usize>();
    ensure(!windows.is_empty() && found > 0, "the search would find nothing")?;
    Ok(windows)
}

/// Every full name, guests included, and the words of five letters or more in them.
fn names(evidence: &Evidence) -> Result<Needles> {
    let names = evidence.people.iter().map(|person| person.name.as_str()).chain([DENIED, TOO_LATE]);
    Ok(Needles::new(needles(&names.collect::<Vec<_>>()))?)
}

pub(crate) fn capture(evidence: &Evidence) -> Result<String> {
    let (windows, names) = (windows(evidence)?, names(evidence)?);
    let said = evidence.count("/server/media_windows")?;
    ensure(said == windows.len() as u64, format!("{said} windows instead of {}", windows.len()))?;
    let mut packets = 0;
    datagrams(&evidence.dir.join("server.pcap"), |datagram, whole| {
        ensure(windows.count_in(&datagram.payload) == 0, format!("media in packet {packets}"))?;
        ensure(names.count_in(whole) == 0, format!("a name in packet {packets}"))?;
        packets += 1;
        Ok(())
    })?;
    Ok(format!("{packets} packets, {} windows searched for", windows.len()))
}

pub(crate) fn log(evidence: &Evidence) -> Result<String> {
    let (windows, names) = (windows(evidence)?, names(evidence)?);
    let text = std::fs::read(evidence.dir.join("server.log.jsonl"))?;
    ensure(names.count_in(&text) == 0, "a name")?;
    for (number, entry) in evidence.log.iter().enumerate() {
        ensure(windows.count_in(&entry.bytes) == 0, format!("media in entry {number}"))?;
        ensure(names.count_in(&entry.bytes) == 0, format!("a name in entry {number}"))?;
    }
    Ok(format!("{} entries", evidence.log.len()))
}

/// Where there were no such servers nothing is said of them.
pub(crate) fn stored(evidence: &Evidence) -> Result<String> {
    let said = |what: &str| evidence.count(&format!("/server/stored_{what}"));
    let path = evidence.dir.join("server.stored.jsonl");
    let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
    let (windows, names) = (windows(evidence)?, names(evidence)?);
    ensure(names.count_in(text.as_bytes()) == 0, "a name")?;
    let (mut messages, mut bytes) = (0, 0);
    let mut entries = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)?;
        let (subject, payload) = (text_at(&line, "/subject")?, text_at(&line, "/bytes")?);
        let payload = HEXLOWER.decode(payload.as_bytes())?;
        for part in [subject.as_bytes(), text_at(&line, "/headers")?.as_bytes(), &payload] {
            ensure(windows.count_in(part) == 0, format!("media under {subject}"))?;
            ensure(names.count_in(part) == 0, format!("a name under {subject}"))?;
        }
        messages += 1;
        bytes += payload.len() as u64;
        if let Some((_, position)) = subject.split_once(".log.") {
            ensure(
                entries.insert(position.parse::<u64>()?, payload).is_none(),
                "a position that is there twice",
            )?;
        }
    }
    let sums = [("messages", messages), ("bytes", bytes), ("media_windows_found", 0), ("names_found", 0)];
    for (what, count) in sums {
        let said = said(what)?;
        ensure(said == count, format!("{count} {what} are stored, not {said}"))?;
    }
    if messages > 0 {
        for entry in evidence.log.iter().filter(|entry| entry.lane == "log" && entry.accepted) {
            let there = entry.position.and_then(|position| entries.get(&position));
            ensure(there == Some(&entry.bytes), format!("entry {:?} is not stored", entry.position))?;
        }
    }
    Ok(format!("{messages} messages"))
}
