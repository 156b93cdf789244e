//! A whole meeting in one process: real media, real sockets, servers that nobody should trust, a stranger, a cheater.
//!
//! Read [`participant`] first: it is what an app does with a call. [`send`] and [`receive`] are its media side, [`join`] how one gets in,
//! [`solo`] all of it where there is one participant in a process. [`ledger`] is what no participant has: the truth, to
//! check the results against.

mod args;
mod capture;
mod clock;
mod codes;
mod cut_off;
mod delivery;
mod failure;
mod guess;
mod intruder;
mod join;
mod ledger;
mod line;
mod media;
mod names;
mod notes;
mod orders;
mod participant;
mod progress;
mod promises;
mod receive;
mod received;
mod report;
mod run;
mod send;
mod server;
mod setting;
mod solo;
mod story;
mod table;
mod trial;
mod unruly;
mod view;

use std::process::ExitCode;

use failure::Failure;

fn main() -> ExitCode {
    let result = args::parse().and_then(|args| args.map_or(Ok(()), |args| run::run(&args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (Failure::Input(why) | Failure::Broken(why)) = &failure;
            eprintln!("group_call: {}", why.replace('\n', " "));
            ExitCode::from(if matches!(failure, Failure::Input(_)) { 2 } else { 1 })
        }
    }
}
