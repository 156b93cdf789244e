//! `StaticSealer` and `StaticOpener`: what opens, what is refused, and what a refusal leaves behind.

mod common;

use bytes::BytesMut;
use common::{SUITES, header, with_bit_turned};
use subrosa::sframe::{
    CipherSuite, HeaderError, KeyId, MAX_HEADER_LEN, OpenError, SealError, StaticOpened, StaticOpener,
    StaticSealer, UniqueKey,
};

const KID: KeyId = KeyId(300);
const BASE_KEY: [u8; 16] = [0x5a; 16];
const SUITE: CipherSuite = CipherSuite::Aes128GcmSha256;

fn sealer(suite: CipherSuite, kid: KeyId) -> StaticSealer {
    StaticSealer::new(UniqueKey::assume_unique(suite, kid, &BASE_KEY))
}

fn opener(suite: CipherSuite) -> StaticOpener {
    let mut opener = StaticOpener::new(suite);
    assert!(opener.add_key(KID, &BASE_KEY));
    opener
}

fn seal(sealer: &mut StaticSealer, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    sealer.seal(b"metadata", payload, &mut frame).expect("it seals");
    frame
}

#[test]
fn what_was_sealed_opens_and_nothing_of_it_is_readable() {
    for &suite in SUITES {
        let (mut sealer, mut opener) = (sealer(suite, KID), opener(suite));
        for counter in 0..300 {
            let payload = b"a picture of the room";
            let mut frame = seal(&mut sealer, payload);
            assert_eq!(frame.len(), header(&frame).encoded_len() + payload.len() + suite.tag_len());
            assert!(!frame.windows(4).any(|window| payload.windows(4).any(|clear| clear == window)));
            assert_eq!(opener.open(b"metadata", &mut frame), Ok(StaticOpened { kid: KID, counter }));
            assert_eq!(&frame[..], payload);
        }
    }
}

/// The two ways to seal differ in where the payload stands, not in the frame.
#[test]
fn in_place_and_appended_are_the_same_frames() {
    for &suite in SUITES {
        let (mut appending, mut in_place) = (sealer(suite, KID), sealer(suite, KID));
        for len in (0..400).chain([65_536]) {
            let payload = vec![len as u8; len];
            let mut frame = BytesMut::from(&[&[0xee; MAX_HEADER_LEN][..], &payload].concat()[..]);
            in_place.seal_in_place(b"metadata", &mut frame).expect("it seals");
            assert_eq!(frame, seal(&mut appending, &payload), "{len} bytes");
        }
    }
}

#[test]
fn sealing_appends_and_leaves_what_was_there() {
    let mut out = BytesMut::from(&b"before"[..]);
    sealer(SUITE, KID).seal(b"metadata", b"payload", &mut out).expect("it seals");
    assert_eq!(&out.split_to(6)[..], b"before");
    assert_eq!(out, seal(&mut sealer(SUITE, KID), b"payload"));
}

/// RFC 9605 §4.4.1: a counter is used once, whatever became of its frame.
#[test]
fn a_frame_without_headroom_is_refused_and_its_counter_is_used_up() {
    let mut sealer = sealer(SUITE, KID);
    let mut short = BytesMut::from(&[0; MAX_HEADER_LEN - 1][..]);
    assert_eq!(sealer.seal_in_place(b"", &mut short), Err(SealError::NoHeadroom));
    assert_eq!(header(&seal(&mut sealer, b"")).counter, 1);
}

#[test]
fn a_frame_opens_once() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    let frame = seal(&mut sealer, b"payload");
    assert!(opener.open(b"metadata", &mut frame.clone()).is_ok());
    assert_eq!(opener.open(b"metadata", &mut frame.clone()), Err(OpenError::Replayed));
    assert!(!opener.add_key(KID, &BASE_KEY), "the key is known already");
    assert_eq!(opener.open(b"metadata", &mut frame.clone()), Err(OpenError::Replayed));
}

#[test]
fn a_forged_frame_does_not_move_the_window() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    assert!(opener.open(b"metadata", &mut seal(&mut sealer, b"first")).is_ok());
    let frame = seal(&mut sealer, b"genuine");
    for bit in 0..frame.len() * 8 {
        assert!(opener.open(b"metadata", &mut with_bit_turned(&frame, bit)).is_err(), "bit {bit}");
    }
    // The highest counter there is, under a known key: it would push all others out of the window.
    let mut far = BytesMut::from(&frame[..3]);
    far.extend_from_slice(&[0xff; 8 + 7 + 16]);
    far[0] |= 0x0f;
    assert_eq!((header(&far).kid, header(&far).counter), (KID, u64::MAX));
    assert_eq!(opener.open(b"metadata", &mut far), Err(OpenError::Unauthentic));
    assert_eq!(opener.open(b"metadata", &mut frame.clone()), Ok(StaticOpened { kid: KID, counter: 1 }));
}

