//! Frame keys, and what they do to frames. The files beside this one, and nothing else in the frame path, name crypto libraries: one
//! file each, all of one shape.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "ctr-hmac")]
mod ctr_hmac;
mod ring;
mod schedule;

use bytes::{Buf, BytesMut};
use zeroize::Zeroize;

use super::error::{OpenError, SealError};
use super::header::{EncodedKid, Header, MAX_HEADER_LEN};
use super::suite::{Backend, CipherSuite, MAX_TAG_LEN};
pub(crate) use schedule::PortableKey;

/// Bytes of a nonce, and of a salt, in all suites (`AEAD.Nn`).
const NONCE_LEN: usize = 12;

/// Frames that one key may seal. RFC 9605 §4.4.1 forbids reuse of a counter; this bound, far below 2^64, also keeps
/// AES-GCM's confidentiality bound (at 1,000 frames a second it takes 49 days to get there, without any join or leave).
pub(crate) const MAX_FRAMES_PER_KEY: u64 = 1 << 32;

/// AES-GCM takes at most 2^36 − 32 bytes (NIST SP 800-38D §5.2.1.1); CTR with 32 bits of block counter a little more.
const MAX_PAYLOAD_LEN: u64 = (1 << 36) - 32;

/// An AEAD key of whichever suite and backend.
enum AeadKey {
    Ring(ring::Key),
    #[cfg(feature = "aws-lc-rs")]
    AwsLc(aws_lc::Key),
    #[cfg(feature = "ctr-hmac")]
    CtrHmac(ctr_hmac::Key),
}

impl AeadKey {
    fn new(suite: CipherSuite, backend: Backend, key: &[u8]) -> Self {
        match suite {
            CipherSuite::Aes128GcmSha256 | CipherSuite::Aes256GcmSha512 => match backend {
                Backend::Ring => Self::Ring(ring::Key::new(key)),
                #[cfg(feature = "aws-lc-rs")]
                Backend::AwsLcRs => Self::AwsLc(aws_lc::Key::new(key)),
            },
            #[cfg(feature = "ctr-hmac")]
            _ => Self::CtrHmac(ctr_hmac::Key::new(key, suite.tag_len())),
        }
    }

    /// Seals what a frame holds from `start` on, and appends the tag.
    #[inline(always)]
    fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], frame: &mut BytesMut, start: usize) -> Option<()> {
        // Each appends its own tag: made one type first, it was copied three times, for 3 ns of 145.
        let payload = frame.get_mut(start..)?;
        match self {
            Self::Ring(key) => append(&key.seal(nonce, aad, payload)?, frame),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc(key) => append(&key.seal(nonce, aad, payload)?, frame),
            #[cfg(feature = "ctr-hmac")]
            Self::CtrHmac(key) => append(&key.seal(nonce, aad, payload)?, frame),
        }
        Some(())
    }

    #[inline(always)]
    fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        match self {
            Self::Ring(key) => key.open(nonce, aad, sealed),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc(key) => key.open(nonce, aad, sealed),
            #[cfg(feature = "ctr-hmac")]
            Self::CtrHmac(key) => key.open(nonce, aad, sealed),
        }
    }
}

#[inline(always)]
fn append(tag: &impl AsRef<[u8]>, frame: &mut BytesMut) {
    match <&[u8; MAX_TAG_LEN]>::try_from(tag.as_ref()) {
        Ok(tag) => frame.extend_from_slice(tag), // a copy of a length that is known beforehand
        Err(_) => frame.extend_from_slice(tag.as_ref()),
    }
}

/// The AEAD key and salt of one KID. RFC 9605 §4.4.1: it seals, or it opens, never both.
pub(crate) struct FrameKey {
    key: AeadKey,
    /// The salt's first 8 bytes and its last 4, as numbers. Nonces are copied in these halves: put together of others, they cost 10 ns
    /// of 145, as a processor waits where it reads at once what it has just written in two parts.
    salt: (u64, u32),
}

impl FrameKey {
    /// Derives the key of a KID from a base key.
    pub(crate) fn derive(suite: CipherSuite, backend: Backend, kid: u64, base_key: &[u8]) -> Self {
        Self::from_portable(suite, backend, &PortableKey::derive(suite, kid, base_key))
    }

    pub(crate) fn from_portable(suite: CipherSuite, backend: Backend, bytes: &PortableKey) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes.salt;
        let salt = (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes([i, j, k, l]));
        Self { key: AeadKey::new(suite, backend, &bytes.key), salt }
    }

    /// RFC 9605 §4.4.3: the nonce is the salt XOR the counter.
    #[inline]
    fn nonce(&self, counter: u64) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        let (high, low) = nonce.split_at_mut(8);
        high.copy_from_slice(&(self.salt.0 ^ counter >> 32).to_be_bytes());
        low.copy_from_slice(&(self.salt.1 ^ counter as u32).to_be_bytes());
        nonce
    }
}

