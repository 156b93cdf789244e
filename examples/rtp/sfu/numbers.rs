//! Sequence numbers of a stream out of which packets are dropped.

use std::collections::BTreeSet;

/// How many dropped packets are remembered one by one: later than the next 512, nothing comes.
const REMEMBERED: usize = 512;

/// Numbers the packets of a stream anew, without gaps where some were dropped and with gaps where some were lost.
///
/// The receiver counts every gap as a loss, asks for the packet again, and waits for it. So what is dropped on purpose must not
/// leave one; what is missing from the source must, for it may still come.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// What is the number 1.
    first: u64,
    /// How many were dropped before those in `dropped`.
    dropped_before: u64,
    dropped: BTreeSet<u64>,
    highest: u64,
}

impl Numbers {
    /// The stream begins with this packet of the source; SRTP wants low numbers at the start (RFC 3711 §3.3.1).
    pub(crate) fn beginning_at(first: u64) -> Self {
        Self { first, dropped_before: 0, dropped: BTreeSet::new(), highest: first }
    }

    /// Returns the number under which a packet goes on; none if it is from before the beginning.
    pub(crate) fn forward(&mut self, source: u64) -> Option<u64> {
        self.highest = self.highest.max(source);
        let dropped = self.dropped_before + self.dropped.range(..source).count() as u64;
        (source + 1).checked_sub(self.first + dropped).filter(|number| *number > 0)
    }

    /// Leaves a packet out. If later ones went on before it came, its number is taken: it is returned, to be filled with padding.
    pub(crate) fn leave_out(&mut self, source: u64) -> Option<u64> {
        if source < self.highest {
            return self.forward(source).filter(|_| !self.dropped.contains(&source));
        }
        self.dropped.insert(source);
        if self.dropped.len() > REMEMBERED {
            self.dropped.pop_first();
            self.dropped_before += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn what_is_dropped_leaves_no_gap() {
        let mut numbers = Numbers::beginning_at(70_000);
        let mut went_on = Vec::new();
        for source in 70_000..72_000 {
            if source % 2 == 0 {
                went_on.extend(numbers.forward(source));
            } else {
                assert_eq!(numbers.leave_out(source), None);
            }
        }
        assert!(went_on.into_iter().eq(1..=1_000));
    }

    #[test]
    fn what_is_lost_leaves_a_gap_into_which_it_fits_when_it_comes() {
        let mut numbers = Numbers::beginning_at(5);
        assert_eq!(numbers.forward(5), Some(1));
        assert_eq!(numbers.leave_out(6), None);
        assert_eq!(numbers.forward(9), Some(4)); // 7 and 8 are missing
        assert_eq!(numbers.forward(7), Some(2));
        assert_eq!(numbers.leave_out(8), Some(3)); // it was not to go on, but 9 has the number behind it
        assert_eq!(numbers.forward(10), Some(5));
    }

    #[test]
    fn what_is_from_before_the_beginning_does_not_go_on() {
        assert_eq!(Numbers::beginning_at(5).forward(4), None);
        assert_eq!(Numbers::beginning_at(5).leave_out(4), None);
    }
}
