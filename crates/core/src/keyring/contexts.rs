//! Which context numbers are in use: each at most once per leaf and epoch (R15).

use std::sync::Mutex;

use super::epoch::CONTEXTS;
use crate::id::Epoch;
use crate::track::{TrackId, TrackKind};

const INSTANCES: u32 = (CONTEXTS / TrackKind::ALL.len()) as u32;

#[derive(Clone, Copy, Default)]
struct Slot {
    taken: bool,
    /// The last epoch in which a sealer or an export may have used the number.
    spent: Option<Epoch>,
}

/// Hands out context numbers. Locked when a sealer is made, dropped or exported, never for a frame.
pub(crate) struct Contexts(Mutex<[Slot; CONTEXTS]>);

impl Contexts {
    pub(crate) fn new() -> Self {
        Self(Mutex::new([Slot::default(); CONTEXTS]))
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, [Slot; CONTEXTS]> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes the lowest number of the kind that was not used in `sealing` or later; `None` if all were.
    pub(crate) fn take(&self, kind: TrackKind, sealing: Option<Epoch>) -> Option<TrackId> {
        let mut slots = self.slots();
        let track = (0..INSTANCES).map(|instance| TrackId::new(kind, instance)).find(|track| {
            let slot = slots[track.context() as usize];
            // R15: a number that was used in this epoch stays used, whoever dropped its sealer.
            !slot.taken && slot.spent.is_none_or(|spent| sealing.is_some_and(|now| spent < now))
        })?;
        slots[track.context() as usize].taken = true;
        Some(track)
    }

    /// Returns the tracks that have a sealer.
    pub(crate) fn taken(&self) -> Vec<TrackId> {
        let slots = self.slots();
        let taken = slots.iter().zip(0..).filter(|(slot, _)| slot.taken);
        taken.map(|(_, context)| TrackId::from_context(context)).collect()
    }

    /// Gives a number back; it comes out again only for epochs after `spent`.
    pub(crate) fn give_back(&self, track: TrackId, spent: Option<Epoch>) {
        let slot = &mut self.slots()[track.context() as usize];
        slot.taken = false;
        slot.spent = slot.spent.max(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R15: dropping a sealer and making a new one in the same epoch never gives the same number.
    #[test]
    fn a_dropped_number_rests_until_the_epoch_is_over() {
        let contexts = Contexts::new();
        let now = Some(Epoch(3));
        let first = contexts.take(TrackKind::Camera, now).expect("there is one");
        contexts.give_back(first, now);
        let second = contexts.take(TrackKind::Camera, now).expect("there is another");
        assert_ne!(first, second);
        assert_eq!(contexts.take(TrackKind::Camera, Some(Epoch(4))), Some(first), "a later epoch may");
    }

    #[test]
    fn sixteen_of_a_kind_and_no_more() {
        let contexts = Contexts::new();
        let taken = (0..20).filter_map(|_| contexts.take(TrackKind::Screen, None)).count();
        assert_eq!(taken, 16);
        assert!(contexts.take(TrackKind::Microphone, None).is_some(), "other kinds have their own");
    }
}
