//! What the numbers are held against.

use crate::medians::Medians;
use crate::wire::Wire;

/// One row: what, at most or at least how much, and what was seen.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    /// In each run that measured it.
    pub(crate) seen: Vec<f64>,
    pub(crate) unit: &'static str,
    pub(crate) why: Why,
}

/// Which paragraph of the page says why it is missed, if it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    Sealing,
    Opening,
    Threads,
    /// Always met so far, so there is nothing to say.
    Unknown,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    NotRun,
    Met,
    /// In so many of so many runs.
    Missed {
        missed: usize,
        all: usize,
    },
}

impl Target {
    /// What the runs say. One alone says little near a bound: by where code and buffers come to lie, the same benchmark takes a fifth
    /// more or less in another process, and its confidence interval knows nothing of that.
    pub(crate) fn verdict(&self) -> Verdict {
        let is_met = |seen: &f64| match self.bound {
            Bound::AtMost(bound) => *seen <= bound,
            Bound::AtLeast(bound) => *seen >= bound,
        };
        let met = self.seen.iter().filter(|seen| is_met(seen)).count();
        match self.seen.len() {
            0 => Verdict::NotRun,
            all if met == all => Verdict::Met,
            all => Verdict::Missed { missed: all - met, all },
        }
    }
}

/// Returns how many times the frames of one thread two threads seal.
pub(crate) fn two_threads(medians: &Medians, size: u32, who: &str) -> Option<f64> {
    let group = format!("threads/{size}/{who}");
    medians.ratio(&format!("{group}/1"), &format!("{group}/2")).map(|ratio| 2.0 * ratio)
}

/// What all runs say; the first has most of it.
pub(crate) fn of_all_runs(runs: &[Medians], wire: &[Wire]) -> Vec<Target> {
    let mut runs = runs.iter().map(|run| all(run, wire));
    let mut targets = runs.next().unwrap_or_default();
    for run in runs {
        for (target, other) in targets.iter_mut().zip(run) {
            target.seen.extend(other.seen);
        }
    }
    targets
}

fn all(medians: &Medians, wire: &[Wire]) -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    let target = |what: &str, bound, seen: Option<f64>, unit, why| Target {
        what: what.to_owned(),
        bound,
        seen: seen.into_iter().collect(),
        unit,
        why,
    };
    let mut targets = Vec::new();
    for (size, bound) in [(100, 1.15), (1_200, 1.08), (10_000, 1.04), (100_000, 1.04)] {
        let seen = medians.in_turns(&format!("seal {size}"));
        targets.push(target(
            &format!("seal {size} B / the bare AEAD"),
            AtMost(bound),
            seen,
            "",
            Why::Sealing,
        ));
    }
    for (size, bound) in [(100, 1.25), (1_200, 1.12), (10_000, 1.05)] {
        let seen = medians.in_turns(&format!("open {size}, 1,000 senders"));
        targets.push(target(
            &format!("open {size} B, 1,000 senders / the bare AEAD"),
            AtMost(bound),
            seen,
            "",
            Why::Opening,
        ));
    }
    let theirs = medians.in_turns("crate sframe 100");
    targets.push(target("the crate `sframe` / seal, 100 B", AtLeast(2.5), theirs, "", Why::Sealing));
    for size in [100, 1_200, 10_000] {
        let seen = two_threads(medians, size, "subrosa");
        targets.push(target(&format!("two threads / one, {size} B"), AtLeast(1.9), seen, "", Why::Threads));
    }
    for what in ["unknown sender", "unknown track", "closed epoch", "replayed"] {
        let seen = medians.ns(&format!("hostile/{what}"));
        targets.push(target(&format!("rejecting a frame: {what}"), AtMost(100.0), seen, "ns", Why::Unknown));
    }
    let group = "call/process_join/1000";
    let seen = medians.ratio(&format!("{group}/subrosa"), &format!("{group}/openmls"));
    targets.push(target("applying a join at 1,000 / bare openmls", AtMost(1.1), seen, "", Why::Unknown));
    let largest = wire.last().map(|wire| wire.join as f64);
    targets.push(target("the commit of that join", AtMost(2_048.0), largest, "B", Why::Unknown));
    targets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medians::tests::{in_turns, medians};

    #[test]
    fn targets_are_met_missed_or_not_run() {
        let threads = medians(&[("threads/100/subrosa/1", 100.0), ("threads/100/subrosa/2", 100.0)]);
        let first = in_turns(&[("seal 100", 1.2), ("crate sframe 100", 3.0)], threads);
        let second = in_turns(&[("seal 100", 1.1)], Medians::default());
        let targets = of_all_runs(&[first, second], &[]);
        let verdict = |what: &str| targets.iter().find(|target| target.what == what).map(Target::verdict);
        assert_eq!(verdict("seal 100 B / the bare AEAD"), Some(Verdict::Missed { missed: 1, all: 2 }));
        assert_eq!(verdict("the crate `sframe` / seal, 100 B"), Some(Verdict::Met));
        assert_eq!(verdict("two threads / one, 100 B"), Some(Verdict::Met));
        assert_eq!(verdict("seal 1200 B / the bare AEAD"), Some(Verdict::NotRun));
    }
}
