//! What really happened: each frame as its sender sealed it, each epoch as its members saw it.
//!
//! No participant has this knowledge in a real call, and nothing here tells a participant what to do. It is what the
//! receivers' results are checked against.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use subrosa::{Cause, Epoch, Opened, ParticipantId, Roster, Time, TrackId};

/// Numbers the sealed frames of a run.
pub(crate) type Serial = usize;

/// One frame that was sealed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) sender: ParticipantId,
    pub(crate) track: TrackId,
    pub(crate) epoch: Epoch,
    pub(crate) counter: u64,
    /// Which frame of the medium it is.
    pub(crate) place: usize,
    pub(crate) at: Time,
    /// Its first packet.
    pub(crate) packet: PacketName,
}

/// SSRC and sequence number: unique for as many packets as a run has.
pub(crate) type PacketName = (u32, u16);

/// What was sealed and by whom it could be read.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    frames: RwLock<Frames>,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
pub(crate) struct Frames {
    list: Vec<Sealed>,
    by_seal: HashMap<(ParticipantId, TrackId, Epoch, u64), Serial>,
    by_packet: HashMap<PacketName, Serial>,
}

/// Epochs and participants.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) epochs: BTreeMap<Epoch, EpochRecord>,
    /// From when on nothing is owed to a participant: he hung up, or a host was asked to remove him.
    pub(crate) gone: HashMap<ParticipantId, Time>,
}

#[derive(Debug)]
pub(crate) struct EpochRecord {
    pub(crate) cause: Cause,
    /// Nobody can be let in.
    pub(crate) locked: bool,
    pub(crate) members: Vec<ParticipantId>,
    /// When the first member applied it.
    pub(crate) applied: Time,
}

impl Ledger {
    pub(crate) fn sealed(&self, frame: Sealed) {
        let mut frames = self.frames.write().unwrap_or_else(PoisonError::into_inner);
        let serial = frames.list.len();
        frames.list.push(frame);
        frames.by_seal.insert((frame.sender, frame.track, frame.epoch, frame.counter), serial);
        frames.by_packet.insert(frame.packet, serial);
    }

    pub(crate) fn roster(&self, roster: &Roster, locked: bool, now: Time) {
        let mut calls = self.calls();
        let record = calls.epochs.entry(roster.epoch).or_insert_with(|| EpochRecord {
            cause: roster.cause.clone(),
            locked,
            members: roster.members.iter().map(|member| member.id).collect(),
            applied: now,
        });
        record.applied = record.applied.min(now);
        if matches!(record.cause, Cause::Joined { .. }) {
            record.cause = roster.cause.clone(); // who was there before knows more
        }
    }

    pub(crate) fn gone(&self, participant: ParticipantId, now: Time) {
        self.calls().gone.insert(participant, now);
    }

    /// Finds the frame that a receiver says he opened.
    pub(crate) fn find(&self, opened: &Opened) -> Option<(Serial, Sealed)> {
        let frames = self.frames.read().unwrap_or_else(PoisonError::into_inner);
        let key = (opened.sender, opened.track, opened.epoch, opened.counter);
        let serial = *frames.by_seal.get(&key)?;
        frames.list.get(serial).map(|sealed| (serial, *sealed))
    }

    pub(crate) fn frame_count(&self) -> usize {
        self.frames.read().unwrap_or_else(PoisonError::into_inner).list.len()
    }

    /// Everything, when all is over.
    pub(crate) fn close(&self) -> (Frames, Calls) {
        let frames = std::mem::take(&mut *self.frames.write().unwrap_or_else(PoisonError::into_inner));
        (frames, std::mem::take(&mut *self.calls()))
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Frames {
    pub(crate) fn all(&self) -> &[Sealed] {
        &self.list
    }

    pub(crate) fn by_packet(&self, packet: PacketName) -> Option<Serial> {
        self.by_packet.get(&packet).copied()
    }

    /// When each sender sealed its first frame under each epoch.
    pub(crate) fn switches(&self) -> BTreeMap<(ParticipantId, Epoch), Time> {
        let mut switches = BTreeMap::new();
        for frame in &self.list {
            let first = switches.entry((frame.sender, frame.epoch)).or_insert(frame.at);
            *first = (*first).min(frame.at);
        }
        switches
    }
}

impl Calls {
    /// Whether a frame has to reach a participant: he is on its epoch's roster and still there.
    pub(crate) fn owed(&self, frame: &Sealed, to: ParticipantId) -> bool {
        frame.sender != to
            && self.epochs.get(&frame.epoch).is_some_and(|epoch| epoch.members.contains(&to))
            && self.gone.get(&to).is_none_or(|gone| frame.at < *gone)
    }

    /// The epoch from which on a participant is not on the roster any more because he was removed.
    pub(crate) fn removal_of(&self, participant: ParticipantId) -> Option<Epoch> {
        let removes =
            |cause: &Cause| matches!(cause, Cause::Commit { removed, .. } if removed.contains(&participant));
        self.epochs.iter().find(|(_, record)| removes(&record.cause)).map(|(epoch, _)| *epoch)
    }
}
