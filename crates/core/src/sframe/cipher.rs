//! Key schedule (RFC 9605 §4.4.2) and AEAD. The only file of this module that names the crypto library.

use bytes::{Buf, BytesMut};
use ring::{aead, hkdf};
use zeroize::{Zeroize, Zeroizing};

use super::error::{OpenError, SealError};
use super::header::{Header, MAX_HEADER_LEN};
use super::suite::{CipherSuite, TAG_LEN};

const SALT_LEN: usize = aead::NONCE_LEN;

/// Frames that one key may seal. RFC 9605 §4.4.1 forbids reuse of a counter; this bound, far below 2^64, also keeps
/// AES-GCM's confidentiality bound (at 1,000 frames a second it takes 49 days to get there, without any join or leave).
pub(crate) const MAX_FRAMES_PER_KEY: u64 = 1 << 32;

/// AES-GCM takes at most 2^36 − 32 bytes (NIST SP 800-38D §5.2.1.1).
const MAX_PAYLOAD_LEN: u64 = (1 << 36) - 32;

/// The AEAD key and salt of one KID. RFC 9605 §4.4.1: it seals, or it opens, never both.
pub(crate) struct FrameKey {
    key: aead::LessSafeKey,
    salt: [u8; SALT_LEN],
}

/// A frame key's bytes, to be carried into another address space. Zeroized on drop.
pub(crate) struct PortableKey {
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) salt: Zeroizing<[u8; SALT_LEN]>,
}

impl FrameKey {
    /// Derives the key of a KID from a base key.
    pub(crate) fn derive(suite: CipherSuite, kid: u64, base_key: &[u8]) -> Self {
        Self::from_portable(suite, &PortableKey::derive(suite, kid, base_key))
    }

    pub(crate) fn from_portable(suite: CipherSuite, bytes: &PortableKey) -> Self {
        Self { key: aead_key(suite, &bytes.key), salt: *bytes.salt }
    }

