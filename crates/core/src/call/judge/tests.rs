//! Each rule of the whitelist, with the commit that breaks it and nothing else.

use super::*;
use crate::call::CallConfig;
use crate::call::policy::HostEntry;
use crate::call::{Invite, Profile};
use crate::crypto::hpke::KeyPair;
use crate::group::AddedLeaf;
use crate::id::CallId;
use zeroize::Zeroizing;

const PSK_ID: &[u8] = b"the invite";
const HOST: u32 = 0;
const MEMBER: u32 = 1;
const OTHER: u32 = 2;
/// The HPKE key of a parent node.
const PARENT: [u8; 32] = [200; 32];

fn invite(number: u32) -> Invite {
    Invite { call: CallId([0; 16]), number, secret: Zeroizing::new([1; 32]), lobby_key: [2; 32] }
}

fn config() -> CallConfig {
    CallConfig { max_participants: 4, ..CallConfig::default() }
}

fn policy() -> Policy {
    Policy::new(&config(), key(HOST), &invite(0)).expect("a possible policy")
}

fn key(index: u32) -> [u8; 32] {
    [index as u8 + 10; 32]
}

fn host(index: u32) -> HostEntry {
    HostEntry::new(key(index), true)
}

fn credential() -> Vec<u8> {
    let contact = KeyPair::derive(b"anybody").public;
    let profile = Profile::person("name").expect("a good name");
    Credential { profile, contact, proof: Vec::new() }.encode()
}

fn leaf(index: u32) -> Leaf {
    Leaf {
        index,
        signature_key: key(index).to_vec(),
        credential: credential(),
        encryption_key: vec![index as u8; 32],
    }
}

fn ids(leaves: &[Leaf]) -> BTreeSet<ParticipantId> {
    leaves.iter().map(|leaf| participant_id(CallId([0; 16]), &leaf.signature_key)).collect()
}

fn added(index: u32) -> AddedLeaf {
    AddedLeaf {
        signature_key: key(index).to_vec(),
        credential: credential(),
        hpke_keys: [vec![index as u8 + 100; 32], vec![index as u8 + 150; 32]],
        is_standard: true,
    }
}

fn adds(indices: &[u32]) -> CommitSummary {
    CommitSummary {
        committer: HOST,
        adds: indices.iter().map(|index| added(*index)).collect(),
        psks: vec![PSK_ID.to_vec()],
        ..CommitSummary::default()
    }
}

fn removes(indices: &[u32]) -> CommitSummary {
    CommitSummary { committer: HOST, removes: indices.to_vec(), ..CommitSummary::default() }
}

fn policy_change(edit: impl FnOnce(&mut Policy)) -> CommitSummary {
    let mut next = policy();
    edit(&mut next);
    CommitSummary { committer: HOST, policy: Some(next.encode()), ..CommitSummary::default() }
}

/// Three in the call, the first a host; leaf 9's key was here before.
fn verdict(leaving: &[u32], commit: &CommitSummary) -> Result<Policy, Violation> {
    verdict_under(&policy(), leaving, commit)
}

fn verdict_under(policy: &Policy, leaving: &[u32], commit: &CommitSummary) -> Result<Policy, Violation> {
    let departed = BTreeSet::from([key(9).to_vec()]);
    let leaves = [leaf(HOST), leaf(MEMBER), leaf(OTHER)];
    judge(
        &Before {
            call: CallId([0; 16]),
            policy,
            leaves: &leaves,
            committer_may_repair: false,
            participants: &ids(&leaves),
            parent_keys: &BTreeSet::from([PARENT.to_vec()]),
            departed: &departed,
            leaving,
            invite_psk_id: PSK_ID,
        },
        commit,
    )
}

fn refused(commit: &CommitSummary) -> Violation {
    verdict(&[], commit).expect_err("it breaks a rule")
}

