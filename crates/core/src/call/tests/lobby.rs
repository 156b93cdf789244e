//! The waiting room: who waits, who vouches for him, and what a flood of knocks does (R10).

use core::time::Duration;

use bytes::Bytes;

use super::room::Room;
use crate::call::lobby::Allowance;
use crate::call::*;
use crate::danger::seeded_random;
use crate::group::Group;
use crate::keyring::Opening;

const SECOND: Duration = Duration::from_secs(1);

impl Room {
    /// Somebody knocks with a proof.
    fn knock_with_proof(&mut self, name: &str, proof: &[u8]) -> Guest {
        let (invite, random) = (self.invite(), self.random());
        let keys = FreshKeys::generate(&random).expect("it is seeded");
        let profile = Profile::person(name).expect("a good name");
        let (guest, knock) = Guest::knock_with(invite, &profile, keys, proof, random).expect("a knock");
        self.post(&knock);
        self.settle();
        guest
    }

    fn require_vouching(&mut self, vouching: bool) {
        let config = CallConfig { vouching, ..self.seat("Ann").call.config() };
        self.act("Ann", |call, now| call.set_config(&config, now)).expect("Ann may");
        self.pass(SECOND * 3);
    }

    fn knocks(&mut self) -> Vec<Knock> {
        let knock = |event: &Event| match event {
            Event::Knock(knock) => Some(knock.clone()),
            _ => None,
        };
        self.seat("Ann").events.iter().filter_map(knock).collect()
    }
}

/// Ann and Bob are hosts.
fn two_hosts(seed: u64) -> Room {
    Room::hosted(seed, &["Bob"], &["Bob"])
}

#[test]
fn a_knock_says_who_it_is_what_he_is_and_which_key_he_has() {
    let mut room = Room::new(1);
    let (invite, random) = (room.invite(), room.random());
    let profile = Profile::new("Notes", Kind::Recorder).expect("a good name");
    let (guest, knock) = Guest::knock(invite, &profile, random).expect("a knock");
    room.post(&knock);
    room.settle();
    let heard = room.knocks().remove(0);
    assert_eq!((heard.name.as_str(), heard.kind, heard.vouched_as), ("Notes", Kind::Recorder, None));
    assert_eq!((heard.id, heard.fingerprint), (guest.id(), guest.fingerprint()));
    room.act("Ann", |call, now| call.admit(&[guest.id()], now)).expect("Ann may");
    let fingerprint = guest.fingerprint();
    let call = room.enter(guest).expect("he gets in");
    let me = call.roster().me().expect("he is on it");
    assert_eq!((me.kind, me.fingerprint), (Kind::Recorder, fingerprint), "visible to all, as what he is");
    assert_eq!(fingerprint.to_string().split(' ').count(), 16);
}

/// The core asks, the app's verifier answers; nobody is shown, let alone let in, whom it did not vouch for.
#[test]
fn where_vouching_is_asked_for_nobody_is_let_in_without() {
    let mut room = Room::new(2);
    room.require_vouching(true);
    let (good, bad) = (room.knock_with_proof("Bob", b"signed: Bob"), room.knock_with_proof("Mallory", b""));
    assert_eq!(room.knocks(), []);
    let asked = |event: &Event| match event {
        Event::Vouch(request) => Some(request.clone()),
        _ => None,
    };
    let questions = room.seat("Ann").events.iter().filter_map(asked).collect::<Vec<_>>();
    assert_eq!(questions.iter().map(|q| q.id).collect::<Vec<_>>(), [good.id(), bad.id()]);
    assert_eq!(&questions[0].proof[..], b"signed: Bob");
    assert_eq!(Fingerprint::of(&questions[0].signature_key), good.fingerprint(), "what a proof has to name");

    let admit = |room: &mut Room, id| room.act("Ann", |call, now| call.admit(&[id], now));
    assert_eq!(admit(&mut room, good.id()), Err(CallError::NotVouched));
    let vouched = Verdict::Vouched("bob@example.org".into());
    room.act("Ann", |call, now| call.vouch(good.id(), vouched.clone(), now)).expect("she was asked");
    assert_eq!(room.knocks()[0].vouched_as.as_deref(), Some("bob@example.org"));
    let again = room.act("Ann", |call, now| call.vouch(good.id(), vouched, now));
    assert_eq!(again, Err(CallError::NotWaiting), "once is enough");
    room.act("Ann", |call, now| call.vouch(bad.id(), Verdict::Refused, now)).expect("she was asked");
    assert_eq!(admit(&mut room, bad.id()), Err(CallError::NotWaiting));
    let answer = room.mailboxes[&bad.answer_mailbox()][0].clone();
    assert!(matches!(bad.open_answer(&answer), Ok(HostAnswer::Denied)));

    admit(&mut room, good.id()).expect("vouched for");
    let call = room.enter(good).expect("he gets in");
    let member = call.roster().me().expect("he is on it");
    assert_eq!(&member.proof[..], b"signed: Bob", "each member's app can look at it");
    assert_eq!(member.signature_key, questions[0].signature_key, "and hold it against the key");
    assert!(!format!("{:?} {:?}", questions, member).contains("Bob"), "nothing of it gets into logs");
}

