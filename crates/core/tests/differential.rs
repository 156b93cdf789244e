//! Each suite on each backend against each other, and against the published crate `sframe` on RustCrypto, whose AES is not ring's nor
//! AWS-LC's: the same bytes, and the same verdict on whatever a server makes of a frame.

mod common;

use bytes::BytesMut;
use common::{Dice, SUITES};
use sframe_rust_crypto::CipherSuite as TheirSuite;
use sframe_rust_crypto::frame::{EncryptedFrameView, MediaFrameView, MonotonicCounter};
use sframe_rust_crypto::key::{DecryptionKey, EncryptionKey};
use subrosa::sframe::{
    Backend, CipherSuite, HeaderError, KeyId, OpenError, StaticOpened, StaticOpener, StaticSealer, UniqueKey,
};

const BASE_KEY: [u8; 32] = [0x7e; 32];

fn theirs(suite: CipherSuite) -> TheirSuite {
    match suite.id() {
        1 => TheirSuite::AesCtr128HmacSha256_80,
        2 => TheirSuite::AesCtr128HmacSha256_64,
        3 => TheirSuite::AesCtr128HmacSha256_32,
        4 => TheirSuite::AesGcm128Sha256,
        5 => TheirSuite::AesGcm256Sha512,
        other => panic!("{other}"),
    }
}

fn sealer(backend: Backend, suite: CipherSuite, kid: KeyId) -> StaticSealer {
    StaticSealer::new(UniqueKey::assume_unique_on(backend, suite, kid, &BASE_KEY))
}

/// What our backends make of a frame, each with an opener that has opened nothing yet: they agree.
fn our_verdict(
    suite: CipherSuite,
    kid: KeyId,
    metadata: &[u8],
    frame: &[u8],
) -> Result<(u64, Vec<u8>), OpenError> {
    let verdict = |backend: &Backend| {
        let mut opener = StaticOpener::on(*backend, suite);
        opener.add_key(kid, &BASE_KEY);
        let mut frame = BytesMut::from(frame);
        let StaticOpened { counter, .. } = opener.open(metadata, &mut frame)?;
        Ok((counter, frame.to_vec()))
    };
    let verdicts: Vec<_> = Backend::ALL.iter().map(verdict).collect();
    assert!(verdicts.iter().all(|other| *other == verdicts[0]), "{suite:?}: {verdicts:?}");
    verdicts[0].clone()
}

/// What they make of it, who know the key of one KID.
fn their_verdict(suite: CipherSuite, kid: KeyId, frame: &[u8]) -> Option<(u64, Vec<u8>)> {
    let key = DecryptionKey::derive_from(theirs(suite), kid.0, BASE_KEY).expect("a key");
    let view = EncryptedFrameView::try_new(frame).ok()?;
    let opened = view.decrypt(&key).ok()?;
    Some((opened.counter(), opened.payload().to_vec()))
}

/// What they seal, with a counter of choice.
fn their_frame(suite: CipherSuite, kid: KeyId, counter: u64, payload: &[u8]) -> Vec<u8> {
    let key = EncryptionKey::derive_from(theirs(suite), kid.0, BASE_KEY).expect("a key");
    let mut counter = MonotonicCounter::with_start_value(counter, u64::MAX);
    let mut frame = Vec::new();
    let view = MediaFrameView::new(&mut counter, payload);
    _ = view.encrypt_into(&key, &mut frame).expect("it seals");
    frame
}

