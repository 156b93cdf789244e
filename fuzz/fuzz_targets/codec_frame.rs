//! A hostile frame of the codec-aware form never panics and never opens as anything but the original; what seals, opens.
#![no_main]

use std::cell::RefCell;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use subrosa::{Codec, Opener, Opening, Sealer, TrackKind};
use subrosa_fuzz::{Hostile, Pair};
use subrosa_rtp::codec;

const CODECS: [Codec; 6] = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

thread_local!(static STATE: RefCell<([Sealer; 2], Opener, Pair)> = {
    let pair = Pair::new();
    let sealers =
        [TrackKind::Camera, TrackKind::Microphone].map(|kind| pair.bob.sealer(kind).expect("a track"));
    RefCell::new((sealers, pair.ann.opener(), pair))
});

fuzz_target!(|input: (u8, Vec<u8>, Hostile)| {
    let (which, original, hostile) = input;
    let codec = CODECS[usize::from(which) % CODECS.len()];
    STATE.with_borrow_mut(|(sealers, opener, _)| {
        let sealer = &mut sealers[usize::from(codec.is_audio())];
        let mut genuine = BytesMut::new();
        if codec::seal(sealer, codec, &original, &mut genuine).is_err() {
            assert!(genuine.is_empty(), "something of a frame that was not sealed");
            let _ = codec::split(codec, &mut BytesMut::from(&original[..]));
            return;
        }
        let mut hostile = BytesMut::from(&hostile.bytes(&genuine)[..]);
        if let Ok(Opening::Opened(_)) = codec::open(opener, codec, &mut hostile) {
            // Parameter sets and the like may change on the way.
            assert_eq!(hostile[..], original[..], "a forged frame opened");
            return;
        }
        let outcome = codec::open(opener, codec, &mut genuine);
        assert!(matches!(outcome, Ok(Opening::Opened(_))), "a genuine frame did not open: {outcome:?}");
        assert_eq!(genuine[..], original[..]);
    });
});
