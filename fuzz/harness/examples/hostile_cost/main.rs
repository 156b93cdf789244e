//! What hostile input costs, one by one, beside genuine input of its kind; what a flood leaves behind, and another flood after it; and
//! whether the call works afterwards. Prints the table of docs/hostile.md; fails if anything grows, or nothing works any more.
//!
//! `cargo run --release -p subrosa-fuzz-harness --example hostile_cost`.

#![expect(clippy::print_stdout, reason = "a program tells what it measured")]

mod frames;
mod members;
mod packets;
mod row;
mod texts;

use row::Report;

fn main() {
    let mut report = Report::new();
    frames::measure(&mut report);
    members::log(&mut report);
    members::talk(&mut report);
    members::lobby(&mut report);
    packets::measure(&mut report);
    texts::measure(&mut report);
    report.finish();
}
