//! No bytes whatever make a reader panic, and what a reader takes is well-formed.

use std::io::Cursor;

use proptest::prelude::*;
use subrosa_testkit::media::{
    AudioClip, IvfWriter, OggOpusWriter, VideoClip, VideoCodec, VideoFormat, fixture_audio,
    fixture_video_av1, fixture_video_vp9,
};

use crate::ogg_pages::{FIRST, Page, file, headers};

/// Reads the bytes as both kinds of file; what is read can be used, written and read again.
fn read(bytes: &[u8]) {
    if let Ok(clip) = VideoClip::parse(bytes) {
        let _ = clip.duration();
        let mut writer = IvfWriter::new(Cursor::new(Vec::new()), &clip.format).unwrap();
        for frame in &clip.frames {
            writer.write(frame.pts, &frame.data).unwrap();
        }
        assert_eq!(VideoClip::parse(&writer.finish().unwrap().into_inner()).unwrap(), clip);
    }
    if let Ok(clip) = AudioClip::parse(bytes) {
        let _ = clip.duration();
        let mut writer = OggOpusWriter::new(Vec::new(), &clip.format).unwrap();
        for packet in &clip.packets {
            writer.write(&packet.data).unwrap();
        }
        assert_eq!(AudioClip::parse(&writer.finish().unwrap()).unwrap(), clip);
    }
}

/// A file with some of its bytes replaced and its end cut off.
fn mutated(file: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let near_the_start = (0..200_usize, any::<u8>());
    let anywhere = (0..file.len(), any::<u8>());
    let changes = prop::collection::vec(prop_oneof![near_the_start, anywhere], 0..8);
    let end = prop_oneof![Just(file.len()), 0..=file.len()];
    (changes, end).prop_map(move |(changes, end)| {
        let mut bytes = file.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(end);
        bytes
    })
}

/// Pages with the right checksums and sequence, and otherwise as they come.
fn pages() -> impl Strategy<Value = Vec<Page>> {
    let lacing = prop::collection::vec(prop_oneof![Just(255_u8), 0..10_u8], 0..12);
    let page = (0..8_u8, any::<u64>(), any::<u8>(), lacing);
    prop::collection::vec(page, 0..8).prop_map(|pages| {
        let page = |(place, (flags, granule, toc, lacing)): (usize, (u8, u64, u8, Vec<u8>))| Page {
            // The mark of the end mostly at the end, or no file would be read whole.
            flags: if granule % 8 == 0 { flags } else { flags & !4 },
            granule,
            serial: 1,
            sequence: place as u32,
            body: vec![toc; lacing.iter().map(|length| usize::from(*length)).sum()],
            lacing,
        };
        pages.into_iter().enumerate().map(page).collect()
    })
}

proptest! {
    #[test]
    fn of_no_kind(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
        read(&[b"DKIF\0\0\x20\0VP80", &bytes[..]].concat());
        read(&[b"OggS\0\x02", &bytes[..]].concat());
    }

    #[test]
    fn of_a_video_with_faults(bytes in prop_oneof![mutated(fixture_video_vp9()), mutated(fixture_video_av1())]) {
        read(&bytes);
    }

    #[test]
    fn of_an_audio_clip_with_faults(bytes in mutated(fixture_audio())) {
        read(&bytes);
    }

    #[test]
    fn of_pages_in_disorder(pages in pages(), with_headers: bool, ends: bool) {
        let mut all = if with_headers { headers() } else { vec![] };
        all.extend(pages);
        for (place, page) in all.iter_mut().enumerate() {
            page.sequence = place as u32;
            page.flags = if place == 0 { page.flags | FIRST } else { page.flags & !FIRST };
        }
        if let Some(last) = all.last_mut() && ends {
            last.flags |= 4;
        }
        read(&file(&all));
    }

    #[test]
    fn of_a_frame(frame in prop::collection::vec(any::<u8>(), 0..24)) {
        for codec in VideoCodec::ALL {
            let _ = codec.is_keyframe(&frame);
            let _ = VideoClip::parse_annex_b(&frame, VideoFormat::of_h26x_fixture(codec));
        }
    }
}
