//! Frames under keys that an application brings, in every suite: what is sealed opens; a hostile frame does not, and leaves no trace;
//! and the published crate `sframe` agrees about every one of them.

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use sframe::CipherSuite as Theirs;
use sframe::frame::EncryptedFrameView;
use sframe::key::DecryptionKey;
use subrosa::sframe::{
    CipherSuite, HeaderError, KeyId, OpenError, StaticOpened, StaticOpener, StaticSealer, UniqueKey,
};

use crate::Target;
use crate::hostile::Hostile;

/// Layout: the suite (1 byte), the KID (8) and how far to shift it (1), how many frames before (1), lengths of metadata and payload (1
/// each), these two, [`Hostile`].
pub const TARGET: Target = Target { name: "standalone_frame", run: |data| _ = run(data), seeds };

const SUITES: [(CipherSuite, Theirs); 2] = [
    (CipherSuite::Aes128GcmSha256, Theirs::AesGcm128Sha256),
    (CipherSuite::Aes256GcmSha512, Theirs::AesGcm256Sha512),
];
const BASE_KEY: [u8; 16] = [7; 16];

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let (which, kid, shift): (u8, u64, u8) = input.arbitrary()?;
    let (suite, theirs) = SUITES[usize::from(which) % SUITES.len()];
    let kid = KeyId(kid >> (shift % 64));
    let [before, metadata_len, payload_len]: [u8; 3] = input.arbitrary()?;
    let metadata_len = usize::from(metadata_len).min(input.len());
    let metadata = input.bytes(metadata_len)?;
    let payload_len = usize::from(payload_len).min(input.len());
    let payload = input.bytes(payload_len)?;
    let hostile = Hostile::read(&mut input)?;

    let mut sealer = StaticSealer::new(UniqueKey::assume_unique(suite, kid, &BASE_KEY));
    let mut frame = BytesMut::new();
    for _ in 0..=before {
        frame.clear();
        sealer.seal(metadata, payload, &mut frame).expect("it seals");
    }
    let hostile = hostile.bytes(&frame);
    let mut opener = StaticOpener::new(suite);
    opener.add_key(kid, &BASE_KEY);

    let their_key = DecryptionKey::derive_from(theirs, kid.0, BASE_KEY).expect("a key");
    let is_genuine = hostile == frame[..];
    let mut opened = BytesMut::from(&hostile[..]);
    let outcome = opener.open(metadata, &mut opened);
    assert_eq!(outcome.is_ok(), is_genuine, "{outcome:?}");
    match EncryptedFrameView::try_with_meta_data(&hostile[..], metadata)
        .and_then(|view| view.decrypt(&their_key))
    {
        Ok(their_frame) => {
            let (counter, text) = (their_frame.counter(), their_frame.payload());
            match outcome {
                Ok(ours) => assert_eq!((ours, &opened[..]), (StaticOpened { kid, counter }, text)),
                // RFC 9605 §4.3: both values are encoded in the fewest bytes; they take others, too.
                Err(OpenError::Malformed(HeaderError::KeyIdNotMinimal | HeaderError::CounterNotMinimal)) => {}
                Err(error) => panic!("they open it, we say {error}"),
            }
        }
        Err(error) => assert!(outcome.is_err(), "we open it, they say {error}"),
    }
    let outcome = opener.open(metadata, &mut frame);
    match is_genuine {
        true => assert_eq!(outcome, Err(OpenError::Replayed)),
        false => {
            assert_eq!(outcome, Ok(StaticOpened { kid, counter: before.into() }));
            assert_eq!(frame[..], *payload);
        }
    }
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for suite in 0..SUITES.len() as u8 {
        for (name, kid, before) in [("short", 3_u64, 0), ("long", u64::MAX, 200)] {
            let input = |hostile: &[u8]| {
                [&[suite][..], &kid.to_le_bytes(), &[0, before, 4, 7], b"metapayload", hostile].concat()
            };
            seeds.push((format!("{suite}-{name}"), input(&[1, 0, 0])));
            seeds.push((format!("{suite}-{name}-changed"), input(&[1, 1, 0, 0, 1, 0])));
            seeds.push((format!("{suite}-{name}-cut"), input(&[1, 0, 1, 20, 0])));
            seeds.push((format!("{suite}-{name}-raw"), input(&[&[0, 0x88, 3, 0][..], &[0; 23]].concat())));
        }
    }
    seeds
}
