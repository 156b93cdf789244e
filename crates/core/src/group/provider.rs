//! What openmls asks of its surroundings: cryptography, randomness, storage.
//!
//! A thin provider of our own for the one ciphersuite in use. Beside needing far fewer crates than the published one it lets
//! tests seed all randomness, HPKE included (R25), and shares ring with the frame path.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKeyPair,
    KemOutput, SignatureScheme,
};
use ring::aead;
use sha2::Sha256;
use tls_codec::SecretVLBytes;
use zeroize::Zeroizing;

use super::storage::Storage;
use crate::crypto::hpke::{self, KeyPair, PrivateKey, Setup};
use crate::crypto::{NoRandomness, Random};

/// The one MLS ciphersuite (RFC 9420 §17.1, 0x0001). eprint 2025/229: Ed25519 rather than ECDSA.
pub(super) const CIPHERSUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

pub(super) struct Provider {
    pub(super) crypto: Crypto,
    pub(super) storage: Storage,
}

/// Randomness, and what is noted while a log entry is processed.
pub(super) struct Crypto {
    pub(super) random: Random,
    noted: Mutex<Option<Noted>>,
    /// Says to the owners of which HPKE keys a tampered client seals garbage, to show what becomes of them (R7).
    #[cfg(any(test, feature = "tampered"))]
    pub(super) spoils: Mutex<Option<Spoils>>,
}

/// Asked for a public HPKE key, whether its owner is to learn something wrong.
#[cfg(any(test, feature = "tampered"))]
pub(crate) type Spoils = Box<dyn Fn(&[u8]) -> bool + Send>;

/// What was decrypted and verified while a log entry was processed, for [`reread`](super::reread). Zeroized on drop.
#[derive(Clone, Default)]
pub(super) struct Noted {
    /// In order: sender data, content.
    pub(super) opened: Vec<Zeroizing<Vec<u8>>>,
    /// The first signature that was checked, which is the message's, held.
    pub(super) signature_held: bool,
    signatures: usize,
}

