//! The policy: signed history in the group context, not server state.

use core::fmt;
use core::time::Duration;

use thiserror::Error;
use tls_codec::{DeserializeBytes as _, Serialize as _, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::{Zeroize, Zeroizing};

use super::invite::Invite;
use crate::crypto::hpke;
use crate::id::CallId;
use crate::sframe::CipherSuite;

const VERSION: u8 = 2;
pub(super) const MAX_HOSTS: usize = 256;
/// A path after a mass admission has some 83 bytes for each member, and entries and Welcomes have to fit the delivery service.
const MAX_PARTICIPANTS: u32 = 2000;
/// Old keys serve frames that are late; and a host must not be able to make everybody keep them for ever.
const MAX_RETENTION_MS: u32 = 300_000;
/// A beat is some 300 bytes to everybody; and nobody should go on unseen for longer than ten minutes.
const HEARTBEAT_MS: core::ops::RangeInclusive<u32> = 1_000..=60_000;
const MAX_WINDOW_MS: u32 = 600_000;
const MAX_SILENCE_MS: u32 = 3_600_000;
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
    /// How often each host shows that it is there, 1 s to 1 min (R21). (After it was made longer, a lost beat can cut participants off
    /// until the next: a change gives nobody more time.)
    pub heartbeat: Duration,
    /// How long a participant goes on without a fresh heartbeat of every host; also how long a server that withholds a removal
    /// can delay it (R21). At least three heartbeats, at most ten minutes.
    pub liveness_window: Duration,
    /// How long a newcomer may take to show that he is there, before a host removes him (R13). At most ten minutes.
    pub newcomer_window: Duration,
    /// After how much silence a host removes a participant. At least the liveness window, at most an hour; in a call of more than
    /// 300 it is longer, so that the talk lane stays quiet.
    pub silence_limit: Duration,
    /// Whether a verifier of the app has to vouch for each guest before hosts are shown his knock. Each knock then comes as
    /// [`Event::Vouch`](crate::Event::Vouch), to be answered with [`vouch`](crate::Call::vouch), and as
    /// [`Event::Knock`](crate::Event::Knock) once that was a yes. It is in the policy, so that it holds for every host's app: one without a
    /// verifier can let nobody in. (What others' verifiers say is not shown to the rest; they can look at
    /// [`Member::proof`](crate::Member::proof).)
    pub vouching: bool,
    /// Whether ordinary members keep the commits of a large call short (R1). In a call of a thousand a removal is a message of 83 kB to
    /// everybody after all were let in at once, and of some 3 kB when one in 16 has made an empty commit since. With `true`, members make
    /// these by themselves, one after the other, where the tree needs it; nothing else is theirs to commit. The price: a member with a
    /// tampered client can make such a commit so that some of the others cannot apply it, as otherwise only a host can. They notice
    /// ([`Event::Stranded`](crate::Event::Stranded) names him) and have to join again. In calls of up to 16 nothing changes.
    pub members_repair: bool,
}

impl Default for CallConfig {
    /// AES-128-GCM, E = 4, 1,000 participants, switch after 1 s, old keys kept for 10 s, 5 s after a removal; hosts beat every
    /// 10 s, and 30 s without a beat are too long; newcomers show up within 30 s, and nobody is silent for longer than 2 min.
    fn default() -> Self {
        Self {
            suite: CipherSuite::default(),
            epoch_bits: 4,
            max_participants: 1000,
            switch_deadline: Duration::from_secs(1),
            retention: Duration::from_secs(10),
            removal_retention: Duration::from_secs(5),
            heartbeat: Duration::from_secs(10),
            liveness_window: Duration::from_secs(30),
            newcomer_window: Duration::from_secs(30),
            silence_limit: Duration::from_secs(120),
            vouching: false,
            members_repair: false,
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
    /// The suite's tags are shorter than 16 bytes: see [`CipherSuite`]; `danger::create_with_short_tags` takes it.
    #[error("the suite's tags are shorter than 16 bytes")]
    ShortTags,
    /// Suite and E are what they were when the call was founded (R8).
    #[error("suite and epoch_bits are fixed at creation")]
    Fixed,
    /// Heartbeats come three times within the liveness window at least, and the other windows are not below them.
    #[error("heartbeat, liveness_window, newcomer_window and silence_limit do not fit each other")]
    Windows,
}

/// Which suites this participant takes part in. A member's own choice when he founds a call or joins one; it is fixed from then on (R8), so that
/// the validity of commits does not hang on it (R4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tags {
    /// Those with tags of 16 bytes.
    Full,
    /// All.
    Any,
}

impl Tags {
    pub(super) const fn allow(self, suite: CipherSuite) -> bool {
        matches!(self, Self::Any) || !suite.has_short_tags()
    }
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
    heartbeat_ms: u32,
    liveness_ms: u32,
    newcomer_ms: u32,
    silence_ms: u32,
    /// 1: hosts' apps have to vouch for guests.
    vouching: u8,
    /// 1: members may make empty commits where the tree is blank (R1).
    members_repair: u8,
    /// 1: nobody can be added.
    locked: u8,
    pub(crate) hosts: Vec<HostEntry>,
    invite: InviteFields,
}

/// A host is a signature key, not a leaf index (R3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct HostEntry {
    pub(crate) key: [u8; 32],
    /// 1: may admit guests and rotate the invite, so holds the lobby's private key.
    admits: u8,
}

