//! A guest's side of the group: the key package he offers, and the Welcome that answers it.

use openmls::extensions::Extensions;
use openmls::prelude::{
    KeyPackage, KeyPackageBundle, Lifetime, MlsMessageBodyIn, MlsMessageIn, ProcessedWelcome, StagedWelcome,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use thiserror::Error;
use tls_codec::Serialize as _;

use super::member::{Group, credential_with_key};
use super::provider::{CIPHERSUITE, Provider, SignatureKey};
use super::summary::policy_of;
use super::wire::read_exact;
use super::{EngineError, POSITION_EXTENSION, capabilities, join_config};
use crate::crypto::Random;
use crate::id::CallId;

/// Why a Welcome was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum JoinFault {
    /// Not a Welcome for this guest's key package, or damaged.
    #[error("not a welcome for this guest")]
    NotForUs,
    /// For another call than the link's.
    #[error("the welcome is for another call")]
    WrongCall,
    /// Bound to no invite secret, to another, or to more than one.
    #[error("the welcome is not bound to the invite")]
    WrongInvite,
    /// Made by somebody who is not a host of the call.
    #[error("the welcome was not made by a host")]
    NotByHost,
    /// The leaf in the tree is not the one that this guest sent.
    #[error("the leaf in the tree is not ours")]
    WrongLeaf,
    /// The call's frames have tags shorter than 16 bytes, which was not agreed to: see `danger::accept_short_tags`.
    #[error("the call's frames have short tags")]
    ShortTags,
    /// The call's cipher suite is not built: see the feature `ctr-hmac`.
    #[error("the call's cipher suite is not built")]
    UnknownSuite,
    /// The tree, the policy or a participant's name is not what a call has.
    #[error("the group is not a call")]
    NotACall,
}

/// A guest with his key package, before he is in.
pub(crate) struct Joiner {
    provider: Provider,
    signer: SignatureKey,
    key_package: KeyPackageBundle,
}

/// The link's half of what the guest holds a Welcome against (R11).
pub(crate) struct Expected<'a> {
    pub(crate) call: CallId,
    pub(crate) psk_id: &'a [u8],
    pub(crate) psk: &'a [u8],
}

/// A group that a guest has joined.
pub(crate) struct Joined {
    pub(crate) group: Group,
    /// Signature key of the host who made the GroupInfo.
    pub(crate) admitted_by: Vec<u8>,
    /// The log position of the commit that added the guest (R6).
    pub(crate) position: u64,
}

impl Joiner {
    /// Makes a key package that is used nowhere else (R10), with a lifetime that every clock takes (R4).
    pub(crate) fn new(
        random: Random,
        signer: SignatureKey,
        credential: Vec<u8>,
    ) -> Result<Self, EngineError> {
        let provider = Provider::new(random);
        let key_package = KeyPackage::builder()
            .key_package_lifetime(Lifetime::init(0, u64::MAX))
            .leaf_node_capabilities(capabilities())
            .leaf_node_extensions(Extensions::empty())
            .key_package_extensions(Extensions::empty())
            .build(CIPHERSUITE, &provider, &signer, credential_with_key(credential, &signer.public()))
            .map_err(|_| EngineError("making a key package"))?;
        Ok(Self { provider, signer, key_package })
    }

    /// A guest with a tampered client.
    #[cfg(test)]
    pub(crate) fn forge(
        hpke: Random,
        signer: SignatureKey,
        credential: Vec<u8>,
        forgery: super::Forgery,
    ) -> Self {
        let provider = Provider::new(hpke);
        let lifetime = match forgery {
            super::Forgery::Mortal => Lifetime::default(),
            _ => Lifetime::init(0, u64::MAX),
        };
        let builder =
            KeyPackage::builder().key_package_lifetime(lifetime).leaf_node_capabilities(capabilities());
        if let super::Forgery::LeafKey(key) = forgery {
            // A key package has its own key first, then its leaf's.
            super::provider::FORGED_PUBLIC_KEY.set(Some((1, key)));
        }
        let identity = credential_with_key(credential, &signer.public());
        let key_package =
            builder.build(CIPHERSUITE, &provider, &signer, identity).expect("the engine lets him");
        Self { provider, signer, key_package }
    }

    pub(crate) fn random(&self) -> &Random {
        &self.provider.crypto.random
    }

    pub(crate) fn signature_key(&self) -> [u8; 32] {
        self.signer.public()
    }

    pub(crate) fn key_package(&self) -> Result<Vec<u8>, EngineError> {
        self.key_package
            .key_package()
            .tls_serialize_detached()
            .map_err(|_| EngineError("writing a key package"))
    }

    /// Joins, if the Welcome is what R11 demands. `judge` says what is wrong with a policy, and the signature key of who let us in.
    pub(crate) fn join(
        self,
        welcome: &[u8],
        expected: &Expected<'_>,
        judge: impl FnOnce(&[u8], &[u8]) -> Result<(), JoinFault>,
    ) -> Result<Joined, JoinFault> {
        let message = read_exact::<MlsMessageIn>(welcome).ok_or(JoinFault::NotForUs)?;
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { return Err(JoinFault::NotForUs) };
        let psk = Psk::External(ExternalPsk::new(expected.psk_id.to_vec()));
        PreSharedKeyId::new(CIPHERSUITE, &self.provider.crypto, psk)
            .map_err(|_| JoinFault::NotForUs)?
            .store(&self.provider, expected.psk)
            .map_err(|_| JoinFault::NotForUs)?;
        let processed = ProcessedWelcome::new_from_welcome(&self.provider, &join_config(), welcome)
            .map_err(|_| JoinFault::NotForUs)?;
        let info = processed.unverified_group_info();
        if info.group_id().as_slice() != expected.call.0 {
            return Err(JoinFault::WrongCall);
        }
        // The engine also accepts a Welcome without any PSK, which somebody without the invite could have made.
        let ours =
            |id: &PreSharedKeyId| matches!(id.psk(), Psk::External(e) if e.psk_id() == expected.psk_id);
        if !matches!(processed.psks(), [only] if ours(only)) {
            return Err(JoinFault::WrongInvite);
        }
        let position = info
            .extensions()
            .unknown(POSITION_EXTENSION)
            .and_then(|extension| Some(u64::from_be_bytes(extension.0.as_slice().try_into().ok()?)))
            .ok_or(JoinFault::NotACall)?;
        // From here on the GroupInfo's signature is verified, so what was read above holds.
        let staged = openmls::group::JoinBuilder::new(&self.provider, processed)
            .skip_lifetime_validation()
            .build()
            .map_err(|_| JoinFault::NotForUs)?;
        self.check_and_enter(staged, position, judge)
    }

    fn check_and_enter(
        self,
        staged: StagedWelcome,
        position: u64,
        judge: impl FnOnce(&[u8], &[u8]) -> Result<(), JoinFault>,
    ) -> Result<Joined, JoinFault> {
        let policy = policy_of(staged.group_context().extensions()).ok_or(JoinFault::NotACall)?;
        let sender = staged.welcome_sender().map_err(|_| JoinFault::NotByHost)?;
        let admitted_by = sender.signature_key().as_slice().to_vec();
        judge(&policy, &admitted_by)?;
        if staged.own_leaf_node() != Some(self.key_package.key_package().leaf_node()) {
            return Err(JoinFault::WrongLeaf);
        }
        let mls = staged.into_group(&self.provider).map_err(|_| JoinFault::NotForUs)?;
        Ok(Joined { group: Group::new(self.provider, mls, self.signer), admitted_by, position })
    }
}
