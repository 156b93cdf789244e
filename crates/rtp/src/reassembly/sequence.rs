//! 16-bit sequence numbers made into ones that never wrap.

/// How far behind the newest packet another may be and still count as late, not as a new start.
/// RFC 3550 appendix A.1 says 100 (`MAX_MISORDER`); retransmissions come later than that, so its `MAX_DROPOUT`
/// is taken in this direction.
const MAX_BEHIND: u16 = 3_000;

/// How near to each other two packets in a row must be for a jump to be believed. RFC 3550 appendix A.1 asks for
/// direct neighbours; its `MAX_MISORDER` is taken here, so that reordering at the jump loses nothing.
const NEIGHBOURS: u16 = 100;

/// Room below the first packet, for those that it overtook.
const FIRST_CYCLE: u64 = 1 << 16;

/// Extends sequence numbers by their distance from the newest.
#[derive(Debug)]
pub(super) struct Sequences {
    newest: Option<u64>,
    /// How far ahead of the newest packet another may be and still count as the same run of numbers.
    max_ahead: u16,
    seen: Seen,
}

/// Which of the last packets came: a bit for each number, in a ring.
#[derive(Debug)]
struct Seen {
    bits: [u64; Self::WORDS],
}

impl Seen {
    /// Enough for [`MAX_BEHIND`], with room to clear by whole words.
    const WORDS: usize = 48;

    fn place(extended: u64) -> (usize, u64) {
        ((extended / 64) as usize % Self::WORDS, 1 << (extended % 64))
    }

    fn note(&mut self, extended: u64, newest: Option<u64>) {
        let (at, bit) = Self::place(extended);
        // Words between the newest and this one are of numbers that are over.
        let words_ahead = newest.map_or(0, |newest| (extended / 64).saturating_sub(newest / 64));
        for back in 0..words_ahead.min(Self::WORDS as u64) as usize {
            if let Some(word) = self.bits.get_mut((at + Self::WORDS - back) % Self::WORDS) {
                *word = 0;
            }
        }
        if let Some(word) = self.bits.get_mut(at) {
            *word |= bit;
        }
    }

    fn has(&self, extended: u64) -> bool {
        let (at, bit) = Self::place(extended);
        self.bits.get(at).is_some_and(|word| word & bit != 0)
    }
}

impl Sequences {
    pub(super) fn new(max_packets: usize) -> Self {
        Self {
            newest: None,
            max_ahead: u16::try_from(max_packets).expect("`Limits::clamped` keeps it to 14 bits"),
            seen: Seen { bits: [0; Seen::WORDS] },
        }
    }

    /// Tells where the stream begins; returns the extended number.
    pub(super) fn begin(&mut self, first: u16) -> u64 {
        let first = FIRST_CYCLE + u64::from(first);
        self.newest = Some(first - 1);
        first
    }

    pub(super) fn begun(&self) -> bool {
        self.newest.is_some()
    }

    /// Returns the extended number of a packet, or nothing if it is far from the newest, and before what is waited for.
    pub(super) fn locate(&self, sequence: u16, waited_for: u64) -> Option<u64> {
        let newest = self.newest?;
        let ahead = sequence.wrapping_sub(newest as u16);
        let behind = ahead.wrapping_neg();
        if ahead <= self.max_ahead {
            return Some(newest + u64::from(ahead));
        }
        let at = newest.checked_sub(u64::from(behind))?;
        (behind <= MAX_BEHIND || at >= waited_for).then_some(at)
    }

    /// Returns the extended number of a packet at which the stream starts anew: beyond all others.
    pub(super) fn restart_at(&self, sequence: u16) -> u64 {
        let newest = self.newest.unwrap_or(FIRST_CYCLE);
        newest + 1 + u64::from(sequence.wrapping_sub((newest + 1) as u16))
    }

    /// Tells whether a packet that is at most [`MAX_BEHIND`] behind the newest was taken before.
    pub(super) fn has_seen(&self, extended: u64) -> bool {
        self.seen.has(extended)
    }

    /// Notes a packet that was taken.
    pub(super) fn saw(&mut self, extended: u64) {
        self.seen.note(extended, self.newest);
        self.newest = self.newest.max(Some(extended));
    }
}

/// Returns how far `b` is from `a`, if they are near enough to vouch for each other.
pub(super) fn neighbours(a: u16, b: u16) -> Option<i16> {
    let distance = b.wrapping_sub(a) as i16;
    (distance.unsigned_abs() <= NEIGHBOURS).then_some(distance)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn after(sequence: u16) -> Sequences {
        let mut sequences = Sequences::new(1_024);
        sequences.begin(sequence.wrapping_add(1));
        sequences
    }

    #[test]
    fn numbers_go_on_beyond_the_wrap() {
        let mut sequences = after(65_534);
        assert_eq!(sequences.locate(65_535, u64::MAX), Some(0x1_FFFF));
        assert_eq!(sequences.locate(1, u64::MAX), Some(0x2_0001));
        sequences.saw(0x2_0001);
        assert_eq!(sequences.locate(65_533, u64::MAX), Some(0x1_FFFD));
        assert_eq!(sequences.locate(1_025, u64::MAX), Some(0x2_0401));
    }

    #[test]
    fn a_number_is_ahead_behind_or_far() {
        let sequences = after(10_000);
        assert_eq!(sequences.locate(10_000, u64::MAX), Some(0x1_0000 + 10_000));
        assert_eq!(sequences.locate(11_024, u64::MAX), Some(0x1_0000 + 11_024));
        assert_eq!(sequences.locate(11_025, u64::MAX), None);
        assert_eq!(sequences.locate(7_000, u64::MAX), Some(0x1_0000 + 7_000));
        assert_eq!(sequences.locate(6_999, u64::MAX), None);
        assert_eq!(sequences.locate(6_999, 0x1_0000 + 7_000), None);
        assert_eq!(sequences.locate(6_999, 0x1_0000 + 6_999), Some(0x1_0000 + 6_999), "it is waited for");
    }

    #[test]
    fn a_restart_lies_beyond_all_others_wherever_it_jumps() {
        let sequences = after(10_000);
        for sequence in [0, 9_999, 10_000, 10_001, 40_000, 65_535] {
            let extended = sequences.restart_at(sequence);
            assert!(extended > 0x1_0000 + 10_000);
            assert_eq!(extended as u16, sequence);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "millions of steps")]
    fn what_came_is_known_as_long_as_it_counts_as_late() {
        for step in [1, 3, 63, 64, 65, 1_000, 3_000, 3_072, 10_000] {
            let mut sequences = after(0);
            let mut came = BTreeSet::new();
            for number in 1..(20_000 / step).max(300) {
                let newest = 0x1_0000 + number * step;
                let overtaken = newest - number * 7 % 3_001;
                for extended in [newest, overtaken, overtaken] {
                    sequences.saw(extended);
                    came.insert(extended);
                }
                if number % 31 == 0 {
                    let late = newest - u64::from(MAX_BEHIND)..=newest;
                    let known = late.clone().filter(|at| sequences.has_seen(*at));
                    assert!(known.eq(came.range(late).copied()), "up to {newest:#x}, in steps of {step}");
                }
            }
        }
    }

    #[test]
    fn neighbours_are_near_on_either_side_and_across_the_wrap() {
        assert_eq!(neighbours(10, 11), Some(1));
        assert_eq!(neighbours(2, 65_535), Some(-3));
        assert_eq!(neighbours(50, 150), Some(100));
        assert_eq!(neighbours(0, 101), None);
        assert_eq!(neighbours(0, 32_768), None);
    }
}