impl Drop for FrameKey {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

/// A header of at most 8 bytes as one number, big endian, and how many bytes it has. Nearly all are, and are put together in a register:
/// copies of a few bytes, of a length that is known at run time only, cost more than they look, here and where the AEAD reads them back.
type Short = (u64, usize);

/// Writes a header as the last bytes of a frame's headroom, and returns how many it takes; what is before it there has no meaning.
#[inline(always)]
fn write_header(
    kid: &EncodedKid,
    counter: u64,
    headroom: &mut [u8; MAX_HEADER_LEN],
) -> (Option<Short>, usize) {
    let short = kid.encode_short(counter);
    let len = match short {
        Some((word, len)) => {
            let [.., a, b, c, d, e, f, g, h] = headroom;
            [*a, *b, *c, *d, *e, *f, *g, *h] = word.to_be_bytes();
            len
        }
        None => write_long_header(Header { kid: kid.kid, counter }, headroom),
    };
    (short, len)
}

#[inline(never)]
fn write_long_header(header: Header, headroom: &mut [u8; MAX_HEADER_LEN]) -> usize {
    let mut bytes = [0; MAX_HEADER_LEN];
    let len = header.encode(&mut bytes);
    headroom[MAX_HEADER_LEN - len..].copy_from_slice(&bytes[..len]);
    len
}

/// Reads the header that a frame begins with as one number, if it is short and the frame goes on behind it.
#[inline(always)]
fn short_header(frame: &[u8], len: usize) -> Option<Short> {
    let word = u64::from_be_bytes(*frame.first_chunk()?);
    (1..=8).contains(&len).then(|| (word >> (64 - 8 * len), len))
}

/// Holds header and metadata side by side for the AEAD; reused, so that no frame allocates.
pub(crate) struct AadBuffer {
    /// Nearly every frame's: one word.
    short: [u8; 8],
    long: Vec<u8>,
}

impl AadBuffer {
    pub(crate) fn new() -> Self {
        Self { short: [0; 8], long: Vec::with_capacity(256) }
    }

    /// `short` is the same header as the bytes, if it is a short one.
    #[inline(always)]
    fn fill(&mut self, short: Option<Short>, header: &[u8], metadata: [&[u8]; 2]) -> &[u8] {
        if let Some((word, len @ 1..=6)) = short
            && let [[a, b], []] = metadata
        {
            let word = word << 16 | u64::from(u16::from_be_bytes([*a, *b]));
            self.short = (word << (48 - 8 * len)).to_be_bytes();
            return &self.short[..len + 2];
        }
        self.fill_long(header, metadata)
    }

