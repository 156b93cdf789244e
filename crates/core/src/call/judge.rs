//! Which commits are allowed (R1 to R4): a pure function of the group's public state and the commit.
//!
//! Every member asks it about every commit, its own included, before it is applied. It is a whitelist: what has no rule is
//! not allowed. It never asks a clock, another lane or a private key, so all honest members answer alike.

use std::collections::BTreeSet;

use thiserror::Error;

use super::identity::Credential;
use super::policy::{Policy, PolicyChange};
use super::roster::participant_id;
use crate::group::{CommitSummary, Leaf};
use crate::id::{CallId, ParticipantId};

/// Why a commit is not allowed. It was skipped by every honest member; somebody meant harm or runs something else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum Violation {
    /// R1: only hosts commit; and where the policy lets them, members who repair a part of the tree that is blank, and do nothing else.
    #[error("the committer is not a host")]
    NotAHost,
    /// R2: a proposal of a kind or form that no commit may have (ReInit, ExternalInit, Update, other PSKs, …).
    #[error("a proposal of a kind that is not allowed")]
    Proposal,
    /// R2: somebody is added without exactly the current invite's PSK, or that PSK is there and nobody is added.
    #[error("additions not bound to the current invite")]
    Invite,
    /// R2, R4: an added leaf without a readable name, or with other capabilities, extensions or lifetime than all have.
    #[error("an added leaf is not a participant's")]
    Leaf,
    /// R3: an added signature key was on the roster, or on the list of hosts, before. Or an HPKE key is in the tree already.
    #[error("a key was used before")]
    KeyReused,
    /// Somebody is added by a host who may not admit, or such a host gives himself or others that right, or rotates the invite.
    #[error("the host may not admit")]
    MayNotAdmit,
    /// Somebody is added to a locked call.
    #[error("the call is locked")]
    Locked,
    /// More participants than the policy allows.
    #[error("more participants than allowed")]
    TooMany,
    /// R2: a self-removal that stands in the log is left out.
    #[error("a participant who wants to leave is kept")]
    LeaveIgnored,
    /// R2: a policy change together with additions or removals.
    #[error("a policy change is not alone")]
    PolicyNotAlone,
    /// R8, R12: the new policy is unreadable, or changes what is fixed.
    #[error("the new policy is not allowed")]
    Policy,
    /// R3: no host would be left.
    #[error("no host would be left")]
    NoHost,
    /// R2: the committer's leaf changes its credential, signature key, capabilities or extensions.
    #[error("the committer changes its identity")]
    IdentityChanged,
}

/// What a refused commit would have done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub struct Attempt {
    /// How many it would have let in.
    pub admits: usize,
    /// How many it would have removed.
    pub removes: usize,
    /// What it would have changed of the policy.
    pub policy: Option<PolicyChange>,
    /// The policy that it brings is not readable.
    pub unreadable_policy: bool,
    /// It would have changed the name or a key of its maker.
    pub changes_identity: bool,
    /// How many more proposals it has that no commit may have.
    pub others: usize,
}

impl Attempt {
    pub(super) fn of(commit: &CommitSummary, before: &Policy) -> Self {
        let policy = commit.policy.as_deref().map(Policy::decode);
        Self {
            admits: commit.adds.len(),
            removes: commit.removes.len(),
            unreadable_policy: policy.as_ref().is_some_and(Option::is_none),
            policy: policy.flatten().map(|after| PolicyChange::between(before, &after)),
            changes_identity: commit.changes_identity,
            others: commit.others,
        }
    }
}

/// What a commit is judged by: the state before it.
pub(crate) struct Before<'a> {
    pub(crate) call: CallId,
    pub(crate) policy: &'a Policy,
    pub(crate) leaves: &'a [Leaf],
    /// The policy lets members repair the tree, and where the committer sits it is blank.
    pub(crate) committer_may_repair: bool,
    /// Who sits at them: the names of their signature keys.
    pub(crate) participants: &'a BTreeSet<ParticipantId>,
    /// HPKE keys of the tree's parent nodes; not asked about a commit that brings no keys.
    pub(crate) parent_keys: &'a BTreeSet<Vec<u8>>,
    /// Signature keys that were on the roster before and are not any more.
    pub(crate) departed: &'a BTreeSet<Vec<u8>>,
    /// Leaves whose self-removals were logged in this epoch.
    pub(crate) leaving: &'a [u32],
    pub(crate) invite_psk_id: &'a [u8],
}

impl Before<'_> {
    fn key_at(&self, leaf: u32) -> Option<&[u8]> {
        self.leaves.iter().find(|l| l.index == leaf).map(|l| l.signature_key.as_slice())
    }
}

