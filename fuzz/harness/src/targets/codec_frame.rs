//! A hostile frame of the codec-aware form never panics and never opens as anything but the original; what seals, opens.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use subrosa::{Codec, Opener, Opening, Sealer, TrackKind};
use subrosa_rtp::codec;

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::Pair;

const CODECS: [Codec; 6] = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

thread_local!(static STATE: RefCell<([Sealer; 2], Opener, Pair)> = {
    let pair = Pair::new();
    let sealers =
        [TrackKind::Camera, TrackKind::Microphone].map(|kind| pair.bob.sealer(kind).expect("a track"));
    RefCell::new((sealers, pair.ann.opener(), pair))
});

/// Layout: the codec (1 byte), the length of a frame (2 bytes), the frame, [`Hostile`].
pub const TARGET: Target = Target { name: "codec_frame", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let (which, len): (u8, u16) = input.arbitrary()?;
    let len = usize::from(len).min(input.len());
    let original = input.bytes(len)?;
    let hostile = Hostile::read(&mut input)?;
    let codec = CODECS[usize::from(which) % CODECS.len()];
    STATE.with_borrow_mut(|(sealers, opener, _)| {
        let sealer = &mut sealers[usize::from(codec.is_audio())];
        let mut genuine = BytesMut::new();
        if codec::seal(sealer, codec, original, &mut genuine).is_err() {
            assert!(genuine.is_empty(), "something of a frame that was not sealed");
            let _ = codec::split(codec, &mut BytesMut::from(original));
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
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    vec![]
}
