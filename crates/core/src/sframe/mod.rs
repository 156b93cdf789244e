//! SFrame (RFC 9605): sealing and opening media frames, usable by itself.
//!
//! A call uses [`crate::Sealer`] and [`crate::Opener`], which follow its epochs. [`StaticSealer`] and
//! [`StaticOpener`] are the same frames under keys that an application brings itself.
//!
//! ```text
//! sealed frame = header (1 to 17 bytes) | ciphertext (as long as the payload) | tag (16 bytes)
//! AAD          = header | metadata
//! nonce        = salt XOR counter (big endian, right aligned)
//! ```
//!
//! ```
//! use bytes::BytesMut;
//! use subrosa::sframe::{CipherSuite, KeyId, StaticOpener, StaticSealer, UniqueKey};
//!
//! let (suite, kid, secret) = (CipherSuite::Aes128GcmSha256, KeyId(7), [42; 16]);
//! let mut sealer = StaticSealer::new(UniqueKey::assume_unique(suite, kid, &secret));
//! let mut opener = StaticOpener::new(suite);
//! opener.add_key(kid, &secret);
//!
//! let mut frame = BytesMut::new();
//! sealer.seal(b"metadata", b"a media frame", &mut frame)?;
//! let opened = opener.open(b"metadata", &mut frame)?;
//! assert_eq!((&frame[..], opened.kid, opened.counter), (&b"a media frame"[..], kid, 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;
mod error;
mod header;
mod replay;
mod standalone;
mod suite;

pub use error::{HeaderError, OpenError, SealError};
pub use header::{Header, KeyId, MAX_HEADER_LEN};
pub use standalone::{StaticOpened, StaticOpener, StaticSealer, UniqueKey};
pub use suite::{Backend, CipherSuite, MAX_TAG_LEN};

#[cfg(feature = "mls")]
pub(crate) use {
    cipher::{
        AadBuffer, FrameKey, MAX_FRAMES_PER_KEY, PortableKey, open_in_place, seal_append, seal_in_place,
    },
    header::EncodedKid,
    replay::ReplayWindow,
};
