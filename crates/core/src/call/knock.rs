//! Knocks and their answers on the wire (R10, R11).
//!
//! ```text
//! knock  = HPKE encapsulated key (32) | HPKE ciphertext of: length (2) | key package | zeros, to a multiple of 1,024
//!          mode PSK, info = "subrosa knock 1" | call id | invite number
//! withdrawal = 64 bytes exported from the knock's HPKE context
//! answer = nonce (12) | AES-256-GCM of: verdict, Welcome, what a newcomer is told | zeros, to a multiple of 4,096
//!          key exported from the knock's HPKE context, AAD = the knock's hash
//! ```

use ring::aead;
use thiserror::Error;
use tls_codec::{DeserializeBytes as _, Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::invite::Invite;
use crate::crypto::hpke::{self, KEY_LEN, PrivateKey, Setup};
use crate::crypto::{NoRandomness, Random, hash};

/// Every knock is this long or a multiple of it longer, so that its size does not tell the name's length.
const KNOCK_BUCKET: usize = 1024;
/// A denial is as long as the Welcome of a small call.
const ANSWER_BUCKET: usize = 4096;
const TAG_LEN: usize = 16;
/// Far shorter than any knock.
pub(super) const WITHDRAWAL_LEN: usize = 64;
/// Bytes of the longest knock that a host looks at.
pub(super) const MAX_KNOCK_LEN: usize = KEY_LEN + 4 * KNOCK_BUCKET + TAG_LEN;

/// A message is not a knock at this call, or not an answer to this knock. No detail: nothing of it is authentic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not authentic")]
pub(super) struct NotAuthentic;

/// The key under which the answer to one knock comes back. Only the guest and the holders of the lobby key can make it.
pub(crate) struct AnswerKey {
    key: Zeroizing<[u8; 32]>,
    withdrawal: [u8; WITHDRAWAL_LEN],
    knock: [u8; 32],
}

/// Used for one answer. Drawn before the answer is sealed, so that sealing cannot fail.
pub(super) struct AnswerNonce([u8; aead::NONCE_LEN]);

pub(super) fn nonce(random: &Random) -> Result<AnswerNonce, NoRandomness> {
    random.bytes().map(AnswerNonce)
}

/// What a host answers.
#[derive(PartialEq, Eq)]
pub(super) enum Answer {
    Admitted {
        welcome: Vec<u8>,
        told: Told,
    },
    Denied,
    /// R12: the invite that he knocked with is not the current one any more.
    LinkExpired,
    /// The last host has left, and the call is over (R3).
    CallOver,
}

impl Answer {
    fn verdict(&self) -> u8 {
        match self {
            Self::Admitted { .. } => 1,
            Self::Denied => 2,
            Self::LinkExpired => 3,
            Self::CallOver => 4,
        }
    }
}

/// What a newcomer is told that the tree does not say, on the word of the host who lets him in.
#[derive(Clone, PartialEq, Eq, Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Told {
    /// Signature keys that were on the roster before; so that he judges like the others (R3, R4).
    pub(super) departed: Vec<[u8; 32]>,
    /// How the others came in, as far as the host knows.
    pub(super) came: Vec<Came>,
}

/// How a member came in (R14).
#[derive(Clone, Copy, PartialEq, Eq, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Came {
    pub(super) leaf: u32,
    /// His first epoch.
    pub(super) since: u64,
    /// Who admitted him; zeros for the founder.
    pub(super) by: [u8; 16],
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct AnswerBody {
    /// See [`Answer::verdict`].
    verdict: u8,
    // Not the library's `VLBytes`: in a debug build it panics where bytes are missing.
    welcome: Vec<u8>,
    told: Told,
}

pub(super) fn hash_of(knock: &[u8]) -> [u8; 32] {
    hash::labelled("subrosa knock", &[knock])
}

fn info(invite: &Invite) -> Vec<u8> {
    [b"subrosa knock 1", invite.context().as_slice()].concat()
}

/// Seals a key package to the hosts; returns the knock and the key of its answer.
pub(super) fn seal(
    invite: &Invite,
    key_package: &[u8],
    random: &Random,
) -> Result<(Vec<u8>, AnswerKey), NotAuthentic> {
    let len = u16::try_from(key_package.len()).map_err(|_| NotAuthentic)?;
    let mut plain = [&len.to_be_bytes()[..], key_package].concat();
    plain.resize(plain.len().next_multiple_of(KNOCK_BUCKET), 0);
    let (info, psk, id) = (info(invite), invite.knock_psk(), invite.context());
    let setup = Setup { info: &info, psk: Some((&psk[..], &id)) };
    let (encapsulated, mut context) =
        hpke::sender(random, &invite.lobby_key, setup).map_err(|_| NotAuthentic)?;
    let sealed = context.seal(&plain, b"").map_err(|_| NotAuthentic)?;
    let knock = [&encapsulated[..], &sealed].concat();
    let answer = AnswerKey::export(&knock, |label, out| context.export(label, out).is_ok())?;
    Ok((knock, answer))
}

