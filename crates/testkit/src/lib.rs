//! What the tests and examples of Subrosa share. Not published.

pub mod hall;
pub mod media;
pub mod model;
pub mod room;
pub mod table;
