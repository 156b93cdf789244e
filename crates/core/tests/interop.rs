//! Frames travel between this crate and the published crate `sframe` on ring, both ways, for both suites with AES-GCM.

mod common;

use bytes::BytesMut;
use common::{Dice, header};
use sframe::CipherSuite as TheirSuite;
use sframe::frame::{EncryptedFrameView, MediaFrameView, SingleUseCounter};
use sframe::key::{DecryptionKey, EncryptionKey};
use subrosa::sframe::{CipherSuite, KeyId, StaticOpened, StaticOpener, StaticSealer, UniqueKey};

const FRAMES: usize = 1000;
const GCM: [CipherSuite; 2] = [CipherSuite::Aes128GcmSha256, CipherSuite::Aes256GcmSha512];

fn theirs(suite: CipherSuite) -> TheirSuite {
    match suite {
        CipherSuite::Aes128GcmSha256 => TheirSuite::AesGcm128Sha256,
        CipherSuite::Aes256GcmSha512 => TheirSuite::AesGcm256Sha512,
        other => panic!("{other:?}"),
    }
}

/// What one frame is made of, all of it random.
struct Draw {
    kid: u64,
    base_key: Vec<u8>,
    metadata: Vec<u8>,
    payload: Vec<u8>,
}

fn draw(dice: &mut Dice) -> Draw {
    let kid = dice.number_of_any_length();
    let key_len = dice.below(64) + 1;
    let metadata_len = dice.below(40);
    let payload_len = if dice.below(50) == 0 { 20_000 } else { dice.below(2001) };
    Draw {
        kid,
        base_key: dice.bytes(key_len),
        metadata: dice.bytes(metadata_len),
        payload: dice.bytes(payload_len),
    }
}

#[test]
fn frames_sealed_here_open_there() {
    for suite in GCM {
        let mut dice = Dice::new(1);
        for _ in 0..FRAMES {
            let Draw { kid, base_key, metadata, payload } = draw(&mut dice);
            let mut sealer = StaticSealer::new(UniqueKey::assume_unique(suite, KeyId(kid), &base_key));
            let mut frame = BytesMut::new();
            // A random counter is reached by sealing that many frames first.
            let counter = dice.number_of_any_length() % 600;
            for _ in 0..counter {
                frame.clear();
                sealer.seal(b"", b"", &mut frame).expect("it seals");
            }
            frame.clear();
            sealer.seal(&metadata, &payload, &mut frame).expect("it seals");
            assert_eq!((header(&frame).kid.0, header(&frame).counter), (kid, counter));

            let key = DecryptionKey::derive_from(theirs(suite), kid, &base_key).expect("a key");
            let view = EncryptedFrameView::try_with_meta_data(&frame[..], &metadata).expect("a header");
            let opened = view.decrypt(&key).expect("it opens");
            assert_eq!((opened.counter(), opened.payload()), (counter, &payload[..]));
        }
    }
}

#[test]
fn frames_sealed_there_open_here() {
    for suite in GCM {
        let mut dice = Dice::new(2);
        for _ in 0..FRAMES {
            let Draw { kid, base_key, metadata, payload } = draw(&mut dice);
            let counter = dice.number_of_any_length();
            let key = EncryptionKey::derive_from(theirs(suite), kid, &base_key).expect("a key");
            let mut buffer = Vec::new();
            let frame =
                MediaFrameView::try_with_meta_data(&mut SingleUseCounter::new(counter), &payload, &metadata)
                    .and_then(|frame| frame.encrypt_into(&key, &mut buffer))
                    .expect("it seals");

            let mut opener = StaticOpener::new(suite);
            opener.add_key(KeyId(kid), &base_key);
            let mut opened = BytesMut::from(frame.sframe_cipher_text());
            assert_eq!(opener.open(&metadata, &mut opened), Ok(StaticOpened { kid: KeyId(kid), counter }));
            assert_eq!(&opened[..], payload);
        }
    }
}

/// What is authenticated is so for both: a frame damaged on the way opens on neither side.
#[test]
fn a_damaged_frame_opens_on_neither_side() {
    for suite in GCM {
        let mut sealer = StaticSealer::new(UniqueKey::assume_unique(suite, KeyId(1), &[7; 16]));
        let mut frame = BytesMut::new();
        sealer.seal(b"metadata", b"payload", &mut frame).expect("it seals");
        let mut opener = StaticOpener::new(suite);
        opener.add_key(KeyId(1), &[7; 16]);
        let key = DecryptionKey::derive_from(theirs(suite), 1_u64, [7; 16]).expect("a key");
        for bit in 0..frame.len() * 8 {
            let mut damaged = common::with_bit_turned(&frame, bit);
            let view = EncryptedFrameView::try_with_meta_data(&damaged[..], b"metadata");
            assert!(view.and_then(|view| view.decrypt(&key)).is_err(), "bit {bit}");
            assert!(opener.open(b"metadata", &mut damaged).is_err(), "bit {bit}");
        }
        assert!(opener.open(b"metadata", &mut frame).is_ok());
    }
}
