//! Every kind of broken file has its error, and the error says where.

use subrosa_testkit::media::{AudioClip, MediaError, Place, VideoClip, fixture_audio, fixture_video};

use crate::ogg_pages::{CONTINUED, FIRST, LAST, Page, file, headers};

/// The lengths of an IVF file's header, and of a frame's.
const IVF_HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

#[track_caller]
fn video_error(bytes: &[u8], expected: &str) -> MediaError {
    let error = VideoClip::parse(bytes).unwrap_err();
    assert_eq!(error.to_string(), expected);
    error
}

#[track_caller]
fn audio_error(bytes: &[u8], expected: &str) -> MediaError {
    let error = AudioClip::parse(bytes).unwrap_err();
    assert_eq!(error.to_string(), expected);
    error
}

/// The fixture, with other bytes at a place.
fn video_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut video = fixture_video().to_vec();
    video[at..at + bytes.len()].copy_from_slice(bytes);
    video
}

/// Where the frame of a number begins.
fn frame_at(number: usize) -> usize {
    let frames = VideoClip::parse(fixture_video()).unwrap().frames;
    IVF_HEADER + frames[..number].iter().map(|frame| FRAME_HEADER + frame.data.len()).sum::<usize>()
}

#[test]
fn what_is_not_ivf_is_not_a_video() {
    for bytes in [&b""[..], b"DKI", b"RIFF....AVI LIST", fixture_audio()] {
        assert!(matches!(video_error(bytes, "not an IVF file"), MediaError::NotIvf));
    }
}

#[test]
fn an_ivf_header_is_whole() {
    for length in [4, 7, 8, 31] {
        let error = video_error(&fixture_video()[..length], "the clip ends inside the header");
        assert!(matches!(error, MediaError::Truncated(Place::Header)));
    }
    assert!(matches!(
        video_error(&fixture_video()[..IVF_HEADER], "the clip has no frames"),
        MediaError::NoFrames
    ));
}

#[test]
fn an_ivf_header_makes_sense() {
    let header = |why| format!("the header of the clip is broken: {why}");
    let layout = header("not version 0 with a header of 32 bytes");
    video_error(&video_with(4, &[1]), &layout);
    video_error(&video_with(6, &[33]), &layout);
    video_error(&video_with(12, &[0; 2]), &header("the picture has no size"));
    video_error(&video_with(14, &[0; 2]), &header("the picture has no size"));
    video_error(&video_with(16, &[0; 4]), &header("the unit of time is zero"));
    video_error(&video_with(20, &[0; 4]), &header("the unit of time is zero"));
}

#[test]
fn an_unsupported_codec_is_named() {
    let unsupported = "no file of this kind has the video codec";
    video_error(&video_with(8, b"H264"), &format!("{unsupported} \"H264\""));
    video_error(&video_with(8, b"\n\0\"\xff"), &format!("{unsupported} \"\\n\\x00\\\"\\xff\""));
}

#[test]
fn a_cut_off_video_says_in_which_frame() {
    let ends = [frame_at(7) + 1, frame_at(7) + FRAME_HEADER, frame_at(8) - 1];
    for end in ends {
        let error = video_error(&fixture_video()[..end], "the clip ends inside frame 7");
        assert!(matches!(error, MediaError::Truncated(Place::Frame(7))));
    }
}

#[test]
fn a_frame_length_that_lies_is_not_believed() {
    let at = frame_at(7);
    video_error(&video_with(at, &[0; 4]), "frame 7 of the clip is broken: it is empty");
    video_error(&video_with(at, &[0xff; 4]), "frame 7 of the clip is broken: it is longer than 16 MiB");
    video_error(&video_with(at, &(16_u32 << 20).to_le_bytes()), "the clip ends inside frame 7");
}

#[test]
fn what_is_not_ogg_opus_is_not_an_audio_clip() {
    let vorbis = [Page::of(FIRST, 0, b"\x01vorbis"), Page::of(LAST, 1, b"\x03vorbis")];
    for bytes in [&b""[..], b"Ogg", b"RIFF....WAVEfmt ", fixture_video(), &file(&vorbis)] {
        assert!(matches!(audio_error(bytes, "not an Ogg Opus file"), MediaError::NotOggOpus));
    }
}

#[test]
fn the_opus_headers_are_whole() {
    audio_error(&fixture_audio()[..26], "the clip ends inside the header");
    audio_error(&fixture_audio()[..40], "the clip ends inside the header");
    audio_error(&file(&headers()[..1]), "the clip ends inside the header");

    let mut pages = headers();
    pages[1].flags = LAST;
    assert!(matches!(audio_error(&file(&pages), "the clip has no frames"), MediaError::NoFrames));
}

