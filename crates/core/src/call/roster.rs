//! Who is in the call (R14).

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::identity::Credential;
use super::knock::Came;
use super::policy::{Policy, PolicyChange};
use super::profile::Kind;
use crate::crypto::hash;
use crate::group::Leaf;
use crate::id::{CallId, Epoch, ParticipantId};

/// Who is in the call in one epoch: built from the very tree whose exporter gave the epoch's keys, so whoever can open the
/// epoch's frames is on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Roster {
    /// The epoch it holds for.
    pub epoch: Epoch,
    /// What brought the epoch about.
    pub cause: Cause,
    /// Everybody who has this epoch's keys, in the order of their leaves.
    pub members: Vec<Member>,
}

/// What brought an epoch about.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// This participant founded the call.
    Founded,
    /// This participant joined.
    Joined {
        /// The host who admitted him.
        by: ParticipantId,
    },
    /// Somebody's commit.
    Commit {
        /// Who made it: a host; or, in a call whose [members repair the tree](super::CallConfig::members_repair), perhaps a member.
        by: ParticipantId,
        /// Who was admitted.
        admitted: Vec<ParticipantId>,
        /// Who was removed.
        removed: Vec<ParticipantId>,
        /// Who left of his own.
        left: Vec<ParticipantId>,
        /// What changed of the policy, if it did.
        policy: Option<PolicyChange>,
    },
}

/// One participant.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Names this participation, the same for everybody.
    pub id: ParticipantId,
    /// The self-declared display name.
    pub name: String,
    /// The self-declared kind.
    pub kind: Kind,
    /// Whether this is the participant who looks.
    pub is_me: bool,
    /// The public signature key (Ed25519): what a proof has to name.
    pub signature_key: [u8; 32],
    /// The fingerprint of the signature key.
    pub fingerprint: Fingerprint,
    /// What the participant showed for a verifier of the app; often empty. Nobody checked it here: see [`Event::Vouch`](super::Event::Vouch).
    pub proof: Vec<u8>,
    /// Whether this participant is a host: may remove others, lock, make hosts.
    pub is_host: bool,
    /// Whether this host may also admit guests and rotate the invite.
    pub may_admit: bool,
    /// The first epoch with this participant. Of those who were here before the one who looks, on the word of the host who admitted that
    /// one; `None` if he did not say.
    pub since: Option<Epoch>,
    /// Who admitted this participant, known in the same way; `None` for the founder.
    pub admitted_by: Option<ParticipantId>,
    pub(super) leaf: u32,
}

impl fmt::Debug for Member {
    /// Without the name: names stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("is_me", &self.is_me)
            .field("is_host", &self.is_host)
            .field("may_admit", &self.may_admit)
            .field("since", &self.since)
            .field("admitted_by", &self.admitted_by)
            .finish_non_exhaustive()
    }
}

/// The fingerprint of a participant's signature key, to be compared by people who know each other: 32 bytes, shown as hex in groups
/// of four.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub(super) fn of(signature_key: &[u8]) -> Self {
        Self(hash::labelled("subrosa fingerprint", &[signature_key]))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().enumerate().try_for_each(|(at, [a, b])| {
            if at > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{a:02x}{b:02x}")
        })
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Roster {
    /// Finds a participant.
    pub fn member(&self, id: ParticipantId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Returns this participant itself.
    pub fn me(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.is_me)
    }

    /// Returns how the members came in, for a newcomer.
    pub(super) fn came(&self) -> Vec<Came> {
        let came = |member: &Member| {
            let by = member.admitted_by.map_or([0; 16], |by| by.0);
            Some(Came { leaf: member.leaf, since: member.since?.0, by })
        };
        self.members.iter().filter_map(came).collect()
    }

    /// Takes in what a host says of how the others came in. What cannot be is not believed.
    pub(super) fn tell(&mut self, came: &[Came]) {
        let came = came.iter().map(|came| (came.leaf, came)).collect::<BTreeMap<_, _>>();
        for member in self.members.iter_mut().filter(|member| !member.is_me) {
            let Some(came) = came.get(&member.leaf).filter(|came| came.since <= self.epoch.0) else {
                continue;
            };
            member.since = Some(Epoch(came.since));
            member.admitted_by = (came.by != [0; 16]).then_some(ParticipantId(came.by));
        }
    }

    pub(super) fn at_leaf(&self, leaf: u32) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&leaf, |member| member.leaf).ok()?;
        self.members.get(at)
    }

    fn with_key_at(&self, leaf: u32, signature_key: &[u8]) -> Option<&Member> {
        self.at_leaf(leaf).filter(|member| member.signature_key == signature_key)
    }

    /// Returns the participant of each leaf, up to the rightmost occupied one.
    pub(super) fn by_leaf(&self) -> Box<[Option<ParticipantId>]> {
        let width = self.members.iter().map(|member| member.leaf as usize + 1).max().unwrap_or(0);
        let mut leaves = vec![None; width].into_boxed_slice();
        for member in &self.members {
            leaves[member.leaf as usize] = Some(member.id);
        }
        leaves
    }
}

