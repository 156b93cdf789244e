//! What a member with a tampered client could send; for tests of what the others do with it.

use openmls::extensions::{Extension, Extensions, UnknownExtension};
use openmls::group::MlsGroup;
use openmls::prelude::{
    CommitBuilder, Initial, LeafNodeIndex, LeafNodeParameters, MlsMessageBodyIn, MlsMessageIn, MlsMessageOut,
    NewSignerBundle, PreSharedKeyProposal, Proposal,
};
use tls_codec::{DeserializeBytes as _, Serialize as _};

use super::member::{Group, credential_with_key};
use super::provider::SignatureKey;
use super::provider::tampering::INSTEAD;
use super::{POSITION_EXTENSION, VerifiedKeyPackage, context_extensions};

/// What is wrong with a forged key package.
pub(crate) enum Forgery {
    /// Nothing but that its HPKE keys are another's too.
    SharedKeys,
    /// Its leaf has a key of the guest's choice.
    LeafKey(Vec<u8>),
    /// It expires, so that clocks would decide whether adding it is valid.
    Mortal,
}

impl Group {
    /// Forgets that others asked to leave.
    pub(crate) fn forge_deafness(&mut self) {
        self.logged.clear();
    }

    /// A commit that gives the committer another name.
    pub(crate) fn forge_renaming(&mut self, credential: Vec<u8>, position: u64) -> Vec<u8> {
        let identity = credential_with_key(credential, &self.signer.public());
        let leaf = LeafNodeParameters::builder().with_credential_with_key(identity).build();
        self.forge_commit(position, |commit| commit.leaf_node_parameters(leaf).force_self_update(true)).0
    }

    /// A commit that gives the committer another signature key, and another name with it.
    pub(crate) fn forge_rekeying(
        &mut self,
        credential: Vec<u8>,
        key: &SignatureKey,
        position: u64,
    ) -> Vec<u8> {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let credential_with_key = credential_with_key(credential, &key.public());
        let new_signer = NewSignerBundle { signer: key, credential_with_key };
        let built = self
            .mls
            .commit_builder()
            .force_self_update(true)
            .load_psks(&self.provider.storage)
            .expect("no psks")
            .build_with_new_signer(
                &self.provider.crypto,
                &self.provider.crypto,
                &self.signer,
                new_signer,
                |_| true,
            )
            .expect("the engine lets him");
        let messages = built.stage_commit(&self.provider).expect("the engine lets him");
        self.bytes(messages.into_commit())
    }

