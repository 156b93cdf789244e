//! One row of the table: floods of one kind of hostile input.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many are in a flood, but where one takes long.
pub const FLOOD: u32 = 100_000;

/// What the second flood may leave behind beyond the first, and a quarter of that: what waits is not the same at each moment.
const GROWTH: i64 = 16 << 10;

/// One kind of hostile input.
#[derive(Clone, Copy)]
pub struct Row {
    pub what: &'static str,
    /// Who can send it.
    pub who: &'static str,
    /// What it must be answered with, at first; after a flood limits may answer.
    pub answer: &'static str,
    /// What bounds it.
    pub bound: &'static str,
    /// How many are in a flood.
    pub count: u32,
    /// How long a genuine one takes.
    pub genuine: Option<Duration>,
}

/// The table so far.
pub struct Report {
    failed: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        println!(
            "| what | by whom | answer | flood | µs: median | 99.9 % | genuine ones | kB after it | after as many more | in the end | works | what bounds it |"
        );
        println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- |");
        Self { failed: Vec::new() }
    }

    /// Sends two floods, then something genuine. `send` sends one, and returns how long that took and what came of it; `works` says
    /// whether what is genuine is served, when the flood is over.
    pub fn add<S>(
        &mut self,
        row: Row,
        mut state: S,
        mut send: impl FnMut(&mut S, u32) -> (Duration, &'static str),
        works: impl FnOnce(&mut S) -> bool,
    ) {
        let count = row.count;
        let mut times = Vec::with_capacity(count as usize);
        let mut answers = Vec::with_capacity(8);
        let mut kept = [0_i64; 3];
        for flood in 0..2 {
            kept[flood as usize] = allocation_counter::measure(|| {
                for number in flood * count..(flood + 1) * count {
                    let (took, answer) = send(&mut state, number);
                    if flood == 0 {
                        times.push(took);
                    }
                    if answers.len() < 8 && !answers.contains(&answer) {
                        answers.push(answer);
                    }
                }
            })
            .bytes_current;
        }
        let mut is_served = false;
        kept[2] = allocation_counter::measure(|| is_served = works(&mut state)).bytes_current;
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() * 999 / 1000]);
        let ratio = row.genuine.map_or("–".to_owned(), |own| ratio(median, own));
        let micros = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e6);
        let kilo = |bytes: i64| format!("{:.1}", bytes as f64 / 1e3);
        println!(
            "| {} | {} | {} | {} | {} | {} | {ratio} | {} | {} | {} | {} | {} |",
            row.what,
            row.who,
            answers.join(", "),
            count,
            micros(median),
            micros(worst),
            kilo(kept[0]),
            kilo(kept[1]),
            kilo(kept[0] + kept[1] + kept[2]),
            if is_served { "yes" } else { "NO" },
            row.bound
        );
        if !is_served {
            self.failed.push(format!("{}: it does not work afterwards", row.what));
        }
        if kept[1] > GROWTH + kept[0] / 4 {
            self.failed.push(format!("{}: {} more bytes after a second flood", row.what, kept[1]));
        }
        if answers.first() != Some(&row.answer) {
            self.failed.push(format!("{}: answered by {answers:?} and not {}", row.what, row.answer));
        }
    }

    pub fn finish(self) {
        assert!(self.failed.is_empty(), "{:#?}", self.failed);
    }
}

fn ratio(time: Duration, own: Duration) -> String {
    let ratio = time.as_secs_f64() / own.as_secs_f64();
    if ratio < 0.01 { "< 0.01".to_owned() } else { format!("{ratio:.2}") }
}

/// How long this takes, and what it returns.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = black_box(work());
    (start.elapsed(), done)
}

/// The median of so many.
pub fn median(count: usize, mut one: impl FnMut(usize) -> Duration) -> Duration {
    let mut times: Vec<_> = (0..count).map(&mut one).collect();
    times.sort();
    times[times.len() / 2]
}
