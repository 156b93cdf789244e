//! Stories of small calls, told with everybody in one thread, on a clock that the story moves.

mod attacks;
mod entering;
mod epochs;
mod log;
mod room;
