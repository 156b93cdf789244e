//! All chance in a run, from its seed.

use std::time::Duration;

use subrosa::Random;
use subrosa::danger::seeded_random;

/// Half of what a delivery takes: the way to the service, or from it. Together 20 to 150 ms.
pub(crate) const SHORTEST_WAY: Duration = Duration::from_millis(10);
const LONGEST_WAY: Duration = Duration::from_millis(75);
/// How much longer one delivery may take than another.
pub(crate) const JITTER: Duration = Duration::from_millis(130);

/// A stream of numbers that a seed repeats (SplitMix64); for latencies and choices, never for keys.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Chooses one of so many, which must not be none.
    pub(crate) fn one_of(&mut self, many: usize) -> usize {
        (self.next() % many as u64) as usize
    }

    /// How long a message is under way to the service, or from it.
    pub(crate) fn way(&mut self) -> Duration {
        let spare = (LONGEST_WAY - SHORTEST_WAY).as_micros() as u64;
        SHORTEST_WAY + Duration::from_micros(self.next() % (spare + 1))
    }
}

/// The randomness of one participant's call.
pub(crate) fn random(seed: u64, who: usize) -> Random {
    let mut bytes = [0x63; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..16].copy_from_slice(&(who as u64).to_be_bytes());
    seeded_random(bytes)
}
