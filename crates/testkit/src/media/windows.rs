//! Searches for media and for names in bytes that should hold neither.
//!
//! A search goes through one buffer at a time, as whoever is watched handled it: one packet of a capture, one entry
//! of a log. What lies across two buffers is not found.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::BuildHasher;

use aho_corasick::AhoCorasick;
use rustc_hash::FxBuildHasher;

/// How long a window is.
pub const WINDOW_LEN: usize = 16;
/// How many different byte values a window has at least. What has fewer, like a run of zeros, is in any data.
pub const MIN_DISTINCT: usize = 8;

/// Every window of some media: all 16 bytes in a row with at least 8 different values among them.
///
/// A buffer of unrelated or encrypted bytes has none of them: the chance that 16 random bytes are one of four
/// million windows is 2<sup>-106</sup>.
#[derive(Clone)]
pub struct WindowSet {
    windows: HashSet<u128, FxBuildHasher>,
    /// Three bits set for every window, in a word of its hash; there are 8 to 16 bits to a window. Of the positions
    /// of a buffer that hold no window, one in 25 or fewer gets past this to the set, which is ten times as large and
    /// does not fit into the processor's cache.
    filter: Vec<u64>,
}

impl WindowSet {
    /// Takes the windows of all frames; none lies across two frames.
    pub fn new<I>(frames: I) -> Self
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut windows = HashSet::default();
        for frame in frames {
            insert_windows(&mut windows, frame.as_ref());
        }
        let mut set = Self { filter: vec![0; (windows.len() / 8).next_power_of_two()], windows };
        for window in &set.windows {
            let (word, bits) = slot(*window, set.filter.len());
            set.filter[word] |= bits;
        }
        set
    }

    /// How many different windows there are.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether there are no windows: then a search finds nothing, and says nothing.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Counts the positions in a buffer at which one of the windows begins.
    pub fn count_in(&self, haystack: &[u8]) -> usize {
        self.positions(haystack).count()
    }

    /// The first position in a buffer at which one of the windows begins.
    pub fn first_in(&self, haystack: &[u8]) -> Option<usize> {
        self.positions(haystack).next()
    }

    fn positions<'a>(&'a self, haystack: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        windows_of(haystack)
            .enumerate()
            .filter(|(_, window)| self.contains(*window))
            .map(|(position, _)| position)
    }

    fn contains(&self, window: u128) -> bool {
        let (word, bits) = slot(window, self.filter.len());
        self.filter[word] & bits == bits && self.windows.contains(&window)
    }
}

impl fmt::Debug for WindowSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WindowSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// All windows of a buffer, each as a number. The numbers are equal where the bytes are.
fn windows_of(bytes: &[u8]) -> impl Iterator<Item = u128> + '_ {
    bytes.windows(WINDOW_LEN).map(|window| {
        u128::from_le_bytes(window.try_into().expect("`windows` gives slices of the length it is asked for"))
    })
}

/// The three bits of a window, and their word in a filter of `words` words, a power of two.
fn slot(window: u128, words: usize) -> (usize, u64) {
    let hash = FxBuildHasher.hash_one(window);
    let bits = 1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63);
    ((hash >> 18) as usize & (words - 1), bits)
}

fn insert_windows(windows: &mut HashSet<u128, FxBuildHasher>, frame: &[u8]) {
    let mut distinct = Distinct::default();
    let (first, rest) = frame.split_at(frame.len().min(WINDOW_LEN - 1));
    first.iter().for_each(|byte| distinct.add(*byte));
    for ((window, added), removed) in windows_of(frame).zip(rest).zip(frame) {
        distinct.add(*added);
        if distinct.values >= MIN_DISTINCT {
            windows.insert(window);
        }
        distinct.remove(*removed);
    }
}

/// Counts the different values among the bytes of a sliding window.
struct Distinct {
    times: [u8; 256],
    values: usize,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { times: [0; 256], values: 0 }
    }
}

impl Distinct {
    fn add(&mut self, byte: u8) {
        let times = &mut self.times[usize::from(byte)];
        self.values += usize::from(*times == 0);
        *times += 1;
    }

    fn remove(&mut self, byte: u8) {
        let times = &mut self.times[usize::from(byte)];
        *times -= 1;
        self.values -= usize::from(*times == 0);
    }
}

/// Byte strings to search for, such as the names of a call's members.
///
/// The bytes are compared as they are: search for each encoding that may occur.
#[derive(Debug, Clone)]
pub struct Needles {
    needles: Vec<Vec<u8>>,
    automaton: AhoCorasick,
}

/// Why there is no search for some [`Needles`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NeedleError {
    /// An empty needle would be found everywhere.
    #[error("a needle is empty")]
    Empty,
    /// There are no needles, and the search would find nothing, and say nothing.
    #[error("there are no needles")]
    None,
    /// All needles together are too long.
    #[error("the needles are too long")]
    TooLong,
}

impl Needles {
    /// Prepares a search for all of the needles at once; one given twice counts once.
    ///
    /// # Errors
    ///
    /// If there is no needle, an empty one, or gigabytes of them.
    pub fn new<I>(needles: I) -> Result<Self, NeedleError>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        let needles: BTreeSet<Vec<u8>> = needles.into_iter().map(|needle| needle.as_ref().to_vec()).collect();
        if needles.is_empty() {
            return Err(NeedleError::None);
        }
        if needles.contains(&[][..]) {
            return Err(NeedleError::Empty);
        }
        let needles: Vec<_> = needles.into_iter().collect();
        let automaton = AhoCorasick::new(&needles).map_err(|_| NeedleError::TooLong)?;
        Ok(Self { needles, automaton })
    }

    /// Counts where in a buffer a needle begins: every needle at every position, also where they overlap.
    pub fn count_in(&self, haystack: &[u8]) -> usize {
        self.automaton.find_overlapping_iter(haystack).count()
    }

    /// The needle that ends first in a buffer, and where it begins.
    pub fn first_in(&self, haystack: &[u8]) -> Option<(&[u8], usize)> {
        let found = self.automaton.find_overlapping_iter(haystack).next()?;
        Some((&self.needles[found.pattern().as_usize()], found.start()))
    }
}
