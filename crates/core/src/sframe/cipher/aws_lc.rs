//! AES-GCM of aws-lc-rs (feature `aws-lc-rs`): the same bytes, with AVX-512 where the machine has it.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::BytesMut;

use super::NONCE_LEN;
use crate::sframe::suite::MAX_TAG_LEN;

/// It wipes itself: AWS-LC does when its context is freed.
pub(super) struct Key(LessSafeKey);

impl Key {
    /// Takes a key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("the key has the suite's length")))
    }

    /// Seals what a frame holds from `start` on, and appends the tag; `None` if it is too long, which callers check before.
    #[inline]
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        frame: &mut BytesMut,
        start: usize,
    ) -> Option<()> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let payload = frame.get_mut(start..)?;
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), payload).ok()?;
        let tag: &[u8; MAX_TAG_LEN] = tag.as_ref().try_into().ok()?;
        frame.extend_from_slice(tag); // a copy of a length that is known beforehand
        Some(())
    }

    /// Opens ciphertext and tag where they stand; returns the payload's length.
    #[inline]
    pub(super) fn open(&self, nonce: [u8; NONCE_LEN], aad: &[u8], sealed: &mut [u8]) -> Option<usize> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        Some(self.0.open_in_place(nonce, Aad::from(aad), sealed).ok()?.len())
    }
}
