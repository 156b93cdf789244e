//! Whatever is changed on the way: the frame is refused, or it is the original.

use bytes::BytesMut;
use subrosa::{Codec, FrameFault};
use subrosa_rtp::codec::{self, NotThisForm, OpenError};

use crate::clips::{self, frames};
use crate::pair::Pair;

/// The first frame, a key frame, and the one after it, shortened, as every bit of them is tried.
fn samples(codec: Codec) -> Vec<Vec<u8>> {
    let shortened = |frame: &[u8]| match codec {
        Codec::Av1 => frame.to_vec(), // its OBUs say how long they are
        Codec::H264 => without_sei(frame, |header| header & 0x1f == 6),
        Codec::H265 => without_sei(frame, |header| header >> 1 & 0x3f == 39),
        _ => frame[..frame.len().min(300)].to_vec(),
    };
    frames(codec).iter().take(2).map(|frame| shortened(&frame.data)).collect()
}

/// Leaves out the text of some kB that stands before the first slice.
fn without_sei(unit: &[u8], is_sei: fn(u8) -> bool) -> Vec<u8> {
    let codes = unit.windows(3).enumerate().filter(|(_, window)| *window == [0, 0, 1]);
    let starts: Vec<_> = codes.map(|(at, _)| at).collect();
    let ends = starts.iter().copied().skip(1).chain([unit.len()]);
    let nals = starts.iter().zip(ends).map(|(start, end)| &unit[*start..end]);
    let mut rest = nals.filter(|nal| !is_sei(nal[3])).collect::<Vec<_>>().concat();
    rest.truncate(400);
    rest
}

/// Which bits of a transformed frame do nothing to what comes out: those of parameter sets, which no stack hands on as they were.
fn is_of_no_consequence(codec: Codec, sealed: &[u8], position: usize) -> bool {
    let carrier = sealed.windows(4).rposition(|window| window == [0, 0, 0, 1]);
    match codec {
        Codec::H264 | Codec::H265 => position < carrier.unwrap() + 4,
        _ => false,
    }
}

#[test]
fn any_flipped_bit_is_refused() {
    for codec in clips::ALL {
        for original in samples(codec) {
            let mut pair = Pair::new();
            let mut sealed = pair.seal(codec, &original).unwrap();
            let (mut refused, mut held, mut same) = (0, 0, 0);
            for bit in 0..sealed.len() * 8 {
                let mut changed = sealed.to_vec();
                changed[bit / 8] ^= 0x80 >> (bit % 8);
                match pair.try_open(codec, &changed) {
                    Ok(None) => held += 1, // a bit of the epoch in its KID, which never comes
                    Err(_) => refused += 1,
                    Ok(Some(opened)) => {
                        assert!(is_of_no_consequence(codec, &sealed, bit / 8), "{codec:?}, bit {bit}");
                        assert_eq!(opened, original, "{codec:?}, bit {bit}");
                        same += 1;
                        sealed = pair.seal(codec, &original).unwrap(); // a frame opens but once
                    }
                }
            }
            // It was not refused for being a replay.
            assert_eq!(pair.open(codec, &sealed).unwrap(), original);
            println!("{codec:?}: {refused} flipped bits refused, {held} held, {same} change nothing");
        }
    }
}

#[test]
fn any_cut_is_refused() {
    for codec in clips::ALL {
        let mut pair = Pair::new();
        for original in samples(codec) {
            let sealed = pair.seal(codec, &original).unwrap();
            for len in 0..sealed.len() {
                assert!(pair.refuses(codec, &sealed[..len]), "{codec:?}, {len}");
            }
            assert_eq!(pair.open(codec, &sealed).unwrap(), original);
        }
    }
}

#[test]
fn a_frame_of_one_codec_is_refused_as_another() {
    for sent in clips::ALL {
        for taken in clips::ALL.into_iter().filter(|taken| *taken != sent) {
            let mut pair = Pair::new();
            for original in samples(sent) {
                let sealed = pair.seal(sent, &original).unwrap();
                assert!(pair.refuses(taken, &sealed), "{sent:?} as {taken:?}");
                assert_eq!(pair.open(sent, &sealed).unwrap(), original);
            }
        }
    }
}

#[test]
fn sound_on_a_cameras_track_is_refused_and_pictures_on_a_microphones() {
    for (codec, other) in [(Codec::Opus, Codec::Vp8), (Codec::Vp8, Codec::Opus)] {
        let mut pair = Pair::new();
        let mut frame = BytesMut::new();
        let original = samples(codec).remove(0);
        codec::seal(pair.sealer_for(other), codec, &original, &mut frame).unwrap();
        let refused = codec::open(&mut pair.opener, codec, &mut frame);
        assert!(matches!(refused, Err(OpenError::WrongKind { .. })), "{refused:?}");
        assert!(frame.is_empty(), "nothing of it is left to be played by mistake");
    }
}

#[test]
fn frames_in_clear_are_never_let_through() {
    for codec in clips::ALL {
        let mut pair = Pair::new();
        for frame in frames(codec) {
            assert!(pair.refuses(codec, &frame.data), "{codec:?}");
        }
    }
}

#[test]
fn a_whole_frame_sframe_is_refused_in_this_form_and_the_other_way_round() {
    let mut pair = Pair::new();
    let opus = [0x68, 1, 2, 3];
    let mut whole = BytesMut::new();
    pair.sealer_for(Codec::Opus).seal(subrosa::Metadata::frame(Codec::Opus), &opus, &mut whole).unwrap();
    let refused = pair.open(Codec::Opus, &whole);
    assert!(matches!(refused, Err(OpenError::Frame(error)) if error.reason == FrameFault::Unauthentic));
    let mut sealed = pair.seal(Codec::Opus, &opus).unwrap();
    let error = pair.opener.open(subrosa::Metadata::frame(Codec::Opus), &mut sealed).unwrap_err();
    assert_eq!(error.reason, FrameFault::Unauthentic);
}

#[test]
fn two_carriers_are_refused() {
    for codec in [Codec::H264, Codec::H265, Codec::Av1] {
        let mut pair = Pair::new();
        let sealed = pair.seal(codec, &samples(codec)[1]).unwrap();
        let twice = [&sealed[..], &sealed[..]].concat();
        assert_eq!(pair.open(codec, &twice), Err(OpenError::NotThisForm(NotThisForm::Malformed)));
    }
}

#[test]
fn what_receivers_do_to_a_byte_stream_does_not_matter() {
    let mut pair = Pair::new();
    let original = &frames(Codec::H264)[0].data;
    let sealed = pair.seal(Codec::H264, original).unwrap();
    let carrier = sealed.windows(4).rposition(|window| window == [0, 0, 0, 1]).unwrap();
    // A short start code, a delimiter and another SPS in front, zeros behind.
    let as_libwebrtc =
        [&[0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1, 2, 3], &sealed[carrier + 1..], &[0, 0, 0]].concat();
    assert_eq!(pair.open(Codec::H264, &as_libwebrtc).unwrap(), *original);

    let original = &frames(Codec::H265)[0].data;
    let sealed = pair.seal(Codec::H265, original).unwrap();
    let carrier = sealed.windows(4).rposition(|window| window == [0, 0, 0, 1]).unwrap();
    let with_delimiter_and_vps =
        [&[0, 0, 1, 0x46, 1, 0x50, 0, 0, 1, 0x40, 1, 2, 3], &sealed[carrier + 1..], &[0, 0, 0]].concat();
    assert_eq!(pair.open(Codec::H265, &with_delimiter_and_vps).unwrap(), *original);
}
