//! The tests of parts of `janus`. They cannot run where they are: `cargo test` builds either a program or its tests, and others run it.
#![allow(dead_code)] // what only the program uses

#[path = "../janus/address.rs"]
mod address;
#[path = "../janus/args.rs"]
mod args;
#[path = "../janus/books.rs"]
mod books;
#[path = "../janus/participant.rs"]
mod participant;
#[path = "../janus/report.rs"]
mod report;
#[path = "../janus/server.rs"]
mod server;
#[path = "../janus/signalling/mod.rs"]
mod signalling;
#[path = "../janus/story.rs"]
mod story;
#[path = "../janus/tap.rs"]
mod tap;
