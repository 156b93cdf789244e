//! What a run came to.

use core::time::Duration;

use subrosa::{Epoch, Time};

/// What became of the frames, over all receivers. A frame counts once for each receiver who is on its epoch's roster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Frames that were sealed: these count once.
    pub sealed: u64,
    /// Frames that could not be sealed: no roster taken yet, cut off, ended.
    pub unsealed: u64,
    /// Frames sent to somebody who is on their epoch's roster.
    pub sent: u64,
    /// Those that the network lost, and those whose receiver was gone when they came.
    pub lost_by_network: u64,
    /// Those that opened.
    pub opened: u64,
    /// Those of the opened ones that waited for their epoch (R18).
    pub held: u64,
    /// The longest that one of these waited.
    pub longest_held: Duration,
    /// Those that came to somebody who was cut off from his hosts, or for whom the call was over.
    pub not_listening: u64,
    /// Those lost for want of a key although R18 and R19 promise that they are not. Each breaks
    /// [`Promise::NothingLost`](super::Promise::NothingLost).
    pub lost_in_guarantee: u64,
    /// Those lost for want of a key, of which nothing is promised.
    pub lost_outside: u64,
    /// Frames that members who mean harm opened, all of them of epochs on whose roster they are.
    pub opened_by_traitors: u64,
    /// Frames that the stranger tried, and opened none.
    pub tried_by_stranger: u64,
}

/// How a sender came to use a new epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Switch {
    /// To which epoch.
    pub epoch: Epoch,
    /// From when its commit was written to the log until then.
    pub after: Duration,
    /// Because the committing host said that all have it; otherwise at the deadline (R20).
    pub was_announced: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Frames.
    pub frames: Tally,
    /// Every switch of every sender, but for the first of a participation.
    pub switches: Vec<Switch>,
    /// For each participation that had one, the longest time between two frames of one sender for want of a key.
    pub gaps: Vec<Duration>,
    /// When the last frame was sealed that a member who means harm opened.
    pub last_opened_by_traitors: Option<Time>,
    /// How many entries the log has.
    pub entries: u64,
    /// How many epochs there were.
    pub epochs: usize,
    /// Talk messages that the service forwarded.
    pub talk: u64,
    /// What was handed in and refused, by what the call said.
    pub refused: std::collections::BTreeMap<String, u64>,
}

impl Report {
    /// Returns the time that a share of the switches took at most: 0.5 for the median, 1 for the worst.
    pub fn switched_after(&self, share: f64) -> Duration {
        let mut times = self.switches.iter().map(|switch| switch.after).collect::<Vec<_>>();
        times.sort_unstable();
        let at = (times.len() as f64 * share).ceil() as usize;
        times.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Returns the share of the switches that were announced; 0 if there were none.
    pub fn announced(&self) -> f64 {
        let announced = self.switches.iter().filter(|switch| switch.was_announced).count();
        announced as f64 / self.switches.len().max(1) as f64
    }

    /// Returns the worst gap of any receiver.
    pub fn worst_gap(&self) -> Duration {
        self.gaps.iter().max().copied().unwrap_or_default()
    }
}
