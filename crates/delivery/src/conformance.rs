//! The suite that every [`DeliveryService`] has to pass.
//!
//! [`run`] is the whole of it. Each check is also a function of its own, named for what it shows; a check panics,
//! and says which sentence of the contract is broken.
//!
//! ```
//! use std::sync::Arc;
//! use subrosa_delivery::{DeliveryService, InProcess, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::run(async |limits| Arc::new(InProcess::new(limits)) as Arc<dyn DeliveryService>).await;
//! # }
//! ```
//!
//! The checks use the ids `[1; 16]`, `[2; 16]`, … and expect a service that has never seen them. They run on a tokio
//! runtime with its timer enabled, and wait for messages rather than for time to pass: the timer is only there to
//! fail a check that would wait for ever. What a check says about [`Limits`] concerns one lane; the bounds of the
//! service as a whole are tested with each implementation, because an engine may count in its own way.

mod bounds;
mod log;
mod mailbox;
mod talk;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{CallId, DeliveryService, Limits, MailboxId, Subscription};

pub use bounds::{a_log_is_bounded, a_mailbox_is_bounded, messages_are_bounded};
pub use log::{
    a_follower_sees_later_entries, a_gap_is_refused, a_loser_tries_the_next_position,
    a_position_is_written_once, a_retry_is_written_again, an_ended_call_is_forgotten, calls_are_separate,
    followers_see_one_order, one_winner_per_position, the_log_replays_from_any_position,
};
pub use mailbox::{
    a_closed_mailbox_is_forgotten, a_mailbox_keeps_its_messages, every_reader_gets_every_message,
    mailboxes_are_separate,
};
pub use talk::{a_slow_listener_is_told, talk_arrives_in_order, talk_is_forgotten};

/// The service under test, as an app holds it.
pub type Service = Arc<dyn DeliveryService>;

/// Runs every check, each on a fresh service with the limits that `make` is given.
///
/// # Panics
///
/// Panics where the contract is broken.
pub async fn run(make: impl AsyncFn(Limits) -> Service) {
    let fresh = async || make(Limits::default()).await;

    a_position_is_written_once(fresh().await).await;
    a_retry_is_written_again(fresh().await).await;
    a_gap_is_refused(fresh().await).await;
    one_winner_per_position(fresh().await, 9, 50).await;
    a_loser_tries_the_next_position(fresh().await, 9, 20).await;
    the_log_replays_from_any_position(fresh().await).await;
    a_follower_sees_later_entries(fresh().await).await;
    followers_see_one_order(fresh().await).await;
    calls_are_separate(fresh().await).await;
    an_ended_call_is_forgotten(fresh().await).await;

    talk_arrives_in_order(fresh().await).await;
    talk_is_forgotten(fresh().await).await;

    a_mailbox_keeps_its_messages(fresh().await).await;
    every_reader_gets_every_message(fresh().await).await;
    mailboxes_are_separate(fresh().await).await;
    a_closed_mailbox_is_forgotten(fresh().await).await;

    let small = Limits {
        max_entry_bytes: 64,
        max_log_entries: 3,
        max_mailbox_messages: 3,
        talk_backlog: 4,
        ..Limits::default()
    };
    a_slow_listener_is_told(make(small.clone()).await, &small).await;
    messages_are_bounded(make(small.clone()).await, &small).await;
    a_log_is_bounded(make(small.clone()).await, &small).await;
    a_mailbox_is_bounded(make(small.clone()).await, &small).await;
}

/// Longer than any working service needs, even a replicated one that elects a new leader meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

fn call(n: u8) -> CallId {
    CallId([n; 16])
}

fn mailbox(n: u8) -> MailboxId {
    MailboxId([n; 16])
}

fn text(text: impl Display) -> Bytes {
    text.to_string().into()
}

/// The next item, which has to come.
async fn next<T>(stream: &mut Subscription<T>) -> T {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .expect("a message that was accepted never arrives")
        .expect("a stream ends while its lane is there")
}

/// The next `count` items, which have to come.
async fn take<T>(stream: &mut Subscription<T>, count: usize) -> Vec<T> {
    let mut items = Vec::with_capacity(count);
    while items.len() < count {
        items.push(next(stream).await);
    }
    items
}

/// The end of a stream, which has to come at once.
async fn ended<T>(stream: &mut Subscription<T>) {
    let end = tokio::time::timeout(PATIENCE, stream.next()).await.expect("a stream outlives its lane");
    assert!(end.is_none(), "a stream brings more than what its lane held");
}

/// What all tasks return; a panic in one of them is a panic here.
async fn joined<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        results.push(result.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
    }
    results
}
