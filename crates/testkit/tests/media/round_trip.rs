//! What is written is read again, frame by frame.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use subrosa_testkit::media::{
    AnnexBWriter, AudioClip, IvfWriter, MediaError, OggOpusWriter, Place, VideoClip, VideoCodec, VideoFormat,
    fixture_audio, fixture_video, fixture_video_av1, fixture_video_h264, fixture_video_h265,
    fixture_video_vp9,
};

#[test]
fn a_video_is_the_same_after_writing_and_reading() {
    for bytes in [fixture_video(), fixture_video_vp9(), fixture_video_av1()] {
        let clip = VideoClip::parse(bytes).unwrap();
        let mut writer = IvfWriter::new(Cursor::new(Vec::new()), &clip.format).unwrap();
        for frame in &clip.frames {
            writer.write(frame.pts, &frame.data).unwrap();
        }
        let written = writer.finish().unwrap().into_inner();
        assert_eq!(VideoClip::parse(&written).unwrap(), clip);
        assert_eq!(written, bytes, "the encoder's file has the same header and the same frames");
    }
}

#[test]
fn a_byte_stream_is_the_same_after_writing_and_reading() {
    for (bytes, codec) in [(fixture_video_h264(), VideoCodec::H264), (fixture_video_h265(), VideoCodec::H265)]
    {
        let clip = VideoClip::parse_annex_b(bytes, VideoFormat::of_h26x_fixture(codec)).unwrap();
        let mut writer = AnnexBWriter::new(Vec::new(), codec).unwrap();
        for frame in &clip.frames {
            writer.write(&frame.data).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), bytes);
    }
}

#[test]
fn each_codec_has_its_kind_of_file() {
    let format = VideoFormat::of_h26x_fixture(VideoCodec::H264);
    let unsupported = |result: Result<(), MediaError>| match result {
        Err(MediaError::UnsupportedCodec { fourcc }) => fourcc,
        other => panic!("{other:?}"),
    };
    assert_eq!(unsupported(IvfWriter::new(Cursor::new(Vec::new()), &format).map(drop)), *b"H264");
    assert_eq!(unsupported(AnnexBWriter::new(Vec::new(), VideoCodec::Vp8).map(drop)), *b"VP80");
    let vp9 = VideoFormat::of_h26x_fixture(VideoCodec::Vp9);
    assert_eq!(unsupported(VideoClip::parse_annex_b(fixture_video_h264(), vp9).map(drop)), *b"VP90");
    for bytes in [fixture_video(), &[0, 0, 1, 0x41, 0x9a], &fixture_video_h264()[1..][..3]] {
        let error = VideoClip::parse_annex_b(bytes, format).unwrap_err();
        assert!(matches!(error, MediaError::NotAnnexB), "{error}");
    }
    assert!(matches!(VideoClip::parse_annex_b(&[], format).unwrap_err(), MediaError::NoFrames));
    let mut writer = AnnexBWriter::new(Vec::new(), VideoCodec::H265).unwrap();
    assert!(matches!(writer.write(&[0x40, 1]).unwrap_err(), MediaError::NotAnnexB));
    assert!(matches!(writer.finish().unwrap_err(), MediaError::NoFrames));
}

#[test]
fn an_audio_clip_is_the_same_after_writing_and_reading() {
    let clip = AudioClip::parse(fixture_audio()).unwrap();
    let mut writer = OggOpusWriter::new(Vec::new(), &clip.format).unwrap();
    for packet in &clip.packets {
        writer.write(&packet.data).unwrap();
    }
    assert_eq!(AudioClip::parse(&writer.finish().unwrap()).unwrap(), clip);
}

#[test]
fn files_on_disk_are_the_same_after_writing_and_reading() {
    let video = VideoClip::parse(fixture_video()).unwrap();
    let path = temporary("round_trip.ivf");
    let mut writer = IvfWriter::create(&path, &video.format).unwrap();
    for frame in &video.frames {
        writer.write(frame.pts, &frame.data).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(VideoClip::open(&path).unwrap(), video);

    let audio = AudioClip::parse(fixture_audio()).unwrap();
    let path = temporary("round_trip.ogg");
    let mut writer = OggOpusWriter::create(&path, &audio.format).unwrap();
    for packet in &audio.packets {
        writer.write(&packet.data).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(AudioClip::open(&path).unwrap(), audio);
}

#[test]
fn packets_that_fill_more_than_a_page_are_written_too() {
    let format = AudioClip::parse(fixture_audio()).unwrap().format;
    let mut writer = OggOpusWriter::new(Vec::new(), &format).unwrap();
    // Around the lengths at which Ogg begins a segment, and a page.
    let lengths = [1, 254, 255, 256, 1275, 61_440, 61_440, 255 * 200, 255 * 55 - 1, 2].repeat(4);
    for length in &lengths {
        writer.write(&vec![0xf8; *length]).unwrap();
    }
    let clip = AudioClip::parse(&writer.finish().unwrap()).unwrap();
    assert_eq!(clip.packets.iter().map(|packet| packet.data.len()).collect::<Vec<_>>(), lengths);
}

#[test]
fn an_unfinished_video_still_reads() {
    let clip = VideoClip::parse(fixture_video()).unwrap();
    let mut out = Cursor::new(Vec::new());
    IvfWriter::new(&mut out, &clip.format).unwrap().write(7, b"frame").unwrap();
    assert_eq!(VideoClip::parse(out.get_ref()).unwrap().frames[0].pts, 7);
}

#[test]
fn a_clip_without_frames_is_not_written() {
    let video = VideoClip::parse(fixture_video()).unwrap();
    let writer = IvfWriter::new(Cursor::new(Vec::new()), &video.format).unwrap();
    assert!(matches!(writer.finish(), Err(MediaError::NoFrames)));

    let audio = AudioClip::parse(fixture_audio()).unwrap();
    let writer = OggOpusWriter::new(Vec::new(), &audio.format).unwrap();
    assert!(matches!(writer.finish(), Err(MediaError::NoFrames)));
}

#[test]
fn a_frame_that_no_reader_takes_is_not_written() {
    let video = VideoClip::parse(fixture_video()).unwrap();
    let mut writer = IvfWriter::new(Cursor::new(Vec::new()), &video.format).unwrap();
    writer.write(0, b"frame").unwrap();
    for frame in [vec![], vec![0; (16 << 20) + 1]] {
        assert!(matches!(writer.write(1, &frame), Err(MediaError::Broken { at: Place::Frame(1), .. })));
    }

    let audio = AudioClip::parse(fixture_audio()).unwrap();
    let mut writer = OggOpusWriter::new(Vec::new(), &audio.format).unwrap();
    for packet in [vec![], vec![0xfb], vec![0xf8; 61_441]] {
        assert!(matches!(writer.write(&packet), Err(MediaError::Broken { at: Place::Frame(0), .. })));
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_on_one_line() {
    let path = Path::new("no such\ndirectory/clip");
    let video = VideoClip::parse(fixture_video()).unwrap().format;
    let audio = AudioClip::parse(fixture_audio()).unwrap().format;
    let errors = [
        VideoClip::open(path).unwrap_err(),
        AudioClip::open(path).unwrap_err(),
        IvfWriter::create(path, &video).unwrap_err(),
        OggOpusWriter::create(path, &audio).unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.starts_with("cannot use the file \"no such\\ndirectory/clip\": "), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
