//! Clips are read and written whole or not at all, and what may not be seen is found.

#![expect(clippy::unwrap_used, reason = "clippy lets `#[test]` functions unwrap, but not what they call")]

mod any_bytes;
mod broken;
mod fixtures;
mod ogg_pages;
mod round_trip;
mod windows;
