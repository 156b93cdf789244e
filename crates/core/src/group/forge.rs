//! What a member with a tampered client could send; for tests of what the others do with it.

use openmls::extensions::{Extension, UnknownExtension};
use openmls::prelude::{CommitBuilder, Initial, LeafNodeParameters, MlsMessageOut};

use super::member::{Group, credential_with_key};
use super::{POSITION_EXTENSION, VerifiedKeyPackage};

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

    /// An application message, which has no place in the log.
    pub(crate) fn forge_application_message(&mut self, position: u64) -> Vec<u8> {
        self.mls.set_aad(position.to_be_bytes().to_vec());
        let message =
            self.mls.create_message(&self.provider, &self.signer, b"hi").expect("the engine lets it");
        self.bytes(message)
    }

    fn bytes(&mut self, message: MlsMessageOut) -> Vec<u8> {
        self.drop_own().expect("storage works");
        message.to_bytes().expect("it can be written")
    }
}