#[test]
fn the_opus_headers_make_sense() {
    let with = |head: &[u8], tags: &[u8]| file(&[Page::of(FIRST, 0, head), Page::of(LAST, 1, tags)]);
    let head = headers()[0].body.clone();
    let head_with = |at: usize, byte: u8| {
        let mut head = head.clone();
        head[at] = byte;
        head
    };
    let header = |why| format!("the header of the clip is broken: {why}");
    audio_error(&with(&head[..18], b"OpusTags"), &header("the Opus header is too short"));
    audio_error(&with(&head_with(8, 0x10), b"OpusTags"), &header("an Opus header of an unknown version"));
    audio_error(&with(&head_with(9, 0), b"OpusTags"), &header("neither mono nor stereo"));
    audio_error(&with(&head_with(9, 3), b"OpusTags"), &header("neither mono nor stereo"));
    audio_error(&with(&head_with(18, 1), b"OpusTags"), &header("neither mono nor stereo"));
    audio_error(&with(&head, b"OpusTag"), &header("no comment header"));
}

#[test]
fn a_cut_off_audio_clip_says_in_which_packet() {
    let audio = fixture_audio();
    let pages: Vec<_> =
        audio.windows(4).enumerate().filter(|(_, at)| at == b"OggS").map(|(at, _)| at).collect();
    // The third page has the first second of sound: 50 packets.
    for (end, message) in [
        (pages[2] + 20, "the clip ends inside frame 0"),
        (pages[3], "the clip ends inside frame 50"),
        (pages[3] + 1, "the clip ends inside frame 50"),
        (pages[4] - 1, "the clip ends inside frame 50"),
        (audio.len() - 1, "the clip ends inside frame 500"),
    ] {
        audio_error(&audio[..end], message);
    }
}

#[test]
fn a_damaged_or_missing_page_is_not_skipped() {
    let audio = fixture_audio();
    let second = audio.windows(4).enumerate().filter(|(_, at)| at == b"OggS").nth(3).unwrap().0;
    let third = audio.windows(4).enumerate().filter(|(_, at)| at == b"OggS").nth(4).unwrap().0;

    let mut damaged = audio.to_vec();
    damaged[second + 500] ^= 1;
    audio_error(&damaged, "frame 50 of the clip is broken: a wrong checksum");

    let mut no_page = audio.to_vec();
    no_page[second] ^= 1;
    audio_error(&no_page, "frame 50 of the clip is broken: not an Ogg page");

    let missing = [&audio[..second], &audio[third..]].concat();
    audio_error(&missing, "frame 50 of the clip is broken: a page is missing");
}

#[test]
fn one_stream_ends_once() {
    let sound = Page::of(0, 2, b"\xf8sound");
    let with = |pages: &[Page]| file(&[&headers()[..], pages].concat());

    let good = with(&[sound.clone(), Page::of(LAST, 3, b"\xf8more")]);
    assert_eq!(AudioClip::parse(&good).unwrap().packets.len(), 2);

    let other = Page { serial: 2, ..Page::of(FIRST, 0, b"\x80theora") };
    audio_error(&with(&[sound.clone(), other]), "frame 1 of the clip is broken: more than one stream");

    let ended = Page { flags: LAST, ..sound.clone() };
    audio_error(
        &with(&[ended, Page::of(LAST, 3, b"\xf8more")]),
        "frame 1 of the clip is broken: it comes after the end of the stream",
    );

    // RFC 3533 §6: the last page may hold nothing; and a packet may go on over pages, but has to end.
    let nothing = Page { lacing: vec![], body: vec![], ..Page::of(LAST, 3, b"") };
    assert_eq!(AudioClip::parse(&with(&[sound.clone(), nothing])).unwrap().packets.len(), 1);
    let open = Page { lacing: vec![255], body: vec![0xf8; 255], ..sound.clone() };
    assert_eq!(
        AudioClip::parse(&with(&[open.clone(), Page::of(CONTINUED | LAST, 3, b"end")])).unwrap().packets[0]
            .data
            .len(),
        258
    );
    audio_error(&with(&[Page { flags: LAST, ..open }]), "the clip ends inside frame 0");
}

#[test]
fn a_packet_that_is_not_opus_is_found() {
    let with = |packet: &[u8]| file(&[&headers()[..], &[Page::of(LAST, 2, packet)]].concat());
    for packet in [&b""[..], b"\xfb", b"\xfb\x07"] {
        audio_error(&with(packet), "frame 0 of the clip is broken: not an Opus packet");
    }
    let full = Page { lacing: vec![255; 241], body: vec![0xf8; 255 * 241], ..Page::of(0, 2, b"") };
    let rest = Page::of(CONTINUED | LAST, 3, b"");
    audio_error(
        &file(&[&headers()[..], &[full, rest]].concat()),
        "frame 0 of the clip is broken: it is longer than any Opus packet",
    );
}