#[test]
fn a_frame_that_is_1_000_late_opens_and_one_from_long_ago_does_not() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    let mut frames: Vec<_> = (0..3000).map(|_| seal(&mut sealer, b"")).collect();
    assert!(opener.open(b"metadata", &mut frames[2999].clone()).is_ok());
    for (counter, frame) in frames.iter_mut().enumerate() {
        let opened = opener.open(b"metadata", frame);
        match counter {
            0..1000 => assert_eq!(opened, Err(OpenError::Replayed), "{counter}"),
            1999..2999 => assert!(opened.is_ok(), "{counter}: {opened:?}"),
            _ => {} // the window may be larger than it must
        }
    }
}

#[test]
fn other_metadata_does_not_open() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    let frame = seal(&mut sealer, b"payload");
    for metadata in [&b""[..], b"metadat", b"metadata ", b"Metadata"] {
        assert_eq!(opener.open(metadata, &mut frame.clone()), Err(OpenError::Unauthentic), "{metadata:?}");
    }
    assert!(opener.open(b"metadata", &mut frame.clone()).is_ok());
}

/// The AAD is header | metadata: a byte moved from one to the other must not leave it the same frame.
#[test]
fn the_border_between_header_and_metadata_is_authenticated() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    for _ in 0..8 {
        seal(&mut sealer, b"");
    }
    let mut frame = BytesMut::new();
    sealer.seal(b"\x09tail", b"payload", &mut frame).expect("it seals");
    assert_eq!(header(&frame).counter, 8);
    assert_eq!(opener.open(b"tail", &mut frame.clone()), Err(OpenError::Unauthentic));
    assert_eq!(opener.open(b"\x08\x09tail", &mut frame.clone()), Err(OpenError::Unauthentic));
    assert!(opener.open(b"\x09tail", &mut frame).is_ok());
}

#[test]
fn a_frame_that_is_cut_off_is_refused_at_every_length() {
    let (mut sealer, mut opener) = (sealer(SUITE, KID), opener(SUITE));
    let frame = seal(&mut sealer, b"payload");
    for len in 0..frame.len() {
        let error = opener.open(b"metadata", &mut BytesMut::from(&frame[..len])).expect_err("cut off");
        match len {
            _ if len < header(&frame).encoded_len() + SUITE.tag_len() => {
                assert_eq!(error, OpenError::Malformed(HeaderError::Truncated), "{len}");
            }
            _ => assert_eq!(error, OpenError::Unauthentic, "{len}"),
        }
    }
    assert!(opener.open(b"metadata", &mut frame.clone()).is_ok());
}

#[test]
fn a_key_that_was_never_there_or_was_removed_is_unknown() {
    let (mut other, mut sealer, mut opener) = (sealer(SUITE, KeyId(301)), sealer(SUITE, KID), opener(SUITE));
    assert_eq!(opener.open(b"metadata", &mut seal(&mut other, b"")), Err(OpenError::UnknownKey));
    assert!(opener.open(b"metadata", &mut seal(&mut sealer, b"")).is_ok());
    opener.remove_key(KID);
    assert_eq!(opener.open(b"metadata", &mut seal(&mut sealer, b"")), Err(OpenError::UnknownKey));
}

/// RFC 9605 §4.4.2: the KID is part of the key's derivation.
#[test]
fn one_base_key_gives_each_key_id_its_own_key() {
    let (mut one, mut two) = (sealer(SUITE, KeyId(1)), sealer(SUITE, KeyId(2)));
    let (one, two) = (seal(&mut one, b"the same payload"), seal(&mut two, b"the same payload"));
    assert_ne!(one[2..], two[2..]);
    let mut opener = StaticOpener::new(SUITE);
    assert!(opener.add_key(KeyId(2), &BASE_KEY));
    let mut relabelled = one;
    relabelled[0] = two[0];
    assert_eq!(opener.open(b"metadata", &mut relabelled), Err(OpenError::Unauthentic));
}

#[test]
fn debug_output_has_no_key_in_it() {
    let key = UniqueKey::assume_unique(SUITE, KID, &BASE_KEY);
    let mut texts = vec![format!("{key:?}"), format!("{key:#?}")];
    let (sealer, opener) = (StaticSealer::new(key), opener(SUITE));
    texts.extend([
        format!("{sealer:?}"),
        format!("{sealer:#?}"),
        format!("{opener:?}"),
        format!("{opener:#?}"),
    ]);
    for text in texts {
        common::assert_hides(&text, &BASE_KEY);
    }
}

#[test]
fn in_a_log_they_say_which_key_it_is_and_not_the_key() {
    let key = UniqueKey::assume_unique(SUITE, KID, &BASE_KEY);
    assert_eq!(format!("{key:?}"), "UniqueKey { suite: Aes128GcmSha256, kid: KeyId(300), .. }");
    let mut sealer = StaticSealer::new(key);
    seal(&mut sealer, b"payload");
    let shown =
        "StaticSealer { key: UniqueKey { suite: Aes128GcmSha256, kid: KeyId(300), .. }, next_counter: 1 }";
    assert_eq!(format!("{sealer:?}"), shown);
    assert_eq!(format!("{:?}", opener(SUITE)), "StaticOpener { suite: Aes128GcmSha256, keys: 1, .. }");
}