#[test]
fn what_a_host_may_do() {
    let covering = CommitSummary { covered_leaves: vec![MEMBER], ..CommitSummary::default() };
    for (leaving, commit) in [
        (&[][..], adds(&[3])),
        (&[], removes(&[MEMBER])),
        (&[], removes(&[])), // an empty commit, with a path
        (&[], CommitSummary { removes: vec![MEMBER], ..adds(&[3, 4]) }),
        (&[MEMBER], covering.clone()),
        (&[], policy_change(|policy| policy.hosts.push(host(MEMBER)))),
        (
            &[MEMBER],
            CommitSummary { covered_leaves: vec![MEMBER], ..policy_change(|p| p.max_participants = 9) },
        ),
    ] {
        assert!(verdict(leaving, &commit).is_ok(), "{commit:?}");
    }
}

/// R1
#[test]
fn only_hosts_commit() {
    for committer in [MEMBER, OTHER, 77] {
        assert_eq!(refused(&CommitSummary { committer, ..adds(&[3]) }), Violation::NotAHost);
        assert_eq!(refused(&CommitSummary { committer, ..removes(&[]) }), Violation::NotAHost);
    }
}

/// R2
#[test]
fn other_kinds_of_proposals_are_refused() {
    assert_eq!(refused(&CommitSummary { others: 1, ..adds(&[3]) }), Violation::Proposal);
}

/// R2
#[test]
fn additions_carry_the_invites_psk_and_nothing_else_does() {
    let psk = |ids: &[&[u8]]| ids.iter().map(|id| id.to_vec()).collect::<Vec<_>>();
    for psks in [psk(&[]), psk(&[b"another"]), psk(&[PSK_ID, PSK_ID]), psk(&[PSK_ID, b"another"])] {
        assert_eq!(refused(&CommitSummary { psks, ..adds(&[3]) }), Violation::Invite);
    }
    assert_eq!(refused(&CommitSummary { psks: psk(&[PSK_ID]), ..removes(&[MEMBER]) }), Violation::Invite);
}

/// R4: what an added leaf may be does not hang on a clock or a private key.
#[test]
fn an_added_leaf_is_a_participants() {
    let mut odd = adds(&[3]);
    odd.adds[0].is_standard = false;
    assert_eq!(refused(&odd), Violation::Leaf);
    let mut nameless = adds(&[3]);
    nameless.adds[0].credential = b"\x01\x00\x1b[2J".to_vec();
    assert_eq!(refused(&nameless), Violation::Leaf);
}

/// R3
#[test]
fn a_signature_key_comes_once() {
    for indices in [&[MEMBER][..], &[9], &[3, 3]] {
        assert_eq!(refused(&adds(indices)), Violation::KeyReused, "{indices:?}");
    }
}

/// R3: a removed host's key stays on the list; it must not come back by somebody's addition.
/// Otherwise nobody could join any more.
#[test]
fn an_hpke_key_is_in_the_tree_once() {
    let leafs = vec![MEMBER as u8; 32];
    for used in [PARENT.to_vec(), leafs, added(4).hpke_keys[1].clone()] {
        for of_leaf in [0, 1] {
            let mut commit = adds(&[3, 4]);
            commit.adds[0].hpke_keys[of_leaf] = used.clone();
            assert_eq!(refused(&commit), Violation::KeyReused);
        }
        let path = |keys| CommitSummary { path_keys: keys, ..adds(&[4]) };
        assert_eq!(refused(&path(vec![vec![7; 32], used.clone()])), Violation::KeyReused);
        assert_eq!(refused(&path(vec![used.clone(), used])), Violation::KeyReused, "and not in itself twice");
    }
    assert!(verdict(&[], &CommitSummary { path_keys: vec![vec![7; 32], vec![8; 32]], ..adds(&[4]) }).is_ok());
}

#[test]
fn a_key_on_the_list_of_hosts_cannot_be_added() {
    let mut policy = policy();
    policy.hosts.push(host(7));
    let before = Before {
        call: CallId([0; 16]),
        policy: &policy,
        parent_keys: &BTreeSet::new(),
        leaves: &[leaf(HOST)],
        committer_may_repair: false,
        participants: &ids(&[leaf(HOST)]),
        departed: &BTreeSet::new(),
        leaving: &[],
        invite_psk_id: PSK_ID,
    };
    assert_eq!(judge(&before, &adds(&[7])).expect_err("on the list"), Violation::KeyReused);
}

