//! What a call is, as a small model, and random operations on a room that are held against it after each: for the property test
//! (`tests/model`), which draws them from seeds, and for the fuzzer, which draws them from bytes.

#![expect(missing_docs, reason = "what operations and figures are is in their names")]

mod op;
mod play;
mod reference;
mod stats;
mod story;

pub use op::{Command, Op, Server, Somebody, beginning, draw, one};
pub use play::Play;
pub use stats::Stats;
pub use story::tell;
