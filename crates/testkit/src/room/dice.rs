//! Chance that repeats itself.

use core::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A source of chance that gives the same from the same seed, on every machine.
#[derive(Clone, Debug)]
pub struct Dice {
    /// What is drawn first, if anything, two bytes at a time; last byte first.
    given: Vec<u8>,
    seeded: ChaCha8Rng,
}

impl Dice {
    /// Makes the dice of a seed. Several `stream`s of one seed have nothing to do with each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stream);
        Self { given: Vec::new(), seeded: generator }
    }

    /// Makes dice that first fall as these bytes say, two for a draw: what a fuzzer changes in them, it changes in what happens.
    pub fn given(bytes: &[u8]) -> Self {
        Self { given: bytes.iter().rev().copied().collect(), ..Self::new(0, 0) }
    }

    /// Tells whether all bytes that were given are used up.
    pub fn is_spent(&self) -> bool {
        self.given.is_empty()
    }

    fn next(&mut self) -> u64 {
        let Some(high) = self.given.pop() else { return self.seeded.next_u64() };
        let low = self.given.pop().unwrap_or_default();
        u64::from(u16::from_be_bytes([high, low])) << 48
    }

    /// Returns a number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // What the widening multiplication favours, it favours by less than one in 2^40 for limits as small as tests have them.
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    /// Returns an index into something that is so long; 0 if it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Says yes in this share of cases, 0 to 1.
    pub fn chance(&mut self, share: f64) -> bool {
        // No draw where nothing is open, so that a perfect network leaves the rest of a run as it is.
        share > 0.0 && (self.next() >> 11) as f64 / ((1_u64 << 53) as f64) < share
    }

    /// Returns a duration from `least` to `most`, to the microsecond.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros() as u64;
        if span == 0 { least } else { least + Duration::from_micros(self.below(span + 1)) }
    }

    /// Returns one of several.
    ///
    /// # Panics
    /// If there are none.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.get(self.index(of.len())).expect("there is something to choose from")
    }

    /// Returns a fresh seed for something else.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.seeded.fill_bytes(&mut seed);
        seed
    }

    /// Returns so many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.seeded.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stream is part of what a seed means: seeds in issues and commit messages must go on meaning what they did.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut dice = Dice::new(1, 2);
        let drawn = [dice.below(1000), dice.below(1000), dice.below(1000)];
        assert_eq!(drawn, [876, 682, 336]);
    }

    #[test]
    fn draws_stay_within_their_bounds() {
        let mut dice = Dice::new(7, 0);
        let (least, most) = (Duration::from_millis(50), Duration::from_millis(250));
        let drawn = (0..1000).map(|_| dice.between(least, most)).collect::<Vec<_>>();
        assert!(drawn.iter().all(|time| (least..=most).contains(time)));
        assert!(drawn.iter().any(|time| *time < Duration::from_millis(60)));
        assert!(drawn.iter().any(|time| *time > Duration::from_millis(240)));
        assert_eq!((dice.below(0), dice.index(0)), (0, 0));
        let hits = (0..1000).filter(|_| dice.chance(0.1)).count();
        assert!((60..140).contains(&hits), "{hits}");
        assert!(!dice.chance(0.0));
    }
}
