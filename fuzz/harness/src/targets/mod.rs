//! The targets, a file each.

pub mod codec_frame;
pub mod codec_split;
pub mod dependency_descriptor;
pub mod exported_key;
pub mod fragments;
pub mod frame_marking;
pub mod handle_message;
pub mod held_frames;
pub mod incoming_streams;
pub mod open_frame;
pub mod reassembly;
pub mod sdp;
pub mod sframe_header;
pub mod standalone_frame;
