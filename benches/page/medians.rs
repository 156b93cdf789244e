//! What criterion left behind: for each benchmark a folder with its name and its estimates.
//!
//! Criterion keeps what older runs measured, so a folder may hold figures of several; and a benchmark that was not run, or was renamed,
//! is just not there. Both would make a page that looks whole and is not. So the times of the files are kept, and every name that is
//! asked for in vain.

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::place;

/// A median is called uncertain if its confidence interval is wider than this part of it.
const WIDE: f64 = 0.1;
/// Within one run, benchmarks follow each other faster than that.
const PAUSE: Duration = Duration::from_secs(6 * 60);

/// Median times in nanoseconds, by the full name of a benchmark: `group/function`.
#[derive(Default)]
pub(crate) struct Medians {
    found: BTreeMap<String, Median>,
    /// Ratios measured in turns, by name.
    turns: BTreeMap<String, f64>,
    missing: RefCell<BTreeSet<String>>,
    /// When they were measured.
    times: Vec<SystemTime>,
}

struct Median {
    ns: f64,
    is_uncertain: bool,
}

impl Medians {
    pub(crate) fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut medians = Self::default();
        medians.read_below(folder)?;
        medians.times.sort_unstable();
        if let Ok(turns) = fs::read(folder.join(place::TURNS)) {
            medians.add_turns(&turns)?;
        }
        Ok(medians)
    }

    fn read_below(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let missing = |error| {
            format!("{}: {error}; run `cargo bench -p subrosa-benches --benches` first", folder.display())
        };
        for entry in fs::read_dir(folder).map_err(missing)? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name == "new") {
                let estimates = path.join("estimates.json");
                self.add(&fs::read(path.join("benchmark.json"))?, &fs::read(&estimates)?)?;
                self.times.push(fs::metadata(&estimates)?.modified()?);
            } else if path.is_dir() {
                self.read_below(&path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, benchmark: &[u8], estimates: &[u8]) -> Result<(), Box<dyn Error>> {
        let (benchmark, estimates): (Value, Value) =
            (serde_json::from_slice(benchmark)?, serde_json::from_slice(estimates)?);
        let name = benchmark["full_id"].as_str().ok_or("a benchmark without a name")?;
        let median = &estimates["median"];
        let ns = median["point_estimate"].as_f64().ok_or("an estimate without a median")?;
        let interval = &median["confidence_interval"];
        let (from, to) = (interval["lower_bound"].as_f64(), interval["upper_bound"].as_f64());
        let width = to.ok_or("a median without an interval")? - from.ok_or("a median without an interval")?;
        self.found.insert(name.to_owned(), Median { ns, is_uncertain: width > WIDE * ns });
        Ok(())
    }

    fn add_turns(&mut self, turns: &[u8]) -> Result<(), Box<dyn Error>> {
        let turns: BTreeMap<String, Value> = serde_json::from_slice(turns)?;
        for (name, seen) in turns {
            self.turns.insert(name, seen["median"].as_f64().ok_or("turns without a median")?);
        }
        Ok(())
    }

    /// Returns the ratio of a pair that was measured in turns; `None` if it was not run, which is remembered.
    pub(crate) fn in_turns(&self, name: &str) -> Option<f64> {
        let found = self.turns.get(name).copied();
        if found.is_none() {
            self.missing.borrow_mut().insert(format!("turns, {name}"));
        }
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns a benchmark's median in nanoseconds; `None` if it was not run, which is remembered.
    pub(crate) fn ns(&self, name: &str) -> Option<f64> {
        let found = self.found.get(name).map(|median| median.ns);
        if found.is_none() {
            self.missing.borrow_mut().insert(name.to_owned());
        }
        found
    }

    /// Returns how many times as long one takes as the other.
    pub(crate) fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        let (of, to) = (self.ns(of), self.ns(to));
        Some(of? / to?)
    }

    /// Returns what was asked for and is not there.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.borrow().iter().cloned().collect()
    }

    /// Returns how many medians have a wide confidence interval: the machine was doing something else.
    pub(crate) fn uncertain(&self) -> usize {
        self.found.values().filter(|median| median.is_uncertain).count()
    }

    /// Returns how many runs these are of, as far as pauses between them tell.
    pub(crate) fn runs(&self) -> usize {
        let is_pause = |pair: &&[SystemTime]| pair[1].duration_since(pair[0]).is_ok_and(|time| time > PAUSE);
        self.times.windows(2).filter(is_pause).count() + 1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As if these had been measured in turns.
    pub(crate) fn in_turns(of: &[(&str, f64)], medians: Medians) -> Medians {
        let turns = of.iter().map(|(name, ratio)| ((*name).to_owned(), *ratio)).collect();
        Medians { turns, ..medians }
    }

    /// As if these had been run.
    pub(crate) fn medians(of: &[(&str, f64)]) -> Medians {
        let mut medians = Medians::default();
        for (name, ns) in of {
            medians.found.insert((*name).to_owned(), Median { ns: *ns, is_uncertain: false });
        }
        medians
    }

    #[test]
    fn a_median_is_found_by_its_name() {
        let mut medians = Medians::default();
        let benchmark = br#"{"group_id":"seal/AES-128/100","full_id":"seal/AES-128/100/ring"}"#;
        let estimates = br#"{"mean":{"point_estimate":9.0},
            "median":{"point_estimate":120.5,"confidence_interval":{"lower_bound":110.0,"upper_bound":125.0}}}"#;
        medians.add(benchmark, estimates).expect("criterion's files");
        assert_eq!(medians.ns("seal/AES-128/100/ring"), Some(120.5));
        assert_eq!(medians.ratio("seal/AES-128/100/ring", "seal/AES-128/100/ring"), Some(1.0));
        assert_eq!(medians.uncertain(), 1, "15 of 120 ns");
        assert!(medians.missing().is_empty());
        medians.add_turns(br#"{"seal 100":{"from":1.1,"median":1.2,"to":1.3}}"#).expect("a file of turns");
        assert_eq!((medians.in_turns("seal 100"), medians.in_turns("open")), (Some(1.2), None));
        assert_eq!(medians.missing(), ["turns, open"]);
        assert!(medians.add_turns(br#"{"seal 100":{}}"#).is_err());
        assert!(medians.add(b"{}", estimates).is_err());
        assert!(medians.add(benchmark, br#"{"median":{"point_estimate":1.0}}"#).is_err());
    }

    #[test]
    fn what_is_missing_is_remembered() {
        let medians = medians(&[("a", 1.0)]);
        assert_eq!(medians.ratio("b", "c"), None);
        assert_eq!(medians.ns("a"), Some(1.0));
        assert_eq!(medians.missing(), ["b", "c"]);
    }

    #[test]
    fn runs_are_told_apart_by_the_pause_between_them() {
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes);
        let runs = |minutes: &[u64]| {
            Medians { times: minutes.iter().copied().map(at).collect(), ..Medians::default() }.runs()
        };
        assert_eq!(runs(&[1, 2, 5, 9, 14]), 1);
        assert_eq!(runs(&[1, 2, 20, 21, 60]), 3);
    }
}
