//! The same group with openmls alone: its published storage and cryptography, no policy, no roster, no frames.

use openmls::group::JoinBuilder;
use openmls::prelude::{
    BasicCredential, Ciphersuite, CredentialWithKey, KeyPackage, KeyPackageBundle, LeafNodeIndex, MlsGroup,
    MlsGroupJoinConfig, MlsMessageBodyIn, MlsMessageIn, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY,
    PreSharedKeyProposal, ProcessedMessageContent, ProcessedWelcome, Proposal,
};
use openmls::schedule::{ExternalPsk, PreSharedKeyId, Psk};
use openmls_basic_credential::SignatureKeyPair;
use openmls_traits::OpenMlsProvider;
use tls_codec::DeserializeBytes as _;

pub(crate) use openmls_libcrux_crypto::Provider as Libcrux;
pub(crate) use openmls_rust_crypto::OpenMlsRustCrypto as RustCrypto;

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
const PSK: [u8; 32] = [3; 32];
const PADDING: usize = 128;

/// An openmls provider that can be made from nothing.
pub(crate) trait Engine: OpenMlsProvider + 'static {
    fn new() -> Self;
}

impl Engine for RustCrypto {
    fn new() -> Self {
        Self::default()
    }
}

impl Engine for Libcrux {
    fn new() -> Self {
        Self::new().expect("randomness")
    }
}

/// One member's view.
pub(crate) struct Group<P> {
    provider: P,
    signer: SignatureKeyPair,
    mls: MlsGroup,
}

/// Somebody who wants to be let in.
pub(crate) struct Guest<P> {
    provider: P,
    signer: SignatureKeyPair,
    package: KeyPackageBundle,
}

fn identity<P: Engine>(provider: &P) -> (SignatureKeyPair, CredentialWithKey) {
    let signer = SignatureKeyPair::new(SUITE.signature_algorithm()).expect("randomness");
    signer.store(provider.storage()).expect("it is stored");
    // As long as what a call puts there.
    let credential = BasicCredential::new(vec![0x61; 64]).into();
    let identity = CredentialWithKey { credential, signature_key: signer.public().into() };
    (signer, identity)
}

fn psk<P: Engine>(provider: &P) -> PreSharedKeyId {
    let psk = Psk::External(ExternalPsk::new(b"invite".to_vec()));
    let id = PreSharedKeyId::new(SUITE, provider.rand(), psk).expect("randomness");
    id.store(provider, &PSK).expect("it is stored");
    id
}

impl<P: Engine> Group<P> {
    pub(crate) fn found() -> Self {
        let provider = P::new();
        let (signer, identity) = identity(&provider);
        let mls = MlsGroup::builder()
            .ciphersuite(SUITE)
            .with_wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(PADDING)
            .use_ratchet_tree_extension(true)
            .build(&provider, &signer, identity)
            .expect("a group");
        psk(&provider);
        Self { provider, signer, mls }
    }

    /// A group of that many, all let in with one commit.
    pub(crate) fn of(members: usize) -> Self {
        let mut group = Self::found();
        let guests = (1..members).map(|_| group.guest()).collect::<Vec<_>>();
        if !guests.is_empty() {
            group.add(&guests);
        }
        group
    }

    /// The same, and the first who came.
    pub(crate) fn pair(members: usize) -> (Self, Self) {
        let mut group = Self::found();
        let mut guests = (1..members).map(|_| group.guest()).collect::<Vec<_>>();
        let (_, welcome) = group.add(&guests);
        (group, Self::join(guests.remove(0), &welcome))
    }

    pub(crate) fn guest(&self) -> Guest<P> {
        let provider = P::new();
        let (signer, identity) = identity(&provider);
        let package =
            KeyPackage::builder().build(SUITE, &provider, &signer, identity).expect("a key package");
        Guest { provider, signer, package }
    }

    /// One commit without a path, with a PSK; returns it, and the Welcome.
    pub(crate) fn add(&mut self, guests: &[Guest<P>]) -> (Vec<u8>, Vec<u8>) {
        let psk = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk(&self.provider))));
        let messages = self
            .mls
            .commit_builder()
            .propose_adds(guests.iter().map(|guest| guest.package.key_package().clone()))
            .add_proposals([psk])
            .load_psks(self.provider.storage())
            .expect("the psk")
            .build(self.provider.rand(), self.provider.crypto(), &self.signer, |_| true)
            .expect("a commit")
            .stage_commit(&self.provider)
            .expect("a commit");
        let welcome = messages.to_welcome_msg().expect("a welcome").to_bytes().expect("its bytes");
        let commit = messages.into_commit().to_bytes().expect("its bytes");
        self.merge();
        (commit, welcome)
    }

    pub(crate) fn remove(&mut self, leaf: u32) -> Vec<u8> {
        let removed = self.mls.remove_members(&self.provider, &self.signer, &[LeafNodeIndex::new(leaf)]);
        let commit = removed.expect("he is there").0.to_bytes().expect("its bytes");
        self.merge();
        commit
    }

    fn merge(&mut self) {
        self.mls.merge_pending_commit(&self.provider).expect("it is there");
        self.export();
    }

    pub(crate) fn apply(&mut self, commit: &[u8]) {
        let message = MlsMessageIn::tls_deserialize_exact_bytes(commit).expect("a message");
        let message = message.try_into_protocol_message().expect("a message of the group");
        let processed = self.mls.process_message(&self.provider, message).expect("a commit");
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            panic!("not a commit")
        };
        self.mls.merge_staged_commit(&self.provider, *staged).expect("it is merged");
        self.export();
    }

    fn export(&self) {
        self.mls.export_secret(self.provider.crypto(), "SFrame 1.0 Base Key", &[], 16).expect("a secret");
    }

    pub(crate) fn join(guest: Guest<P>, welcome: &[u8]) -> Self {
        let Guest { provider, signer, .. } = guest;
        psk(&provider);
        let message = MlsMessageIn::tls_deserialize_exact_bytes(welcome).expect("a message");
        let MlsMessageBodyIn::Welcome(welcome) = message.extract() else { panic!("not a welcome") };
        let config = MlsGroupJoinConfig::builder()
            .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
            .padding_size(PADDING)
            .use_ratchet_tree_extension(true)
            .build();
        let processed = ProcessedWelcome::new_from_welcome(&provider, &config, welcome).expect("for us");
        let staged = JoinBuilder::new(&provider, processed).build().expect("a group");
        let mls = staged.into_group(&provider).expect("a group");
        let group = Self { provider, signer, mls };
        group.export();
        group
    }
}
