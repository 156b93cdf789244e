//! Who a participant is in one call: fresh keys, what he says of himself, and what vouches for that.

use core::fmt;

use super::profile::Profile;
use super::roster::Fingerprint;
use crate::crypto::hpke::{self, KEY_LEN, KeyPair, PrivateKey};
use crate::crypto::{NoRandomness, Random};
use crate::group::SignatureKey;

/// Bytes of the longest proof. All members get it with the tree, and an answer to a guest has room for a mebibyte: with 2,048 bytes
/// from each a call has room for some 400 participants, with 600 bytes for 1,000.
pub const MAX_PROOF_LEN: usize = 2048;

const VERSION: u8 = 1;

/// A participant's keys for one call, made before he joins it.
///
/// Fresh for each call, so that nobody can tell that two calls had the same participant. Whoever wants to be vouched for makes
/// them first, has somebody sign a statement about [`signature_key`](Self::signature_key), and joins with that as his proof.
/// Used up by joining. Zeroized on drop.
pub struct FreshKeys {
    pub(super) signer: SignatureKey,
    pub(super) contact: KeyPair,
}

impl FreshKeys {
    /// Makes the keys.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn generate(random: &Random) -> Result<Self, NoRandomness> {
        Ok(Self { signer: SignatureKey::generate(random)?, contact: KeyPair::generate(random)? })
    }

    /// Returns the public signature key (Ed25519, RFC 8032) that the participant will have: a proof has to name it, or it could be
    /// shown by somebody else.
    pub fn signature_key(&self) -> [u8; 32] {
        self.signer.public()
    }

    /// Returns the fingerprint of the signature key, as others will see it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.signer.public())
    }

    pub(super) fn credential(&self, profile: &Profile, proof: &[u8]) -> Vec<u8> {
        Credential { profile: profile.clone(), contact: self.contact.public, proof: proof.to_vec() }.encode()
    }
}

impl fmt::Debug for FreshKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshKeys").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// What a leaf's credential holds; fixed for the leaf's life (R2).
///
/// ```text
/// version 1 (1) | kind (1) | contact key (32) | length of the name (1) | name in UTF-8 | proof
/// ```
pub(super) struct Credential {
    pub(super) profile: Profile,
    /// Public HPKE key to which hosts seal what is for this participant alone (R12). Not the leaf's MLS key: a key has one use.
    pub(super) contact: [u8; KEY_LEN],
    /// For a verifier of the app; may be empty.
    pub(super) proof: Vec<u8>,
}

impl Credential {
    pub(super) fn encode(&self) -> Vec<u8> {
        let name = self.profile.name().as_bytes();
        let len = u8::try_from(name.len()).expect("a profile's name has at most 128 bytes");
        [&[VERSION, self.profile.kind() as u8], &self.contact[..], &[len], name, &self.proof].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [VERSION, kind, rest @ ..] = bytes else { return None };
        let (contact, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first()?;
        let (name, proof) = rest.split_at_checked(usize::from(*len))?;
        let profile = Profile::read(*kind, name)?;
        (proof.len() <= MAX_PROOF_LEN).then(|| Self { profile, contact: *contact, proof: proof.to_vec() })
    }

    /// Says whether something can be sealed to the contact key. Costs a key agreement, so it is asked once, on joining.
    pub(super) fn is_usable(&self) -> bool {
        hpke::is_usable(&self.contact)
    }
}

/// The private half of the own contact key.
pub(super) struct Contact(pub(super) PrivateKey);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Kind;

    #[test]
    fn credentials_come_back_as_they_were_and_others_are_refused() {
        let profile = Profile::new("captions", Kind::Bot).expect("a good name");
        let bot = Credential { profile: profile.clone(), contact: [9; 32], proof: b"signed".to_vec() };
        let read = Credential::decode(&bot.encode()).expect("it was written by us");
        assert_eq!((read.profile, read.contact, &read.proof[..]), (profile, [9; 32], &b"signed"[..]));
        let written = bot.encode();
        for len in 0..written.len() - b"signed".len() {
            assert!(Credential::decode(&written[..len]).is_none(), "cut off after {len}");
        }
        let changed = |at: usize, to: u8| {
            let mut bytes = written.clone();
            bytes[at] = to;
            Credential::decode(&bytes).is_none()
        };
        assert!(changed(0, 2), "another version");
        assert!(changed(1, 9), "an unknown kind");
        assert!(changed(34, 0), "no name");
        assert!(changed(35, 0xff), "not UTF-8");
        let long = Credential { proof: vec![0; MAX_PROOF_LEN + 1], ..bot };
        assert!(Credential::decode(&long.encode()).is_none());
    }
}
