//! The server means harm, and helps whoever was removed.

use subrosa::Event;
use subrosa_testkit::room::Treason;

use super::*;

/// When the last commit was written to the log.
fn committed_at(room: &Room) -> Time {
    room.epochs().last().expect("there is a call").written_at
}

/// When the last frame was sealed that a removed member opened.
fn last_opened(room: &Room) -> Time {
    room.report().last_opened_by_traitors.expect("he opened what was for him")
}

fn is_cut_off(event: &Event) -> bool {
    matches!(event, Event::CutOff { .. } | Event::HostSilent { .. })
}

/// R20: a sender goes on with the old key for the switch deadline after he has the commit, no longer.
#[test]
fn a_removed_member_with_the_servers_help_opens_nothing_after_the_switch() {
    let mut room = room_of(60, &["Bob", "Cid", "Dan"]);
    room.betray("Cid", Treason::Frozen);
    room.pass(seconds(5));
    remove(&mut room, "Ann", "Cid");
    room.pass(seconds(1));
    let removed_at = committed_at(&room);
    room.pass(seconds(60));
    let exposed = last_opened(&room) - removed_at;
    assert!(exposed <= Duration::from_millis(1_050), "deadline and delivery: {exposed:?}");
    assert!(room.report().frames.opened_by_traitors > 0);
    room.check();
}

/// R21: withheld from one sender, the removal counts for him no later than the window.
#[test]
fn a_withheld_removal_cuts_its_victim_off_and_what_he_says_is_bounded() {
    let mut room = room_of(61, &["Bob", "Cid", "Dan"]);
    room.betray("Cid", Treason::Frozen);
    room.server().withholds_log("Bob");
    remove(&mut room, "Ann", "Cid");
    room.pass(seconds(1));
    let removed_at = committed_at(&room);
    room.pass(seconds(80));
    let cut_off_at = room.person("Bob").last(is_cut_off).expect("he notices");
    assert!(cut_off_at - removed_at <= WINDOW, "{:?}", cut_off_at - removed_at);
    assert!(last_opened(&room) <= cut_off_at && last_opened(&room) > removed_at + seconds(2));
    assert!(!room.person("Bob").can_speak());
    room.server().behaves();
    room.pass(seconds(15));
    assert!(room.person("Bob").can_speak(), "when he has the commit he goes on, without Cid");
    room.check();
}

/// R21: beats that were kept back for a rainy day are as old as they are, whenever they come.
#[test]
fn heartbeats_that_the_server_paces_prolong_nothing() {
    for every in [8, 9, 10, 11, 12] {
        let mut room = room_of(62, &["Bob", "Cid", "Dan"]);
        room.server().paces_talk("Bob", seconds(every));
        room.pass(seconds(400));
        room.betray("Cid", Treason::Frozen);
        room.server().withholds_log("Bob");
        remove(&mut room, "Ann", "Cid");
        room.pass(seconds(1));
        let removed_at = committed_at(&room);
        room.pass(seconds(300));
        let exposed = last_opened(&room) - removed_at;
        assert!(exposed <= WINDOW, "one in {every} s: {exposed:?}");
        room.check();
    }
}

/// R21: his beats say that he is there. That the other host is, they do not say.
#[test]
fn a_removed_host_who_goes_on_beating_keeps_nobody_in_the_dark() {
    let mut room = room_of(63, &["Bob", "Cid", "Dan"]);
    make_host(&mut room, "Ann", &["Bob"]);
    let ann = id(&room, "Ann");
    room.betray("Bob", Treason::Deaf);
    room.server().withholds_log("Cid");
    remove(&mut room, "Ann", "Bob");
    room.pass(seconds(1));
    let removed_at = committed_at(&room);
    room.pass(seconds(60));
    let (at, event) =
        room.person("Cid").events().rev().find(|(_, event)| is_cut_off(event)).expect("he notices");
    assert!(*at - removed_at <= WINDOW);
    assert_eq!(*event, Event::CutOff { silent: vec![ann] }, "Bob he hears");
    assert!(last_opened(&room) - removed_at <= WINDOW);
    room.check();
}

