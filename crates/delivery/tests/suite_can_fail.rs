//! The conformance suite catches services that break the contract: a suite that cannot fail shows nothing.
//!
//! The clock is paused, so a check that waits for a message which never comes fails at once.

mod broken;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use broken::{Broken, Fault};
use subrosa_delivery::conformance::{self, Service};
use subrosa_delivery::{InProcess, Limits};

/// One check of the suite, with the limits that it expects.
type Check = fn(Service) -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! check {
    ($name:ident $(, $argument:expr)*) => {
        (stringify!($name), (|service| Box::pin(async move {
            conformance::$name(service $(, $argument)*).await;
        })) as Check)
    };
}

/// Each fault, a check that must catch it, and what the check must say.
fn expectations() -> Vec<(Fault, (&'static str, Check), &'static str)> {
    vec![
        (
            Fault::OverwritesEntries,
            check!(a_position_is_written_once),
            "a filled position takes no other entry",
        ),
        (
            Fault::OverwritesEntries,
            check!(one_winner_per_position, 9, 20),
            "two writers were told that they have won the same position",
        ),
        (
            Fault::TellsBothWritten,
            check!(one_winner_per_position, 9, 20),
            "two writers were told that they have won the same position",
        ),
        (Fault::TellsBothWritten, check!(a_log_is_bounded, &small()), "a full log still tells who lost"),
        (
            Fault::LooksBeforeItWrites,
            check!(one_winner_per_position, 9, 20),
            "two writers were told that they have won the same position",
        ),
        (
            Fault::LooksBeforeItWrites,
            check!(a_loser_tries_the_next_position, 9, 20),
            "a message that was accepted never arrives",
        ),
        (
            Fault::DropsEntries,
            check!(a_position_is_written_once),
            "an entry can be read back once it is written",
        ),
        (
            Fault::DropsEntries,
            check!(a_loser_tries_the_next_position, 9, 20),
            "whoever goes on from a taken position leaves no gap",
        ),
        (
            Fault::DeniesWhatItWrote,
            check!(a_loser_tries_the_next_position, 9, 20),
            "the log holds what was acknowledged, each entry once",
        ),
        (Fault::DeniesWhatItWrote, check!(one_winner_per_position, 9, 20), "somebody wins each position"),
        (Fault::RefusesRetries, check!(a_retry_is_written_again), "is written, once more"),
        (Fault::AcceptsGaps, check!(a_gap_is_refused), "is refused as a gap"),
        (Fault::LiesAboutTheEnd, check!(a_gap_is_refused), "a gap tells where the log ends"),
        (
            Fault::FollowsOnlyWhatIsNew,
            check!(the_log_replays_from_any_position),
            "a message that was accepted never arrives",
        ),
        (
            Fault::FollowsOnlyWhatIsStored,
            check!(a_follower_sees_later_entries),
            "a stream ends while its lane is there",
        ),
        (
            Fault::FollowsFromTheStart,
            check!(the_log_replays_from_any_position),
            "from the position it asked for",
        ),
        (
            Fault::FollowsFromTheStart,
            check!(a_follower_sees_later_entries),
            "who is ahead sees nothing before its position",
        ),
        (Fault::ShowsTwoLogs, check!(followers_see_one_order), "all followers see one order"),
        (Fault::MixesCalls, check!(calls_are_separate), "an entry of one call is not in another"),
        (Fault::ForgetsNoCall, check!(an_ended_call_is_forgotten), "a stream outlives its lane"),
        (
            Fault::ForgetsAllCalls,
            check!(an_ended_call_is_forgotten),
            "the end of one call leaves the others alone",
        ),
        (
            Fault::ForgetsMailboxesToo,
            check!(an_ended_call_is_forgotten),
            "a message that was accepted never arrives",
        ),
        (Fault::ReordersTalk, check!(talk_arrives_in_order), "hears a publisher in its order"),
        (Fault::ReplaysTalk, check!(talk_is_forgotten), "a listener hears what is new, only that"),
        (
            Fault::LosesTalkSilently,
            check!(a_slow_listener_is_told, &small()),
            "is told of every message that it lost",
        ),
        (
            Fault::LosesAllTalk,
            check!(a_slow_listener_is_told, &small()),
            "loses the oldest messages, not the newest",
        ),
        (
            Fault::OpensMailboxesEmpty,
            check!(a_mailbox_keeps_its_messages),
            "a message that was accepted never arrives",
        ),
        (
            Fault::SharesMessagesOut,
            check!(every_reader_gets_every_message),
            "a message that was accepted never arrives",
        ),
        (Fault::MixesMailboxes, check!(mailboxes_are_separate), "a reader sees its own mailbox only"),
        (Fault::ForgetsNoMailbox, check!(a_closed_mailbox_is_forgotten), "a stream outlives its lane"),
        (Fault::HasNoBounds, check!(messages_are_bounded, &small()), "is refused as too large"),
        (Fault::HasNoBounds, check!(a_log_is_bounded, &small()), "is refused as full"),
        (Fault::HasNoBounds, check!(a_mailbox_is_bounded, &small()), "is refused as full"),
    ]
}

#[test]
fn each_fault_is_caught_by_the_check_that_is_named_for_it() {
    let mut missed = Vec::new();
    for (fault, (name, check), says) in expectations() {
        let complaint = complaint(async { check(broken(fault, small())).await });
        if !complaint.as_ref().is_some_and(|complaint| complaint.contains(says)) {
            missed.push(format!("{name} on a service that {fault:?} says: {complaint:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn each_fault_is_caught_by_the_whole_suite() {
    for (fault, ..) in expectations() {
        let complaint = complaint(conformance::run(async |limits| broken(fault, limits)));
        assert!(complaint.is_some(), "the suite does not notice a service that {fault:?}");
    }
}

#[test]
fn a_service_without_fault_is_not_complained_about() {
    for (_, (name, check), _) in expectations() {
        let complaint = complaint(async { check(Arc::new(InProcess::new(small()))).await });
        assert_eq!(complaint, None, "{name} on a service that keeps the contract");
    }
}

/// Room enough for the races, and little enough for the bounds to be reached.
fn small() -> Limits {
    Limits {
        max_entry_bytes: 64,
        max_log_entries: 400,
        max_mailbox_messages: 50,
        talk_backlog: 32,
        ..Limits::default()
    }
}

fn broken(fault: Fault, limits: Limits) -> Service {
    Arc::new(Broken::new(fault, limits))
}

/// What a check says when it panics.
fn complaint(check: impl Future<Output = ()>) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can be built");
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(check))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    Some(text.or(panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default())
}
