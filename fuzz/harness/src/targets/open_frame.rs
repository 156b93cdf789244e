//! A hostile frame never opens, never panics, and never keeps the genuine one from opening.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use subrosa::{Opener, Opening, Sealer, TrackKind};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{METADATA, Pair};

thread_local!(static STATE: RefCell<(Sealer, Opener, Pair)> = {
    let pair = Pair::new();
    let sealer = pair.bob.sealer(TrackKind::Camera).expect("a track");
    RefCell::new((sealer, pair.ann.opener(), pair))
});

/// Layout: the length of a payload (1 byte), the payload, [`Hostile`].
pub const TARGET: Target = Target { name: "open_frame", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
    let payload = input.bytes(len)?;
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow_mut(|(sealer, opener, _)| {
        let mut genuine = BytesMut::new();
        sealer.seal(METADATA, payload, &mut genuine).expect("it seals");
        let hostile = hostile.bytes(&genuine);
        if hostile != genuine[..] {
            let outcome = opener.open(METADATA, &mut BytesMut::from(&hostile[..]));
            assert!(!matches!(outcome, Ok(Opening::Opened(_))), "a forged frame opened: {outcome:?}");
        }
        let outcome = opener.open(METADATA, &mut genuine);
        assert!(matches!(outcome, Ok(Opening::Opened(_))), "a genuine frame did not open: {outcome:?}");
        assert_eq!(genuine[..], payload[..]);
    });
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    vec![]
}
