//! The MLS group behind a call. The only module that names openmls; all it gives out and takes in is plain data.
//!
//! It knows how to make, decode, stage, merge and undo; it does not know what is *allowed*: that is `call::judge`.

mod blanks;
mod entry;
#[cfg(test)]
mod forge;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod join;
mod member;
mod provider;
mod reread;
mod storage;
mod summary;
mod wire;

pub use entry::EntryFault;
pub(crate) use entry::LogEntry;
#[cfg(test)]
pub(crate) use forge::Forgery;
pub use join::JoinFault;
pub(crate) use join::{Expected, Joined, Joiner};
pub(crate) use member::{Group, OwnCommit, Plan, Processed, VerifiedKeyPackage};
#[cfg(any(test, feature = "tampered"))]
pub(crate) use provider::Spoils;
#[cfg(test)]
pub(crate) use provider::tampering;
pub(crate) use provider::{SignatureKey, signature_holds};
#[cfg(test)]
pub(crate) use summary::AddedLeaf;
pub(crate) use summary::{CommitSummary, Leaf};

use openmls::extensions::{Extension, ExtensionType, RequiredCapabilitiesExtension, UnknownExtension};
use openmls::prelude::{
    Capabilities, CredentialType, MlsGroupJoinConfig, PURE_CIPHERTEXT_WIRE_FORMAT_POLICY, ProtocolVersion,
    SenderRatchetConfiguration,
};
use thiserror::Error;

/// The group-context extension that carries the call's policy (private range of RFC 9420 §17.3).
const POLICY_EXTENSION: u16 = 0xF001;
/// The GroupInfo extension that names the log position of the commit that adds a guest (R6).
const POSITION_EXTENSION: u16 = 0xF002;
/// Handshake messages are padded to a multiple of this, so that their sizes say little.
const PADDING: usize = 128;
/// Handshake messages of one sender that may come out of order, and that may be missing, in one epoch. Whoever loses a race
/// has used up a generation that nobody else sees.
const SENDER_RATCHET: (u32, u32) = (5, 4096);
/// Handshake messages that a member makes in one epoch, at most: one more, and the others could not hear it while its maker
/// would take it for valid.
pub(crate) const MAX_OWN_MESSAGES: u32 = 4000;

/// The MLS engine failed at something that it should be able to do. Says where; nothing of the engine's own words, which
/// might quote what they should not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the mls engine failed: {0}")]
pub struct EngineError(pub(crate) &'static str);

/// What every leaf of a call can do, exactly: R2 refuses others.
fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[provider::CIPHERSUITE]),
        Some(&[ExtensionType::Unknown(POLICY_EXTENSION)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// The group context's extensions: the policy, and that every leaf must know of it.
fn context_extensions(policy: Vec<u8>) -> [Extension; 2] {
    let required = RequiredCapabilitiesExtension::new(
        &[ExtensionType::Unknown(POLICY_EXTENSION)],
        &[],
        &[CredentialType::Basic],
    );
    [
        Extension::RequiredCapabilities(required),
        Extension::Unknown(POLICY_EXTENSION, UnknownExtension(policy)),
    ]
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .padding_size(PADDING)
        .max_past_epochs(0) // with more, every merge and message gets slower as the group grows
        .number_of_resumption_psks(0)
        .use_ratchet_tree_extension(true)
        .sender_ratchet_configuration(SenderRatchetConfiguration::new(SENDER_RATCHET.0, SENDER_RATCHET.1))
        .build()
}
