//! Randomness, hashes and public-key encryption for the call: thin, typed covers over well-kept crates.
//! (The frames' cipher is in [`crate::sframe`].)

pub(crate) mod hash;
pub(crate) mod hpke;
mod random;

pub use random::{NoRandomness, Random};
