//! What the cameras and microphones give: a clip each, played round and round.

use std::time::Duration;

use bytes::Bytes;
use subrosa::{Codec, TrackKind};
use subrosa_testkit::media::windows::WindowSet;
use subrosa_testkit::media::{
    AudioClip, AudioFormat, VideoClip, VideoCodec, VideoFormat, fixture_audio, fixture_video,
};

use crate::args::Args;
use crate::failure::{Context, Failure};

/// Any numbers from the dynamic range do (RFC 3551 §3), as long as all agree.
const VIDEO_PAYLOAD_TYPE: u8 = 96;
const AUDIO_PAYLOAD_TYPE: u8 = 111;
/// The RTP clock of all video formats.
const VIDEO_RATE: u32 = 90_000;
/// RFC 7587 §4.1.
const OPUS_RATE: u32 = 48_000;
/// Frames that share a moment (hidden frames) are sent one after the other, not in one burst.
const SHORTEST: Duration = Duration::from_micros(100);

/// One medium: its encoded frames and how they travel.
#[derive(Debug)]
pub(crate) struct Medium {
    pub(crate) kind: TrackKind,
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    /// Of the RTP timestamps, in Hz.
    pub(crate) clock_rate: u32,
    pub(crate) frames: Vec<Frame>,
}

/// One encoded frame of a clip.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) data: Bytes,
    pub(crate) lasts: Duration,
    pub(crate) keyframe: bool,
}

/// All media of a run.
#[derive(Debug)]
pub(crate) struct Media {
    pub(crate) video: Medium,
    pub(crate) audio: Medium,
    pub(crate) video_format: VideoFormat,
    pub(crate) audio_format: AudioFormat,
    /// Where they come from, for the report.
    pub(crate) sources: [Option<String>; 2],
}

impl Media {
    pub(crate) fn load(args: &Args) -> Result<Self, Failure> {
        let video = match &args.video {
            Some(path) => VideoClip::open(path).or_input(format_args!("--video {}", path.display()))?,
            None => VideoClip::parse(fixture_video()).or_broken("the built-in video")?,
        };
        let audio = match &args.audio {
            Some(path) => AudioClip::open(path).or_input(format_args!("--audio {}", path.display()))?,
            None => AudioClip::parse(fixture_audio()).or_broken("the built-in audio")?,
        };
        let shown = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
        Ok(Self {
            video_format: video.format,
            audio_format: audio.format.clone(),
            video: Medium::of_video(&video),
            audio: Medium::of_audio(&audio),
            sources: [shown(&args.video), shown(&args.audio)],
        })
    }

    pub(crate) fn of(&self, kind: TrackKind) -> &Medium {
        match kind {
            TrackKind::Camera | TrackKind::Screen => &self.video,
            TrackKind::Microphone | TrackKind::ScreenAudio => &self.audio,
        }
    }

    /// The medium that a packet claims to be of.
    pub(crate) fn by_payload_type(&self, payload_type: u8) -> Option<&Medium> {
        [&self.video, &self.audio].into_iter().find(|medium| medium.payload_type == payload_type)
    }

    /// What must not be in anything that the server handles, and proof that a search for it would find it.
    pub(crate) fn windows(&self) -> Result<WindowSet, Failure> {
        let data = |medium: &Medium| medium.frames.iter().map(|frame| frame.data.clone()).collect::<Vec<_>>();
        let windows = WindowSet::new(data(&self.video).into_iter().chain(data(&self.audio)));
        for medium in [&self.video, &self.audio] {
            let longest = medium.frames.iter().max_by_key(|frame| frame.data.len());
            if longest.is_none_or(|frame| windows.count_in(&frame.data) == 0) {
                return Err(Failure::Input("the media are too uniform to be searched for".to_owned()));
            }
        }
        Ok(windows)
    }
}

impl Medium {
    fn of_video(clip: &VideoClip) -> Self {
        let codec = match clip.format.codec {
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
        };
        let time = |pts| clip.format.timebase.duration(pts);
        let first = clip.frames.first().map_or(0, |frame| frame.pts);
        let end = time(first) + clip.duration();
        let ends = clip.frames.iter().skip(1).map(|next| time(next.pts)).chain([end]);
        let frames = clip.frames.iter().zip(ends).map(|(frame, end)| Frame {
            data: frame.data.clone(),
            lasts: end.saturating_sub(time(frame.pts)).clamp(SHORTEST, Duration::from_secs(10)),
            keyframe: frame.keyframe,
        });
        Self {
            kind: TrackKind::Camera,
            codec,
            payload_type: VIDEO_PAYLOAD_TYPE,
            clock_rate: VIDEO_RATE,
            frames: frames.collect(),
        }
    }

    fn of_audio(clip: &AudioClip) -> Self {
        let frames = clip.packets.iter().map(|packet| Frame {
            data: packet.data.clone(),
            lasts: packet.duration(),
            keyframe: false,
        });
        Self {
            kind: TrackKind::Microphone,
            codec: Codec::Opus,
            payload_type: AUDIO_PAYLOAD_TYPE,
            clock_rate: OPUS_RATE,
            frames: frames.collect(),
        }
    }

    /// Where to start, so that no two participants show the same at once: at a keyframe, if there is any.
    pub(crate) fn start(&self, participant: usize) -> usize {
        let keyframes = self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| frame.keyframe)
            .map(|(at, _)| at)
            .collect::<Vec<_>>();
        match keyframes.len() {
            0 => participant * 37 % self.frames.len(),
            count => keyframes[participant % count],
        }
    }

    /// The next keyframe from a place on, as an encoder makes one when it is asked to; the place itself, if there is none.
    pub(crate) fn keyframe_from(&self, place: usize) -> usize {
        let count = self.frames.len();
        (place..place + count).map(|at| at % count).find(|at| self.frames[*at].keyframe).unwrap_or(place)
    }

    /// A moment of the medium in units of its RTP clock.
    pub(crate) fn timestamp(&self, since_start: Duration) -> u32 {
        (since_start.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000) as u32
    }

    /// The time between two RTP timestamps, as long as it is less than 2^32 units: 13 hours.
    pub(crate) fn since(&self, first: u32, timestamp: u32) -> Duration {
        Duration::from_nanos(
            u64::from(timestamp.wrapping_sub(first)) * 1_000_000_000 / u64::from(self.clock_rate),
        )
    }
}
