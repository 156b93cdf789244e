//! HPKE (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM.

use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, PskBundle, Serializable};
use thiserror::Error;
use zeroize::Zeroizing;

use super::random::{NoRandomness, Random};

/// Bytes of a public key, and of an encapsulated one.
pub(crate) const KEY_LEN: usize = 32;

/// A message could not be sealed to, or opened with, a key. No detail: an authentication failure has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the message does not open with this key")]
pub(crate) struct HpkeError;

impl From<NoRandomness> for HpkeError {
    fn from(_: NoRandomness) -> Self {
        Self
    }
}

/// A private key; zeroized on drop.
pub(crate) struct PrivateKey(Zeroizing<[u8; KEY_LEN]>);

pub(crate) struct KeyPair {
    pub(crate) private: PrivateKey,
    pub(crate) public: [u8; KEY_LEN],
}

impl KeyPair {
    pub(crate) fn generate(random: &Random) -> Result<Self, NoRandomness> {
        Ok(Self::derive(&*random.secret::<KEY_LEN>()?))
    }

    /// RFC 9180 §7.1.3.
    pub(crate) fn derive(ikm: &[u8]) -> Self {
        let (private, public) = Kem::derive_keypair(ikm);
        Self {
            private: PrivateKey(Zeroizing::new(private.to_bytes().into())),
            public: public.to_bytes().into(),
        }
    }
}

impl PrivateKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        Ok(Self(Zeroizing::new(bytes.try_into().map_err(|_| HpkeError)?)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }

    /// Returns the public key that belongs to it.
    pub(crate) fn public(&self) -> Result<[u8; KEY_LEN], HpkeError> {
        let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(self.as_bytes()).map_err(|_| HpkeError)?;
        Ok(Kem::sk_to_pk(&private).to_bytes().into())
    }
}

/// What both ends know besides the key.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) info: &'a [u8],
    /// Secret and its identifier; mode PSK (RFC 9180 §5.1.2) where there is one.
    pub(crate) psk: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> Setup<'a> {
    pub(crate) const fn base(info: &'a [u8]) -> Self {
        Self { info, psk: None }
    }

    fn bundle(&self) -> Result<Option<PskBundle<'a>>, HpkeError> {
        self.psk.map(|(secret, id)| PskBundle::new(secret, id).map_err(|_| HpkeError)).transpose()
    }
}

/// Says whether a public key is one that messages can be sealed to: 32 bytes, and not one of the few points with which every
/// key agreement gives zero (RFC 7748 §6.1). The same answer for everybody: it hangs on the key alone (R4).
pub(crate) fn is_usable(public: &[u8]) -> bool {
    // A low-order point gives zero with any private key, so a fixed one will do.
    let any = KeyPair::derive(b"subrosa: is this key usable?").private;
    receiver(&any, public, Setup::base(b"")).is_ok()
}

type Sender = hpke::aead::AeadCtxS<AesGcm128, HkdfSha256, Kem>;
type Receiver = hpke::aead::AeadCtxR<AesGcm128, HkdfSha256, Kem>;

/// Starts a context to a public key; returns the encapsulated key to send along.
pub(crate) fn sender(
    random: &Random,
    public_bytes: &[u8],
    setup: Setup<'_>,
) -> Result<([u8; KEY_LEN], Sender), HpkeError> {
    let mode = setup.bundle()?.map_or(OpModeS::Base, OpModeS::Psk);
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(public_bytes).map_err(|_| HpkeError)?;
    let mut generator = random.generator(&[public_bytes, setup.info]).map_err(|_| HpkeError)?;
    let (encapsulated, context) =
        hpke::setup_sender_with_rng::<AesGcm128, HkdfSha256, Kem>(&mode, &public, setup.info, &mut generator)
            .map_err(|_| HpkeError)?;
    Ok((encapsulated.to_bytes().into(), context))
}

/// Starts the context that a sender began.
pub(crate) fn receiver(
    private: &PrivateKey,
    encapsulated: &[u8],
    setup: Setup<'_>,
) -> Result<Receiver, HpkeError> {
    let mode = setup.bundle()?.map_or(OpModeR::Base, OpModeR::Psk);
    let private = <Kem as hpke::Kem>::PrivateKey::from_bytes(private.as_bytes()).map_err(|_| HpkeError)?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| HpkeError)?;
    hpke::setup_receiver(&mode, &private, &encapsulated, setup.info).map_err(|_| HpkeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_agree_on_zero_are_not_usable() {
        let genuine = KeyPair::derive(b"anybody").public;
        assert!(is_usable(&genuine));
        assert!(!is_usable(&genuine[1..]) && !is_usable(&[]), "of another length");
        let low_order = |first: u8, rest: u8, last: u8| {
            let mut point = [rest; KEY_LEN];
            (point[0], point[KEY_LEN - 1]) = (first, last);
            point
        };
        // 0, 1, p − 1, p, p + 1.
        for point in [
            low_order(0, 0, 0),
            low_order(1, 0, 0),
            low_order(0xec, 0xff, 0x7f),
            low_order(0xed, 0xff, 0x7f),
            low_order(0xee, 0xff, 0x7f),
        ] {
            assert!(!is_usable(&point), "{point:02x?}");
        }
    }
}
