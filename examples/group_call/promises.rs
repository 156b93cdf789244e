//! What must be true of every run. The first that is not ends the program with exit code 1.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::Violation;

use crate::capture::Stored;
use crate::cut_off::CutOff;
use crate::delivery::Place;
use crate::failure::Failure;
use crate::report::{Measured, Report};

/// Bytes that SFrame may add to a frame, in the mean.
const MAX_OVERHEAD: f64 = 21.0;

pub(crate) fn check(report: &Report, measured: &Measured<'_>) -> Result<(), Failure> {
    let Report { participants, guests, cheater, replays, intruder, removed, server, .. } = report;
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
        (skips_agree(measured), "not everybody skipped exactly what he had to".to_owned()),
        // The waiting room.
        (report.denied == 1, "who was denied did not learn it".to_owned()),
        (
            guests.knocks_heard as usize == participants.len() + 1,
            format!("the host heard {} guests", guests.knocks_heard),
        ),
        (guests.locked_out.is_some(), "nobody was locked out".to_owned()),
        zero("rosters with a guest who was turned away", guests.on_rosters),
        // The non-host who commits.
        (violations_agree(measured), "not everybody saw one forged commit and whose it was".to_owned()),
        zero("rosters with the cheater's friend", cheater.friend_on_rosters),
        // The codes.
        (report.codes_agree, "the safety codes differ".to_owned()),
        (report.code.earlier_differs, "the safety code of an earlier epoch is the same".to_owned()),
        // The unruly server.
        some("old entries in the log", replays.log.injected),
        (replays.log.refused == replays.log.injected, "an old entry was not skipped".to_owned()),
        some("replays in mailboxes that were refused", replays.mailboxes.refused),
        (
            2 * replays.talk.refused >= replays.talk.injected && replays.talk.injected > 0,
            format!("{} of {} replays of talk were refused", replays.talk.refused, replays.talk.injected),
        ),
        some("messages held back", replays.held_back),
        // What servers stored on their disks.
        zero("windows of the media in what was stored", server.stored_media_windows_found),
        zero("names in what was stored", server.stored_names_found),
        (is_stored(measured), "the servers have stored something else than they said".to_owned()),
        // The one from whom a removal is kept.
        (cut_off_in_time(measured), format!("cut off after {:?}", measured.cut_off.detected)),
        (stopped(measured), "who was cut off did not stop".to_owned()),
        zero("times that others were cut off", participants.iter().map(|person| person.times_cut_off).sum()),
        (ends_are_right(report), "somebody's call ended in another way than it should".to_owned()),
    ];
    match promises.into_iter().find(|(kept, _)| !kept) {
        None => Ok(()),
        Some((_, broken)) => Err(Failure::Broken(format!("a promise was broken: {broken}"))),
    }
}

/// Everybody skipped the entries of the intruder, the server and the cheater, of those that he was there for, and no others.
fn skips_agree(measured: &Measured<'_>) -> bool {
    let replayed = &measured.misdeeds.entries;
    let forged = measured.told.people.iter().filter_map(|(_, outcome)| outcome.notes.forged.as_ref());
    let forged = forged.map(|forged| &forged.position);
    let foreign = measured.intruder.entries.iter().chain(replayed).chain(forged).collect::<BTreeSet<_>>();
    measured.told.people.iter().all(|(_, outcome)| {
        let skipped = outcome.notes.skipped.iter().collect::<BTreeSet<_>>();
        let read = outcome.notes.read.iter().collect::<BTreeSet<_>>();
        skipped == foreign.intersection(&read).copied().collect()
    })
}

/// Everybody but the cheater saw one commit against the policy: his, since he is no host.
fn violations_agree(measured: &Measured<'_>) -> bool {
    let cheater = measured.told.removed;
    let his = [(cheater, Violation::NotAHost)];
    measured.told.people.iter().all(|(_, outcome)| {
        let expected: &[_] = if outcome.id == cheater { &[] } else { &his };
        outcome.notes.violations == expected
    })
}

/// Where there are NATS servers, every entry that was accepted is on their disks.
fn is_stored(measured: &Measured<'_>) -> bool {
    let Stored { messages, entries, .. } = measured.stored;
    matches!(measured.args.delivery, Place::InProcess)
        || (messages > entries && entries == measured.seen.accepted)
}

fn cut_off_in_time(measured: &Measured<'_>) -> bool {
    let CutOff { detected, window, .. } = measured.cut_off;
    detected.is_some_and(|after| after < window + Duration::from_secs(1))
}

/// He sealed until he was cut off, nothing after that however often he tried; and nobody else was.
fn stopped(measured: &Measured<'_>) -> bool {
    let CutOff { sealed_before, sealed_after, refused_after, others_go_on, .. } = measured.cut_off;
    sealed_before > 0 && sealed_after == 0 && refused_after > 0 && others_go_on
}

/// The host left last, and with him the call; one left before, one was removed.
fn ends_are_right(report: &Report) -> bool {
    let count = |ended: &str| report.participants.iter().filter(|person| person.ended == ended).count();
    (count("left"), count("removed")) == (2, 1) && count("something else") == 0
}
