//! Makes `docs/performance.md` and its plots from what criterion measured last.
//!
//! ```text
//! cargo bench -p subrosa-benches --benches -- --warm-up-time 0.3 --measurement-time 1
//! cargo run --release -p subrosa-benches --bin performance_page
//! ```
//!
//! With arguments these are criterion's folders of several runs (it takes another by `CRITERION_HOME`), the first of which has to be a
//! whole one: what is held against targets is then of all of them.
//!
//! No figure on the page is written by hand. A benchmark that was not run is said to be missing, and figures of several runs are said to
//! be: criterion keeps old ones until its folder in the target directory is removed.

#![expect(clippy::print_stdout, reason = "a program")]

mod medians;
mod place;
mod plots;
mod targets;
mod text;
mod wire;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use medians::Medians;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>();
    if folders.is_empty() {
        folders.push(place::criterion());
    }
    let runs = folders.iter().map(|folder| Medians::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let medians = runs.first().ok_or("no run")?;
    let wire = wire::measure();
    let plots = root.join("docs/performance");
    fs::create_dir_all(&plots)?;
    for (name, plot) in plots::all(medians, &wire) {
        plot.draw(&plots.join(name))?;
    }
    fs::write(root.join("docs/performance.md"), text::page(&runs, &wire))?;
    println!("docs/performance.md: {} benchmarks", medians.len());
    Ok(())
}