impl HostEntry {
    pub(crate) const fn new(key: [u8; 32], may_admit: bool) -> Self {
        Self { key, admits: may_admit as u8 }
    }

    pub(crate) const fn may_admit(&self) -> bool {
        self.admits == 1
    }
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

/// What of a call's policy is different in an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct PolicyChange {
    /// The call was locked (`true`) or unlocked.
    pub locked: Option<bool>,
    /// Others are hosts, or hosts have other rights: see [`Member::is_host`](crate::Member::is_host).
    pub hosts: bool,
    /// The invite was rotated: old links do not work any more.
    pub invite: bool,
    /// The [configuration](CallConfig) is another.
    pub config: bool,
}

impl PolicyChange {
    pub(super) fn between(before: &Policy, after: &Policy) -> Self {
        Self {
            locked: (before.locked != after.locked).then_some(after.is_locked()),
            hosts: before.hosts != after.hosts,
            invite: before.invite != after.invite,
            config: before.config() != after.config(),
        }
    }
}

fn millis(duration: Duration, error: ConfigError) -> Result<u32, ConfigError> {
    u32::try_from(duration.as_millis()).map_err(|_| error)
}

impl Policy {
    pub(crate) fn new(config: &CallConfig, host: [u8; 32], invite: &Invite) -> Result<Self, ConfigError> {
        let policy = Self {
            version: VERSION,
            suite: config.suite.id(),
            epoch_bits: config.epoch_bits,
            max_participants: 0,
            switch_deadline_ms: 0,
            retention_ms: 0,
            removal_retention_ms: 0,
            heartbeat_ms: 0,
            liveness_ms: 0,
            newcomer_ms: 0,
            silence_ms: 0,
            vouching: 0,
            members_repair: 0,
            locked: 0,
            hosts: vec![HostEntry::new(host, true)],
            invite: InviteFields::of(invite),
        };
        policy.with_config(config)
    }

    /// Returns this policy with the values of a configuration; suite and E stay as they are (R8).
    pub(crate) fn with_config(mut self, config: &CallConfig) -> Result<Self, ConfigError> {
        use ConfigError::{Durations, Windows};
        self.max_participants = config.max_participants;
        self.switch_deadline_ms = millis(config.switch_deadline, Durations)?;
        self.retention_ms = millis(config.retention, Durations)?;
        self.removal_retention_ms = millis(config.removal_retention, Durations)?;
        self.heartbeat_ms = millis(config.heartbeat, Windows)?;
        self.liveness_ms = millis(config.liveness_window, Windows)?;
        self.newcomer_ms = millis(config.newcomer_window, Windows)?;
        self.silence_ms = millis(config.silence_limit, Windows)?;
        self.vouching = config.vouching.into();
        self.members_repair = config.members_repair.into();
        self.check()?;
        Ok(self)
    }

