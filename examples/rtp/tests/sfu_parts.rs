//! The tests of parts of `sfu`. They cannot run where they are: `cargo test` builds either a program or its tests, and others run it.
#![allow(dead_code)] // what only the program uses

#[path = "../sfu/numbers.rs"]
mod numbers;
