//! str0m and webrtc-rs send each other sealed media, over a clean line and over lines that lose packets.
//!
//! ```sh
//! cargo run --release -p subrosa-rtp-examples --example interop [-- --seconds N] [--seed N]
//! ```
//!
//! Each row of the table is a connection of its own, with ICE, DTLS and SRTP over UDP on 127.0.0.1, that carries a camera and a
//! microphone. Between the two a line passes every datagram on, or loses one media packet in twenty. It fails unless
//!
//! * over a clean line every frame arrives, identical;
//! * with loss and RTX every picture, too, and every sound where the stacks repair sound (from webrtc-rs to str0m: webrtc-rs 0.21 undoes
//!   RTX of video only);
//! * with loss and without RTX every frame of which all packets passed is opened, every other is counted as lost, packet by
//!   packet, and none is delivered broken.

mod case;
mod link;
mod sdp;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use subrosa::Codec;
use subrosa_rtp_examples::failure::{Context, Failure};
use subrosa_rtp_examples::peer::Stack;
use tokio::task::JoinSet;

use crate::case::{Case, Outcome, Tally};

/// What can be changed.
#[derive(Parser)]
#[command(about = "str0m and webrtc-rs send each other sealed media")]
struct Args {
    /// How long each connection sends.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Which packets get lost.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    str0m::crypto::from_feature_flags().install_process_default();
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, Failure> {
    let mut all_well = true;
    println!(
        "| video, with Opus | from → to | line | packets lost | pictures identical | sounds identical | broken |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (loss, repair) in [(0, true), (5, true), (5, false)] {
        let mut running = JoinSet::new();
        for (place, video) in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1].into_iter().enumerate() {
            for (way, (from, to)) in
                [(Stack::Str0m, Stack::Webrtc), (Stack::Webrtc, Stack::Str0m)].into_iter().enumerate()
            {
                let case = Case { video, from, to, loss, repair };
                let lasting = Duration::from_secs(args.seconds);
                let seed = args.seed * 100 + (place * 2 + way) as u64;
                running.spawn(async move { (place * 2 + way, case, case.run(lasting, seed).await) });
            }
        }
        let mut results = Vec::new();
        while let Some(result) = running.join_next().await {
            results.push(result.or_broken("a case")?);
        }
        results.sort_by_key(|(place, ..)| *place);
        for (_, case, outcome) in results {
            let outcome = outcome?;
            row(&case, &outcome);
            if let Some(fault) = case.judge(&outcome) {
                eprintln!("{case:?}: {fault}: {outcome:?}");
                all_well = false;
            }
        }
    }
    Ok(all_well)
}

fn row(case: &Case, outcome: &Outcome) {
    let line = match (case.loss, case.repair) {
        (0, _) => "clean".to_owned(),
        (loss, true) => format!("{loss} % loss, RTX"),
        (loss, false) => format!("{loss} % loss, no RTX"),
    };
    let arrived = |tally: &Tally| {
        let share = 100.0 * tally.identical as f64 / tally.sent as f64;
        format!("{} of {} ({share:.1} %), {} hit", tally.identical, tally.sent, tally.hit)
    };
    println!(
        "| {:?} | {} → {} | {line} | {} | {} | {} | {} |",
        case.video,
        case.from.name(),
        case.to.name(),
        outcome.packets_lost,
        arrived(&outcome.pictures),
        arrived(&outcome.sounds),
        outcome.broken,
    );
}
