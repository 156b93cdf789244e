//! Sealing the frames of one track.

use core::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use thiserror::Error;
use zeroize::Zeroizing;

use super::Shared;
use crate::id::Epoch;
use crate::sframe::{
    AadBuffer, Backend, CipherSuite, EncodedKid, FrameKey, KeyId, MAX_FRAMES_PER_KEY, PortableKey, SealError,
    UniqueKey, seal_append, seal_in_place,
};
use crate::track::{Metadata, TrackId, TrackKind};

/// Every context number of this kind is in use, or was used in this epoch already; the next epoch frees the latter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("too many tracks of this kind in this epoch")]
pub struct TooManyTracks;

/// A frame was sealed: under which epoch, and with which number on its track in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The epoch. When it rises and somebody was let in, receivers need a keyframe.
    pub epoch: Epoch,
    /// The frame's number on this track in this epoch, from 0.
    pub counter: u64,
}

/// Seals the frames of one track; lives on a media thread and follows the call's epochs by itself.
///
/// It owns its counter, which starts at 0 in each epoch and only rises, and is not `Clone`; no public function takes a
/// counter or a nonce. It holds no key: keys stay in the call's key ring, so that they go when the call says so.
#[repr(align(128))] // two cache lines, which processors fetch together: sealers side by side, used by two threads, do not slow each other down
pub struct Sealer {
    shared: Arc<Shared>,
    track: TrackId,
    /// The epoch of the last frame, which only rises (R15), and what names the key in it.
    under: Option<(Epoch, EncodedKid)>,
    next_counter: u64,
    aad: AadBuffer,
}

impl Sealer {
    pub(super) fn new(shared: Arc<Shared>, kind: TrackKind) -> Result<Self, TooManyTracks> {
        let sealing = shared.table.load().sealing.as_ref().map(|keys| keys.epoch);
        let track = shared.contexts.take(kind, sealing).ok_or(TooManyTracks)?;
        Ok(Self { shared, track, under: None, next_counter: 0, aad: AadBuffer::new() })
    }

    /// Returns the track, as receivers will see it.
    pub fn track(&self) -> TrackId {
        self.track
    }

    /// Returns the epoch of the last sealed frame.
    pub fn epoch(&self) -> Option<Epoch> {
        self.under.map(|(epoch, _)| epoch)
    }

    /// Seals `payload` with `metadata` authenticated, and appends the sealed frame to `out`.
    ///
    /// Adds at most 17 + 16 bytes; in a call of up to 16 at most 5 + 16 for the first 2^16 frames of an epoch. Allocates nothing where `out` has that much room.
    ///
    /// # Errors
    /// [`SealError::NotReady`] before the first roster was taken, [`SealError::Paused`] while the call is cut off from its hosts,
    /// [`SealError::Ended`], [`SealError::Exhausted`] after 2^32 frames in one epoch, [`SealError::TooLong`].
    pub fn seal(
        &mut self,
        metadata: Metadata<'_>,
        payload: &[u8],
        out: &mut BytesMut,
    ) -> Result<Sealed, SealError> {
        self.with_key(|key, kid, counter, aad| {
            seal_append(key, kid, counter, metadata.parts(), aad, payload, out)
        })
    }

    /// Seals the payload where it stands: `frame` holds [`MAX_HEADER_LEN`](crate::sframe::MAX_HEADER_LEN) spare bytes,
    /// then the payload, and becomes the sealed frame. Saves [`seal`](Self::seal)'s one copy.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), and [`SealError::NoHeadroom`].
    pub fn seal_in_place(
        &mut self,
        metadata: Metadata<'_>,
        frame: &mut BytesMut,
    ) -> Result<Sealed, SealError> {
        self.with_key(|key, kid, counter, aad| seal_in_place(key, kid, counter, metadata.parts(), aad, frame))
    }

