//! Writes the seeds of all targets into `fuzz/corpus/`, beside what is there: `cargo run -p subrosa-fuzz-harness --example seeds`.

#![expect(clippy::print_stdout, reason = "a program says what it did")]

use std::path::Path;
use std::{fs, io};

use subrosa_fuzz_harness::TARGETS;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        fs::create_dir_all(&folder)?;
        let seeds = (target.seeds)();
        for (name, bytes) in &seeds {
            fs::write(folder.join(format!("seed-{name}")), bytes)?;
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    Ok(())
}