    #[inline(never)]
    fn fill_long(&mut self, header: &[u8], metadata: [&[u8]; 2]) -> &[u8] {
        self.long.clear();
        self.long.extend_from_slice(header);
        metadata.iter().for_each(|part| self.long.extend_from_slice(part));
        &self.long
    }
}

/// Seals `payload` and appends header, ciphertext and tag to `out`.
#[inline]
pub(crate) fn seal_append(
    key: &FrameKey,
    kid: &EncodedKid,
    counter: u64,
    metadata: [&[u8]; 2],
    aad: &mut AadBuffer,
    payload: &[u8],
    out: &mut BytesMut,
) -> Result<(), SealError> {
    if payload.len() as u64 > MAX_PAYLOAD_LEN {
        return Err(SealError::TooLong);
    }
    let mut headroom = [0; MAX_HEADER_LEN];
    let (short, len) = write_header(kid, counter, &mut headroom);
    let written = &headroom[MAX_HEADER_LEN - len..];
    out.reserve(len + payload.len() + MAX_TAG_LEN);
    out.extend_from_slice(written);
    let start = out.len();
    out.extend_from_slice(payload);
    seal_from(key, counter, aad.fill(short, written, metadata), out, start)
}

/// Seals the payload behind [`MAX_HEADER_LEN`] spare bytes of `frame` where it stands; `frame` becomes the sealed frame.
#[inline(always)] // called in two places; header and metadata stay in registers
pub(crate) fn seal_in_place(
    key: &FrameKey,
    kid: &EncodedKid,
    counter: u64,
    metadata: [&[u8]; 2],
    aad: &mut AadBuffer,
    frame: &mut BytesMut,
) -> Result<(), SealError> {
    if frame.len() as u64 > MAX_PAYLOAD_LEN {
        return Err(SealError::TooLong);
    }
    let headroom = frame.first_chunk_mut().ok_or(SealError::NoHeadroom)?;
    let (short, len) = write_header(kid, counter, headroom);
    let aad = aad.fill(short, &headroom[MAX_HEADER_LEN - len..], metadata);
    seal_from(key, counter, aad, frame, MAX_HEADER_LEN)?;
    frame.advance(MAX_HEADER_LEN - len);
    Ok(())
}

#[inline(always)]
fn seal_from(
    key: &FrameKey,
    counter: u64,
    aad: &[u8],
    frame: &mut BytesMut,
    start: usize,
) -> Result<(), SealError> {
    key.key.seal(key.nonce(counter), aad, frame, start).ok_or(SealError::TooLong) // the only reason, and checked before
}

/// Opens a sealed frame where it stands; `frame` becomes the payload. On failure its bytes are spoilt.
#[inline(never)] // inlined it cost 3 ns of 140
pub(crate) fn open_in_place(
    key: &FrameKey,
    counter: u64,
    header_len: usize,
    metadata: [&[u8]; 2],
    aad: &mut AadBuffer,
    frame: &mut BytesMut,
) -> Result<(), OpenError> {
    let short = short_header(frame, header_len);
    let (header, sealed) = frame.split_at_mut_checked(header_len).ok_or(OpenError::Unauthentic)?;
    let opened = key.key.open(key.nonce(counter), aad.fill(short, header, metadata), sealed);
    let len = opened.ok_or(OpenError::Unauthentic)?;
    frame.advance(header_len);
    frame.truncate(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;
    use crate::sframe::KeyId;

    /// However header and metadata are put together: what is authenticated is one behind the other, and a frame's header is what it
    /// begins with.
    #[test]
    fn the_aad_is_header_and_metadata_side_by_side_whatever_their_lengths() {
        let mut aad = AadBuffer::new();
        for (kid, counter) in
            [3, 200, 70_000, 1 << 40, u64::MAX].into_iter().flat_map(|kid| [(kid, 5), (kid, kid)])
        {
            let header = Header { kid: KeyId(kid), counter };
            let mut bytes = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut bytes);
            for metadata in [[&b""[..], b""], [b"ab", b""], [b"", b"ab"], [b"ab", b"cd"], [b"abc", b""]] {
                let wanted = [&bytes[..len], metadata[0], metadata[1]].concat();
                let mut headroom = [0; MAX_HEADER_LEN];
                let (short, written) = write_header(&EncodedKid::of(header.kid), counter, &mut headroom);
                assert_eq!(headroom[MAX_HEADER_LEN - written..], bytes[..len]);
                assert_eq!(aad.fill(short, &bytes[..len], metadata), wanted);
                for behind in [0, 1, 4, 40] {
                    let frame = [&bytes[..len], &vec![0xee; behind]].concat();
                    let short = short_header(&frame, len);
                    assert_eq!(aad.fill(short, &frame[..len], metadata), wanted, "{behind} bytes behind it");
                }
            }
        }
    }

    /// Byte by byte as RFC 9605 §4.4.3 has it; the published vectors have small counters only.
    #[test]
    fn a_nonce_is_salt_xor_counter_however_large_that_is() {
        let portable = PortableKey::derive(CipherSuite::default(), 1, b"a base key");
        let key = FrameKey::from_portable(CipherSuite::default(), Backend::default(), &portable);
        for counter in [0, 0xff, 1 << 31, (1 << 32) - 1, 1 << 32, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut wanted = *portable.salt;
            let padded = [&[0; 4][..], &counter.to_be_bytes()].concat();
            wanted.iter_mut().zip(padded).for_each(|(salt, counter)| *salt ^= counter);
            assert_eq!(key.nonce(counter), wanted, "{counter:#x}");
        }
    }

    /// RFC 9605, Appendix C.3: what lies between base key and frame. (ring shows no `secret`; key and salt hang on it.)
    #[test]
    fn key_salt_and_nonce_are_those_of_appendix_c_3() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/rfc9605.json")).expect("json");
        let mut suites = Vec::new();
        for vector in vectors["frame"].as_array().expect("a list") {
            let number = |name: &str| vector[name].as_u64().expect("a number");
            let bytes =
                |name: &str| HEXLOWER.decode(vector[name].as_str().expect("text").as_bytes()).expect("hex");
            let suite = u16::try_from(number("suite")).ok().and_then(CipherSuite::from_id);
            let Some(suite) = suite else { continue }; // not built
            let portable = PortableKey::derive(suite, number("kid"), &bytes("base_key"));
            assert_eq!((&portable.key[..], &portable.salt[..]), (&bytes("key")[..], &bytes("salt")[..]));
            let nonce = FrameKey::from_portable(suite, Backend::default(), &portable).nonce(number("ctr"));
            assert_eq!(nonce[..], bytes("nonce"));
            suites.push(suite);
        }
        assert_eq!(suites, CipherSuite::ALL);
    }
}
