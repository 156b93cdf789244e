//! What criterion left behind: for each benchmark a folder with its name and its estimates.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Median times in nanoseconds, by the full name of a benchmark: `group/function`.
#[derive(Default)]
pub(crate) struct Medians(BTreeMap<String, f64>);

impl Medians {
    pub(crate) fn read(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut medians = Self::default();
        medians.read_below(folder)?;
        Ok(medians)
    }

    fn read_below(&mut self, folder: &Path) -> Result<(), Box<dyn Error>> {
        for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name == "new") {
                self.add(&fs::read(path.join("benchmark.json"))?, &fs::read(path.join("estimates.json"))?)?;
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
        let median = estimates["median"]["point_estimate"].as_f64().ok_or("an estimate without a median")?;
        self.0.insert(name.to_owned(), median);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns a benchmark's median in nanoseconds; `None` if it was not run.
    pub(crate) fn ns(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Returns how many times as long one takes as the other.
    pub(crate) fn ratio(&self, of: &str, to: &str) -> Option<f64> {
        Some(self.ns(of)? / self.ns(to)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_found_by_its_name() {
        let mut medians = Medians::default();
        let benchmark = br#"{"group_id":"seal/AES-128/100","full_id":"seal/AES-128/100/ring"}"#;
        let estimates = br#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":120.5}}"#;
        medians.add(benchmark, estimates).expect("criterion's files");
        assert_eq!(medians.ns("seal/AES-128/100/ring"), Some(120.5));
        assert_eq!(medians.ratio("seal/AES-128/100/ring", "seal/AES-128/100/ring"), Some(1.0));
        assert_eq!(medians.ratio("seal/AES-128/100/ring", "not run"), None);
        assert!(medians.add(b"{}", estimates).is_err());
    }
}
