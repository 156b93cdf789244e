//! What was attempted against the call, and what came of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Measured, Opened, millis};
use crate::codes::Codes;
use crate::cut_off::CutOff;
use crate::names::{DENIED, TOO_LATE};
use crate::notes::Notes;

#[derive(Serialize)]
pub(crate) struct GuestsReport {
    /// Guests as the host heard them: each once, however often a server said it.
    pub(crate) knocks_heard: u64,
    pub(crate) denied: &'static str,
    /// Whom the host could not let in, since the call was locked.
    pub(crate) locked_out: Option<&'static str>,
    /// Participants on whose rosters one of the two was, ever.
    pub(crate) on_rosters: u64,
}

#[derive(Serialize)]
pub(crate) struct CodeReport {
    pub(crate) epoch: u64,
    pub(crate) digits: String,
    pub(crate) words: String,
    /// How many computed it.
    pub(crate) compared: usize,
    /// The code of an earlier epoch, with other people, is another one.
    pub(crate) earlier_differs: bool,
}

/// A participant who is no host and commits all the same, to let his friend in.
#[derive(Serialize)]
pub(crate) struct CheaterReport {
    pub(crate) name: &'static str,
    pub(crate) friend: &'static str,
    /// Where his commit stands in the log.
    pub(crate) position: Option<u64>,
    /// SHA-256 of the commit as he made it, in hex.
    pub(crate) commit_sha256: Option<String>,
    /// Participants on whose rosters the friend was, ever.
    pub(crate) friend_on_rosters: u64,
}

#[derive(Serialize)]
pub(crate) struct CutOffReport {
    pub(crate) heartbeat_ms: f64,
    pub(crate) liveness_window_ms: f64,
    pub(crate) frames_sealed_before: usize,
    /// After the removal stood in the log, and before he noticed.
    pub(crate) frames_sealed_meanwhile: usize,
    pub(crate) frames_sealed_after: usize,
    /// How often he tried and could not.
    pub(crate) refused_after: usize,
    /// Whoever was told of the removal was not cut off.
    pub(crate) others_go_on: bool,
}

/// What the unruly server said twice, or in another place.
#[derive(Serialize)]
pub(crate) struct ReplaysReport {
    /// Old entries at new positions, and those of them that all skipped who read them.
    pub(crate) log: Replayed,
    /// Those positions.
    pub(crate) log_positions: Vec<u64>,
    /// Messages in mailboxes, and those of them that a reader refused.
    pub(crate) mailboxes: Replayed,
    /// Talk, and what of it somebody refused.
    pub(crate) talk: Replayed,
    /// Messages that others could overtake.
    pub(crate) held_back: u64,
}

#[derive(Serialize)]
pub(crate) struct Replayed {
    pub(crate) injected: u64,
    pub(crate) refused: u64,
}

#[derive(Serialize)]
pub(crate) struct IntruderReport {
    pub(crate) knocks: u64,
    /// What he and the unruly server put into the lobby's mailbox, all of it refused.
    pub(crate) knocks_refused: BTreeMap<String, u64>,
    pub(crate) welcomes_opened: u64,
    pub(crate) log_entries: u64,
    /// Where these stand.
    pub(crate) log_positions: Vec<u64>,
    pub(crate) talk: u64,
    pub(crate) frames_injected: u64,
    pub(crate) frames_tried: u64,
    pub(crate) frames_opened: u64,
}

#[derive(Serialize)]
pub(crate) struct RemovedReport {
    pub(crate) name: &'static str,
    /// Sealed under epochs without him.
    pub(crate) frames_tried: u64,
    pub(crate) frames_opened: u64,
    /// Sealed under his last epoch after his removal was asked for: what the switch deadline leaves him.
    pub(crate) frames_opened_before_switch: u64,
}

impl GuestsReport {
    pub(super) fn new(measured: &Measured<'_>) -> Self {
        let guests = &measured.told.guests;
        let host = measured.told.people.first().map(|(_, outcome)| &outcome.notes);
        let locked_out = host.is_some_and(|notes| notes.locked_out == [guests.locked_out]);
        let turned_away = [guests.friend, guests.locked_out];
        let met = |notes: &Notes| turned_away.iter().any(|guest| notes.met.contains(guest));
        Self {
            knocks_heard: host.map_or(0, |notes| notes.knocks as u64),
            denied: DENIED,
            locked_out: (locked_out && !guests.came_in).then_some(TOO_LATE),
            on_rosters: how_many(measured, met),
        }
    }
}

