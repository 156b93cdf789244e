//! The targets, a file each.

pub mod answer;
pub mod answer_content;
pub mod codec_frame;
pub mod codec_split;
pub mod commit_content;
pub mod credential;
pub mod dependency_descriptor;
pub mod exported_key;
pub mod fragments;
pub mod frame_marking;
pub mod held_frames;
pub mod incoming_streams;
pub mod invite_link;
pub mod key_ring;
pub mod knock;
pub mod log_entry;
pub mod open_frame;
pub mod policy;
pub mod reassembly;
pub mod room;
pub mod safety_code;
pub mod sdp;
pub mod sframe_header;
pub mod standalone_frame;
pub mod talk;
pub mod talk_content;
