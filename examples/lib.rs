//! Programs that show Subrosa at work; this library is empty, they are the package's examples.
//!
//! - `two_party`: two people, one call. The first thing to read. `sans_io`: the same without a runtime, message by message.
//! - `group_call`: a whole meeting on real sockets, with unruly servers, a stranger and a cheater, measured.
//! - `check_report`: checks what `group_call` wrote, independently of it.
//! - `switch_loss`: frames lost when keys change, counted in a simulated call; makes the tables in `docs/switch.md`.
//! - `switch_cost`: what a switch of keys costs, in messages, bytes and time.
//! - `crowd`: a thousand real participants join, stay, come and go, on simulated time; makes the tables in `docs/scale.md`.
//! - `vouched`: guests whose identity a provider vouches for, with a signed token.

/// The README's examples are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