/// It is in the policy: no other host's app lets somebody in unvouched, and who waited before is asked about too.
#[test]
fn vouching_holds_for_all_hosts_and_for_all_who_wait() {
    let mut room = two_hosts(20);
    let early = room.knock_with_proof("Early", b"signed: Early");
    assert_eq!(room.seat("Bob").call.waiting().len(), 1);
    room.require_vouching(true);
    let late = room.knock_with_proof("Late", b"signed: Late");
    for host in ["Ann", "Bob"] {
        assert!(room.seat(host).call.waiting().is_empty(), "nobody is shown");
        for guest in [&early, &late] {
            let id = guest.id();
            assert!(
                room.was_told(host, |event| matches!(event, Event::Vouch(asked) if asked.id == id)),
                "{host}"
            );
            assert_eq!(room.act(host, |call, now| call.admit(&[id], now)), Err(CallError::NotVouched));
        }
    }
    let vouched = Verdict::Vouched("early@example.org".into());
    room.act("Bob", |call, now| call.vouch(early.id(), vouched, now)).expect("he was asked");
    room.act("Bob", |call, now| call.admit(&[early.id()], now)).expect("vouched for");
    room.pass(SECOND * 3);
    assert!(room.enter(early).is_ok());
    // When nobody has to vouch any more, those of whom it was still to be done are shown.
    room.require_vouching(false);
    assert_eq!(room.seat("Ann").call.waiting().iter().map(|knock| knock.id).collect::<Vec<_>>(), [late.id()]);
    room.act("Ann", |call, now| call.admit(&[late.id()], now)).expect("as ever");
}

#[test]
fn a_proof_that_is_too_long_is_refused_where_it_is_made() {
    let mut room = Room::new(3);
    let (invite, random) = (room.invite(), room.random());
    let keys = FreshKeys::generate(&random).expect("it is seeded");
    let profile = Profile::person("Bob").expect("a good name");
    let refused = Guest::knock_with(invite, &profile, keys, &[0; MAX_PROOF_LEN + 1], random);
    assert_eq!(refused.map(drop), Err(JoinError::ProofTooLong));
    let longest = room.knock_with_proof("Bob", &[7; MAX_PROOF_LEN]);
    room.act("Ann", |call, now| call.admit(&[longest.id()], now)).expect("it fits a knock");
    assert!(room.enter(longest).is_ok());
}

/// A thousand guests within a second: a few commits, and everybody is in within seconds.
#[test]
fn a_thousand_knocks_within_a_second_take_a_few_commits() {
    let config = CallConfig { max_participants: 1001, ..CallConfig::default() };
    let mut room = Room::with(4, &config);
    for tenth in 0..10 {
        for guest in 0..100 {
            let name = format!("Guest {tenth} {guest}");
            let (invite, random) = (room.invite(), room.random());
            let profile = Profile::person(&name).expect("a good name");
            let (guest, knock) = Guest::knock(invite, &profile, random).expect("a knock");
            let now = room.now;
            let ann = room.seat("Ann");
            ann.call.handle_message(&knock, now).expect("heard");
            ann.call.admit(&[guest.id()], now).expect("Ann may");
        }
        room.act("Ann", |_, _| ());
        room.pass(SECOND / 10);
    }
    room.pass(SECOND * 3);
    assert_eq!(room.seat("Ann").call.roster().members.len(), 1001);
    assert!(room.log.len() <= 10, "{} commits", room.log.len());
}

