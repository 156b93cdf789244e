//! What must be true of every run. The first that is not ends the program with exit code 1.

use std::collections::BTreeSet;

use crate::failure::Failure;
use crate::report::{Measured, Report};

/// Bytes that SFrame may add to a frame, in the mean.
const MAX_OVERHEAD: f64 = 21.0;

pub(crate) fn check(report: &Report, measured: &Measured<'_>) -> Result<(), Failure> {
    let Report { participants, intruder, removed, server, .. } = report;
    let zero = |what: &str, count: u64| (count == 0, format!("{count} {what}"));
    let some = |what: &str, count: u64| (count > 0, format!("no {what}"));
    let heard = participants.iter().all(|person| person.frames_opened > 0);
    let refused: u64 = intruder.knocks_refused.values().sum();
    let promises = [
        zero("frames opened as something else than was sealed", report.frames_mismatched),
        zero("frames lost at a switch", report.frames_lost_at_switch),
        zero("answers opened by the intruder", intruder.welcomes_opened),
        zero("frames opened by the intruder", intruder.frames_opened),
        zero("frames opened by the removed participant after the switch", removed.frames_opened),
        zero("windows of the media in what the server handled", server.media_windows_found),
        zero("names in what the server handled", server.names_found),
        (heard, "somebody heard nothing".to_owned()),
        (
            report.overhead_bytes_per_frame <= MAX_OVERHEAD,
            format!("{:.2} bytes of overhead per frame", report.overhead_bytes_per_frame),
        ),
        // Where nothing was tried, nothing is shown.
        some("frames tried by the intruder", intruder.frames_tried),
        some("frames tried by the removed participant", removed.frames_tried),
        some("knocks of the intruder that were refused", refused),
        some("log entries of the intruder", intruder.log_entries),
        (skips_agree(measured), "not everybody skipped exactly the intruder's entries".to_owned()),
        (ends_are_right(report), "somebody's call ended in another way than it should".to_owned()),
    ];
    match promises.into_iter().find(|(kept, _)| !kept) {
        None => Ok(()),
        Some((_, broken)) => Err(Failure::Broken(format!("a promise was broken: {broken}"))),
    }
}

/// Everybody skipped the intruder's entries, of those that he was there for, and no others.
fn skips_agree(measured: &Measured<'_>) -> bool {
    let foreign = measured.intruder.entries.iter().collect::<BTreeSet<_>>();
    measured.told.people.iter().all(|(_, outcome)| {
        let skipped = outcome.notes.skipped.iter().collect::<BTreeSet<_>>();
        let read = outcome.notes.read.iter().collect::<BTreeSet<_>>();
        skipped == foreign.intersection(&read).copied().collect()
    })
}

/// The host left last, and with him the call; one left before, one was removed.
fn ends_are_right(report: &Report) -> bool {
    let count = |ended: &str| report.participants.iter().filter(|person| person.ended == ended).count();
    (count("left"), count("removed")) == (2, 1) && count("something else") == 0
}
