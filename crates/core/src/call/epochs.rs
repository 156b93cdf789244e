//! When epochs open, seal and close (design: make before break; R14, R19, R20).

use std::collections::BTreeMap;

use super::message::Event;
use crate::id::Epoch;
use crate::keyring::{EpochKeys, KeyRing};
use crate::time::Time;

/// One epoch that is not closed yet.
struct Life {
    /// Until its roster is taken (R14).
    keys: Option<EpochKeys>,
    /// Its roster event was handed out.
    shown: bool,
    /// When sealers start to use it at the latest (R20).
    switch_at: Time,
    /// Its committer announced it: sealers may use it now (R20).
    announced: bool,
    /// When its keys go; `None` while it is the newest (R19).
    close_at: Option<Time>,
    /// Somebody was let in with it.
    newcomers: bool,
    /// Somebody was removed with it: at `switch_at` nothing is sealed under older epochs any more, taken or not.
    ends_older: bool,
}

impl Life {
    fn may_seal(&self, now: Time) -> bool {
        self.keys.is_none() && (self.announced || self.switch_at <= now)
    }
}

/// What became of an announcement.
#[derive(PartialEq, Eq)]
pub(super) enum Announced {
    News,
    /// Known before, or over.
    Stale,
}

/// What an epoch does to those before it.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) switch_at: Time,
    pub(super) close_older_at: Time,
    pub(super) newcomers: bool,
    pub(super) removals: bool,
    /// When the commit could have been in the log at the earliest.
    pub(super) since: Time,
}

/// The epochs of a call that are not closed yet, by number.
#[derive(Default)]
pub(super) struct Epochs {
    lives: BTreeMap<Epoch, Life>,
    sealing: Option<Epoch>,
    /// A removal's deadline has passed: nothing is sealed below its epoch any more (R20).
    floor: Option<Epoch>,
}

/// A roster cannot be taken now.
pub(super) enum NotTaken {
    /// Its event was not handed out yet.
    NotShown,
    /// No such epoch, or closed.
    Gone,
}

impl Epochs {
    /// A new epoch was applied: older ones close at `close_older_at` at the latest.
    pub(super) fn begin(&mut self, keys: EpochKeys, change: Change, epoch_bits: u32) {
        let Change { switch_at, close_older_at, newcomers, removals, .. } = change;
        for life in self.lives.values_mut() {
            life.close_at = Some(life.close_at.map_or(close_older_at, |at| at.min(close_older_at)));
        }
        let epoch = keys.epoch;
        // RFC 9605 §5.2: an epoch with the same low bits evicts the old one; however many a host makes, no more are kept.
        for (_, life) in self.lives.iter_mut().filter(|(old, _)| old.0 + (1 << epoch_bits) <= epoch.0) {
            life.close_at = Some(Time::ZERO);
        }
        let keys = Some(keys);
        let life = Life {
            keys,
            shown: false,
            switch_at,
            announced: false,
            close_at: None,
            newcomers,
            ends_older: removals,
        };
        self.lives.insert(epoch, life);
    }

    /// R20: the committer says that an epoch may be sealed under. To be followed by `tick`.
    pub(super) fn announce(&mut self, epoch: Epoch) -> Announced {
        match self.lives.get_mut(&epoch) {
            Some(life) if !life.announced && life.switch_at < Time::NEVER => {
                life.announced = true;
                Announced::News
            }
            _ => Announced::Stale,
        }
    }

    pub(super) fn mark_shown(&mut self, epoch: Epoch) {
        if let Some(life) = self.lives.get_mut(&epoch) {
            life.shown = true;
        }
    }

    /// R14: an epoch's sealers and openers are released by this and by nothing else. Says whether it was news.
    pub(super) fn take(&mut self, epoch: Epoch, ring: &KeyRing) -> Result<bool, NotTaken> {
        let life = self.lives.get_mut(&epoch).ok_or(NotTaken::Gone)?;
        if !life.shown {
            return Err(NotTaken::NotShown);
        }
        Ok(life.keys.take().is_some_and(|keys| ring.publish(keys)))
    }

    /// Does what is due: closes epochs, then lets sealers switch to the newest that may.
    pub(super) fn tick(&mut self, now: Time, ring: &KeyRing, mut event: impl FnMut(Event)) {
        let due = |life: &Life| life.close_at.is_some_and(|at| at <= now);
        for epoch in self.lives.iter().filter(|(_, life)| due(life)).map(|(e, _)| *e).collect::<Vec<_>>() {
            self.lives.remove(&epoch);
            ring.retire(epoch);
            event(Event::EpochClosed(epoch));
        }
        // R14 forbids the new key before its roster is taken; R20 bounds the use of the old one. So nothing is sealed.
        let sealing = self.sealing;
        let stops = |(epoch, life): &(&Epoch, &mut Life)| {
            Some(**epoch) > sealing && life.ends_older && life.keys.is_some() && life.switch_at <= now
        };
        for (epoch, life) in self.lives.iter_mut().filter(stops) {
            life.ends_older = false;
            self.floor = self.floor.max(Some(*epoch));
            ring.stop_sealing();
        }
        let Some(epoch) = self.next_to_seal(now) else { return };
        if !ring.switch(epoch) {
            // Evicted by a later epoch with the same low bits: nothing to seal under.
            self.lives.entry(epoch).and_modify(|life| {
                life.switch_at = Time::NEVER;
                life.announced = false;
            });
        } else {
            let newcomers =
                self.lives.iter().any(|(e, life)| Some(*e) > self.sealing && *e <= epoch && life.newcomers);
            self.sealing = Some(epoch);
            event(Event::Switched(epoch));
            let tracks = ring.picture_tracks();
            if newcomers && !tracks.is_empty() {
                event(Event::KeyframeNeeded { epoch, tracks });
            }
        }
    }

    /// The newest epoch above the sealing one whose roster was taken and whose time has come.
    fn next_to_seal(&self, now: Time) -> Option<Epoch> {
        let above = |epoch: &Epoch| Some(*epoch) > self.sealing && Some(*epoch) >= self.floor;
        self.lives.iter().rev().find(|(e, life)| above(e) && life.may_seal(now)).map(|(e, _)| *e)
    }

    /// Returns when `tick` has something to do.
    pub(super) fn next_deadline(&self) -> Time {
        let closing = self.lives.values().filter_map(|life| life.close_at);
        let switching = self
            .lives
            .iter()
            .filter(|(epoch, _)| Some(**epoch) > self.sealing && Some(**epoch) >= self.floor)
            .filter(|(_, life)| life.keys.is_none() || life.ends_older)
            .map(|(_, life)| life.switch_at);
        closing.chain(switching).min().unwrap_or(Time::NEVER)
    }

    #[cfg(test)]
    pub(super) fn kept_for_tests(&self) -> usize {
        self.lives.len()
    }

    /// Drops everything; the key ring is ended by itself.
    pub(super) fn end(&mut self) {
        self.lives.clear();
    }
}