    /// RFC 9605 §4.4.3: the nonce is the salt XOR the counter.
    fn nonce(&self, counter: u64) -> aead::Nonce {
        let mut nonce = self.salt;
        nonce.iter_mut().skip(SALT_LEN - 8).zip(counter.to_be_bytes()).for_each(|(n, c)| *n ^= c);
        aead::Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for FrameKey {
    /// ring's keys do not zeroize: the same type with an all-zero key is written over it.
    fn drop(&mut self) {
        self.salt.zeroize();
        let algorithm = self.key.algorithm();
        if let Ok(blank) = aead::UnboundKey::new(algorithm, &[0; 32][..algorithm.key_len()]) {
            self.key = aead::LessSafeKey::new(blank);
        }
        core::hint::black_box(&mut self.key);
    }
}

impl PortableKey {
    /// RFC 9605 §4.4.2: `HKDF-Extract` without salt, then one `HKDF-Expand` each for key and salt.
    pub(crate) fn derive(suite: CipherSuite, kid: u64, base_key: &[u8]) -> Self {
        let algorithm = match suite {
            CipherSuite::Aes128GcmSha256 => hkdf::HKDF_SHA256,
            CipherSuite::Aes256GcmSha512 => hkdf::HKDF_SHA512,
        };
        let secret = hkdf::Salt::new(algorithm, &[]).extract(base_key);
        let (kid, id) = (kid.to_be_bytes(), suite.id().to_be_bytes());
        let mut portable =
            Self { key: Zeroizing::new(vec![0; suite.key_len()]), salt: Zeroizing::new([0; SALT_LEN]) };
        expand(&secret, &[b"SFrame 1.0 Secret key ", &kid, &id], &mut portable.key);
        expand(&secret, &[b"SFrame 1.0 Secret salt ", &kid, &id], &mut portable.salt[..]);
        portable
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(secret: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) {
    secret
        .expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("the output is far shorter than 255 hashes");
}

fn aead_key(suite: CipherSuite, key: &[u8]) -> aead::LessSafeKey {
    let algorithm = match suite {
        CipherSuite::Aes128GcmSha256 => &aead::AES_128_GCM,
        CipherSuite::Aes256GcmSha512 => &aead::AES_256_GCM,
    };
    aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).expect("the key has the suite's length"))
}

/// Holds header and metadata side by side for the AEAD; reused, so that no frame allocates.
pub(crate) struct AadBuffer(Vec<u8>);

impl AadBuffer {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    fn fill(&mut self, header: &[u8], metadata: &[&[u8]]) -> aead::Aad<&[u8]> {
        self.0.clear();
        self.0.extend_from_slice(header);
        metadata.iter().for_each(|part| self.0.extend_from_slice(part));
        aead::Aad::from(&self.0)
    }
}

/// Seals `payload` and appends header, ciphertext and tag to `out`.
pub(crate) fn seal_append(
    key: &FrameKey,
    header: Header,
    metadata: &[&[u8]],
    aad: &mut AadBuffer,
    payload: &[u8],
    out: &mut BytesMut,
) -> Result<(), SealError> {
    if payload.len() as u64 > MAX_PAYLOAD_LEN {
        return Err(SealError::TooLong);
    }
    let mut head = [0; MAX_HEADER_LEN];
    let head = {
        let len = header.encode(&mut head);
        &head[..len]
    };
    out.reserve(head.len() + payload.len() + TAG_LEN);
    out.extend_from_slice(head);
    let start = out.len();
    out.extend_from_slice(payload);
    let tag = seal_detached(key, header.counter, aad.fill(head, metadata), &mut out[start..])?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Seals the payload behind [`MAX_HEADER_LEN`] spare bytes of `frame` where it stands; `frame` becomes the sealed frame.
pub(crate) fn seal_in_place(
    key: &FrameKey,
    header: Header,
    metadata: &[&[u8]],
    aad: &mut AadBuffer,
    frame: &mut BytesMut,
) -> Result<(), SealError> {
    if frame.len() as u64 > MAX_PAYLOAD_LEN {
        return Err(SealError::TooLong);
    }
    let (spare, payload) = frame.split_at_mut_checked(MAX_HEADER_LEN).ok_or(SealError::NoHeadroom)?;
    let mut head = [0; MAX_HEADER_LEN];
    let len = header.encode(&mut head);
    spare[MAX_HEADER_LEN - len..].copy_from_slice(&head[..len]);
    let tag = seal_detached(key, header.counter, aad.fill(&head[..len], metadata), payload)?;
    frame.extend_from_slice(tag.as_ref());
    frame.advance(MAX_HEADER_LEN - len);
    Ok(())
}

fn seal_detached(
    key: &FrameKey,
    counter: u64,
    aad: aead::Aad<&[u8]>,
    payload: &mut [u8],
) -> Result<aead::Tag, SealError> {
    key.key.seal_in_place_separate_tag(key.nonce(counter), aad, payload).map_err(|_| SealError::TooLong) // ring's only reason, and checked before
}

/// Opens a sealed frame where it stands; `frame` becomes the payload. On failure its bytes are spoilt.
pub(crate) fn open_in_place(
    key: &FrameKey,
    counter: u64,
    header_len: usize,
    metadata: &[&[u8]],
    aad: &mut AadBuffer,
    frame: &mut BytesMut,
) -> Result<(), OpenError> {
    let (head, sealed) = frame.split_at_mut_checked(header_len).ok_or(OpenError::Unauthentic)?;
    let len = key
        .key
        .open_in_place(key.nonce(counter), aad.fill(head, metadata), sealed)
        .map_err(|_| OpenError::Unauthentic)?
        .len();
    frame.advance(header_len);
    frame.truncate(len);
    Ok(())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;

    /// RFC 9605, Appendix C.3: what lies between base key and frame. (ring shows no `secret`; key and salt hang on it.)
    #[test]
    fn key_salt_and_nonce_are_those_of_appendix_c_3() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../tests/vectors/rfc9605.json")).expect("json");
        let mut suites = Vec::new();
        for vector in vectors["frame"].as_array().expect("a list") {
            let number = |name: &str| vector[name].as_u64().expect("a number");
            let bytes =
                |name: &str| HEXLOWER.decode(vector[name].as_str().expect("text").as_bytes()).expect("hex");
            let suite = u16::try_from(number("suite")).ok().and_then(CipherSuite::from_id);
            let Some(suite) = suite else { continue }; // not built
            let portable = PortableKey::derive(suite, number("kid"), &bytes("base_key"));
            assert_eq!((&portable.key[..], &portable.salt[..]), (&bytes("key")[..], &bytes("salt")[..]));
            let nonce = FrameKey::from_portable(suite, &portable).nonce(number("ctr"));
            assert_eq!(nonce.as_ref()[..], bytes("nonce"));
            suites.push(suite.id());
        }
        assert_eq!(suites, [4, 5]);
    }
}
