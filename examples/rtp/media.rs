//! What is sent: the clips that come with Subrosa, over and over.

use std::time::Duration;

use bytes::Bytes;
use subrosa::Codec;
use subrosa_testkit::media::windows::WindowSet;
use subrosa_testkit::media::{
    AudioClip, MediaError, VideoClip, VideoCodec, VideoFormat, fixture_audio, fixture_video,
    fixture_video_av1, fixture_video_h264, fixture_video_vp9,
};

use crate::peer::Medium;

/// A clip's frames and their pace.
#[derive(Debug)]
pub struct Clip {
    /// The frames, in their order.
    pub frames: Vec<Bytes>,
    /// From one frame to the next.
    pub interval: Duration,
    /// The same in units of the media clock.
    pub ticks: u32,
}

/// The clips of a call.
#[derive(Debug)]
pub struct Clips {
    /// Speech, in Opus.
    pub audio: Clip,
    /// A moving picture.
    pub video: Clip,
}

impl Clips {
    /// Speech, and a moving picture in this codec.
    ///
    /// # Errors
    ///
    /// If a clip is broken.
    pub fn of(codec: Codec) -> Result<Self, MediaError> {
        let h264 = VideoFormat::of_h26x_fixture(VideoCodec::H264);
        let (video, frames_a_second) = match codec {
            Codec::H264 => (VideoClip::parse_annex_b(fixture_video_h264(), h264)?, 15),
            Codec::Av1 => (VideoClip::parse(fixture_video_av1())?, 15),
            Codec::Vp9 => (VideoClip::parse(fixture_video_vp9())?, 15),
            _ => (VideoClip::parse(fixture_video())?, 30),
        };
        let video = Clip {
            frames: video.frames.into_iter().map(|frame| frame.data).collect(),
            interval: Duration::from_secs(1) / frames_a_second,
            ticks: 90_000 / frames_a_second,
        };
        let audio = AudioClip::parse(fixture_audio())?;
        let interval = audio.packets.first().expect("a clip has packets").duration();
        let frames = audio.packets.into_iter().map(|packet| packet.data).collect();
        Ok(Self { audio: Clip { frames, interval, ticks: 960 }, video })
    }

    /// Returns one of the two.
    pub fn get(&self, medium: Medium) -> &Clip {
        match medium {
            Medium::Audio => &self.audio,
            Medium::Video => &self.video,
        }
    }

    /// All that nobody on the way may see.
    pub fn windows(&self) -> WindowSet {
        WindowSet::new(self.audio.frames.iter().chain(&self.video.frames))
    }
}