/// Bogus knocks are not remembered, genuine ones up to a bound; both cost work for so many a second and no more.
#[test]
fn a_flood_of_knocks_is_bounded_and_passes() {
    let mut room = Room::new(5);
    let lobby = room.invite().lobby_mailbox();
    let now = room.now;
    let ann = &mut room.seat("Ann").call;
    let mut faults = std::collections::BTreeMap::new();
    for n in 0..10_000_u32 {
        let payload = Bytes::from(n.to_be_bytes().repeat(300));
        let refused = ann.handle_message(&Message { lane: Lane::Mailbox(lobby), payload }, now);
        let Err(HandleError::Knock(fault)) = refused else { panic!("{refused:?}") };
        *faults.entry(fault.to_string()).or_insert(0) += 1;
    }
    // Two thousand of them were opened at all.
    let counts = faults.into_values().collect::<Vec<_>>();
    assert_eq!(counts, [2048, 7952]);
    let mut events = 0;
    while !matches!(ann.poll_output(), Output::Timeout(_)) {
        events += 1;
    }
    assert!(events < 10, "{events} events");
    // Who knocks meanwhile has to be handed in again; a little later everything is as before.
    room.pass(SECOND);
    let guest = room.knock("Bob");
    assert_eq!(room.knocks().len(), 1);
    room.act("Ann", |call, now| call.admit(&[guest.id()], now)).expect("Ann may");
    assert!(room.enter(guest).is_ok());
    assert_eq!(room.seat("Ann").call.diagnostics().refused_knocks, 10_000);
}

/// The link and the server, and still nothing: not the log, not a frame, not a word that anybody believes.
#[test]
fn somebody_with_the_link_and_the_servers_help_opens_nothing_and_changes_nothing() {
    let mut room = Room::new(6);
    room.admit(&["Bob"]);
    room.pass(SECOND * 12);
    let guest = room.knock("Mallory"); // nobody lets her in
    // She founds a group under the call's own id, with the invite's PSK, and acts as its host.
    let (random, invite) = (room.random(), room.invite());
    let keys = FreshKeys::generate(&random).expect("it is seeded");
    let credential = keys.credential(&Profile::person("Ann").expect("a good name"), b"");
    let config = CallConfig::default();
    let policy = crate::call::policy::Policy::new(&config, keys.signature_key(), &invite).expect("a policy");
    let mut fake =
        Group::create(random, invite.call, keys.signer, credential, policy.encode()).expect("she can");
    for _ in 0..room.seat("Ann").call.epoch().0 {
        fake.stage_own(Default::default(), 0).expect("she can");
        fake.merge_own().expect("she can");
    }
    let position = room.next();
    let entry = fake.stage_own(Default::default(), position).expect("she can").commit;
    room.refuses(entry, SkipReason::Entry(crate::group::EntryFault::Invalid));
    // Every frame, every talk message and every letter is hers to read.
    let mut frame = room.seal("Ann", b"not for her");
    let random = room.random();
    let hers = Call::create(&Profile::person("Mallory").expect("a good name"), &config, random, room.now)
        .expect("a call of her own");
    assert!(!matches!(hers.opener().open(super::room::FRAME, &mut frame), Ok(Opening::Opened(_))));
    for letter in room.mailboxes.values().flatten() {
        assert!(guest.open_answer(letter).is_err());
    }
    assert_eq!(room.names(), ["Ann", "Bob"]);
}

/// R3: a fresh knock, with fresh HPKE keys, under a signature key that was here, that is here, or that waits.
#[test]
fn a_knock_under_a_known_signature_key_is_nothing() {
    let mut room = two_hosts(33);
    let keys = |seed: u8| FreshKeys::generate(&seeded_random([seed; 32])).expect("it is seeded");
    let knock = |room: &mut Room, seed: u8| {
        let (invite, random) = (room.invite(), room.random());
        let profile = Profile::person("Erin").expect("a good name");
        let (guest, knock) = Guest::knock_with(invite, &profile, keys(seed), b"", random).expect("a knock");
        (guest, room.act("Ann", |call, now| call.handle_message(&knock, now)))
    };
    let reused = Err(HandleError::Knock(KnockFault::KeyReused));
    let (erin, heard) = knock(&mut room, 7);
    assert_eq!(heard, Ok(()));
    let hers = room.seat("Ann").call.waiting();
    assert_eq!(knock(&mut room, 7).1, reused, "she waits already");
    assert_eq!(room.seat("Ann").call.waiting(), hers);
    room.act("Ann", |call, now| call.admit(&[erin.id()], now)).expect("Ann may");
    room.pass(SECOND * 3);
    assert_eq!(knock(&mut room, 7).1, reused, "she is in");
    room.act("Ann", |call, now| call.remove(&[erin.id()], now)).expect("Ann may");
    room.pass(SECOND * 3);
    assert_eq!(knock(&mut room, 7).1, reused, "she was in");
}