/// Returns the name of the participation with a signature key.
pub(super) fn participant_id(call: CallId, signature_key: &[u8]) -> ParticipantId {
    let hash = hash::labelled("subrosa participant", &[&call.0, signature_key]);
    ParticipantId(*hash.first_chunk().expect("32 bytes have 16 first ones"))
}

/// Whether the holder of a signature key is a host, and whether he may admit.
fn rights(policy: &Policy, signature_key: &[u8]) -> (bool, bool) {
    (policy.is_host(signature_key), policy.may_admit(signature_key))
}

/// Builds the roster of an epoch from its tree; `None` if a leaf is not a participant's.
pub(super) fn build(
    call: CallId,
    epoch: Epoch,
    cause: Cause,
    leaves: &[Leaf],
    own_leaf: u32,
    policy: &Policy,
    before: Option<&Roster>,
) -> Option<Roster> {
    let newcomer = |id| match &cause {
        Cause::Founded => (Some(epoch), None),
        Cause::Commit { by, admitted, .. } if admitted.contains(&id) => (Some(epoch), Some(*by)),
        Cause::Joined { .. } | Cause::Commit { .. } => (None, None),
    };
    let member = |leaf: &Leaf| {
        // Nobody's name, kind or proof changes (R2), so what was read of a key once still holds.
        if let Some(known) = before.and_then(|roster| roster.with_key_at(leaf.index, &leaf.signature_key)) {
            let (is_host, may_admit) = rights(policy, &leaf.signature_key);
            return Some(Member { is_host, may_admit, ..known.clone() });
        }
        let Credential { profile, proof, .. } = Credential::decode(&leaf.credential)?;
        let id = participant_id(call, &leaf.signature_key);
        // R14: what is known of a member hangs on its id, never on its leaf, which may be somebody else's by now.
        let known =
            before.and_then(|roster| roster.member(id)).map(|member| (member.since, member.admitted_by));
        let is_me = leaf.index == own_leaf;
        let (since, admitted_by) = match &cause {
            Cause::Joined { by } if is_me => (Some(epoch), Some(*by)),
            _ => known.unwrap_or_else(|| newcomer(id)),
        };
        let (is_host, may_admit) = rights(policy, &leaf.signature_key);
        Some(Member {
            id,
            name: profile.name().to_owned(),
            kind: profile.kind(),
            is_me,
            signature_key: leaf.signature_key.as_slice().try_into().ok()?,
            fingerprint: Fingerprint::of(&leaf.signature_key),
            proof,
            is_host,
            may_admit,
            since,
            admitted_by,
            leaf: leaf.index,
        })
    };
    let members = leaves.iter().map(member).collect::<Option<Vec<_>>>()?;
    let distinct = members.iter().map(|member| member.id).collect::<BTreeSet<_>>();
    (distinct.len() == members.len()).then_some(Roster { epoch, cause, members })
}
