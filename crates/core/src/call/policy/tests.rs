//! What a policy is made of comes back out of it, and what a member may not write into it is none.

use super::*;

const HOST: [u8; 32] = [10; 32];
const MODERATOR: [u8; 32] = [11; 32];

fn invite(number: u32, secret: u8, lobby_key: u8) -> Invite {
    let secret = Zeroizing::new([secret; 32]);
    Invite { call: CallId([3; 16]), number, secret, lobby_key: [lobby_key; 32] }
}

/// Nothing in it is as it is by default, or twice.
fn config() -> CallConfig {
    CallConfig {
        suite: CipherSuite::Aes256GcmSha512,
        epoch_bits: 6,
        max_participants: 77,
        switch_deadline: Duration::from_millis(1_100),
        retention: Duration::from_millis(7_200),
        removal_retention: Duration::from_millis(3_300),
        heartbeat: Duration::from_millis(4_400),
        liveness_window: Duration::from_millis(25_500),
        newcomer_window: Duration::from_millis(16_600),
        silence_limit: Duration::from_millis(99_000),
        vouching: true,
        members_repair: true,
    }
}

fn policy() -> Policy {
    Policy::new(&config(), HOST, &invite(4, 5, 6)).expect("a possible policy")
}

/// As somebody could write it who is no honest member.
fn is_one(edit: impl FnOnce(&mut Policy)) -> bool {
    let mut policy = policy();
    edit(&mut policy);
    Policy::decode(&policy.encode()).is_some()
}

#[test]
fn what_the_founder_chose_is_what_every_member_reads() {
    let read = Policy::decode(&policy().encode()).expect("a policy");
    assert!(read == policy() && read.config() == config());
    let c = config();
    assert_eq!((read.suite(), read.epoch_bits()), (c.suite, 6));
    assert_eq!((read.switch_deadline(), read.heartbeat()), (c.switch_deadline, c.heartbeat));
    assert_eq!((read.retention(false), read.retention(true)), (c.retention, c.removal_retention));
    assert_eq!(read.longest_retention(), c.retention);
    assert_eq!((read.liveness_window(), read.newcomer_window()), (c.liveness_window, c.newcomer_window));
    assert_eq!((read.silence_limit(), read.vouching()), (c.silence_limit, true));
    assert_eq!((read.invite_number(), *read.lobby_key()), (4, [6; 32]));
    assert!(read.invite(CallId([3; 16])) == invite(4, 5, 6));
    let longer = CallConfig { removal_retention: Duration::from_millis(9_000), vouching: false, ..config() };
    let longer = policy().with_config(&longer).expect("it is possible");
    assert_eq!((longer.longest_retention(), longer.vouching()), (Duration::from_millis(9_000), false));
}

#[test]
fn rights_are_those_of_the_list() {
    let mut policy = policy();
    policy.hosts.push(HostEntry::new(MODERATOR, false));
    let rights = [HOST, MODERATOR, [12; 32]].map(|key| (policy.is_host(&key), policy.may_admit(&key)));
    assert_eq!(rights, [(true, true), (true, false), (false, false)]);
    assert!(!policy.is_locked());
    policy.lock(true);
    assert!(policy.is_locked() && Policy::decode(&policy.encode()).is_some_and(|read| read.is_locked()));
    policy.lock(false);
    assert!(!policy.is_locked());
}

#[test]
fn what_contradicts_itself_is_no_policy() {
    assert!(is_one(|_| {}));
    assert!(is_one(|policy| policy.locked = 1) && !is_one(|policy| policy.locked = 2));
    assert!(is_one(|policy| policy.vouching = 0) && !is_one(|policy| policy.vouching = 2));
    assert!(!is_one(|policy| policy.hosts[0].admits = 2));
    assert!(!is_one(|policy| policy.hosts.push(HostEntry::new(HOST, false))), "a host twice");
    assert!(!is_one(|policy| policy.hosts.clear()));
    let many = |count: usize| (0..count).map(|n| HostEntry::new([n as u8; 32], true)).collect::<Vec<_>>();
    assert!(
        is_one(|policy| policy.hosts = many(MAX_HOSTS))
            && !is_one(|policy| policy.hosts = many(MAX_HOSTS + 1))
    );
    assert!(!is_one(|policy| policy.version += 1));
}