/// R10: with a link, one can knock under as many names as one likes.
#[test]
fn genuine_knocks_are_bounded_too() {
    let mut room = Room::new(9);
    let now = room.now;
    let mut last = Ok(());
    for n in 0..2_049 {
        let profile = Profile::person(&format!("Guest {n}")).expect("a name");
        let (invite, random) = (room.invite(), room.random());
        let (_, knock) = Guest::knock(invite, &profile, random).expect("a knock");
        last = room.seat("Ann").call.handle_message(&knock, now);
        assert!(n == 2_048 || last.is_ok(), "{n}: {last:?}");
    }
    assert_eq!(last, Err(HandleError::Knock(KnockFault::Full)));
}

/// R11: the server does not see who was turned away.
#[test]
fn a_denial_is_as_long_as_a_welcome() {
    let mut room = Room::new(31);
    let (good, bad) = (room.knock("Bob"), room.knock("Mallory"));
    room.act("Ann", |call, now| call.admit(&[good.id()], now)).expect("Ann may");
    room.act("Ann", |call, now| call.deny(bad.id(), now)).expect("Ann may");
    let [good, bad] = [good, bad].map(|guest| room.mailboxes[&guest.answer_mailbox()][0].len());
    assert_eq!(good, bad);
}

#[test]
fn a_knock_that_comes_after_its_answer_is_not_shown() {
    let mut room = two_hosts(32);
    let (invite, random) = (room.invite(), room.random());
    let (erin, knock) =
        Guest::knock(invite, &Profile::person("Erin").expect("a name"), random).expect("a knock");
    let now = room.now;
    room.act("Bob", |call, now| call.handle_message(&knock, now)).expect("heard");
    room.act("Bob", |call, now| call.deny(erin.id(), now)).expect("Bob may");
    room.seat("Ann").call.handle_message(&knock, now).expect("answered");
    room.seat("Ann").drain(now);
    let id = erin.id();
    assert!(!room.was_told("Ann", |event| matches!(event, Event::Knock(knock) if knock.id == id)));
}

#[test]
fn vouching_holds_for_whoever_is_wanted() {
    let mut room = two_hosts(34);
    let erin = room.knock("Erin");
    let id = erin.id();
    // Bob asks for vouching; Ann admits before she knows of it, her commit loses.
    let config = CallConfig { vouching: true, ..CallConfig::default() };
    room.seat("Ann").no_log = true;
    room.act("Bob", |call, now| call.set_config(&config, now)).expect("he may");
    room.act("Ann", |call, now| call.admit(&[id], now)).expect("Ann may");
    room.seat("Ann").no_log = false;
    room.settle();
    room.pass(SECOND * 5);
    assert!(room.seat("Bob").call.roster().member(id).is_none(), "nobody has vouched for her");
}

/// Each is held against all who wait.
#[test]
fn withdrawals_are_looked_at_so_fast_and_no_faster() {
    let mut room = Room::new(35);
    let now = room.now;
    let mailbox = room.invite().lobby_mailbox();
    let mut looked_at = 0;
    for number in 0..5000_u32 {
        let mut payload = vec![7; 64];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        let message = Message { lane: Lane::Mailbox(mailbox), payload: payload.into() };
        let handled = room.seat("Ann").call.handle_message(&message, now);
        looked_at += u32::from(handled != Err(HandleError::Knock(KnockFault::TooFast)));
    }
    assert!(looked_at <= 2048, "{looked_at} at once");
}

/// 100 a second, however many come.
#[test]
fn an_allowance_is_earned_also_in_a_flood() {
    let mut allowance = Allowance::new(1, 100);
    let mut now = Time::ZERO;
    let mut passed = 0;
    for _ in 0..20_000 {
        now = now + Duration::from_micros(500);
        passed += u32::from(allowance.spend(now).is_ok());
    }
    assert!(passed >= 900, "{passed} in ten seconds");
}
