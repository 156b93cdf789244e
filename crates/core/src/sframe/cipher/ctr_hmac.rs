//! AES-CTR with HMAC (feature `ctr-hmac`), RFC 9605 §4.5.1, of RustCrypto: encrypt, then authenticate with a truncated tag.

use aes::Aes128;
use ctr::Ctr32BE;
use ctr::cipher::{InnerIvInit as _, KeyInit as _, StreamCipher as _, StreamCipherCoreWrapper};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::NONCE_LEN;

const ENCRYPTION_KEY_LEN: usize = 16;

/// Both halves wipe themselves (the features `zeroize` of their crates).
pub(super) struct Key {
    cipher: Aes128,
    /// Keyed; cloned for each frame, which spares hashing the key.
    mac: Hmac<Sha256>,
    tag_len: usize,
}

impl Key {
    /// Takes a key of 48 bytes: `derive_subkeys` gives 16 to the cipher and 32 to the MAC.
    pub(super) fn new(key: &[u8], tag_len: usize) -> Self {
        let (encryption, authentication) =
            key.split_at_checked(ENCRYPTION_KEY_LEN).expect("the key has the suite's length");
        Self {
            cipher: Aes128::new_from_slice(encryption).expect("16 bytes"),
            mac: Hmac::new_from_slice(authentication).expect("HMAC takes keys of any length"),
            tag_len,
        }
    }

    /// Seals where it stands. (It cannot fail; callers see to the length.)
    #[inline(never)] // much code, which is not to lie between that of the others
    pub(super) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], payload: &mut [u8]) -> Option<Tag> {
        self.apply_keystream(nonce, payload);
        Some(Tag { bytes: self.compute_tag(nonce, aad, payload), len: self.tag_len })
    }

    /// Opens ciphertext and tag where they stand; returns the payload's length. Nothing is decrypted before the tag holds.
    #[inline(never)]
    pub(super) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let len = sealed.len().checked_sub(self.tag_len)?;
        let (ciphertext, tag) = sealed.split_at_mut_checked(len)?;
        let wanted = self.compute_tag(nonce, aad, ciphertext);
        if !bool::from(wanted[..self.tag_len].ct_eq(tag)) {
            return None;
        }
        self.apply_keystream(nonce, ciphertext);
        Some(len)
    }

    /// §4.5.1: the initial counter block is the nonce, then 32 bits of 0.
    fn apply_keystream(&self, nonce: [u8; NONCE_LEN], bytes: &mut [u8]) {
        let mut block = [0; 16];
        block[..NONCE_LEN].copy_from_slice(&nonce);
        let core = ctr::CtrCore::<&Aes128, ctr::flavors::Ctr32BE>::inner_iv_init(&self.cipher, &block.into());
        let mut stream: Ctr32BE<&Aes128> = StreamCipherCoreWrapper::from_core(core);
        stream.apply_keystream(bytes);
    }

    /// §4.5.1, `compute_tag`: over the lengths of all three, nonce, AAD and ciphertext.
    fn compute_tag(&self, nonce: [u8; NONCE_LEN], aad: &[u8], ciphertext: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        for len in [aad.len(), ciphertext.len(), self.tag_len] {
            mac.update(&(len as u64).to_be_bytes());
        }
        [&nonce[..], aad, ciphertext].iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// The first bytes of an HMAC, as many as the suite says.
pub(super) struct Tag {
    bytes: [u8; 32],
    len: usize,
}

impl AsRef<[u8]> for Tag {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;
    use crate::sframe::CipherSuite;

    /// RFC 9605, Appendix C.2: the AEAD by itself, under keys, nonces and AADs that are given.
    #[test]
    fn the_aead_is_that_of_appendix_c_2() {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/rfc9605.json")).expect("json");
        let vectors = vectors["aes_ctr_hmac"].as_array().expect("a list");
        assert_eq!(vectors.len(), 3);
        for vector in vectors {
            let bytes =
                |name: &str| HEXLOWER.decode(vector[name].as_str().expect("text").as_bytes()).expect("hex");
            let suite = vector["suite"].as_u64().and_then(|id| CipherSuite::from_id(u16::try_from(id).ok()?));
            let suite = suite.expect("it is built");
            let key = Key::new(&bytes("key"), suite.tag_len());
            let nonce = bytes("nonce").try_into().expect("12 bytes");
            let mut sealed = bytes("plaintext");
            let tag = key.seal(nonce, &bytes("aad"), &mut sealed).expect("it seals");
            sealed.extend_from_slice(tag.as_ref());
            assert_eq!(HEXLOWER.encode(&sealed), HEXLOWER.encode(&bytes("ciphertext")), "{suite:?}");
            let len = key.open(nonce, &bytes("aad"), &mut sealed).expect("it opens");
            assert_eq!(sealed[..len], bytes("plaintext"));
        }
    }

    /// What is not authentic stays as it came: no plaintext of a forged frame is ever made.
    #[test]
    fn nothing_is_decrypted_before_the_tag_holds() {
        let key = Key::new(&[3; 48], 10);
        let mut sealed = b"payload".to_vec();
        let tag = key.seal([1; NONCE_LEN], b"aad", &mut sealed).expect("it seals");
        sealed.extend_from_slice(tag.as_ref());
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 0x10;
            let came = forged.clone();
            assert_eq!(key.open([1; NONCE_LEN], b"aad", &mut forged), None);
            assert_eq!(forged, came);
        }
    }
}
