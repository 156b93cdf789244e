//! A model-based property test: random sequences of operations in random rooms, against a small reference model.
//!
//! Everything follows from a seed. `cargo test` plays a few seeds; `SUBROSA_SEEDS=1000` plays so many; and when one fails,
//! `SUBROSA_SEED=123 cargo test -p subrosa-testkit --test model -- --nocapture` plays that one alone, and tells what it does.

#![expect(clippy::print_stdout, reason = "a test tells what it played, and what failed")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use subrosa_testkit::model::{self, Op, Play, Stats};
use subrosa_testkit::room::Dice;

/// Operations in a sequence, of which at least so many are on one call.
const LEN: usize = 300;
const ON_ONE_CALL: usize = 200;
/// A call can come to its end before. So many are tried.
const CALLS: u64 = 100;
/// A stream of chance that the room does not use.
const OPERATIONS: u64 = 32;
/// What `cargo test` plays: about ten seconds in a debug build.
const SEEDS: u64 = 8;
/// More memory than a participant in such a small call has any use for.
const MAX_BYTES: i64 = 4 << 20;

/// What went wrong with a seed, after which operations.
struct Failure {
    seed: u64,
    what: String,
    operations: Vec<String>,
    /// What the members' calls said.
    story: Vec<String>,
}

#[test]
fn every_sequence_of_operations_keeps_what_the_call_promises() {
    if let Some(seed) = number("SUBROSA_SEED") {
        return report(play(seed, |line| println!("{line}")).map(|stats| println!("{stats}")).err());
    }
    let (next, last) = (AtomicU64::new(0), number("SUBROSA_SEEDS").unwrap_or(SEEDS));
    let (failures, sum) = (Mutex::new(Vec::new()), Mutex::new(Stats::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= last {
                return;
            }
            match play(seed, |_| {}) {
                Ok(stats) => *sum.lock().expect("nobody panics with it") += stats,
                Err(failure) => failures.lock().expect("nobody panics with it").push(failure),
            }
        }
    };
    let threads = number("SUBROSA_THREADS").unwrap_or(2);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(work)));
    let sum = sum.into_inner().expect("nobody panics with it");
    println!("{sum}");
    let mut failures = failures.into_inner().expect("nobody panics with it");
    failures.sort_by_key(|failure| failure.seed);
    for failure in &failures {
        println!("seed {}, after {} operations: {}", failure.seed, failure.operations.len(), failure.what);
    }
    report(failures.into_iter().next());
    assert!(sum.never_happened().is_empty(), "never happened: {:?}", sum.never_happened());
    assert_eq!(sum.long(), last, "each seed has a sequence that is long enough");
}

fn report(failure: Option<Failure>) {
    let Some(Failure { seed, what, operations, story }) = failure else { return };
    for line in story.iter().chain(&operations) {
        println!("{line}");
    }
    panic!("seed {seed}, after {} operations: {what}\nagain: SUBROSA_SEED={seed}", operations.len());
}

/// Plays one seed. `tell` is told each operation before it is done.
fn play(seed: u64, tell: impl Fn(&str)) -> Result<Stats, Failure> {
    let mut done = Vec::new();
    let mut dice = Dice::new(seed, OPERATIONS);
    let mut play = Play::new(seed, &mut dice);
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut stats = Stats::default();
        let mut perform = |play: &mut Play, op: &Op| {
            let at = play.room.now().elapsed();
            let result = catch_unwind(AssertUnwindSafe(|| play.perform(op)));
            let line = format!("{:3} at {at:?}: {op:?} {}", done.len(), play.hit());
            tell(&line);
            done.push(line);
            result.unwrap_or_else(|panic| resume_unwind(panic))
        };
        for call in 1.. {
            model::beginning().iter().try_for_each(|op| perform(&mut play, op))?;
            let mut operations = 0;
            for op in &model::draw(&mut dice, LEN) {
                perform(&mut play, op)?;
                operations += 1;
                if play.is_dead() {
                    break; // nothing more can come of it
                }
            }
            play.settles()?;
            stats += ended(&mut play)?;
            stats.count(operations, operations >= ON_ONE_CALL);
            if operations >= ON_ONE_CALL || call == CALLS {
                break;
            }
            play = Play::new(seed + (call << 32), &mut dice);
        }
        Ok(stats)
    }));
    let what = match played {
        Ok(Ok(stats)) => return Ok(stats),
        Ok(Err(what)) => what,
        Err(panic) => match panic.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => panic.downcast_ref::<&str>().map_or("a panic".to_owned(), |text| (*text).to_owned()),
        },
    };
    Err(Failure { seed, what, operations: done, story: model::tell(&play.room) })
}

/// Everybody hangs up: how much memory did that free?
fn ended(play: &mut Play) -> Result<Stats, String> {
    let mut stats = Stats::of(&play.room);
    for name in play.in_call() {
        let freed = allocation_counter::measure(|| play.room.crash(&name));
        stats.bytes = stats.bytes.max(-freed.bytes_current);
        if stats.bytes > MAX_BYTES {
            return Err(format!("{name} took {} bytes", stats.bytes));
        }
    }
    Ok(stats)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}