/// Judges a commit; returns the policy in force after it.
pub(crate) fn judge(before: &Before<'_>, commit: &CommitSummary) -> Result<Policy, Violation> {
    let is_host = before.key_at(commit.committer).is_some_and(|key| before.policy.is_host(key));
    let repairs = before.committer_may_repair
        && commit.adds.is_empty()
        && commit.removes.is_empty()
        && commit.policy.is_none();
    if !is_host && !repairs {
        return Err(Violation::NotAHost); // R1
    }
    if commit.others > 0 {
        return Err(Violation::Proposal); // R2
    }
    if commit.changes_identity {
        return Err(Violation::IdentityChanged); // R2
    }
    if !commit.adds.is_empty() && before.policy.is_locked() {
        return Err(Violation::Locked);
    }
    if !commit.adds.is_empty() && !may_admit(before, commit) {
        return Err(Violation::MayNotAdmit);
    }
    judge_adds(before, commit)?;
    judge_new_keys(before, commit)?;
    // R2: whoever asked to leave before the commit leaves with it.
    if before.leaving.iter().any(|leaf| !commit.covered_leaves.contains(leaf)) {
        return Err(Violation::LeaveIgnored);
    }
    let after = judge_policy(before, commit)?;
    let gone = |leaf: &u32| commit.removes.contains(leaf) || commit.covered_leaves.contains(leaf);
    let staying = before.leaves.iter().filter(|leaf| !gone(&leaf.index)).count();
    if staying + commit.adds.len() > after.max_participants as usize && !commit.adds.is_empty() {
        return Err(Violation::TooMany);
    }
    // R3: the effective hosts are the policy's list ∩ the tree.
    if !before.leaves.iter().any(|leaf| !gone(&leaf.index) && after.is_host(&leaf.signature_key)) {
        return Err(Violation::NoHost);
    }
    Ok(after)
}

fn may_admit(before: &Before<'_>, commit: &CommitSummary) -> bool {
    before.key_at(commit.committer).is_some_and(|key| before.policy.may_admit(key))
}

fn judge_adds(before: &Before<'_>, commit: &CommitSummary) -> Result<(), Violation> {
    // R2: Adds carry exactly one PSK, the current invite's; nothing else carries any.
    let bound = match commit.psks.as_slice() {
        [] => commit.adds.is_empty(),
        [only] => !commit.adds.is_empty() && only == before.invite_psk_id,
        _ => false,
    };
    if !bound {
        return Err(Violation::Invite);
    }
    // What everybody calls a participant by must be one's own, however unlikely it is that two keys share it.
    let mut ids = BTreeSet::new();
    for add in &commit.adds {
        if !add.is_standard
            || !Credential::decode(&add.credential).is_some_and(|credential| credential.is_usable())
        {
            return Err(Violation::Leaf);
        }
        let key = add.signature_key.as_slice();
        // R3: otherwise a removed host's place on the list could be taken by somebody else.
        let was_here = before.departed.contains(key) || before.policy.is_host(key);
        let id = participant_id(before.call, key);
        if was_here || before.participants.contains(&id) || !ids.insert(id) {
            return Err(Violation::KeyReused);
        }
    }
    Ok(())
}

/// No key is in the tree twice, parents included: nobody could join any more (the engine sees that in a Welcome, and only there).
fn judge_new_keys(before: &Before<'_>, commit: &CommitSummary) -> Result<(), Violation> {
    let added = commit.adds.iter().flat_map(|add| &add.hpke_keys);
    let mut new = BTreeSet::new();
    let all_new = added.chain(&commit.path_keys).all(|key| {
        let in_tree =
            before.parent_keys.contains(key) || before.leaves.iter().any(|leaf| leaf.encryption_key == *key);
        !in_tree && new.insert(key)
    });
    if all_new { Ok(()) } else { Err(Violation::KeyReused) }
}

fn judge_policy(before: &Before<'_>, commit: &CommitSummary) -> Result<Policy, Violation> {
    let Some(bytes) = &commit.policy else { return Ok(before.policy.clone()) };
    if !commit.adds.is_empty() || !commit.removes.is_empty() {
        return Err(Violation::PolicyNotAlone);
    }
    let next = Policy::decode(bytes).ok_or(Violation::Policy)?;
    if !before.policy.keeps_what_is_fixed(&next) || !before.policy.invite_may_become(&next) {
        return Err(Violation::Policy); // R8, R12
    }
    // R3: a new name on the list must be on the roster now, not a key that may join later.
    let known = |host: &[u8; 32]| {
        before.policy.is_host(host) || before.leaves.iter().any(|leaf| leaf.signature_key == host)
    };
    if !next.hosts.iter().all(|host| known(&host.key)) {
        return Err(Violation::Policy);
    }
    // Otherwise a host who may not admit could give himself the right, or a lobby key of his own.
    let gives_rights = next.hosts.iter().any(|host| host.may_admit() && !before.policy.may_admit(&host.key));
    let rotates = next.invite_number() != before.policy.invite_number();
    if (gives_rights || rotates) && !may_admit(before, commit) {
        return Err(Violation::MayNotAdmit);
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
