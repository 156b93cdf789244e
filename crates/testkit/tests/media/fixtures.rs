//! The fixtures are what their documentation says.

use std::time::Duration;

use subrosa_testkit::media::{
    AudioClip, VideoClip, VideoCodec, VideoFormat, fixture_audio, fixture_video, fixture_video_av1,
    fixture_video_h264, fixture_video_h265, fixture_video_vp9,
};

#[test]
fn all_fixtures_together_are_small() {
    let all = [
        fixture_video(),
        fixture_video_vp9(),
        fixture_video_av1(),
        fixture_video_h264(),
        fixture_video_h265(),
        fixture_audio(),
    ];
    assert!(all.iter().map(|file| file.len()).sum::<usize>() < 600_000);
}

#[test]
fn the_video_is_ten_seconds_of_vp8_with_a_key_frame_every_one_and_a_half() {
    let clip = VideoClip::parse(fixture_video()).unwrap();
    assert_eq!(clip.format.codec, VideoCodec::Vp8);
    assert_eq!((clip.format.width, clip.format.height), (320, 180));
    assert_eq!(clip.frames.len(), 300);
    assert_eq!(clip.duration(), Duration::from_secs(10));
    assert_eq!(keyframes(&clip), [0, 45, 90, 135, 180, 225, 270]);
    assert!(clip.frames.iter().enumerate().all(|(number, frame)| frame.pts == number as u64));
    assert_eq!(clip.format.timebase.duration(45), Duration::from_millis(1500));
}

#[test]
fn the_vp9_and_av1_clips_are_two_seconds_with_a_key_frame_every_second() {
    for (bytes, codec) in [(fixture_video_vp9(), VideoCodec::Vp9), (fixture_video_av1(), VideoCodec::Av1)] {
        let clip = VideoClip::parse(bytes).unwrap();
        assert_eq!(clip.format.codec, codec);
        assert_eq!((clip.format.width, clip.format.height), (160, 90));
        assert_eq!(clip.frames.len(), 30);
        assert_eq!(clip.duration(), Duration::from_secs(2));
        assert_eq!(keyframes(&clip), [0, 15], "{codec:?}");
    }
}

#[test]
fn the_byte_streams_are_two_seconds_with_a_key_frame_every_second() {
    for (bytes, codec) in [(fixture_video_h264(), VideoCodec::H264), (fixture_video_h265(), VideoCodec::H265)]
    {
        let clip = VideoClip::parse_annex_b(bytes, VideoFormat::of_h26x_fixture(codec)).unwrap();
        assert_eq!(clip.frames.len(), 30);
        assert_eq!(clip.duration(), Duration::from_secs(2));
        assert_eq!(keyframes(&clip), [0, 15], "{codec:?}");
        assert!(clip.frames.iter().enumerate().all(|(number, frame)| frame.pts == number as u64));
    }
}

#[test]
fn the_speech_is_ten_seconds_of_opus_in_packets_of_twenty_milliseconds() {
    let clip = AudioClip::parse(fixture_audio()).unwrap();
    assert_eq!((clip.format.channels(), clip.format.pre_skip()), (1, 312));
    assert_eq!(clip.packets.len(), 501); // one more, for what the decoder skips at the start
    assert_eq!(clip.duration(), Duration::from_millis(10_020));
    for packet in &clip.packets {
        assert_eq!((packet.samples, packet.data.len()), (960, 80));
        assert_eq!(packet.duration(), Duration::from_millis(20));
    }
}

fn keyframes(clip: &VideoClip) -> Vec<usize> {
    clip.frames.iter().enumerate().filter(|(_, frame)| frame.keyframe).map(|(number, _)| number).collect()
}
