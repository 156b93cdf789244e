//! SHA-256 and HKDF-SHA-256.

use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Hashes the parts, each with its length before it, under a label: no two lists of parts give the same input.
pub(crate) fn labelled(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in core::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Derives `N` bytes from a uniform secret under a label and a context (RFC 5869, no salt).
pub(crate) fn derive<const N: usize>(secret: &[u8], label: &str, context: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(&[label.as_bytes(), &[0], context], &mut *out)
        .expect("the output is far shorter than 255 hashes");
    out
}
