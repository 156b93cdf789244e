//! Counts the frames that are lost for want of a key while people come and go: a call in a simulated room, every switch of keys
//! in it measured. Prints a table in Markdown; exit code 1 if a frame was lost that the call promises not to lose.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use subrosa_testkit::room::{Churn, Report, Tally};

/// People join, leave and are removed all the time, while everybody speaks and the network is late: how many frames are lost
/// for want of a key? Everything is simulated, on one thread, and follows from the seed.
#[derive(Parser, Debug)]
#[command(name = "switch_loss", version)]
struct Args {
    /// How many joins, leaves and removals
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    changes: u32,

    /// How many are in the call
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..=200))]
    participants: u32,

    /// How much longer one in fifty log entries takes to a member, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    late_by: u64,

    /// What all chance follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let churn = Churn {
        participants: args.participants as usize,
        changes: args.changes as usize,
        late_by: Duration::from_millis(args.late_by),
        seed: args.seed,
        ..Churn::default()
    };
    let room = churn.run(|done| {
        if done % 50 == 0 {
            eprintln!("{done} of {} changes", args.changes);
        }
    });
    let report = room.report();
    println!("{}", heading(&churn, room.now().elapsed(), &report));
    println!("| what | how many or how long |");
    println!("| --- | ---: |");
    for (what, figure) in rows(&report) {
        println!("| {what} | {figure} |");
    }
    for broken in room.broken().iter().take(10) {
        eprintln!("broken: {broken}");
    }
    ExitCode::from(u8::from(!room.broken().is_empty() || report.frames.lost_in_guarantee > 0))
}

fn heading(churn: &Churn, simulated: Duration, report: &Report) -> String {
    let Churn { participants, changes, frames_every, late_by, seed } = churn;
    format!(
        "{changes} membership changes, {} commits, {participants} participants, a frame every {} ms from each, \
         late entries {} ms late, {} s simulated, seed {seed}.\n",
        report.epochs - 1,
        frames_every.as_millis(),
        late_by.as_millis(),
        simulated.as_secs(),
    )
}

fn rows(report: &Report) -> Vec<(&'static str, String)> {
    let frames: &Tally = &report.frames;
    let share =
        |count: u64| format!("{} ({:.4} %)", grouped(count), 100.0 * count as f64 / frames.sent as f64);
    let millis = |time: Duration| format!("{} ms", grouped(time.as_millis() as u64));
    let announced = 100.0 * report.announced();
    vec![
        ("frames sent, each counted for each receiver", grouped(frames.sent)),
        ("lost by the network", share(frames.lost_by_network)),
        ("receiver gone or cut off when it came", share(frames.not_listening)),
        ("**lost for want of a key, within R19's guarantee**", format!("**{}**", frames.lost_in_guarantee)),
        ("lost for want of a key, outside of it", share(frames.lost_outside)),
        ("held until the key came, and then opened", share(frames.held)),
        ("longest time that a frame was held", millis(frames.longest_held)),
        ("worst gap for want of a key, over all receivers", millis(report.worst_gap())),
        ("receivers with such a gap", report.gaps.len().to_string()),
        ("switches of senders", grouped(report.switches.len() as u64)),
        ("from commit to switch: median", millis(report.switched_after(0.5))),
        ("from commit to switch: 99 of 100", millis(report.switched_after(0.99))),
        ("from commit to switch: worst", millis(report.switched_after(1.0))),
        ("switched because the host announced it", format!("{announced:.1} %")),
        ("switched at the deadline", format!("{:.1} %", 100.0 - announced)),
    ]
}

/// Writes a number with a space after every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let groups = rest.as_bytes().chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
    std::iter::once(first.to_owned())
        .filter(|first| !first.is_empty())
        .chain(groups)
        .collect::<Vec<_>>()
        .join(" ")
}
