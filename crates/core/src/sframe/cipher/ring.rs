//! AES-GCM of ring: the default.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::NONCE_LEN;

pub(super) struct Key(LessSafeKey);

impl Key {
    /// Takes a key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("the key has the suite's length")))
    }

    /// Seals where it stands; `None` if it is too long, which callers check before.
    #[inline(always)]
    pub(super) fn seal(&self, nonce: [u8; NONCE_LEN], aad: &[u8], payload: &mut [u8]) -> Option<Tag> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()
    }

    /// Opens ciphertext and tag where they stand; returns the payload's length.
    #[inline(always)]
    pub(super) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        Some(self.0.open_in_place(nonce, Aad::from(aad), sealed).ok()?.len())
    }
}

impl Drop for Key {
    /// ring's keys do not zeroize: the same type with an all-zero key is written over it.
    fn drop(&mut self) {
        let algorithm = self.0.algorithm();
        if let Ok(blank) = UnboundKey::new(algorithm, &[0; 32][..algorithm.key_len()]) {
            self.0 = LessSafeKey::new(blank);
        }
        core::hint::black_box(&mut self.0);
    }
}
