//! Real encoded media: two clips, readers and writers of their files, and searches for media where none may be.
//!
//! A clip is read whole, frame by frame; the frames travel through a call; what arrives is written to a file that
//! any player opens. [`windows`] then tells whether media, or a name, shows up in bytes that a server handled.
//!
//! ```
//! use subrosa_testkit::media::{VideoClip, fixture_video, windows::WindowSet};
//!
//! # fn main() -> Result<(), subrosa_testkit::media::MediaError> {
//! let clip = VideoClip::parse(fixture_video())?;
//! assert!(clip.frames[0].keyframe);
//!
//! let media = WindowSet::new(clip.frames.iter().map(|frame| &frame.data));
//! assert!(media.count_in(&clip.frames[7].data) > 0);
//! assert_eq!(media.count_in(b"what a server may see: lengths, times and ciphertext"), 0);
//! # Ok(())
//! # }
//! ```

mod annex_b;
mod audio;
mod error;
mod file;
mod fixtures;
mod keyframe;
mod ogg_opus;
mod opus;
mod video;
pub mod windows;

pub use annex_b::AnnexBWriter;
pub use audio::{AudioClip, AudioFormat, AudioPacket};
pub use error::{MediaError, Place};
pub use fixtures::{
    fixture_audio, fixture_video, fixture_video_av1, fixture_video_h264, fixture_video_h265,
    fixture_video_layers, fixture_video_vp9, sizes_of_720p30,
};
pub use ogg_opus::OggOpusWriter;
pub use video::{IvfWriter, Timebase, VideoClip, VideoCodec, VideoFormat, VideoFrame};