    /// A commit with a policy change and whatever else.
    pub(crate) fn forge_policy(
        &mut self,
        policy: Vec<u8>,
        adds: Option<(&VerifiedKeyPackage, &[u8])>,
        position: u64,
    ) -> Vec<u8> {
        let extensions = Extensions::from_vec(context_extensions(policy).into()).expect("they are ours");
        let psk = adds.map(|(_, id)| {
            let psk = self.psk(id).expect("it is seeded");
            Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)))
        });
        let added = adds.map(|(key_package, _)| key_package.for_forging().clone());
        self.forge_commit(position, |commit| {
            commit
                .propose_adds(added)
                .add_proposals(psk)
                .propose_group_context_extensions(extensions)
                .expect("they are ours")
        })
        .0
    }

    /// A commit that injects a PSK of the committer's own.
    pub(crate) fn forge_psk(&mut self, position: u64) -> Vec<u8> {
        self.store_psk(b"my own", &[5; 32]).expect("storage works");
        let psk = self.psk(b"my own").expect("it is seeded");
        let proposal = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)));
        self.forge_commit(position, |commit| commit.add_proposal(proposal)).0
    }

    /// A commit to end the group and found another (ReInit, RFC 9420 §12.1.5). The engine leaves these out of the commits that it
    /// builds, so one takes the place of a PSK proposal that is as long, where the commit is signed and where it is sealed.
    pub(crate) fn forge_reinit(&mut self, position: u64) -> Vec<u8> {
        self.store_psk(b"my own", &[5; 32]).expect("storage works");
        let psk = self.psk(b"my own").expect("it is seeded");
        let proposal = Proposal::PreSharedKey(Box::new(PreSharedKeyProposal::new(psk)));
        let there = [&[1][..], &proposal.tls_serialize_detached().expect("it is short")].concat();
        // By value, ReInit, group id, version 1.0, ciphersuite 1, no extensions.
        let another_group = vec![9; there.len() - 9];
        let len = u8::try_from(another_group.len()).expect("it is short");
        let reinit = [&[1, 0, 5, len][..], &another_group, &[0, 1, 0, 1, 0]].concat();
        INSTEAD.replace(Some([there, reinit]));
        let commit = self.forge_commit(position, |commit| commit.add_proposal(proposal)).0;
        INSTEAD.replace(None);
        commit
    }

    /// A commit from outside (RFC 9420 §12.4.3.2), with what a colluding member gives out: the GroupInfo.
    pub(crate) fn forge_external_commit(&mut self, position: u64) -> Vec<u8> {
        let info =
            self.mls.export_group_info(&self.provider.crypto, &self.signer, true).expect("it is seeded");
        let info = info.to_bytes().expect("it can be written");
        let MlsMessageBodyIn::GroupInfo(info) =
            MlsMessageIn::tls_deserialize_exact_bytes(&info).expect("it was just written").extract()
        else {
            panic!("it is a GroupInfo");
        };
        let provider = super::provider::Provider::new(crate::crypto::Random::seeded([99; 32]));
        let signer = super::SignatureKey::generate(&provider.crypto.random).expect("it is seeded");
        let identity = credential_with_key(b"stranger".to_vec(), &signer.public());
        let (group, bundle) = MlsGroup::external_commit_builder()
            .with_aad(position.to_be_bytes().to_vec())
            .build_group(&provider, info, identity)
            .expect("the engine lets him")
            .leaf_node_parameters(
                LeafNodeParameters::builder().with_capabilities(super::capabilities()).build(),
            )
            .load_psks(&provider.storage)
            .expect("no psks")
            .build(&provider.crypto, &provider.crypto, &signer, |_| true)
            .expect("the engine lets him")
            .finalize(&provider)
            .expect("the engine lets him");
        drop(group);
        self.enclose(bundle.into_commit().to_bytes().expect("it can be written"))
    }

    /// A commit that adds somebody without any PSK, and its Welcome.
    pub(crate) fn forge_unbound_add(
        &mut self,
        key_package: &VerifiedKeyPackage,
        position: u64,
    ) -> (Vec<u8>, Vec<u8>) {
        let added = key_package.for_forging().clone();
        let (commit, welcome) = self.forge_commit(position, |commit| commit.propose_adds([added]));
        (commit, welcome.expect("somebody is added"))
    }

    fn forge_commit(
        &mut self,
        position: u64,
        tamper: impl FnOnce(CommitBuilder<'_, Initial>) -> CommitBuilder<'_, Initial>,
    ) -> (Vec<u8>, Option<Vec<u8>>) {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let position_extension =
            Extension::Unknown(POSITION_EXTENSION, UnknownExtension(position.to_be_bytes().to_vec()));
        let messages = tamper(self.mls.commit_builder())
            .load_psks(&self.provider.storage)
            .expect("no psks")
            .create_group_info_with_extensions([position_extension])
            .expect("an extension of our own")
            .build(&self.provider.crypto, &self.provider.crypto, &self.signer, |_| true)
            .expect("the engine lets it")
            .stage_commit(&self.provider)
            .expect("the engine lets it");
        let welcome = messages.to_welcome_msg().map(|welcome| welcome.to_bytes().expect("it can be written"));
        (self.bytes(messages.into_commit()), welcome)
    }

    /// A proposal that no member may make: to change one's own leaf.
    pub(crate) fn forge_update_proposal(&mut self, position: u64) -> Vec<u8> {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let (message, _) = self
            .mls
            .propose_self_update(&self.provider, &self.signer, LeafNodeParameters::default())
            .expect("the engine lets it");
        self.bytes(message)
    }

    /// A proposal to remove somebody else.
    pub(crate) fn forge_remove_proposal(&mut self, leaf: u32, position: u64) -> Vec<u8> {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let proposed = self.mls.propose_remove_member(&self.provider, &self.signer, LeafNodeIndex::new(leaf));
        let (message, _) = proposed.expect("the engine lets it");
        self.bytes(message)
    }

    /// An application message, which has no place in the log.
    pub(crate) fn forge_application_message(&mut self, position: u64) -> Vec<u8> {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let message =
            self.mls.create_message(&self.provider, &self.signer, b"hi").expect("the engine lets it");
        self.bytes(message)
    }

    fn bytes(&mut self, message: MlsMessageOut) -> Vec<u8> {
        self.drop_own().expect("storage works");
        let message = message.to_bytes().expect("it can be written");
        self.enclose(message)
    }
}
