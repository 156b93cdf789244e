//! The testkit's clips, one for each codec.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use subrosa::Codec;
use subrosa_testkit::media::{
    AnnexBWriter, AudioClip, IvfWriter, OggOpusWriter, VideoClip, VideoCodec, VideoFormat, fixture_audio,
    fixture_video, fixture_video_av1, fixture_video_h264, fixture_video_h265, fixture_video_vp9,
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

/// Writes down what came through a stack, for players to open: `opened/<stack>-<codec>.*` in cargo's directory for tests.
pub(crate) fn keep(stack: &str, codec: Codec, opened: &[Vec<u8>]) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("opened");
    std::fs::create_dir_all(&directory).unwrap();
    let path = |extension: &str| directory.join(format!("{stack}-{codec:?}.{extension}"));
    let ivf = |file: &[u8]| {
        let mut writer = IvfWriter::create(&path("ivf"), &VideoClip::parse(file).unwrap().format).unwrap();
        (0..).zip(opened).for_each(|(pts, frame)| writer.write(pts, frame).unwrap());
        writer.finish().unwrap();
    };
    let annex_b = |extension, codec| {
        let mut writer = AnnexBWriter::create(&path(extension), codec).unwrap();
        opened.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.finish().unwrap();
    };
    match codec {
        Codec::Vp8 => ivf(fixture_video()),
        Codec::Vp9 => ivf(fixture_video_vp9()),
        Codec::Av1 => ivf(fixture_video_av1()),
        Codec::H264 => annex_b("h264", VideoCodec::H264),
        Codec::H265 => annex_b("h265", VideoCodec::H265),
        Codec::Opus => {
            let format = AudioClip::parse(fixture_audio()).unwrap().format;
            let mut writer = OggOpusWriter::create(&path("opus.ogg"), &format).unwrap();
            opened.iter().for_each(|packet| writer.write(packet).unwrap());
            writer.finish().unwrap();
        }
        other => panic!("no file of {other:?}"),
    }
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