impl Noted {
    /// Returns the leaf that the message says it is from; RFC 9420 §6.3.2. A leaf index has no more than 2^24 values in any tree
    /// that the engine takes.
    pub(super) fn sender(&self) -> Option<u32> {
        let leaf = u32::from_be_bytes(*self.opened.first()?.first_chunk()?);
        (leaf < 1 << 24).then_some(leaf)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Noted {
    pub(super) fn for_tests(opened: [&[u8]; 2]) -> Self {
        let opened = opened.map(|bytes| Zeroizing::new(bytes.to_vec())).into();
        Self { opened, signature_held: true, signatures: 1 }
    }
}

impl Crypto {
    pub(super) fn new(random: Random) -> Self {
        Self {
            random,
            noted: Mutex::default(),
            #[cfg(any(test, feature = "tampered"))]
            spoils: Mutex::default(),
        }
    }

    /// Starts to note.
    pub(super) fn note(&self) {
        *self.noted() = Some(Noted::default());
    }

    /// Stops, and returns what was noted.
    pub(super) fn take_noted(&self) -> Noted {
        self.noted().take().unwrap_or_default()
    }

    /// The engine asks through `&self`, also from other threads.
    fn noted(&self) -> MutexGuard<'_, Option<Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider {
    pub(super) fn new(random: Random) -> Self {
        Self { crypto: Crypto::new(random), storage: Storage::default() }
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = Storage;

    fn storage(&self) -> &Storage {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

#[cfg(test)]
thread_local! {
    /// An HPKE public key that this thread makes after so many others, for tests of what others do with it.
    pub(super) static FORGED_PUBLIC_KEY: core::cell::Cell<Option<(u32, Vec<u8>)>> =
        const { core::cell::Cell::new(None) };
}

/// What tampered clients do with what this module opens and seals.
#[cfg(test)]
pub(crate) mod tampering {
    use core::cell::{Cell, RefCell};

    use tls_codec::{DeserializeBytes as _, Serialize as _, VLBytes};

    use super::*;

    thread_local! {
        /// What this thread opened: key, nonce, aad, plaintext.
        pub(super) static OPENED: RefCell<Vec<[Vec<u8>; 4]>> = const { RefCell::new(Vec::new()) };
        /// Welcomes leave out the path secret.
        pub(crate) static WITHOUT_PATH_SECRET: Cell<bool> = const { Cell::new(false) };
        /// What this thread signs and seals has other bytes in the place of some, as many.
        pub(crate) static INSTEAD: RefCell<Option<[Vec<u8>; 2]>> = const { RefCell::new(None) };
    }

    /// Puts other bytes in the place of those that [`INSTEAD`] names, wherever they stand.
    pub(super) fn swapped(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        INSTEAD.with_borrow(|instead| {
            let Some([there, instead]) = instead else { return };
            let at = bytes.windows(there.len()).position(|window| window == there);
            if let Some(at) = at {
                bytes[at..at + there.len()].copy_from_slice(instead);
            }
        });
        bytes
    }

    /// Seals the content of an entry that this thread was the last to open again, with more padding; the maker's signature over the
    /// bytes is all that a member cannot make.
    pub(crate) fn with_more_padding(entry: &[u8]) -> Vec<u8> {
        let last =
            OPENED.with_borrow(|opened| opened.iter().rev().find(|opened| opened[3].len() > 100).cloned());
        let [key, nonce, aad, mut data] = last.expect("it was opened");
        data.extend_from_slice(&[0; 128]);
        let key = gcm(AeadType::Aes128Gcm, &key).expect("it opened with it");
        key.seal_in_place_append_tag(
            gcm_nonce(&nonce).expect("it opened with it"),
            aead::Aad::from(&aad),
            &mut data,
        )
        .expect("it is short");
        let (message, signature) = entry.split_at(entry.len() - 64);
        // RFC 9420 §6.3.1: group id, epoch and content type, authenticated data, sender data, then the ciphertext.
        let read = |bytes| VLBytes::tls_deserialize_bytes(bytes).expect("it is well formed").1;
        let ciphertext = read(read(&read(&message[4..])[9..]));
        let head = &message[..message.len() - ciphertext.len()];
        let ciphertext = VLBytes::new(data).tls_serialize_detached().expect("it is short");
        [head, &ciphertext, signature].concat()
    }

    /// A Welcome's group secrets (RFC 9420 §12.4.3): joiner secret, path secret, PSKs.
    pub(super) fn group_secrets(plaintext: &[u8]) -> Vec<u8> {
        match plaintext {
            [32, rest @ ..] if WITHOUT_PATH_SECRET.get() && rest.len() > 66 && rest[32..34] == [1, 32] => {
                [&plaintext[..33], &[0], &rest[66..]].concat()
            }
            _ => plaintext.to_vec(),
        }
    }
}

/// A participant's signature key: fresh for each call, zeroized on drop (by ed25519-dalek).
pub(crate) struct SignatureKey(SigningKey);

impl SignatureKey {
    pub(crate) fn generate(random: &Random) -> Result<Self, NoRandomness> {
        Ok(Self(SigningKey::from_bytes(&*random.secret()?)))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

impl SignatureKey {
    /// Signs something that is not MLS; whoever calls it puts a label of its own in front.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Says whether a signature of [`SignatureKey::sign_bytes`] holds.
pub(crate) fn signature_holds(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = VerifyingKey::try_from(public).ok();
    let signature = ed25519_dalek::Signature::from_slice(signature).ok();
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
}

impl Signer for SignatureKey {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        #[cfg(test)]
        let payload = &tampering::swapped(payload)[..];
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl OpenMlsRand for Crypto {
    type Error = NoRandomness;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], NoRandomness> {
        self.random.bytes()
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, NoRandomness> {
        let mut out = vec![0; len];
        self.random.fill(&mut out)?;
        Ok(out)
    }
}

fn sha256_only(hash: HashType) -> Result<(), CryptoError> {
    if hash == HashType::Sha2_256 { Ok(()) } else { Err(CryptoError::UnsupportedHashAlgorithm) }
}

fn ed25519_only(scheme: SignatureScheme) -> Result<(), CryptoError> {
    if scheme == SignatureScheme::ED25519 { Ok(()) } else { Err(CryptoError::UnsupportedSignatureScheme) }
}

fn own_hpke_only(config: &HpkeConfig) -> Result<(), CryptoError> {
    let own = CIPHERSUITE.hpke_config();
    if (config.0, config.1, config.2) == (own.0, own.1, own.2) {
        Ok(())
    } else {
        Err(CryptoError::UnsupportedCiphersuite)
    }
}

fn gcm(alg: AeadType, key: &[u8]) -> Result<aead::LessSafeKey, CryptoError> {
    if alg != AeadType::Aes128Gcm {
        return Err(CryptoError::UnsupportedAeadAlgorithm);
    }
    let key = aead::UnboundKey::new(&aead::AES_128_GCM, key).map_err(|_| CryptoError::InvalidLength)?;
    Ok(aead::LessSafeKey::new(key))
}

fn gcm_nonce(nonce: &[u8]) -> Result<aead::Nonce, CryptoError> {
    aead::Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::InvalidLength)
}

impl OpenMlsCrypto for Crypto {
    fn supports(&self, ciphersuite: Ciphersuite) -> Result<(), CryptoError> {
        if ciphersuite == CIPHERSUITE { Ok(()) } else { Err(CryptoError::UnsupportedCiphersuite) }
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![CIPHERSUITE]
    }

    fn hkdf_extract(&self, hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.as_slice().into())
    }

    fn hmac(&self, hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::InvalidLength)?;
        mac.update(message);
        Ok(mac.finalize().into_bytes().as_slice().into())
    }

    fn hkdf_expand(
        &self,
        hash: HashType,
        prk: &[u8],
        info: &[u8],
        okm_len: usize,
    ) -> Result<SecretVLBytes, CryptoError> {
        sha256_only(hash)?;
        let mut okm = vec![0; okm_len];
        Hkdf::<Sha256>::from_prk(prk)
            .map_err(|_| CryptoError::HkdfOutputLengthInvalid)?
            .expand(info, &mut okm)
            .map_err(|_| CryptoError::HkdfOutputLengthInvalid)?;
        Ok(okm.into())
    }

    fn hash(&self, hash: HashType, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        sha256_only(hash)?;
        Ok(ring::digest::digest(&ring::digest::SHA256, data).as_ref().to_vec())
    }

    fn aead_encrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        data: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        #[cfg(test)]
        let data = &tampering::swapped(data)[..];
        let mut sealed = data.to_vec();
        gcm(alg, key)?
            .seal_in_place_append_tag(gcm_nonce(nonce)?, aead::Aad::from(aad), &mut sealed)
            .map_err(|_| CryptoError::CryptoLibraryError)?;
        Ok(sealed)
    }

    fn aead_decrypt(
        &self,
        alg: AeadType,
        key: &[u8],
        sealed: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut data = sealed.to_vec();
        let len = gcm(alg, key)?
            .open_in_place(gcm_nonce(nonce)?, aead::Aad::from(aad), &mut data)
            .map_err(|_| CryptoError::AeadDecryptionError)?
            .len();
        data.truncate(len);
        #[cfg(test)]
        tampering::OPENED.with_borrow_mut(|opened| opened.push([key, nonce, aad, &data].map(<[u8]>::to_vec)));
        if let Some(noted) = self.noted().as_mut() {
            noted.opened.push(Zeroizing::new(data.clone()));
        }
        Ok(data)
    }

    fn signature_key_gen(&self, alg: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        ed25519_only(alg)?;
        let key = SignatureKey::generate(&self.random).map_err(|_| CryptoError::InsufficientRandomness)?;
        Ok((key.0.to_bytes().to_vec(), key.public().to_vec()))
    }

    fn verify_signature(
        &self,
        alg: SignatureScheme,
        data: &[u8],
        public: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        ed25519_only(alg)?;
        let key = VerifyingKey::try_from(public).map_err(|_| CryptoError::InvalidPublicKey)?;
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| CryptoError::InvalidSignature)?;
        let holds = key.verify_strict(data, &signature).map_err(|_| CryptoError::InvalidSignature);
        if let Some(noted) = self.noted().as_mut() {
            noted.signature_held |= noted.signatures == 0 && holds.is_ok();
            noted.signatures += 1;
        }
        holds
    }

    fn sign(&self, alg: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>, CryptoError> {
        ed25519_only(alg)?;
        let key = SigningKey::try_from(key).map_err(|_| CryptoError::InvalidLength)?;
        Ok(key.sign(data).to_bytes().to_vec())
    }

    fn hpke_seal(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext, CryptoError> {
        own_hpke_only(&config)?;
        #[cfg(any(test, feature = "tampered"))]
        let plaintext = match self.spoils.lock() {
            Ok(spoils) if spoils.as_ref().is_some_and(|spoils| spoils(public)) => &[7; 32],
            _ => plaintext,
        };
        #[cfg(test)]
        let plaintext = &tampering::group_secrets(plaintext)[..];
        // A tampered host can put a key that nobody can seal to into the tree, where nobody but those below it could see that;
        // no other commit could then have a path. Whoever sits below it is his accomplice or is cut off already: what is meant
        // for them is sealed to a key that nobody has.
        let (encapsulated, mut context) = hpke::sender(&self.random, public, Setup::base(info))
            .or_else(|_| {
                let nobody = KeyPair::derive(&self.random.secret_about(&[b"nobody", public, info])?[..]);
                hpke::sender(&self.random, &nobody.public, Setup::base(info))
            })
            .map_err(|_| CryptoError::SenderSetupError)?;
        let ciphertext = context.seal(plaintext, aad).map_err(|_| CryptoError::HpkeEncryptionError)?;
        Ok(HpkeCiphertext { kem_output: encapsulated.to_vec().into(), ciphertext: ciphertext.into() })
    }

    fn hpke_open(
        &self,
        config: HpkeConfig,
        input: &HpkeCiphertext,
        private: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        own_hpke_only(&config)?;
        let private = PrivateKey::from_bytes(private).map_err(|_| CryptoError::InvalidLength)?;
        hpke::receiver(&private, input.kem_output.as_slice(), Setup::base(info))
            .map_err(|_| CryptoError::ReceiverSetupError)?
            .open(input.ciphertext.as_slice(), aad)
            .map_err(|_| CryptoError::HpkeDecryptionError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        config: HpkeConfig,
        public: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<(KemOutput, ExporterSecret), CryptoError> {
        own_hpke_only(&config)?;
        let (encapsulated, sender) = hpke::sender(&self.random, public, Setup::base(info))
            .map_err(|_| CryptoError::SenderSetupError)?;
        let mut secret = vec![0; len];
        sender.export(context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok((encapsulated.to_vec(), secret.into()))
    }

    fn hpke_setup_receiver_and_export(
        &self,
        config: HpkeConfig,
        encapsulated: &[u8],
        private: &[u8],
        info: &[u8],
        context: &[u8],
        len: usize,
    ) -> Result<ExporterSecret, CryptoError> {
        own_hpke_only(&config)?;
        let private = PrivateKey::from_bytes(private).map_err(|_| CryptoError::InvalidLength)?;
        let receiver = hpke::receiver(&private, encapsulated, Setup::base(info))
            .map_err(|_| CryptoError::ReceiverSetupError)?;
        let mut secret = vec![0; len];
        receiver.export(context, &mut secret).map_err(|_| CryptoError::ExporterError)?;
        Ok(secret.into())
    }

    fn derive_hpke_keypair(&self, config: HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair, CryptoError> {
        own_hpke_only(&config)?;
        #[cfg(test)]
        match FORGED_PUBLIC_KEY.take() {
            Some((0, public)) => return Ok(HpkeKeyPair { private: vec![1; 32].into(), public }),
            later => FORGED_PUBLIC_KEY.set(later.map(|(after, public)| (after - 1, public))),
        }
        let pair = KeyPair::derive(ikm);
        Ok(HpkeKeyPair { private: pair.private.as_bytes().to_vec().into(), public: pair.public.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One such key in the tree must not keep everybody from ever being removed.
    #[test]
    fn a_useless_key_in_the_tree_does_not_stop_a_commit() {
        let crypto = Crypto::new(Random::seeded([1; 32]));
        let config = || CIPHERSUITE.hpke_config();
        for useless in [&[0; 32][..], &[], &[9; 31]] {
            let sealed =
                crypto.hpke_seal(config(), useless, b"info", b"", b"path secret").expect("it is sealed");
            assert!(crypto.hpke_open(config(), &sealed, &[1; 32], b"info", b"").is_err(), "to nobody");
        }
    }
}