/// R21: who is shown another log is in another epoch, and hears no beat of the other half's hosts.
#[test]
fn two_halves_with_two_logs_both_notice() {
    let mut room = room_of(64, &["Bob", "Cid", "Dan", "Eve", "Fay"]);
    make_host(&mut room, "Ann", &["Bob"]);
    let (ann, bob) = (id(&room, "Ann"), id(&room, "Bob"));
    room.server().splits(&["Bob", "Dan", "Fay"]);
    let split_at = room.now();
    tell(&mut room, "Ann", Call::lock);
    tell(&mut room, "Bob", Call::rotate_invite);
    // Ann and Bob each remove the other, whom they do not hear; until then their halves are cut off.
    room.pass(WINDOW + seconds(2));
    let hosts = [ann, bob];
    for (name, host_of_the_others) in [("Cid", bob), ("Eve", bob), ("Dan", ann), ("Fay", ann)] {
        let is_noticed = |event: &Event| match event {
            Event::CutOff { silent } => silent.contains(&host_of_the_others),
            Event::Roster(roster) => match &roster.cause {
                Cause::Commit { by, removed, .. } => {
                    hosts.contains(by) && removed.contains(&host_of_the_others)
                }
                _ => false,
            },
            _ => false,
        };
        let noticed = room.person(name).events().find(|(at, event)| *at > split_at && is_noticed(event));
        let (at, _) = noticed.unwrap_or_else(|| panic!("{name} is not told of the other half's host"));
        assert!(*at - split_at <= WINDOW, "{name}: {:?}", *at - split_at);
    }
    let codes = room.epochs().iter().rev().take(2).map(|record| &record.code).collect::<Vec<_>>();
    assert!(codes[0] != codes[1], "and their codes differ");
    room.check();
}

/// Nothing that the server makes up is an entry, and nothing that it repeats is one again.
#[test]
fn garbage_and_replays_in_the_log_are_skipped_by_all_alike() {
    let mut room = room_of(65, &["Bob", "Cid"]);
    let before = roster(&room).len();
    room.server().writes(20, true);
    room.server().writes(20, false);
    room.pass(seconds(3));
    room.server().puts_garbage_before(5);
    room.join("Dan");
    room.pass(seconds(10));
    assert_eq!(roster(&room).len(), before + 1);
    let skipped = |name| room.person(name).count(|event| matches!(event, Event::Skipped { .. }));
    assert_eq!((skipped("Bob"), skipped("Bob")), (skipped("Cid"), 45));
    room.check();
}

/// R17: nothing opens twice, however often it is sent.
#[test]
fn replayed_frames_talk_and_knocks_are_nothing() {
    let mut room = room_of(66, &["Bob", "Cid"]);
    for _ in 0..20 {
        room.server().replays_frames(200);
        room.server().replays_talk(100);
        room.server().replays_mail(100);
        room.pass(seconds(3));
    }
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid"]);
    assert!(room.people().all(|person| person.can_speak()));
    room.check();
}

/// R1: a member who is no host makes a commit that lets his friend in, and the server writes it to the log.
#[test]
fn a_forged_admission_lets_nobody_in() {
    let mut room = room_of(67, &["Bob", "Cid"]);
    room.door("Ann", subrosa_testkit::room::Door::Asks);
    room.knock("Mal");
    room.pass(seconds(1));
    assert!(room.forge_admission("Cid", "Mal"));
    room.pass(seconds(5));
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid"]);
    assert!(room.person("Mal").is_waiting());
    room.check();
}

/// A host's own client is tampered with: he lets somebody into a call that is locked.
#[test]
fn nobody_is_let_into_a_locked_call_not_even_by_a_host() {
    let mut room = room_of(68, &["Bob", "Cid"]);
    make_host(&mut room, "Ann", &["Bob"]);
    for host in ["Ann", "Bob"] {
        room.door(host, subrosa_testkit::room::Door::Asks);
    }
    room.knock("Mal");
    tell(&mut room, "Ann", Call::lock);
    room.pass(seconds(3));
    assert!(room.forge_admission("Bob", "Mal"));
    room.pass(seconds(5));
    assert_eq!(roster(&room), ["Ann", "Bob", "Cid"]);
    let skipped = room.person("Cid").last(|event| matches!(event, Event::Skipped { .. }));
    assert!(skipped.is_some(), "and everybody sees that he tried");
    room.check();
}

/// R20, R21: a member beats in the name of a host who has gone. His signature says who he is.
#[test]
fn beats_in_somebody_elses_name_keep_nobody_going() {
    let mut room = room_of(69, &["Bob", "Cid", "Dan"]);
    let ann = id(&room, "Ann");
    room.crash("Ann");
    let vanished = room.now();
    for number in 0..12 {
        room.forge_beat("Bob", ann, 1_000_000 + number);
        room.pass(seconds(5));
    }
    for name in ["Cid", "Dan"] {
        let cut_off_at = room.person(name).last(is_cut_off).expect("he notices");
        assert!(cut_off_at - vanished <= WINDOW, "{name}: {:?}", cut_off_at - vanished);
        assert!(!room.person(name).can_speak());
    }
    room.check();
}
