//! Reading what others wrote in the presentation language of RFC 9420 §2.1.
//!
//! tls_codec reads from byte slices and from readers. Its `VLBytes`, of which all MLS messages are made, panics in a debug build where a
//! slice ends too early (`debug_assert_eq!`); from a reader it does not. So this module reads slices as readers.

use tls_codec::Deserialize;

/// Reads a value; returns what is behind it, too.
pub(super) fn read<T: Deserialize>(mut bytes: &[u8]) -> Option<(T, &[u8])> {
    let value = T::tls_deserialize(&mut bytes).ok()?;
    Some((value, bytes))
}

/// Reads a value that is all there is.
pub(super) fn read_exact<T: Deserialize>(bytes: &[u8]) -> Option<T> {
    read(bytes).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}
