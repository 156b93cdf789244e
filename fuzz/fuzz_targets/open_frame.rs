//! A hostile frame never opens, never panics, and never keeps the genuine one from opening.
#![no_main]

use std::cell::RefCell;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use subrosa::{Opener, Opening, Sealer, TrackKind};
use subrosa_fuzz::{Hostile, METADATA, Pair};

thread_local!(static STATE: RefCell<(Sealer, Opener, Pair)> = {
    let pair = Pair::new();
    let sealer = pair.bob.sealer(TrackKind::Camera).expect("a track");
    RefCell::new((sealer, pair.ann.opener(), pair))
});

fuzz_target!(|input: (Vec<u8>, Hostile)| {
    let (payload, hostile) = input;
    STATE.with_borrow_mut(|(sealer, opener, _)| {
        let mut genuine = BytesMut::new();
        sealer.seal(METADATA, &payload, &mut genuine).expect("it seals");
        let hostile = hostile.bytes(&genuine);
        if hostile != genuine[..] {
            let outcome = opener.open(METADATA, &mut BytesMut::from(&hostile[..]));
            assert!(!matches!(outcome, Ok(Opening::Opened(_))), "a forged frame opened: {outcome:?}");
        }
        let outcome = opener.open(METADATA, &mut genuine);
        assert!(matches!(outcome, Ok(Opening::Opened(_))), "a genuine frame did not open: {outcome:?}");
        assert_eq!(genuine[..], payload[..]);
    });
});
