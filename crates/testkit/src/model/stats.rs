//! What all the sequences came to, so that one can see that something happened in them.

use std::fmt;
use std::ops::AddAssign;

use crate::room::Room;
use subrosa::{Cause, Event};

/// Sums over rooms.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    rooms: u64,
    operations: u64,
    /// Rooms with a sequence that is long enough.
    long: u64,
    seconds: u64,
    entries: u64,
    epochs: u64,
    admitted: u64,
    removed: u64,
    left: u64,
    policy_changes: u64,
    skipped: u64,
    cut_off: u64,
    without_host: u64,
    stranded: u64,
    sealed: u64,
    opened: u64,
    held: u64,
    opened_by_traitors: u64,
    lost_outside: u64,
    /// The most memory that a participant took.
    pub bytes: i64,
}

impl Stats {
    pub fn of(room: &Room) -> Self {
        let report = room.report();
        let count = |of: fn(&Cause) -> usize| {
            room.epochs().iter().map(|record| of(&record.cause) as u64).sum::<u64>()
        };
        let events =
            |is: fn(&Event) -> bool| room.people().map(|person| person.count(is) as u64).sum::<u64>();
        let frames = report.frames;
        Self {
            rooms: 1,
            operations: 0,
            long: 0,
            seconds: room.now().elapsed().as_secs(),
            entries: report.entries,
            epochs: report.epochs as u64,
            admitted: count(
                |cause| if let Cause::Commit { admitted, .. } = cause { admitted.len() } else { 0 },
            ),
            removed: count(|cause| if let Cause::Commit { removed, .. } = cause { removed.len() } else { 0 }),
            left: count(|cause| if let Cause::Commit { left, .. } = cause { left.len() } else { 0 }),
            policy_changes: count(|cause| {
                usize::from(matches!(cause, Cause::Commit { policy: Some(_), .. }))
            }),
            skipped: events(|event| matches!(event, Event::Skipped { .. })),
            cut_off: events(|event| matches!(event, Event::CutOff { .. })),
            without_host: events(|event| matches!(event, Event::HostSilent { .. })),
            stranded: events(|event| matches!(event, Event::Stranded { .. })),
            sealed: frames.sealed,
            opened: frames.opened,
            held: frames.held,
            opened_by_traitors: frames.opened_by_traitors,
            lost_outside: frames.lost_outside,
            bytes: 0,
        }
    }
}

impl Stats {
    /// Notes how many operations a room went through.
    pub fn count(&mut self, operations: usize, is_long: bool) {
        self.operations += operations as u64;
        self.long += u64::from(is_long);
    }

    /// Returns how many sequences were long enough.
    pub fn long(&self) -> u64 {
        self.long
    }

    /// Says what never happened in all these rooms, so that nothing was shown of it.
    pub fn never_happened(&self) -> Vec<&'static str> {
        let stranded = if self.rooms < 100 { 1 } else { self.stranded }; // a rare thing
        let all = [
            ("admission", self.admitted),
            ("removal", self.removed),
            ("departure", self.left),
            ("policy change", self.policy_changes),
            ("skipped entry", self.skipped),
            ("cut-off", self.cut_off),
            ("call without host", self.without_host),
            ("stranding", stranded),
            ("frame that waits for its epoch", self.held),
            ("frame opened by a traitor", self.opened_by_traitors),
            ("frame lost outside of the guarantee", self.lost_outside),
        ];
        all.into_iter().filter(|(_, sum)| *sum == 0).map(|(what, _)| what).collect()
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.rooms += other.rooms;
        self.operations += other.operations;
        self.long += other.long;
        self.seconds += other.seconds;
        self.entries += other.entries;
        self.epochs += other.epochs;
        self.admitted += other.admitted;
        self.removed += other.removed;
        self.left += other.left;
        self.policy_changes += other.policy_changes;
        self.skipped += other.skipped;
        self.cut_off += other.cut_off;
        self.without_host += other.without_host;
        self.stranded += other.stranded;
        self.sealed += other.sealed;
        self.opened += other.opened;
        self.held += other.held;
        self.opened_by_traitors += other.opened_by_traitors;
        self.lost_outside += other.lost_outside;
        self.bytes = self.bytes.max(other.bytes);
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |sum: u64| sum as f64 / self.rooms.max(1) as f64;
        writeln!(
            f,
            "{} rooms, {} with a sequence of 200 operations or more; of each, on average:",
            self.rooms, self.long
        )?;
        for (what, sum) in [
            ("operations", self.operations),
            ("seconds", self.seconds),
            ("entries", self.entries),
            ("epochs", self.epochs),
            ("admitted", self.admitted),
            ("removed", self.removed),
            ("left", self.left),
            ("policy changes", self.policy_changes),
            ("entries skipped", self.skipped),
            ("times cut off", self.cut_off),
            ("times without host", self.without_host),
            ("times stranded", self.stranded),
            ("frames sealed", self.sealed),
            ("opened", self.opened),
            ("held before that", self.held),
            ("opened by traitors", self.opened_by_traitors),
            ("lost outside of the guarantee", self.lost_outside),
        ] {
            writeln!(f, "{:10.1} {what}", each(sum))?;
        }
        write!(f, "{:10} bytes at most for a participant", self.bytes)
    }
}
