//! Three participants hold a call through Janus' VideoRoom, two on str0m and one on webrtc-rs, and the server sees nothing of it.
//!
//! ```sh
//! apt-get install janus
//! cargo run --release -p subrosa-rtp-examples --example janus -- --codec vp8 --out target/janus
//! ```
//!
//! What it does, what it needs and what it leaves is in `janus/README.md`.

mod address;
mod args;
mod books;
mod participant;
mod report;
mod server;
mod signalling;
mod story;
mod tap;

use std::fs;
use std::process::ExitCode;

use clap::Parser;

use crate::address::Address;
use crate::args::Args;
use crate::report::CallReport;
use crate::server::Janus;
use crate::story::Plan;
use subrosa_rtp_examples::failure::{Context, Failure};

#[tokio::main]
async fn main() -> ExitCode {
    str0m::crypto::from_feature_flags().install_process_default();
    match run(&Args::parse()).await {
        Ok(reports) if reports.iter().all(|report| report.broken.is_empty()) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(Failure::Broken(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Err(Failure::Input(why)) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: &Args) -> Result<Vec<CallReport>, Failure> {
    fs::create_dir_all(&args.out).or_input(args.out.display())?;
    let address = Address::find()?;
    let mut reports = Vec::new();
    for (codec, codec_name) in args.codec.codecs() {
        // A server for each call: its log is then of this call alone.
        let log = args.out.join(format!("{codec_name}-janus.log"));
        let janus = Janus::start(&args.janus, address.ip, &log).await?;
        let plan = Plan { codec, codec_name, pace: args.pace, frames: args.frames, out: &args.out };
        let report = match story::hold(&janus, address.ip, plan).await {
            Ok(report) => report,
            Err(Failure::Broken(why)) => {
                return Err(Failure::Broken(format!("{codec_name}: {why}\n{}", janus.last_lines())));
            }
            Err(failure) => return Err(failure),
        };
        report.print();
        reports.push(report);
        let path = args.out.join("report.json");
        fs::write(&path, serde_json::to_vec_pretty(&reports).or_broken("the report")?)
            .or_input(path.display())?;
    }
    Ok(reports)
}
