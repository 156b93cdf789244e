//! Sealing and opening under keys that an application brings itself.

use core::fmt;
use std::collections::HashMap;

use bytes::BytesMut;

use super::cipher::{AadBuffer, FrameKey, MAX_FRAMES_PER_KEY, open_in_place, seal_append, seal_in_place};
use super::error::{HeaderError, OpenError, SealError};
use super::header::{EncodedKid, Header, KeyId};
use super::replay::ReplayWindow;
use super::suite::{Backend, CipherSuite};

/// A sealing key that is used by one [`StaticSealer`] and by nothing else. Neither `Clone` nor readable.
pub struct UniqueKey {
    suite: CipherSuite,
    kid: EncodedKid,
    key: FrameKey,
}

impl UniqueKey {
    /// Derives the key of `kid` from a base key (RFC 9605 §4.4.2), on the caller's word that it is unique.
    ///
    /// Two sealers on the same base key and KID would both count from 0 and use a (key, nonce) pair twice, which gives
    /// both plaintexts and the means to forge away. A base key must therefore be fresh for each sender, and each sender
    /// must never make two keys of one KID, not even after a restart. A [`Call`](crate::Call) sees to that by itself.
    pub fn assume_unique(suite: CipherSuite, kid: KeyId, base_key: &[u8]) -> Self {
        Self::assume_unique_on(Backend::default(), suite, kid, base_key)
    }

    /// As [`assume_unique`](Self::assume_unique), computed by a backend of choice.
    pub fn assume_unique_on(backend: Backend, suite: CipherSuite, kid: KeyId, base_key: &[u8]) -> Self {
        Self { suite, kid: EncodedKid::of(kid), key: FrameKey::derive(suite, backend, kid.0, base_key) }
    }

    #[cfg(feature = "mls")]
    pub(crate) fn from_frame_key(suite: CipherSuite, kid: KeyId, key: FrameKey) -> Self {
        Self { suite, kid: EncodedKid::of(kid), key }
    }
}

impl fmt::Debug for UniqueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniqueKey")
            .field("suite", &self.suite)
            .field("kid", &self.kid.kid)
            .finish_non_exhaustive()
    }
}

/// Seals frames under one key; owns the counter, which starts at 0 and only rises.
pub struct StaticSealer {
    key: UniqueKey,
    next_counter: u64,
    aad: AadBuffer,
}

impl StaticSealer {
    /// Takes the key, which no one else has.
    pub fn new(key: UniqueKey) -> Self {
        Self { key, next_counter: 0, aad: AadBuffer::new() }
    }

    /// Seals `payload` with `metadata` authenticated, and appends the sealed frame to `out`.
    ///
    /// Allocates nothing where `out` has room for `payload.len()` + 17 + 16 more bytes.
    ///
    /// # Errors
    /// [`SealError::Exhausted`] after 2^32 frames, [`SealError::TooLong`].
    pub fn seal(&mut self, metadata: &[u8], payload: &[u8], out: &mut BytesMut) -> Result<(), SealError> {
        let counter = self.next_counter()?;
        seal_append(&self.key.key, &self.key.kid, counter, [metadata, &[]], &mut self.aad, payload, out)
    }

    /// Seals the payload where it stands: `frame` holds [`MAX_HEADER_LEN`](super::MAX_HEADER_LEN) spare bytes, then the
    /// payload, and becomes the sealed frame.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), and [`SealError::NoHeadroom`].
    pub fn seal_in_place(&mut self, metadata: &[u8], frame: &mut BytesMut) -> Result<(), SealError> {
        let counter = self.next_counter()?;
        seal_in_place(&self.key.key, &self.key.kid, counter, [metadata, &[]], &mut self.aad, frame)
    }

    /// Uses up the next counter, whatever becomes of the frame.
    fn next_counter(&mut self) -> Result<u64, SealError> {
        if self.next_counter >= MAX_FRAMES_PER_KEY {
            return Err(SealError::Exhausted);
        }
        let counter = self.next_counter;
        self.next_counter += 1;
        Ok(counter)
    }
}

impl fmt::Debug for StaticSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticSealer")
            .field("key", &self.key)
            .field("next_counter", &self.next_counter)
            .finish()
    }
}

/// What an authentic frame's header said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaticOpened {
    /// Which key sealed the frame.
    pub kid: KeyId,
    /// The frame's number under that key.
    pub counter: u64,
}

/// Opens frames under a set of keys, each with its replay window.
pub struct StaticOpener {
    suite: CipherSuite,
    backend: Backend,
    /// Boxed, so that what is wiped is all there is: a map moves its values about, and out when they are removed, and leaves the bytes behind.
    keys: HashMap<KeyId, Box<(FrameKey, ReplayWindow)>>,
    aad: AadBuffer,
}

impl StaticOpener {
    /// Makes an opener without keys.
    pub fn new(suite: CipherSuite) -> Self {
        Self::on(Backend::default(), suite)
    }

    /// Makes an opener without keys, computed by a backend of choice.
    pub fn on(backend: Backend, suite: CipherSuite) -> Self {
        Self { suite, backend, keys: HashMap::new(), aad: AadBuffer::new() }
    }

    /// Derives and adds the key of `kid`. A KID that is known already keeps its key and its window, and `false` comes
    /// back: a second `add_key` is no way to open a frame twice.
    pub fn add_key(&mut self, kid: KeyId, base_key: &[u8]) -> bool {
        let known = self.keys.contains_key(&kid);
        let (suite, backend) = (self.suite, self.backend);
        self.keys.entry(kid).or_insert_with(|| {
            Box::new((FrameKey::derive(suite, backend, kid.0, base_key), ReplayWindow::new()))
        });
        !known
    }

    /// Drops a key for good; it is zeroized.
    pub fn remove_key(&mut self, kid: KeyId) {
        self.keys.remove(&kid);
    }

    /// Opens `frame` where it stands: it becomes the payload. On failure its bytes are spoilt.
    ///
    /// # Errors
    /// [`OpenError`]; no failure changes what the opener accepts later.
    pub fn open(&mut self, metadata: &[u8], frame: &mut BytesMut) -> Result<StaticOpened, OpenError> {
        let (Header { kid, counter }, header_len) = Header::decode(frame)?;
        if frame.len() < header_len + self.suite.tag_len() {
            return Err(HeaderError::Truncated.into());
        }
        let (key, window) = &**self.keys.get(&kid).ok_or(OpenError::UnknownKey)?;
        if !window.is_fresh(counter) {
            return Err(OpenError::Replayed);
        }
        open_in_place(key, counter, header_len, [metadata, &[]], &mut self.aad, frame)?;
        if !window.accept(counter) {
            return Err(OpenError::Replayed);
        }
        Ok(StaticOpened { kid, counter })
    }
}

impl fmt::Debug for StaticOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticOpener")
            .field("suite", &self.suite)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_has_sealed_its_fill_says_so_and_does_not_wrap() {
        let mut sealer =
            StaticSealer::new(UniqueKey::assume_unique(CipherSuite::default(), KeyId(1), &[1; 16]));
        sealer.next_counter = MAX_FRAMES_PER_KEY - 1;
        let mut out = BytesMut::new();
        assert_eq!(sealer.seal(b"", b"last", &mut out), Ok(()));
        assert_eq!(sealer.seal(b"", b"one too many", &mut out), Err(SealError::Exhausted));
        assert_eq!(sealer.seal(b"", b"and again", &mut out), Err(SealError::Exhausted));
    }
}