#[test]
fn all_make_the_same_bytes() {
    let mut dice = Dice::new(31);
    let mut compared = 0;
    for &suite in SUITES {
        for _ in 0..300 {
            let kid = KeyId(dice.number_of_any_length());
            let len = if dice.below(30) == 0 { 20_000 } else { dice.below(600) };
            let (payload, metadata_len) = (dice.bytes(len), dice.below(40) + 1);
            let metadata = dice.bytes(metadata_len);
            let mut sealers: Vec<_> =
                Backend::ALL.iter().map(|backend| sealer(*backend, suite, kid)).collect();
            for counter in 0..3 {
                let wanted = their_frame(suite, kid, counter, &payload);
                let mut with_metadata: Option<BytesMut> = None;
                for (backend, sealer) in Backend::ALL.iter().zip(&mut sealers) {
                    let mut frame = BytesMut::new();
                    sealer.seal(b"", &payload, &mut frame).expect("it seals");
                    assert_eq!(frame[..], wanted, "{suite:?} {backend:?}");
                    // Theirs authenticates metadata in front of the header, as a draft had it; so here ours are compared alone.
                    frame.clear();
                    StaticSealer::seal(
                        &mut self::sealer(*backend, suite, kid),
                        &metadata,
                        &payload,
                        &mut frame,
                    )
                    .expect("it seals");
                    assert_eq!(with_metadata.get_or_insert_with(|| frame.clone()), &frame);
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, SUITES.len() * 300 * 3 * Backend::ALL.len());
}

/// Counters and KIDs of all lengths, which our sealers would take long to reach.
#[test]
fn what_they_seal_opens_on_every_backend() {
    let mut dice = Dice::new(32);
    for &suite in SUITES {
        for _ in 0..500 {
            let (kid, counter) = (KeyId(dice.number_of_any_length()), dice.number_of_any_length() / 2);
            let len = dice.below(600);
            let payload = dice.bytes(len);
            let frame = their_frame(suite, kid, counter, &payload);
            assert_eq!(our_verdict(suite, kid, b"", &frame), Ok((counter, payload)));
        }
    }
}

/// Holds our verdict against theirs.
fn agree(suite: CipherSuite, kid: KeyId, frame: &[u8]) -> bool {
    let (ours, theirs) = (our_verdict(suite, kid, b"", frame), their_verdict(suite, kid, frame));
    match (&ours, &theirs) {
        (Ok(ours), Some(theirs)) => assert_eq!(ours, theirs),
        (Err(_), None) => {}
        _ => panic!("{suite:?}: we say {ours:?}, they {theirs:?}, of {frame:02x?}"),
    }
    ours.is_ok()
}

#[test]
fn all_judge_damaged_frames_alike() {
    let kid = KeyId(0x123);
    for &suite in SUITES {
        let frame = their_frame(suite, kid, 300, b"a short payload");
        let other = their_frame(suite, kid, 301, b"another payload");
        let tag_at = frame.len() - suite.tag_len();
        assert!(agree(suite, kid, &frame));
        for bit in 0..frame.len() * 8 {
            assert!(!agree(suite, kid, &common::with_bit_turned(&frame, bit)), "bit {bit}");
        }
        for len in 0..frame.len() {
            assert!(!agree(suite, kid, &frame[..len]), "{len} bytes of it");
            let spliced = [&frame[..len], &other[len..]].concat();
            assert_eq!(agree(suite, kid, &spliced), spliced == frame || spliced == other);
        }
        for tail in [&[0][..], &frame[tag_at..], &frame] {
            assert!(!agree(suite, kid, &[&frame[..], tail].concat()));
        }
        for wrong in [&b"m"[..], &[0], b"metadata"] {
            assert_eq!(our_verdict(suite, kid, wrong, &frame), Err(OpenError::Unauthentic));
        }
        let spliced = [&frame[..tag_at], &other[other.len() - suite.tag_len()..]].concat();
        assert!(!agree(suite, kid, &spliced), "another frame's tag");
        let empty = their_frame(suite, kid, 0, b"");
        assert!(agree(suite, kid, &empty), "an empty payload");
        assert!(!agree(suite, KeyId(0x124), &empty), "without its key");
        for &suite in SUITES.iter().filter(|other| **other != suite) {
            assert!(!agree(suite, kid, &frame), "under another suite");
        }
    }
}

#[test]
fn all_judge_random_bytes_alike() {
    let mut dice = Dice::new(33);
    for &suite in SUITES {
        for _ in 0..3_000 {
            let len = dice.below(60);
            assert!(!agree(suite, KeyId(dice.below(8)), &dice.bytes(len)));
        }
    }
}

/// Here verdicts differ, and this is why. RFC 9605 §4.3: "the value MUST be encoded with the minimum number of bytes required", so what
/// was written longer is no header. They read it, and go on to the tag. (Nothing is forged thereby, since the header is authenticated as
/// it stands; but there would be many headers for one KID and counter.)
#[test]
fn a_number_that_is_written_longer_than_it_must_be_is_read_by_them_and_not_by_us() {
    // KID 3 and counter 5, each of which fits the config byte: with a byte of its own for the one, then for the other.
    let cases = [
        ([0b1000_0101, 3], HeaderError::KeyIdNotMinimal),
        ([0b0011_1000, 5], HeaderError::CounterNotMinimal),
    ];
    for &suite in SUITES {
        let sealed = their_frame(suite, KeyId(3), 5, b"payload");
        for (long, error) in cases {
            let written = [&long[..], &sealed[1..]].concat();
            assert_eq!(our_verdict(suite, KeyId(3), b"", &written), Err(OpenError::Malformed(error)));
            let view = EncryptedFrameView::try_new(&written[..]).expect("they read it");
            assert_eq!((view.header().key_id(), view.header().counter()), (3, 5));
        }
    }
}
