//! A crowd in one call: how many commits, bytes, processors and seconds that takes. See `docs/scale.md`.
//!
//! Everybody in the call is real, and none of the cryptography is left out; what is simulated is time, and a delivery service whose
//! messages take 20 to 150 ms. So the figures but for CPU times follow from the seed.

mod arguments;
mod crowd;
mod draws;
mod listener;
mod participant;
mod probe;
mod report;
mod service;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::Arguments;
use crowd::Crowd;

type Failed = Box<dyn Error>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(failed) if failed.is_empty() => ExitCode::SUCCESS,
        Ok(failed) => {
            for sentence in failed {
                eprintln!("Not as promised: {sentence}.");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("The run did not come to its end: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// Returns which promises were not kept.
fn run(arguments: &Arguments) -> Result<Vec<String>, Failed> {
    let mut crowd = Crowd::found(arguments)?;
    eprintln!("{} knock …", arguments.participants - 2);
    crowd.rush(arguments.joins_per_second)?;
    eprintln!("All are in.");
    if arguments.minutes > 0 {
        crowd.steady(arguments)?;
        eprintln!("Nobody comes or goes any more; those who fell silent are waited for.");
    }
    crowd.calm_down()?;
    report::print(arguments, &crowd)?;
    Ok(report::broken_promises(arguments, &crowd))
}
