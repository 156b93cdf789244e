//! The test vectors of RFC 9605, Appendix C, and what must be refused beside them.

mod common;

use bytes::BytesMut;
use common::header;
use data_encoding::HEXLOWER;
use serde_json::Value;
use subrosa::sframe::{
    Backend, CipherSuite, Header, HeaderError, KeyId, MAX_HEADER_LEN, OpenError, StaticOpener, StaticSealer,
    UniqueKey,
};

fn vectors(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("vectors/rfc9605.json")).expect("json");
    all[kind].as_array().expect("a list").clone()
}

fn number(vector: &Value, name: &str) -> u64 {
    vector[name].as_u64().expect("a number")
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    HEXLOWER.decode(vector[name].as_str().expect("a string").as_bytes()).expect("hex")
}

/// Appendix C.1.
fn headers() -> Vec<(Header, Vec<u8>)> {
    let header = |v: &Value| Header { kid: KeyId(number(v, "kid")), counter: number(v, "ctr") };
    vectors("header").iter().map(|vector| (header(vector), bytes(vector, "bytes"))).collect()
}

/// Appendix C.3, of the suites that are built.
struct FrameVector {
    suite: CipherSuite,
    kid: KeyId,
    counter: u64,
    base_key: Vec<u8>,
    metadata: Vec<u8>,
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

fn frames() -> Vec<FrameVector> {
    let frame = |v: &Value| {
        let suite = CipherSuite::from_id(u16::try_from(number(v, "suite")).ok()?)?;
        Some(FrameVector {
            suite,
            kid: KeyId(number(v, "kid")),
            counter: number(v, "ctr"),
            base_key: bytes(v, "base_key"),
            metadata: bytes(v, "metadata"),
            plaintext: bytes(v, "plaintext"),
            sealed: bytes(v, "sealed"),
        })
    };
    let frames: Vec<_> = vectors("frame").iter().filter_map(frame).collect();
    assert_eq!(frames.len(), CipherSuite::ALL.len(), "one for each suite that is built");
    frames
}

/// Each vector with each backend: in a build with all features that is 5 × 2, with the default ones 2 × 1.
fn frames_by_backend() -> Vec<(FrameVector, Backend)> {
    Backend::ALL.iter().flat_map(|backend| frames().into_iter().map(|vector| (vector, *backend))).collect()
}

impl FrameVector {
    fn opener(&self, backend: Backend) -> StaticOpener {
        let mut opener = StaticOpener::on(backend, self.suite);
        opener.add_key(self.kid, &self.base_key);
        opener
    }

