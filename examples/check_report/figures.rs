//! The report by itself: its fields, what must be zero and what must not, and sums.
//!
//! Mere information, which nothing here derives: `seal_ns_median` and `open_ns_median` (how fast the machine is), and
//! `intruder/talk` (in the log his words look like anybody's; that there are no more than the lane has is checked).

use super::{Evidence, Result, count, ensure, number, text};

pub(crate) fn fields(evidence: &Evidence) -> Result<String> {
    let epochs = evidence.report["epochs"].as_array().ok_or("no epochs")?;
    for epoch in epochs {
        count(epoch, "/epoch")?;
        count(epoch, "/members")?;
        text(epoch, "/cause")?;
        ensure(epoch.get("switch_ms").is_some(), "/epochs/…/switch_ms is missing")?;
    }
    let numbers = [
        "/speed",
        "/frames_lost_at_switch",
        "/intruder/welcomes_opened",
        "/intruder/frames_tried",
        "/intruder/frames_opened",
        "/removed/frames_tried",
        "/removed/frames_opened",
        "/server/packets",
        "/server/bytes",
        "/server/media_windows_found",
        "/server/names_found",
        "/overhead_bytes_per_frame",
        "/seal_ns_median",
        "/open_ns_median",
    ];
    numbers.iter().try_for_each(|at| evidence.number(at).map(|_| ()))?;
    Ok(format!("{} participants, {} epochs", evidence.people.len(), epochs.len()))
}

pub(crate) fn zeros(evidence: &Evidence) -> Result<String> {
    let zeros = [
        "/frames_lost_at_switch",
        "/frames_mismatched",
        "/intruder/welcomes_opened",
        "/intruder/frames_opened",
        "/removed/frames_opened",
        "/guests/on_rosters",
        "/cheater/friend_on_rosters",
        "/cut_off/frames_sealed_after",
        "/server/media_windows_found",
        "/server/names_found",
    ];
    for at in zeros {
        let count = evidence.number(at)?;
        ensure(count == 0.0, format!("{at} is {count}"))?;
    }
    let overhead = evidence.number("/overhead_bytes_per_frame")?;
    ensure(overhead > 16.0 && overhead <= 21.0, format!("{overhead} bytes of overhead per frame"))?;
    Ok(format!("{overhead:.2} bytes of overhead per frame"))
}

pub(crate) fn minima(evidence: &Evidence) -> Result<String> {
    let opened: u64 = evidence.people.iter().map(|person| person.opened).sum();
    ensure(opened >= 500, format!("only {opened} frames were opened"))?;
    let some = [
        "/intruder/frames_tried",
        "/intruder/frames_injected",
        "/intruder/knocks",
        "/intruder/log_entries",
        "/intruder/talk",
        "/removed/frames_tried",
        "/cut_off/frames_sealed_before",
        "/cut_off/refused_after",
        "/replays/log/injected",
        "/replays/mailboxes/refused",
        "/replays/talk/refused",
        "/replays/held_back",
        "/server/packets",
        "/server/bytes",
        "/server/entries",
        "/seal_ns_median",
        "/open_ns_median",
    ];
    for at in some {
        ensure(evidence.number(at)? > 0.0, format!("{at} is 0"))?;
    }
    let sent: u64 = evidence.people.iter().map(|person| person.sent).sum();
    let tried = evidence.number("/intruder/frames_tried")?;
    ensure(tried >= 0.9 * sent as f64, format!("the intruder tried {tried} of {sent} frames"))?;
    Ok(format!("{opened} frames opened, {tried} tried by the intruder"))
}

/// The run is on one machine: what is lost is lost because a packet was, and whether one was is checked against the capture.
pub(crate) fn counts(evidence: &Evidence) -> Result<String> {
    for person in &evidence.people {
        let (expected, opened, lost) = (person.expected, person.opened, person.lost);
        ensure(opened.checked_add(lost) == Some(expected), "lost is not expected − opened")?;
        ensure(opened > 0, "somebody opened nothing")?;
        ensure(lost <= person.packets_lost, format!("{} lost {lost} frames, and no packets", person.name))?;
    }
    let is_known = |name: &&String| UNDECRYPTABLE.contains(&name.as_str());
    let mut reasons = evidence.people.iter().flat_map(|person| person.undecryptable.keys());
    if let Some(unknown) = reasons.find(|name| !is_known(name)) {
        return Err(format!("frames did not open because of {unknown}").into());
    }
    let removed = &evidence.report["removed"];
    let after_end = evidence.people.get(crate::cast::CHEATS).map_or(0, |person| person.opened_after_end);
    ensure(
        number(removed, "/frames_opened_before_switch")? == after_end as f64,
        "the removed one opened more after his removal than he did",
    )?;
    Ok(format!("{} frames lost", evidence.people.iter().map(|person| person.lost).sum::<u64>()))
}

/// Why frames may not open here: the intruder's and the removed one's, and what comes when somebody is out.
const UNDECRYPTABLE: [&str; 9] = [
    "ended",
    "epoch_closed",
    "held_too_long",
    "hold_full",
    "paused",
    "reflected",
    "replayed",
    "still_held",
    "unauthentic",
];