    #[inline(always)]
    fn with_key(
        &mut self,
        seal: impl FnOnce(&FrameKey, &EncodedKid, u64, &mut AadBuffer) -> Result<(), SealError>,
    ) -> Result<Sealed, SealError> {
        let table = self.shared.table.load();
        let keys = table.to_seal_with()?;
        // R15: a sealer's epoch only rises; with the epoch comes another key, so the counter starts again.
        if let Some((epoch, _)) = self.under
            && epoch != keys.epoch
        {
            if epoch > keys.epoch {
                return Err(SealError::NotReady);
            }
            self.under = None;
        }
        let (_, kid) = self.under.get_or_insert_with(|| {
            self.next_counter = 0;
            (keys.epoch, EncodedKid::of(KeyId(keys.own_kid(self.track))))
        });
        let counter = self.next_counter;
        if counter >= MAX_FRAMES_PER_KEY {
            return Err(SealError::Exhausted);
        }
        self.next_counter += 1; // used up, whatever becomes of the frame
        let key = keys.own_key(self.track, self.shared.backend());
        seal(key, kid, counter, &mut self.aad)?;
        Ok(Sealed { epoch: keys.epoch, counter })
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.shared.contexts.give_back(self.track, self.epoch());
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("track", &self.track)
            .field("epoch", &self.epoch())
            .field("next_counter", &self.next_counter)
            .finish_non_exhaustive()
    }
}

/// The sealing key of one track in one epoch, on its way into another address space (a browser worker, a process).
///
/// R15: an export surrenders its context, so neither a [`Sealer`] nor another export ever has the same key. It is good for
/// the epoch it was made in. Receivers keep that open for the retention time after the next one began; but for no more than
/// a few seconds, at least one, once they heard this participant under the next, on whichever track (R19).
pub struct ExportedKey {
    suite: CipherSuite,
    kid: KeyId,
    key: PortableKey,
}

/// A key could not be exported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// No epoch may seal now.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No context is left.
    #[error(transparent)]
    Tracks(#[from] TooManyTracks),
}

pub(super) fn export(shared: &Shared, kind: TrackKind) -> Result<ExportedKey, ExportError> {
    let table = shared.table.load();
    let keys = table.to_seal_with()?;
    let track = shared.contexts.take(kind, Some(keys.epoch)).ok_or(TooManyTracks)?;
    shared.contexts.give_back(track, Some(keys.epoch));
    let kid = keys.own_kid(track);
    let key = PortableKey::derive(keys.suite, kid, keys.base_key());
    Ok(ExportedKey { suite: keys.suite, kid: KeyId(kid), key })
}

impl ExportedKey {
    /// Bytes: suite (2) | KID (8) | salt (12) | key (16, 32 or 48), numbers big endian.
    const SALT_AT: usize = 10;
    const KEY_AT: usize = 22;

    /// Returns the KID under which the key seals.
    pub fn kid(&self) -> KeyId {
        self.kid
    }

    /// Makes the key usable; consumes the export, as one sealer alone may have it.
    pub fn into_key(self) -> UniqueKey {
        self.into_key_on(Backend::default())
    }

    /// As [`into_key`](Self::into_key), computed by a backend of choice.
    pub fn into_key_on(self, backend: Backend) -> UniqueKey {
        let key = FrameKey::from_portable(self.suite, backend, &self.key);
        UniqueKey::from_frame_key(self.suite, self.kid, key)
    }

    /// Writes the key down, to be read once at the other end. Whoever reads it twice must use it once.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::KEY_AT + self.key.key.len()));
        bytes.extend_from_slice(&self.suite.id().to_be_bytes());
        bytes.extend_from_slice(&self.kid.0.to_be_bytes());
        bytes.extend_from_slice(&self.key.salt[..]);
        bytes.extend_from_slice(&self.key.key);
        bytes
    }

    /// Reads what [`into_bytes`](Self::into_bytes) wrote; `None` if it is something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let suite = CipherSuite::from_id(u16::from_be_bytes(bytes.first_chunk().copied()?))?;
        let kid = KeyId(u64::from_be_bytes(bytes.get(2..Self::SALT_AT)?.try_into().ok()?));
        let salt = Zeroizing::new(bytes.get(Self::SALT_AT..Self::KEY_AT)?.try_into().ok()?);
        let key = Zeroizing::new(bytes.get(Self::KEY_AT..)?.to_vec());
        (key.len() == suite.key_len()).then_some(Self { suite, kid, key: PortableKey { key, salt } })
    }
}

impl fmt::Debug for ExportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