    fn sealer(&self, backend: Backend) -> StaticSealer {
        StaticSealer::new(UniqueKey::assume_unique_on(backend, self.suite, self.kid, &self.base_key))
    }
}

#[test]
fn all_headers_are_written_and_read_as_in_appendix_c_1() {
    let headers = headers();
    assert_eq!(headers.len(), 289);
    for (header, bytes) in headers {
        let mut out = [0; MAX_HEADER_LEN];
        let len = header.encode(&mut out);
        assert_eq!((&out[..len], header.encoded_len()), (&bytes[..], bytes.len()), "{header:?}");
        assert_eq!(Header::decode(&bytes), Ok((header, bytes.len())));
        let followed = [&bytes[..], &[0xff; 40]].concat();
        assert_eq!(Header::decode(&followed), Ok((header, bytes.len())), "what follows is not the header's");
    }
}

#[test]
fn a_header_that_ends_too_early_is_truncated() {
    for (_, bytes) in headers() {
        for len in 0..bytes.len() {
            assert_eq!(
                Header::decode(&bytes[..len]),
                Err(HeaderError::Truncated),
                "{bytes:02x?}, {len} bytes"
            );
        }
    }
}

/// Writes a number in every way that the header format has room for: config bits and bytes.
fn ways_to_write(value: u64) -> Vec<(u8, Vec<u8>)> {
    let short = (value < 8).then(|| (value as u8, Vec::new()));
    let fewest = (8 - value.leading_zeros() as usize / 8).max(1);
    let long = (fewest..=8).map(|len| (0x08 | (len as u8 - 1), value.to_be_bytes()[8 - len..].to_vec()));
    short.into_iter().chain(long).collect()
}

/// §4.3: both numbers are encoded in the fewest bytes possible.
#[test]
fn of_all_ways_to_write_a_header_only_the_shortest_is_read() {
    let mut refused = 0;
    for (header, bytes) in headers() {
        for (kid_at, (kid_bits, kid)) in ways_to_write(header.kid.0).iter().enumerate() {
            for (counter_at, (counter_bits, counter)) in ways_to_write(header.counter).iter().enumerate() {
                let written = [&[kid_bits << 4 | counter_bits][..], kid, counter].concat();
                let expected = match (kid_at, counter_at) {
                    (0, 0) => Ok((header, bytes.len())),
                    (0, _) => Err(HeaderError::CounterNotMinimal),
                    (_, _) => Err(HeaderError::KeyIdNotMinimal),
                };
                assert_eq!(Header::decode(&written), expected, "{written:02x?}");
                refused += usize::from(expected.is_err());
            }
        }
    }
    assert!(refused > 5_000, "{refused}");
}

/// No counter is in the public API, so the vector's is reached as any sealer reaches it: one frame after the other.
#[test]
fn frames_are_sealed_as_in_appendix_c_3() {
    for (vector, backend) in frames_by_backend() {
        let mut sealer = vector.sealer(backend);
        let mut frame = BytesMut::new();
        for _ in 0..=vector.counter {
            frame.clear();
            sealer.seal(&vector.metadata, &vector.plaintext, &mut frame).expect("it seals");
        }
        assert_eq!(header(&frame), Header { kid: vector.kid, counter: vector.counter });
        assert_eq!(
            HEXLOWER.encode(&frame),
            HEXLOWER.encode(&vector.sealed),
            "{:?} {backend:?}",
            vector.suite
        );
    }
}

#[test]
fn frames_are_sealed_in_place_as_in_appendix_c_3() {
    for (vector, backend) in frames_by_backend() {
        let mut sealer = vector.sealer(backend);
        let mut frame = BytesMut::new();
        for _ in 0..=vector.counter {
            frame.clear();
            frame.extend_from_slice(&[0; MAX_HEADER_LEN]);
            frame.extend_from_slice(&vector.plaintext);
            sealer.seal_in_place(&vector.metadata, &mut frame).expect("it seals");
        }
        assert_eq!(
            HEXLOWER.encode(&frame),
            HEXLOWER.encode(&vector.sealed),
            "{:?} {backend:?}",
            vector.suite
        );
    }
}

#[test]
fn frames_are_opened_as_in_appendix_c_3() {
    for (vector, backend) in frames_by_backend() {
        let mut frame = BytesMut::from(&vector.sealed[..]);
        let opened = vector.opener(backend).open(&vector.metadata, &mut frame).expect("it opens");
        assert_eq!((opened.kid, opened.counter), (vector.kid, vector.counter));
        assert_eq!(&frame[..], vector.plaintext);
    }
}

#[test]
fn the_frames_of_another_suite_do_not_open() {
    let frames = frames();
    let pairs = frames.iter().flat_map(|vector| frames.iter().map(move |other| (vector, other)));
    for (vector, other) in pairs.filter(|(vector, other)| vector.suite != other.suite) {
        let mut opener = StaticOpener::new(other.suite);
        opener.add_key(vector.kid, &vector.base_key);
        let mut frame = BytesMut::from(&vector.sealed[..]);
        assert_eq!(opener.open(&vector.metadata, &mut frame), Err(OpenError::Unauthentic));
    }
}

#[test]
fn a_frame_that_is_cut_off_is_truncated_or_not_authentic() {
    for (vector, backend) in frames_by_backend() {
        let shortest = header(&vector.sealed).encoded_len() + vector.suite.tag_len();
        for len in 0..vector.sealed.len() {
            let mut frame = BytesMut::from(&vector.sealed[..len]);
            let expected = match len {
                _ if len < shortest => OpenError::Malformed(HeaderError::Truncated),
                _ => OpenError::Unauthentic,
            };
            assert_eq!(
                vector.opener(backend).open(&vector.metadata, &mut frame),
                Err(expected),
                "{len} bytes"
            );
        }
    }
}

#[test]
fn a_kid_is_shown_in_hexadecimal() {
    assert_eq!(KeyId(0x1a2b).to_string(), "0x1a2b");
}
