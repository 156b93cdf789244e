//! The key schedule of RFC 9605 §4.4.2.

use ring::hkdf;
use zeroize::Zeroizing;

use super::NONCE_LEN;
use crate::sframe::suite::CipherSuite;

/// A frame key's bytes, to be carried into another address space. Zeroized on drop.
pub(crate) struct PortableKey {
    pub(crate) key: Zeroizing<Vec<u8>>,
    pub(crate) salt: Zeroizing<[u8; NONCE_LEN]>,
}

impl PortableKey {
    /// RFC 9605 §4.4.2: `HKDF-Extract` without salt, then one `HKDF-Expand` each for key and salt.
    pub(crate) fn derive(suite: CipherSuite, kid: u64, base_key: &[u8]) -> Self {
        let algorithm = match suite {
            CipherSuite::Aes256GcmSha512 => hkdf::HKDF_SHA512,
            _ => hkdf::HKDF_SHA256,
        };
        let secret = hkdf::Salt::new(algorithm, &[]).extract(base_key);
        let (kid, id) = (kid.to_be_bytes(), suite.id().to_be_bytes());
        let mut portable =
            Self { key: Zeroizing::new(vec![0; suite.key_len()]), salt: Zeroizing::new([0; NONCE_LEN]) };
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