/// Opens a knock with the lobby's private key; returns the key package and the key of the answer.
pub(super) fn open(
    invite: &Invite,
    lobby: &PrivateKey,
    knock: &[u8],
) -> Result<(Vec<u8>, AnswerKey), NotAuthentic> {
    let (encapsulated, sealed) = knock.split_at_checked(KEY_LEN).ok_or(NotAuthentic)?;
    let (info, psk, id) = (info(invite), invite.knock_psk(), invite.context());
    let setup = Setup { info: &info, psk: Some((&psk[..], &id)) };
    let mut context = hpke::receiver(lobby, encapsulated, setup).map_err(|_| NotAuthentic)?;
    let plain = context.open(sealed, b"").map_err(|_| NotAuthentic)?;
    let (len, rest) = plain.split_first_chunk().ok_or(NotAuthentic)?;
    let key_package = rest.get(..usize::from(u16::from_be_bytes(*len))).ok_or(NotAuthentic)?.to_vec();
    let answer = AnswerKey::export(knock, |label, out| context.export(label, out).is_ok())?;
    Ok((key_package, answer))
}

impl AnswerKey {
    /// R11: exported from the knock's HPKE context and bound to the knock's hash.
    fn export(knock: &[u8], export: impl Fn(&[u8], &mut [u8]) -> bool) -> Result<Self, NotAuthentic> {
        let knock = hash_of(knock);
        let mut key = Zeroizing::new([0; 32]);
        let mut withdrawal = [0; WITHDRAWAL_LEN];
        let label = |what: &[u8]| [what, &knock].concat();
        let exported = export(&label(b"subrosa answer 1"), &mut key[..])
            && export(&label(b"subrosa withdrawal 1"), &mut withdrawal);
        exported.then_some(Self { key, withdrawal, knock }).ok_or(NotAuthentic)
    }

    /// What the guest, and nobody else but the hosts, can say: that he does not wait any more.
    pub(super) fn withdrawal(&self) -> &[u8; WITHDRAWAL_LEN] {
        &self.withdrawal
    }

    pub(super) fn knock(&self) -> &[u8; 32] {
        &self.knock
    }

    #[cfg(feature = "fuzzing")]
    pub(super) fn for_fuzzing() -> Self {
        Self { key: Zeroizing::new([1; 32]), withdrawal: [2; WITHDRAWAL_LEN], knock: [3; 32] }
    }

    /// Seals whatever it is.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn seal_content(&self, content: &[u8]) -> Vec<u8> {
        let (nonce, mut sealed) = ([0; aead::NONCE_LEN], content.to_vec());
        let aad = aead::Aad::from(&self.knock);
        let unique = aead::Nonce::assume_unique_for_key(nonce);
        self.cipher().seal_in_place_append_tag(unique, aad, &mut sealed).expect("it is short");
        [&nonce[..], &sealed].concat()
    }

    #[cfg(feature = "fuzzing")]
    pub(crate) fn open_content(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = answer.split_first_chunk()?;
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let mut sealed = sealed.to_vec();
        let content = self.cipher().open_in_place(nonce, aead::Aad::from(&self.knock), &mut sealed).ok()?;
        Some(content.to_vec())
    }

    fn cipher(&self) -> aead::LessSafeKey {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, &self.key[..]);
        aead::LessSafeKey::new(key.expect("the key is 32 bytes long"))
    }

    /// Seals an answer under a nonce from [`nonce`]: random, as a key answers once or twice, so that no two are alike.
    pub(super) fn seal(&self, answer: &Answer, nonce: AnswerNonce) -> Vec<u8> {
        let (welcome, told) = match answer {
            Answer::Admitted { welcome, told } => (welcome.clone(), told.clone()),
            _ => Default::default(),
        };
        let body = AnswerBody { verdict: answer.verdict(), welcome, told };
        let mut sealed = body.tls_serialize_detached().expect("all fields are below the length limits");
        sealed.resize(sealed.len().next_multiple_of(ANSWER_BUCKET), 0);
        let AnswerNonce(nonce) = nonce;
        self.cipher()
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(&self.knock),
                &mut sealed,
            )
            .expect("an answer is far below the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    pub(super) fn open(&self, answer: &[u8]) -> Result<Answer, NotAuthentic> {
        let (nonce, sealed) = answer.split_first_chunk().ok_or(NotAuthentic)?;
        let mut sealed = sealed.to_vec();
        let plain = self
            .cipher()
            .open_in_place(
                aead::Nonce::assume_unique_for_key(*nonce),
                aead::Aad::from(&self.knock),
                &mut sealed,
            )
            .map_err(|_| NotAuthentic)?;
        let (body, padding) = AnswerBody::tls_deserialize_bytes(plain).map_err(|_| NotAuthentic)?;
        match body.verdict {
            _ if padding.iter().any(|byte| *byte != 0) => Err(NotAuthentic),
            1 => Ok(Answer::Admitted { welcome: body.welcome, told: body.told }),
            2 => Ok(Answer::Denied),
            3 => Ok(Answer::LinkExpired),
            4 => Ok(Answer::CallOver),
            _ => Err(NotAuthentic),
        }
    }
}
