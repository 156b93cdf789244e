//! The policy: signed history in the group context, not server state.

use core::fmt;
use core::time::Duration;

use thiserror::Error;
use tls_codec::{DeserializeBytes as _, Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, Zeroizing};

use super::invite::Invite;
use crate::id::CallId;
use crate::sframe::CipherSuite;

const VERSION: u8 = 1;
pub(super) const MAX_HOSTS: usize = 256;
/// A path after a mass admission has some 83 bytes for each member, and entries and Welcomes have to fit the delivery service.
const MAX_PARTICIPANTS: u32 = 2000;
/// Old keys serve frames that are late; and a host must not be able to make everybody keep them for ever.
const MAX_RETENTION_MS: u32 = 300_000;
/// R8: 2^(E−1) epochs must fit into the retention time, and the KID should stay short.
const EPOCH_BITS: core::ops::RangeInclusive<u8> = 3..=8;

/// What the creator of a call decides. The defaults are the safe choice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallConfig {
    /// The cipher of frames; fixed for the call's life (R8).
    pub suite: CipherSuite,
    /// E, the low bits of the epoch in each KID, 3 to 8; fixed for the call's life (R8).
    pub epoch_bits: u8,
    /// How many participants the call may have, at most 2,000.
    pub max_participants: u32,
    /// How long after it applied a commit a sender goes on with the old key, at most (R20).
    pub switch_deadline: Duration,
    /// How long the old key still opens frames after a join, a leave or a policy change (R19).
    pub retention: Duration,
    /// How long it does after a removal.
    pub removal_retention: Duration,
}

impl Default for CallConfig {
    /// AES-128-GCM, E = 4, 1,000 participants, switch after 1 s, old keys kept for 10 s, 5 s after a removal.
    fn default() -> Self {
        Self {
            suite: CipherSuite::default(),
            epoch_bits: 4,
            max_participants: 1000,
            switch_deadline: Duration::from_secs(1),
            retention: Duration::from_secs(10),
            removal_retention: Duration::from_secs(5),
        }
    }
}

/// A configuration contradicts itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// E must be 3 to 8.
    #[error("epoch_bits must be 3 to 8")]
    EpochBits,
    /// A call has at least one participant, and a log entry that removes one of very many would be too long.
    #[error("max_participants must be 1 to 2000")]
    Participants,
    /// Senders switch before receivers forget, and nobody keeps old keys for more than five minutes.
    #[error("switch_deadline must be below retention and removal_retention, and these at most five minutes")]
    Durations,
}

/// The policy as every member has it. Layout: the TLS presentation language of RFC 9420, fields in this order.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Policy {
    version: u8,
    suite: u16,
    epoch_bits: u8,
    pub(crate) max_participants: u32,
    switch_deadline_ms: u32,
    retention_ms: u32,
    removal_retention_ms: u32,
    /// Signature keys of hosts (R3): a key, not a leaf index.
    pub(crate) hosts: Vec<[u8; 32]>,
    invite: InviteFields,
}

#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct InviteFields {
    number: u32,
    secret: [u8; 32],
    lobby_key: [u8; 32],
}

impl Drop for InviteFields {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn millis(duration: Duration) -> Result<u32, ConfigError> {
    u32::try_from(duration.as_millis()).map_err(|_| ConfigError::Durations)
}

impl Policy {
    pub(crate) fn new(config: &CallConfig, host: [u8; 32], invite: &Invite) -> Result<Self, ConfigError> {
        let policy = Self {
            version: VERSION,
            suite: config.suite.id(),
            epoch_bits: config.epoch_bits,
            max_participants: config.max_participants,
            switch_deadline_ms: millis(config.switch_deadline)?,
            retention_ms: millis(config.retention)?,
            removal_retention_ms: millis(config.removal_retention)?,
            hosts: vec![host],
            invite: InviteFields {
                number: invite.number,
                secret: *invite.secret,
                lobby_key: invite.lobby_key,
            },
        };
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !EPOCH_BITS.contains(&self.epoch_bits) {
            return Err(ConfigError::EpochBits);
        }
        if !(1..=MAX_PARTICIPANTS).contains(&self.max_participants) {
            return Err(ConfigError::Participants);
        }
        let shortest = self.retention_ms.min(self.removal_retention_ms);
        let longest = self.retention_ms.max(self.removal_retention_ms);
        if self.switch_deadline_ms >= shortest || longest > MAX_RETENTION_MS {
            return Err(ConfigError::Durations);
        }
        Ok(())
    }

    /// Reads a policy that this version understands and that does not contradict itself; nothing else is one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let policy = Self::tls_deserialize_exact_bytes(bytes).ok()?;
        let known = policy.version == VERSION && CipherSuite::from_id(policy.suite).is_some();
        let mut hosts = policy.hosts.clone();
        hosts.sort_unstable();
        hosts.dedup();
        let hosts_fit = hosts.len() == policy.hosts.len() && (1..=MAX_HOSTS).contains(&hosts.len());
        (known && hosts_fit && policy.check().is_ok()).then_some(policy)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.tls_serialize_detached().expect("all fields are far below the length limits")
    }

    pub(crate) fn suite(&self) -> CipherSuite {
        CipherSuite::from_id(self.suite).unwrap_or_default() // checked when it was read
    }

    pub(crate) fn epoch_bits(&self) -> u32 {
        u32::from(self.epoch_bits)
    }

    pub(crate) fn switch_deadline(&self) -> Duration {
        Duration::from_millis(self.switch_deadline_ms.into())
    }

    pub(crate) fn retention(&self, somebody_was_removed: bool) -> Duration {
        let millis = if somebody_was_removed { self.removal_retention_ms } else { self.retention_ms };
        Duration::from_millis(millis.into())
    }

    pub(crate) fn longest_retention(&self) -> Duration {
        self.retention(true).max(self.retention(false))
    }

    pub(crate) fn is_host(&self, signature_key: &[u8]) -> bool {
        self.hosts.iter().any(|host| host == signature_key)
    }

    pub(crate) fn invite(&self, call: CallId) -> Invite {
        let InviteFields { number, secret, lobby_key } = &self.invite;
        Invite { call, number: *number, secret: Zeroizing::new(*secret), lobby_key: *lobby_key }
    }

    /// Says whether `next` differs only in what a policy change may change by now: hosts, size, durations.
    ///
    /// R8: suite and E are fixed at creation. R12 (rotating the invite) is not built yet, so the invite stays.
    pub(crate) fn may_become(&self, next: &Self) -> bool {
        (self.suite, self.epoch_bits) == (next.suite, next.epoch_bits) && self.invite == next.invite
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}
