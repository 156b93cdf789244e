//! The targets, a file each.

pub mod codec_frame;
pub mod handle_message;
pub mod open_frame;
