//! Frames under keys that an application brings, in every suite: what is sealed opens; a hostile frame does not, and leaves no trace.
//! All backends agree about every one of them, and so does the published crate `sframe` in the suites that it has.

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use sframe::CipherSuite as Theirs;
use sframe::frame::EncryptedFrameView;
use sframe::key::DecryptionKey;
use subrosa::sframe::{
    Backend, CipherSuite, HeaderError, KeyId, OpenError, StaticOpened, StaticOpener, StaticSealer, UniqueKey,
};

use crate::Target;
use crate::hostile::Hostile;

/// Layout: the suite (1 byte), the KID (8) and how far to shift it (1), how many frames before (1), lengths of metadata and payload (1
/// each), these two, [`Hostile`].
pub const TARGET: Target = Target { name: "standalone_frame", run: |data| _ = run(data), seeds };

fn theirs(suite: CipherSuite) -> Option<Theirs> {
    match suite {
        CipherSuite::Aes128GcmSha256 => Some(Theirs::AesGcm128Sha256),
        CipherSuite::Aes256GcmSha512 => Some(Theirs::AesGcm256Sha512),
        _ => None,
    }
}

const BASE_KEY: [u8; 16] = [7; 16];

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let (which, kid, shift): (u8, u64, u8) = input.arbitrary()?;
    let suite = CipherSuite::ALL[usize::from(which) % CipherSuite::ALL.len()];
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
    let wanted = StaticOpened { kid, counter: before.into() };
    for backend in Backend::ALL {
        let mut opener = StaticOpener::on(*backend, suite);
        opener.add_key(kid, &BASE_KEY);
        judge(opener, suite, wanted, (metadata, payload), (&frame, &hostile));
    }
    Ok(())
}

/// Holds what an opener makes of a hostile frame, and then of the genuine one, against what it should.
fn judge(
    mut opener: StaticOpener,
    suite: CipherSuite,
    wanted: StaticOpened,
    (metadata, payload): (&[u8], &[u8]),
    (genuine, hostile): (&[u8], &[u8]),
) {
    let kid = wanted.kid;
    let is_genuine = hostile == genuine;
    let mut opened = BytesMut::from(hostile);
    let outcome = opener.open(metadata, &mut opened);
    // (Against 4 bytes of tag a fuzzer could guess right, once in years.)
    assert_eq!(outcome.is_ok(), is_genuine, "{outcome:?}");
    if let Some(theirs) = theirs(suite) {
        let key = DecryptionKey::derive_from(theirs, kid.0, BASE_KEY).expect("a key");
        let view = EncryptedFrameView::try_with_meta_data(hostile, metadata);
        match (view.and_then(|view| view.decrypt(&key)), outcome) {
            (Ok(theirs), Ok(ours)) => {
                let counter = theirs.counter();
                assert_eq!((ours, &opened[..]), (StaticOpened { kid, counter }, theirs.payload()));
            }
            // RFC 9605 §4.3: "the value MUST be encoded with the minimum number of bytes required"; they take others, too.
            (_, Err(OpenError::Malformed(HeaderError::KeyIdNotMinimal | HeaderError::CounterNotMinimal))) => {
            }
            (Err(_), Err(_)) => {}
            (theirs, ours) => panic!("they open it: {}; we say {ours:?}", theirs.is_ok()),
        }
    }
    let mut frame = BytesMut::from(genuine);
    let outcome = opener.open(metadata, &mut frame);
    if is_genuine {
        assert_eq!(outcome, Err(OpenError::Replayed));
    } else {
        assert_eq!((outcome, &frame[..]), (Ok(wanted), payload));
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for suite in 0..CipherSuite::ALL.len() as u8 {
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
