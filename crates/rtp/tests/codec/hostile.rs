//! No bytes whatever make the form panic; what it seals, it opens.

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use subrosa::Codec;
use subrosa_rtp::codec::{self, SealError};

use crate::clips::{self, frames};
use crate::pair::Pair;

/// Bytes in which start codes, and nearly start codes, are frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(0), 4 => 0..4_u8, 1 => Just(0x80), 3 => any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

/// A beginning that is plausible for the codec, and any bytes behind it.
fn nearly_a_frame() -> impl Strategy<Value = (Codec, Vec<u8>)> {
    let codec = prop::sample::select(clips::ALL.to_vec());
    (codec, bytes(), any::<prop::sample::Index>(), 0..40_usize).prop_map(|(codec, rest, which, keep)| {
        let start: &[&[u8]] = match codec {
            Codec::Vp8 => &[&[0x10, 2, 3, 0x9d, 1, 0x2a], &[0x31]],
            Codec::Vp9 => &[&[0x82, 0x49, 0x83, 0x42], &[0x86]],
            Codec::H264 => &[
                &[0, 0, 1, 0x65],
                &[0, 0, 0, 1, 0x67, 1, 2, 3, 0xff, 0, 0, 1, 0x68, 0xff, 0, 0, 1, 0x41],
                &[0, 0, 1, 6],
            ],
            Codec::H265 => {
                &[&[0, 0, 1, 40, 1], &[0, 0, 0, 1, 0x44, 1, 0xff, 0, 0, 1, 2, 1], &[0, 0, 1, 0x4e, 1]]
            }
            Codec::Av1 => &[&[0x12, 0, 0x0a, 1, 7, 0x30], &[0x34, 0x28], &[0x32, 4]],
            _ => &[&[]],
        };
        let start = *which.get(start);
        let start = if keep < start.len() && rest.len() % 7 == 0 { &start[..keep] } else { start };
        (codec, [start, &rest].concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn splitting_is_total_and_leaves_a_part((codec, frame) in nearly_a_frame(), raw in bytes()) {
        for bytes in [frame, raw] {
            let mut frame = BytesMut::from(&bytes[..]);
            if let Ok(clear) = codec::split(codec, &mut frame) {
                prop_assert!(frame.len() <= bytes.len());
                prop_assert!(clear.len() <= 128);
            }
        }
    }
}

#[test]
fn sealing_any_bytes_fails_or_goes_round() {
    let mut pair = Pair::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = std::collections::BTreeMap::<_, [u32; 2]>::new();
    for _ in 0..3_000 {
        let (codec, frame) = nearly_a_frame().new_tree(&mut runner).unwrap().current();
        let mut out = BytesMut::from(&b"before"[..]);
        let result = codec::seal(pair.sealer_for(codec), codec, &frame, &mut out);
        counts.entry(codec as u8).or_default()[usize::from(result.is_ok())] += 1;
        match result {
            Ok(_) => assert_eq!(pair.open(codec, &out[6..]).unwrap(), frame, "{codec:?}"),
            Err(error) => {
                assert_eq!((error, &out[..]), (SealError::NotThisCodec, &b"before"[..]));
            }
        }
    }
    println!("codec: [refused, round]: {counts:?}");
    assert!(counts.values().all(|[_, round]| *round > 100));
}

#[test]
fn opening_mutated_frames_never_panics() {
    let mut pair = Pair::new();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for codec in clips::ALL {
        let sealed: Vec<_> =
            frames(codec).iter().take(2).map(|frame| pair.seal(codec, &frame.data).unwrap()).collect();
        for number in 0..2_000 {
            let mut frame = sealed[number % 2].to_vec();
            let changes = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8), 1..6);
            for (at, byte) in changes.new_tree(&mut runner).unwrap().current() {
                let at = at.index(frame.len().min(80));
                frame[at] = byte;
            }
            let _ = pair.try_open(codec, &frame);
        }
    }
}

/// Of what may not be in a NAL unit there is nothing, however the ciphertext falls out.
#[test]
fn start_codes_are_kept_out_of_nal_units() {
    for codec in [Codec::H264, Codec::H265] {
        let mut pair = Pair::new();
        let frame = &frames(codec)[1].data;
        let mut escaped = 0;
        // Four forbidden triples in 2^24 bytes of ciphertext: 12 MB, and more if there were none.
        for megabytes in 1..=64 {
            let mut long = frame.to_vec();
            long.resize(1 << 20, 0);
            let sealed = pair.seal(codec, &long).unwrap();
            let nal = &sealed[4..];
            assert!(!nal.windows(3).any(|window| window[..2] == [0, 0] && window[2] < 3), "{codec:?}");
            assert_ne!(nal.last(), Some(&0));
            escaped += nal.windows(3).filter(|window| *window == [0, 0, 3]).count();
            assert_eq!(pair.open(codec, &sealed).unwrap(), long);
            if escaped > 0 && megabytes >= 12 {
                break;
            }
        }
        assert!(escaped > 0, "none was needed, so nothing was tested");
    }
}

/// A frame of nothing but tiny units takes no longer than its length.
#[test]
fn the_work_is_linear() {
    let mut pair = Pair::new();
    for (codec, unit) in [
        (Codec::H264, &[0, 0, 1, 0x68, 0xff][..]),
        (Codec::H264, &[0, 0, 0]),
        (Codec::H264, &[0, 0, 1]),
        (Codec::H264, &[0, 0, 3, 1]),
        (Codec::H265, &[0, 0, 1, 0x44, 1, 0xff]),
        (Codec::Av1, &[0x12, 0]),
        (Codec::Av1, &[0x0a, 0]),
    ] {
        let start: &[u8] = if codec == Codec::Av1 { &[] } else { &[0, 0, 1, 0x42, 1, 0xff] };
        let frame = [start, &unit.repeat((4 << 20) / unit.len())].concat();
        let started = std::time::Instant::now();
        let sealed = pair.seal(codec, &frame);
        let _ = pair.open(codec, &frame);
        if let Ok(sealed) = sealed {
            assert_eq!(pair.open(codec, &sealed).unwrap(), frame);
        }
        println!("{codec:?} {unit:?}: {:?}", started.elapsed());
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }
}
