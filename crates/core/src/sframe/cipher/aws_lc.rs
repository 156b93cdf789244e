//! AES-GCM of aws-lc-rs (feature `aws-lc-rs`): the same bytes, with AVX-512 where the machine has it.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::NONCE_LEN;

/// It wipes itself: AWS-LC does when its context is freed.
pub(super) struct Key(LessSafeKey);

impl Key {
    /// Takes a key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("the key has the suite's length")))
    }

    /// Seals where it stands; `None` if it is too long, which callers check before.
    #[inline]
    pub(super) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], payload: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()
    }

    /// Opens ciphertext and tag where they stand; returns the payload's length.
    #[inline]
    pub(super) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        Some(self.0.open_in_place(nonce, Aad::from(aad), sealed).ok()?.len())
    }
}
