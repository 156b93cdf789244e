//! Two `Rtc`s and a network between them, in memory and simulated time.
//!
//! Ann sends, Bob receives; what each test is about is in its module.

mod errors;
mod extension;
mod keyframes;
mod loss;
mod media;
mod pair;
mod simulcast;