    /// Returns the configuration that is in force.
    pub(crate) fn config(&self) -> CallConfig {
        let duration = |millis: u32| Duration::from_millis(millis.into());
        CallConfig {
            suite: self.suite(),
            epoch_bits: self.epoch_bits,
            max_participants: self.max_participants,
            switch_deadline: self.switch_deadline(),
            retention: self.retention(false),
            removal_retention: self.retention(true),
            heartbeat: duration(self.heartbeat_ms),
            liveness_window: duration(self.liveness_ms),
            newcomer_window: duration(self.newcomer_ms),
            silence_limit: duration(self.silence_ms),
            vouching: self.vouching(),
            members_repair: self.members_repair(),
        }
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
        // R21: a beat may be lost, and a silent host be removed, before the window is over.
        let windows = HEARTBEAT_MS.contains(&self.heartbeat_ms)
            && (self.heartbeat_ms.saturating_mul(3)..=MAX_WINDOW_MS).contains(&self.liveness_ms)
            && (self.switch_deadline_ms.max(1_000)..=MAX_WINDOW_MS).contains(&self.newcomer_ms)
            && (self.liveness_ms..=MAX_SILENCE_MS).contains(&self.silence_ms);
        if windows { Ok(()) } else { Err(ConfigError::Windows) }
    }

    /// Reads a policy that this version understands and that does not contradict itself; nothing else is one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let policy = Self::tls_deserialize_exact_bytes(bytes).ok()?;
        let known = policy.version == VERSION && CipherSuite::from_id(policy.suite).is_some();
        let mut hosts = policy.hosts.iter().map(|host| host.key).collect::<Vec<_>>();
        hosts.sort_unstable();
        hosts.dedup();
        let hosts_fit = hosts.len() == policy.hosts.len() && (1..=MAX_HOSTS).contains(&hosts.len());
        let flags_fit = policy.locked <= 1
            && policy.vouching <= 1
            && policy.members_repair <= 1
            && policy.hosts.iter().all(|host| host.admits <= 1);
        (known && hosts_fit && flags_fit && policy.check().is_ok()).then_some(policy)
    }

    /// Tells whether bytes are a policy but for a suite that is not built.
    pub(super) fn has_unknown_suite(bytes: &[u8]) -> bool {
        let policy = Self::tls_deserialize_exact_bytes(bytes);
        policy.is_ok_and(|policy| policy.version == VERSION && CipherSuite::from_id(policy.suite).is_none())
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
        self.hosts.iter().any(|host| host.key == signature_key)
    }

    /// Says whether a signature key is that of a host who may admit guests.
    pub(crate) fn may_admit(&self, signature_key: &[u8]) -> bool {
        self.hosts.iter().any(|host| host.key == signature_key && host.may_admit())
    }

    pub(crate) fn vouching(&self) -> bool {
        self.vouching == 1
    }

    /// R1: whether ordinary members may make empty commits where the tree is blank.
    pub(crate) fn members_repair(&self) -> bool {
        self.members_repair == 1
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked == 1
    }

    pub(crate) fn lock(&mut self, locked: bool) {
        self.locked = locked.into();
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.into())
    }

    pub(crate) fn liveness_window(&self) -> Duration {
        Duration::from_millis(self.liveness_ms.into())
    }

    pub(crate) fn newcomer_window(&self) -> Duration {
        Duration::from_millis(self.newcomer_ms.into())
    }

    pub(crate) fn silence_limit(&self) -> Duration {
        Duration::from_millis(self.silence_ms.into())
    }

    pub(crate) fn invite(&self, call: CallId) -> Invite {
        let InviteFields { number, secret, lobby_key } = &self.invite;
        Invite { call, number: *number, secret: Zeroizing::new(*secret), lobby_key: *lobby_key }
    }

    pub(crate) fn lobby_key(&self) -> &[u8; 32] {
        &self.invite.lobby_key
    }

    pub(crate) fn invite_number(&self) -> u32 {
        self.invite.number
    }

    pub(crate) fn set_invite(&mut self, invite: &Invite) {
        self.invite = InviteFields::of(invite);
    }

    /// Says whether `next` keeps what is fixed at creation (R8).
    pub(crate) fn keeps_what_is_fixed(&self, next: &Self) -> bool {
        (self.suite, self.epoch_bits) == (next.suite, next.epoch_bits)
    }

    /// Says whether the invite stays, or is followed by another one as R12 wants it: the next number, a new secret, a new and
    /// usable lobby key.
    pub(crate) fn invite_may_become(&self, next: &Self) -> bool {
        let (old, new) = (&self.invite, &next.invite);
        let rotated = old.number.checked_add(1) == Some(new.number)
            && old.secret != new.secret
            && old.lobby_key != new.lobby_key
            && hpke::is_usable(&new.lobby_key);
        old == new || rotated
    }
}

impl InviteFields {
    fn of(invite: &Invite) -> Self {
        Self { number: invite.number, secret: *invite.secret, lobby_key: invite.lobby_key }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("hosts", &self.hosts.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