#[test]
fn a_call_does_not_grow_beyond_its_size() {
    assert!(verdict(&[], &adds(&[3])).is_ok());
    assert_eq!(refused(&adds(&[3, 4])), Violation::TooMany);
    assert!(verdict(&[], &CommitSummary { removes: vec![OTHER], ..adds(&[3, 4]) }).is_ok());
    let all_new = CommitSummary { removes: vec![MEMBER, OTHER], ..adds(&[3, 4, 5, 6]) };
    assert_eq!(refused(&all_new), Violation::TooMany);
}

#[test]
fn a_locked_call_lets_nobody_in_and_goes_on_otherwise() {
    let mut locked = policy();
    locked.lock(true);
    assert_eq!(verdict_under(&locked, &[], &adds(&[3])).expect_err("locked"), Violation::Locked);
    assert!(verdict_under(&locked, &[], &removes(&[MEMBER])).is_ok());
    let unlocks = policy_change(|_| {});
    assert!(!verdict_under(&locked, &[], &unlocks).expect("he may").is_locked());
}

#[test]
fn a_host_who_may_not_admit_neither_does_nor_gives_himself_the_right() {
    let mut moderated = policy();
    moderated.hosts = vec![HostEntry::new(key(HOST), false), host(MEMBER)];
    let change = |edit: &dyn Fn(&mut Policy)| {
        let mut next = moderated.clone();
        edit(&mut next);
        CommitSummary { committer: HOST, policy: Some(next.encode()), ..CommitSummary::default() }
    };
    let rotates = change(&|next| {
        let new = Invite { secret: Zeroizing::new([7; 32]), lobby_key: [8; 32], ..invite(1) };
        next.set_invite(&new);
    });
    for commit in [
        adds(&[3]),
        change(&|next| next.hosts[0] = host(HOST)),
        change(&|next| next.hosts.push(host(OTHER))),
        rotates.clone(),
    ] {
        let by_moderator = verdict_under(&moderated, &[], &commit);
        assert_eq!(by_moderator.expect_err("he may not"), Violation::MayNotAdmit, "{commit:?}");
        let by_host = CommitSummary { committer: MEMBER, ..commit };
        assert!(verdict_under(&moderated, &[], &by_host).is_ok(), "{by_host:?}");
    }
    let harmless = change(&|next| next.hosts.push(HostEntry::new(key(OTHER), false)));
    for commit in [removes(&[OTHER]), harmless] {
        assert!(verdict_under(&moderated, &[], &commit).is_ok(), "{commit:?}");
    }
}

/// R2
#[test]
fn who_asked_to_leave_leaves_with_the_next_commit() {
    for commit in [adds(&[3]), removes(&[]), removes(&[OTHER]), policy_change(|_| {})] {
        assert_eq!(verdict(&[MEMBER], &commit).expect_err("left out"), Violation::LeaveIgnored);
    }
}

/// R2
#[test]
fn a_policy_change_comes_alone() {
    let change = policy_change(|policy| policy.max_participants = 5);
    for together in [
        CommitSummary { policy: change.policy.clone(), ..adds(&[3]) },
        CommitSummary { policy: change.policy.clone(), ..removes(&[MEMBER]) },
    ] {
        assert_eq!(refused(&together), Violation::PolicyNotAlone);
    }
}

