//! Nothing of the media can be seen but the copies.

use bytes::BytesMut;
use subrosa::{Codec, TrackKind};
use subrosa_rtp::codec::{self, SealError};
use subrosa_testkit::media::windows::WindowSet;
use subrosa_testkit::table::Table;

use crate::clips::{self, frames};
use crate::pair::Pair;

#[test]
fn no_sixteen_bytes_of_the_media_are_in_a_transformed_frame_but_parameter_sets() {
    for codec in clips::ALL {
        let frames = frames(codec);
        let media = WindowSet::new(frames.iter().map(|frame| &frame.data));
        let mut pair = Pair::new();
        let mut searched = 0;
        for frame in &frames {
            let sealed = pair.seal(codec, &frame.data).unwrap();
            // The sets are all that is long enough to have a window at all.
            let shown = copied_sets(codec, &sealed);
            assert_eq!(
                shown > 0,
                frame.is_keyframe && matches!(codec, Codec::H264 | Codec::H265 | Codec::Av1)
            );
            assert_eq!(media.count_in(&sealed[shown..]), 0, "{codec:?}");
            let mut sframe = sealed.clone();
            codec::split(codec, &mut sframe).unwrap();
            assert_eq!(media.count_in(&sframe), 0, "{codec:?}");
            searched += media.count_in(&frame.data);
        }
        assert!(searched > 1_000, "the search finds what is there");
    }
}

/// How many bytes of parameter sets, or of a sequence header, a transformed frame begins with.
fn copied_sets(codec: Codec, sealed: &BytesMut) -> usize {
    match codec {
        Codec::H264 | Codec::H265 => sealed.windows(4).rposition(|window| window == [0, 0, 0, 1]).unwrap(),
        Codec::Av1 if sealed[0] == 0x0a => 2 + usize::from(sealed[1]),
        _ => 0,
    }
}

#[test]
fn the_copies_are_those_of_the_table() {
    for codec in clips::ALL {
        let mut pair = Pair::new();
        for frame in frames(codec) {
            let sealed = pair.seal(codec, &frame.data).unwrap();
            let clear = codec::split(codec, &mut sealed.clone()).unwrap();
            let expected = match (codec, frame.is_keyframe) {
                (Codec::Opus, _) => 0..=0,
                (Codec::Vp8, true) => 10..=10,
                (Codec::Vp8, false) => 3..=3,
                (Codec::Vp9, true) => 9..=9,
                (Codec::Vp9, false) => 1..=1,
                (Codec::H264, _) => 2..=3,
                (Codec::H265, _) => 3..=3,
                (Codec::Av1, true) => 10..=20,
                (Codec::Av1, false) => 1..=1,
                _ => panic!("an unknown codec"),
            };
            assert!(expected.contains(&clear.len()), "{codec:?}: {}", clear.len());
        }
    }
}

#[test]
fn when_nothing_may_be_sealed_nothing_is_shown() {
    let mut table = Table::of(&["Ann", "Bob"]);
    let mut sealer = table.sealer("Bob", TrackKind::Camera);
    table.remove("Bob");
    for codec in clips::ALL {
        let mut out = BytesMut::from(&b"before"[..]);
        let result = codec::seal(&mut sealer, codec, &frames(codec)[0].data, &mut out);
        assert_eq!(result.err(), Some(SealError::Seal(subrosa::SealError::Ended)));
        assert_eq!(out, b"before"[..], "{codec:?}");
    }
}

#[test]
fn the_copies_stay_out_of_logs() {
    let mut sealed = Pair::new().seal(Codec::Vp8, &frames(Codec::Vp8)[0].data).unwrap();
    let clear = codec::split(Codec::Vp8, &mut sealed).unwrap();
    assert_eq!(format!("{clear:?}"), "Clear { len: 10, .. }");
}