#[test]
fn durations_and_windows_have_bounds() {
    for (epoch_bits, possible) in [(2, false), (3, true), (8, true), (9, false)] {
        assert_eq!(is_one(|policy| policy.epoch_bits = epoch_bits), possible, "E {epoch_bits}");
    }
    for (count, possible) in [(0, false), (1, true), (2_000, true), (2_001, false)] {
        assert_eq!(is_one(|policy| policy.max_participants = count), possible, "{count} participants");
    }
    type Field = fn(&mut Policy) -> &mut u32;
    type Bounds = (&'static str, Field, [(u32, bool); 4]);
    let bounds: [Bounds; 7] = [
        // Below both retentions.
        ("switch", |p| &mut p.switch_deadline_ms, [(0, true), (3_299, true), (3_300, false), (9_000, false)]),
        (
            "retention",
            |p| &mut p.retention_ms,
            [(1_100, false), (1_101, true), (300_000, true), (300_001, false)],
        ),
        (
            "removal",
            |p| &mut p.removal_retention_ms,
            [(1_100, false), (1_101, true), (300_000, true), (300_001, false)],
        ),
        // Three times within the liveness window.
        ("heartbeat", |p| &mut p.heartbeat_ms, [(999, false), (1_000, true), (8_500, true), (8_501, false)]),
        (
            "liveness",
            |p| &mut p.liveness_ms,
            [(13_199, false), (13_200, true), (99_000, true), (99_001, false)],
        ),
        (
            "newcomer",
            |p| &mut p.newcomer_ms,
            [(1_099, false), (1_100, true), (600_000, true), (600_001, false)],
        ),
        (
            "silence",
            |p| &mut p.silence_ms,
            [(25_499, false), (25_500, true), (3_600_000, true), (3_600_001, false)],
        ),
    ];
    for (name, field, values) in bounds {
        for (millis, possible) in values {
            assert_eq!(is_one(|policy| *field(policy) = millis), possible, "{name} {millis}");
        }
    }
    let slow = |policy: &mut Policy, heartbeat| {
        (policy.heartbeat_ms, policy.liveness_ms, policy.silence_ms) = (heartbeat, 600_000, 700_000);
    };
    assert!(is_one(|policy| slow(policy, 60_000)) && !is_one(|policy| slow(policy, 60_001)));
    assert!(!is_one(|policy| (policy.liveness_ms, policy.silence_ms) = (600_001, 700_000)));
}

#[test]
fn a_suite_that_is_not_built_is_told_from_no_policy() {
    let with = |suite, version| {
        let mut policy = policy();
        (policy.suite, policy.version) = (suite, version);
        Policy::has_unknown_suite(&policy.encode())
    };
    let own = policy().suite;
    assert!(with(99, VERSION));
    assert!(!with(own, VERSION) && !with(99, VERSION + 1) && !Policy::has_unknown_suite(&[0; 9]));
}

/// R12
#[test]
fn an_invite_stays_or_becomes_the_next() {
    let with = |invite: &Invite| {
        let mut policy = policy();
        policy.set_invite(invite);
        policy
    };
    let may = |next: &Invite| policy().invite_may_become(&with(next));
    assert!(may(&invite(4, 5, 6)) && may(&invite(5, 50, 60)));
    for (next, what) in [
        (invite(4, 50, 60), "the same number"),
        (invite(6, 50, 60), "a number left out"),
        (invite(3, 50, 60), "an earlier number"),
        (invite(5, 5, 60), "the old secret"),
        (invite(5, 50, 6), "the old key"),
        (invite(5, 50, 0), "a key that is none"),
    ] {
        assert!(!may(&next), "{what}");
    }
    let last = with(&invite(u32::MAX, 5, 6));
    assert!(!last.invite_may_become(&with(&invite(0, 50, 60))), "numbers do not begin anew");
}

#[test]
fn what_is_different_between_two_is_told_and_nothing_else() {
    let change = |edit: &dyn Fn(&mut Policy)| {
        let mut next = policy();
        edit(&mut next);
        PolicyChange::between(&policy(), &next)
    };
    let none = PolicyChange::default();
    assert_eq!(change(&|_| {}), none);
    assert_eq!(change(&|policy| policy.lock(true)), PolicyChange { locked: Some(true), ..none });
    assert_eq!(change(&|policy| policy.hosts[0].admits = 0), PolicyChange { hosts: true, ..none });
    assert_eq!(change(&|policy| policy.set_invite(&invite(5, 7, 8))), PolicyChange { invite: true, ..none });
    assert_eq!(change(&|policy| policy.vouching = 0), PolicyChange { config: true, ..none });
}

#[test]
fn short_tags_are_for_who_asked_for_them() {
    for suite in CipherSuite::ALL {
        assert_eq!(Tags::Full.allow(*suite), suite.tag_len() == 16, "{suite:?}");
        assert!(Tags::Any.allow(*suite));
    }
}

#[test]
fn a_policy_in_a_log_names_nobody() {
    assert_eq!(format!("{:?}", policy()), "Policy { hosts: 1, .. }");
}