impl CodeReport {
    pub(super) fn new(codes: &Codes) -> Self {
        let Codes { epoch, each, digits, words, earlier_differs, .. } = codes;
        let (digits, words, compared) = (digits.clone(), words.clone(), each.len());
        Self { epoch: epoch.0, digits, words, compared, earlier_differs: *earlier_differs }
    }
}

impl CheaterReport {
    pub(super) fn new(measured: &Measured<'_>) -> Self {
        let told = &measured.told;
        let cheater = told.people.iter().find(|(_, outcome)| outcome.id == told.removed);
        let forged = cheater.and_then(|(_, outcome)| outcome.notes.forged.as_ref());
        Self {
            name: cheater.map_or("?", |(name, _)| name),
            friend: DENIED,
            position: forged.map(|forged| forged.position),
            commit_sha256: forged.map(|forged| HEXLOWER.encode(&Sha256::digest(&forged.commit))),
            friend_on_rosters: how_many(measured, |notes| notes.met.contains(&told.guests.friend)),
        }
    }
}

impl CutOffReport {
    pub(super) fn new(cut_off: &CutOff) -> Self {
        Self {
            heartbeat_ms: millis(cut_off.heartbeat),
            liveness_window_ms: millis(cut_off.window),
            frames_sealed_before: cut_off.sealed_before,
            frames_sealed_meanwhile: cut_off.sealed_meanwhile,
            frames_sealed_after: cut_off.sealed_after,
            refused_after: cut_off.refused_after,
            others_go_on: cut_off.others_go_on,
        }
    }
}

impl ReplaysReport {
    pub(super) fn new(measured: &Measured<'_>) -> Self {
        let (told, done) = (&measured.told, &measured.misdeeds);
        let all = || told.people.iter().map(|(_, outcome)| &outcome.notes);
        let by_participants = all().flat_map(|notes| &notes.refused);
        let refused = by_participants.chain(&told.guests.refused).collect::<HashSet<_>>();
        let count = |replays: &[Bytes]| Replayed {
            injected: replays.len() as u64,
            refused: replays.iter().filter(|replay| refused.contains(replay)).count() as u64,
        };
        let read = |position: &u64| all().any(|notes| notes.read.contains(position));
        let taken = |position: &u64| {
            all().any(|notes| notes.read.contains(position) && !notes.skipped.contains(position))
        };
        let skipped = done.entries.iter().filter(|position| read(position) && !taken(position));
        Self {
            log: Replayed { injected: done.entries.len() as u64, refused: skipped.count() as u64 },
            log_positions: done.entries.iter().copied().collect(),
            mailboxes: count(&done.mail),
            talk: count(&done.talk),
            held_back: done.held_back,
        }
    }
}

impl IntruderReport {
    pub(super) fn new(measured: &Measured<'_>) -> Self {
        let Measured { told, intruder, trial, .. } = measured;
        let host = told.people.first().map(|(_, outcome)| &outcome.notes);
        Self {
            knocks: intruder.knocks,
            knocks_refused: host.map(|notes| notes.knocks_refused.clone()).unwrap_or_default(),
            welcomes_opened: intruder.welcomes_opened(),
            log_entries: intruder.entries.len() as u64,
            log_positions: intruder.entries.clone(),
            talk: intruder.talk,
            frames_injected: intruder.frames_injected,
            frames_tried: trial.frames_tried,
            frames_opened: trial.frames_opened,
        }
    }
}

impl RemovedReport {
    pub(super) fn new(measured: &Measured<'_>, opened: &[Opened]) -> Self {
        let Measured { told, frames, calls, .. } = measured;
        let mut report =
            Self { name: "?", frames_tried: 0, frames_opened: 0, frames_opened_before_switch: 0 };
        let who = told.people.iter().zip(opened).find(|((_, outcome), _)| outcome.id == told.removed);
        let (Some(((name, outcome), opened)), Some(removal)) = (who, calls.removal_of(told.removed)) else {
            return report;
        };
        let after = |serial: &usize| frames.all().get(*serial).is_some_and(|frame| frame.epoch >= removal);
        let tried = outcome.tally.tried.iter().filter_map(|packet| frames.by_packet(*packet)).filter(after);
        report.name = name;
        report.frames_tried = tried.collect::<BTreeSet<_>>().len() as u64;
        report.frames_opened = outcome.tally.opened.iter().filter(|serial| after(serial)).count() as u64;
        report.frames_opened_before_switch = opened.after_end - report.frames_opened.min(opened.after_end);
        report
    }
}

fn how_many(measured: &Measured<'_>, is: impl Fn(&Notes) -> bool) -> u64 {
    measured.told.people.iter().filter(|(_, outcome)| is(&outcome.notes)).count() as u64
}
