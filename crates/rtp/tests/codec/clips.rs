//! The testkit's clips, one for each codec.

use std::time::Duration;

use bytes::Bytes;
use subrosa::Codec;
use subrosa_testkit::media::{
    AudioClip, VideoClip, VideoCodec, VideoFormat, fixture_audio, fixture_video, fixture_video_av1,
    fixture_video_h264, fixture_video_h265, fixture_video_vp9,
};

pub(crate) const ALL: [Codec; 6] =
    [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

/// One encoded frame.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) data: Bytes,
    pub(crate) at: Duration,
    pub(crate) is_keyframe: bool,
}

pub(crate) fn frames(codec: Codec) -> Vec<Frame> {
    let h26x = |bytes, codec| VideoClip::parse_annex_b(bytes, VideoFormat::of_h26x_fixture(codec));
    let clip = match codec {
        Codec::Opus => return audio(),
        Codec::Vp8 => VideoClip::parse(fixture_video()),
        Codec::Vp9 => VideoClip::parse(fixture_video_vp9()),
        Codec::Av1 => VideoClip::parse(fixture_video_av1()),
        Codec::H264 => h26x(fixture_video_h264(), VideoCodec::H264),
        Codec::H265 => h26x(fixture_video_h265(), VideoCodec::H265),
        other => panic!("no clip of {other:?}"),
    }
    .unwrap();
    let timebase = clip.format.timebase;
    let frame = |frame: subrosa_testkit::media::VideoFrame| Frame {
        at: timebase.duration(frame.pts),
        is_keyframe: frame.keyframe,
        data: frame.data,
    };
    clip.frames.into_iter().map(frame).collect()
}

fn audio() -> Vec<Frame> {
    let clip = AudioClip::parse(fixture_audio()).unwrap();
    let mut at = Duration::ZERO;
    let frame = |packet: subrosa_testkit::media::AudioPacket| {
        let frame = Frame { at, is_keyframe: false, data: packet.data.clone() };
        at += packet.duration();
        frame
    };
    clip.packets.into_iter().map(frame).collect()
}