/// R8, R12
#[test]
fn a_policy_change_keeps_what_is_fixed() {
    let other_suite = Policy::new(
        &CallConfig { suite: crate::sframe::CipherSuite::Aes256GcmSha512, ..config() },
        key(HOST),
        &invite(0),
    );
    let other_bits = Policy::new(&CallConfig { epoch_bits: 5, ..config() }, key(HOST), &invite(0));
    let same_secret = Policy::new(&config(), key(HOST), &invite(1));
    for next in [other_suite, other_bits, same_secret] {
        let policy = Some(next.expect("a possible policy").encode());
        assert_eq!(refused(&CommitSummary { policy, ..removes(&[]) }), Violation::Policy);
    }
    for garbage in [&b""[..], b"\x01", &[0xff; 200]] {
        let commit = CommitSummary { policy: Some(garbage.to_vec()), ..removes(&[]) };
        assert_eq!(refused(&commit), Violation::Policy);
    }
}

/// R3: the list names participants, not keys that may join one day; and no key twice.
#[test]
fn only_participants_become_hosts() {
    assert_eq!(refused(&policy_change(|policy| policy.hosts.push(host(50)))), Violation::Policy);
    assert_eq!(refused(&policy_change(|policy| policy.hosts.push(host(HOST)))), Violation::Policy);
}

/// R3
#[test]
fn one_host_stays() {
    assert_eq!(refused(&policy_change(|policy| policy.hosts = vec![])), Violation::Policy);
    let mut hosts = policy();
    hosts.hosts = vec![host(HOST), host(MEMBER)];
    let leaves = [leaf(HOST), leaf(MEMBER)];
    let before = Before {
        parent_keys: &BTreeSet::new(),
        call: CallId([0; 16]),
        policy: &hosts,
        leaves: &leaves,
        committer_may_repair: false,
        participants: &ids(&leaves),
        departed: &BTreeSet::new(),
        leaving: &[],
        invite_psk_id: PSK_ID,
    };
    assert!(judge(&before, &removes(&[MEMBER])).is_ok(), "he himself stays");
    let both = CommitSummary { covered_leaves: vec![HOST], committer: MEMBER, ..removes(&[MEMBER]) };
    assert_eq!(judge(&before, &both).expect_err("nobody is left"), Violation::NoHost);
}

/// R1: where a member may repair the tree he may do that and cover departures, and nothing else.
#[test]
fn a_member_repairs_and_does_nothing_else() {
    let leaves = [leaf(HOST), leaf(MEMBER), leaf(OTHER)];
    let by_member = |may: bool, leaving: &[u32], commit: CommitSummary| {
        let before = Before {
            call: CallId([0; 16]),
            policy: &policy(),
            leaves: &leaves,
            committer_may_repair: may,
            participants: &ids(&leaves),
            parent_keys: &BTreeSet::new(),
            departed: &BTreeSet::new(),
            leaving,
            invite_psk_id: PSK_ID,
        };
        judge(&before, &CommitSummary { committer: MEMBER, ..commit }).map(drop)
    };
    assert_eq!(by_member(true, &[], removes(&[])), Ok(()));
    let covers = CommitSummary { covered_leaves: vec![OTHER], ..removes(&[]) };
    assert_eq!(by_member(true, &[OTHER], covers), Ok(()));
    assert_eq!(by_member(true, &[OTHER], removes(&[])), Err(Violation::LeaveIgnored));
    assert_eq!(by_member(false, &[], removes(&[])), Err(Violation::NotAHost));
    assert_eq!(by_member(true, &[], removes(&[OTHER])), Err(Violation::NotAHost));
    assert_eq!(by_member(true, &[], adds(&[3])), Err(Violation::NotAHost));
    assert_eq!(by_member(true, &[], policy_change(|policy| policy.lock(true))), Err(Violation::NotAHost));
    let psk = CommitSummary { psks: vec![PSK_ID.to_vec()], ..removes(&[]) };
    assert_eq!(by_member(true, &[], psk), Err(Violation::Invite));
    assert_eq!(by_member(true, &[], CommitSummary { others: 1, ..removes(&[]) }), Err(Violation::Proposal));
}

/// R2
#[test]
fn a_committer_keeps_its_identity() {
    let commit = CommitSummary { changes_identity: true, ..removes(&[]) };
    assert_eq!(refused(&commit), Violation::IdentityChanged);
}
