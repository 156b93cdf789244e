//! The replay window of one key (RFC 9605 §9.3 leaves it to the application; here it is not optional).

use core::sync::atomic::{AtomicU64, Ordering};

/// Counters that one slot remembers.
const BITS: u64 = 10;
/// Slots in the window.
const SLOTS: u64 = 128;
/// A counter's lap takes the upper 54 bits of a slot: 2^64 / (BITS × SLOTS) < 2^54.
const LAP: u64 = BITS * SLOTS;

/// Remembers which counters of one key were opened; shared by all openers of a call (R17) without a lock.
///
/// A ring of 128 slots. Slot `(counter / 10) % 128` holds the lap `counter / 1,280` and ten bits, one a counter. A slot
/// only ever moves to a later lap, so no counter is accepted twice; and any that is up to 1,270 older than the newest
/// (R17 asks for 1,024) is judged exactly, since its slot is among the last 128 and has not moved on. Those of older slots
/// are refused whatever the slot says: otherwise a server could keep a frame back for as long as it spares one slot.
pub(crate) struct ReplayWindow {
    /// `counter / 10` of the highest counter accepted. So it moves with every tenth frame, and costs the others a load.
    newest: AtomicU64,
    slots: [AtomicU64; SLOTS as usize],
}

/// Where a counter stands in the window.
struct Place {
    slot: usize,
    lap: u64,
    bit: u64,
}

impl Place {
    #[inline]
    fn of(counter: u64) -> Self {
        let slot = (counter / BITS % SLOTS) as usize;
        Self { slot, lap: counter / LAP, bit: 1 << (counter % BITS) }
    }

    /// Judges the counter against a slot's content: the slot's next content, or `None` for a replay.
    #[inline]
    fn judge(&self, content: u64) -> Option<u64> {
        let (lap, bits) = (content >> BITS, content & ((1 << BITS) - 1));
        match self.lap.cmp(&lap) {
            core::cmp::Ordering::Less => None,
            core::cmp::Ordering::Greater => Some(self.lap << BITS | self.bit),
            core::cmp::Ordering::Equal => (bits & self.bit == 0).then_some(content | self.bit),
        }
    }
}

impl ReplayWindow {
    pub(crate) fn new() -> Self {
        Self { slots: [const { AtomicU64::new(0) }; SLOTS as usize], newest: AtomicU64::new(0) }
    }

    /// Says whether the counter would be accepted; changes nothing. Spares the AEAD's work on a plain replay.
    #[inline]
    pub(crate) fn is_fresh(&self, counter: u64) -> bool {
        let place = Place::of(counter);
        self.is_recent(counter) && place.judge(self.slots[place.slot].load(Ordering::Relaxed)).is_some()
    }

    #[inline]
    fn is_recent(&self, counter: u64) -> bool {
        self.newest.load(Ordering::Relaxed).saturating_sub(counter / BITS) < SLOTS
    }

    /// Accepts the counter once: `true` for exactly one caller, ever.
    ///
    /// R17: called only after the frame was authenticated.
    #[inline]
    pub(crate) fn accept(&self, counter: u64) -> bool {
        let place = Place::of(counter);
        // Each slot stands for itself and no other memory hangs on it, so relaxed order suffices.
        let claim = |content| place.judge(content);
        let claimed = self.is_recent(counter)
            && self.slots[place.slot].fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim).is_ok();
        if claimed && self.newest.load(Ordering::Relaxed) < counter / BITS {
            self.newest.fetch_max(counter / BITS, Ordering::Relaxed);
        }
        claimed
    }

    /// Returns a number that changes with every counter accepted: slots only rise, so their sum does.
    #[cfg(feature = "mls")]
    pub(crate) fn progress(&self) -> u64 {
        self.slots.iter().fold(0, |sum, slot| sum.wrapping_add(slot.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Miri takes a thousand times as long for each.
    const MANY: u64 = if cfg!(miri) { 4_000 } else { 200_000 };

    /// R17: whatever the order, a counter is accepted at most once, and a late one within the window is.
    #[test]
    fn every_counter_is_accepted_exactly_once_within_the_window() {
        let window = ReplayWindow::new();
        for block in 0..MANY / 4_000 {
            // Each block of 1,024 counters arrives backwards, then again.
            for counter in (block * 1024..(block + 1) * 1024).rev() {
                assert!(window.is_fresh(counter), "{counter}");
                assert!(window.accept(counter), "{counter}");
            }
            for counter in block * 1024..(block + 1) * 1024 {
                assert!(!window.is_fresh(counter) && !window.accept(counter), "{counter}");
            }
        }
    }

    #[test]
    fn a_frame_1_270_late_is_taken_and_one_of_an_older_slot_is_not() {
        let window = ReplayWindow::new();
        assert!(window.accept(1_000_000));
        assert!(window.accept(1_000_000 - 1_270));
        // Its slot is untouched, but a server that kept it back shall not choose the moment.
        assert!(!window.is_fresh(1_000_000 - 1_271) && !window.accept(1_000_000 - 1_271));
        assert!(!window.accept(3));
    }

    #[test]
    fn the_largest_counters_fit() {
        let window = ReplayWindow::new();
        for counter in [u64::MAX - 1_200, u64::MAX, u64::MAX - 1] {
            assert!(window.accept(counter) && !window.accept(counter), "{counter}");
        }
        assert!(!window.accept(3), "far behind");
    }

    #[test]
    fn random_order_agrees_with_a_set_that_remembers_everything() {
        let (window, mut seen, mut state) = (ReplayWindow::new(), HashSet::new(), 1_u64);
        for _ in 0..MANY {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let counter = (state >> 33) % 3_000;
            let taken = window.accept(counter);
            assert!(!(taken && seen.contains(&counter)), "{counter} was taken twice");
            if taken {
                seen.insert(counter);
            }
        }
    }

    #[test]
    fn two_threads_with_the_same_counters_share_them_without_a_double() {
        let window = ReplayWindow::new();
        let taken = |window: &ReplayWindow| (0..MANY / 2).filter(|c| window.accept(*c)).count();
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(|| taken(&window));
            (taken(&window), other.join().expect("the thread ends"))
        });
        assert!((one + two) as u64 <= MANY / 2, "{one} + {two}");
        assert!((one + two) as u64 >= LAP - BITS);
    }
}
