//! Everything that the server handled, searched for media and names.

use subrosa_testkit::media::windows::{Needles, WindowSet};

use super::capture::datagrams;
use super::cast::{DENIED, TOO_LATE, needles};
use super::{Evidence, Result, ensure};

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
