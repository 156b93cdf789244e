//! Whether a large commit ever makes media wait: one thread seals small frames without a break while another one applies
//! commits of a call of a thousand; the longest and the usual times are printed, beside those while the other thread does something else
//! that is just as long.
//!
//! `cargo run --release --example commit_stall -- [participants]`

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use bytes::BytesMut;
use subrosa::{Codec, Metadata, Sealer, TrackKind};
use subrosa_testkit::hall::Hall;

const FRAME: Metadata<'static> = Metadata::frame(Codec::Vp8);
const COMMITS: usize = 100;

fn main() {
    let participants =
        std::env::args().nth(1).map_or(1_000, |n| n.parse().expect("a number of participants"));
    let mut hall = Hall::of(participants);
    let member = hall.member.as_ref().expect("a call of two");
    let mut sealer = member.sealer(TrackKind::Camera).expect("a track");

    // The same work for the processor, and nothing that the two threads share: a second call, in which nobody looks.
    let mut other = Hall::of(participants);
    let mut beside = measure(&mut other, &mut sealer);
    let mut applying = measure(&mut hall, &mut sealer);

    println!(
        "{participants} participants, {COMMITS} commits applied meanwhile; sealing a frame of 100 bytes, in µs"
    );
    println!("{:<42}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "frames", "median", "99.9 %", "99.99 %", "longest");
    for (name, times) in
        [("beside another call's commits", &mut beside), ("beside the own call's commits", &mut applying)]
    {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        let [median, often, rare, longest] = [0.5, 0.999, 0.9999, 1.0].map(at);
        println!("{name:<42}{:>9}{median:>9.2}{often:>9.2}{rare:>9.2}{longest:>9.1}", times.len());
    }
    let commit = applying_takes(&mut hall);
    println!("applying one commit takes {:.1} ms", commit.as_secs_f64() * 1e3);
    let late = applying.iter().filter(|time| **time >= commit).count();
    println!("frames that took as long as a commit: {late}");
    // What another program does to this one can make a frame late; a lock would make one late for each commit.
    assert!(late < COMMITS / 2, "media waits for commits");
}

/// Seals while the hall's member applies commits on another thread.
fn measure(hall: &mut Hall, sealer: &mut Sealer) -> Vec<Duration> {
    // All commits are made beforehand; only applying them is measured against.
    for _ in 0..COMMITS {
        let guest = hall.knock();
        hall.host_admits_alone(guest.id());
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let media = scope.spawn(|| {
            let (mut times, mut frame) = (Vec::new(), BytesMut::new());
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                frame.clear();
                sealer.seal(FRAME, &[7; 100], &mut frame).expect("it seals");
                times.push(start.elapsed());
            }
            times
        });
        hall.member_reads_and_follows();
        done.store(true, Ordering::Relaxed);
        media.join().expect("media")
    })
}

fn applying_takes(hall: &mut Hall) -> Duration {
    let guest = hall.knock();
    hall.admit(&[guest.id()]);
    let start = Instant::now();
    hall.member_reads();
    start.elapsed()
}
