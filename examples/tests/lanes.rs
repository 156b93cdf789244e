//! The lanes that an app can take as they are, against whoever has no more than the link.

#[path = "../group_call/lanes.rs"]
#[expect(dead_code, reason = "the parts that the example alone needs")]
mod lanes;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lanes::Lanes;
use subrosa::{
    Call, CallConfig, Event, Guest, HandleError, HostAnswer, KnockFault, Lane, MailboxId, Message, Output,
    Profile, Time, danger,
};
use subrosa_delivery::{DeliveryService, InProcess, Limits};

/// What a host opens at once after a pause, and how many more a second later.
const KNOCKS_AT_ONCE: usize = 2048;
const KNOCKS_PER_SECOND: usize = 100;

/// A host who denies everybody.
struct Host {
    call: Call,
    lanes: Lanes,
    now: Time,
    /// Who knocked, by name.
    heard: Vec<String>,
}

impl Host {
    async fn found(service: &Arc<dyn DeliveryService>) -> Self {
        let profile = Profile::person("Ann").expect("a name");
        let random = danger::seeded_random([1; 32]);
        let call = Call::create(&profile, &CallConfig::default(), random, Time::ZERO).expect("a call");
        let lanes = Lanes::open(Arc::clone(service), call.id(), 0).await.expect("the service is there");
        let mut host = Self { call, lanes, now: Time::ZERO, heard: Vec::new() };
        host.drain().await;
        host
    }

    /// As the README has it: everything out of the call, and on its way.
    async fn drain(&mut self) {
        let mut to_send = Vec::new();
        loop {
            match self.call.poll_output() {
                Output::Send(message) => to_send.push(message),
                Output::Event(Event::Knock(knock)) => {
                    self.heard.push(knock.name);
                    self.call.deny(knock.id, self.now).expect("he waits");
                }
                Output::Event(Event::Mailboxes) => {
                    let (named, lobby) = (self.call.mailboxes(), self.call.invite().lobby_mailbox());
                    self.lanes.follow_mailboxes(named, lobby).await.expect("the service is there");
                }
                Output::Event(Event::Roster(roster)) => {
                    self.call.roster_taken(roster.epoch, self.now).expect("it is the current one");
                }
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        self.lanes
            .send(to_send)
            .await
            .expect("what is wrong with a guest's mailbox is not the host's trouble");
    }

    /// Hands in the next message of a mailbox.
    async fn read(&mut self) -> Result<(), HandleError> {
        loop {
            let message = self.lanes.next().await.expect("the lanes are open");
            if matches!(message.lane, Lane::Mailbox(_)) {
                let result = self.call.handle_message(&message, self.now);
                self.drain().await;
                return result;
            }
        }
    }
}

fn knock(call: &Call, name: &str, seed: u8) -> (Guest, Bytes) {
    let profile = Profile::person(name).expect("a name");
    let (guest, Message { payload, .. }) =
        Guest::knock(call.invite(), &profile, danger::seeded_random([seed; 32])).expect("a knock");
    (guest, payload)
}

async fn fill(service: &Arc<dyn DeliveryService>, mailbox: MailboxId, with: usize) {
    for number in 0..with as u64 {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        service.post(mailbox, message).await.expect("there is room");
    }
}

#[tokio::test]
async fn a_guest_who_has_filled_his_own_mailbox_gets_no_answer_and_the_host_goes_on() {
    let service: Arc<dyn DeliveryService> = Arc::new(InProcess::default());
    let mut host = Host::found(&service).await;
    let lobby = host.call.invite().lobby_mailbox();

    let (mal, knocks) = knock(&host.call, "Mal", 2);
    fill(&service, mal.answer_mailbox(), Limits::default().max_mailbox_messages).await;
    service.post(lobby, knocks).await.expect("there is room");
    host.read().await.expect("a knock like any other");

    let (bob, knocks) = knock(&host.call, "Bob", 3);
    let mut answers = service.open_mailbox(bob.answer_mailbox()).await.expect("the service is there");
    service.post(lobby, knocks).await.expect("there is room");
    host.read().await.expect("a knock like any other");
    assert_eq!(host.heard, ["Mal", "Bob"]);
    let answer = answers.next().await.expect("an answer");
    assert!(matches!(bob.open_answer(&answer), Ok(HostAnswer::Denied)));
}

#[tokio::test]
async fn an_answer_that_is_too_large_for_the_service_is_not_delivered_and_the_host_goes_on() {
    let limits = Limits { max_entry_bytes: 1 << 11, ..Limits::default() };
    let service: Arc<dyn DeliveryService> = Arc::new(InProcess::new(limits));
    let mut host = Host::found(&service).await;
    let to = host.call.invite().lobby_mailbox();
    let message = Message { lane: Lane::Mailbox(to), payload: Bytes::from(vec![0; 1 << 12]) };
    host.lanes.send(vec![message]).await.expect("it is dropped");
}

#[tokio::test]
async fn knocks_that_came_too_fast_are_looked_at_later_in_their_order() {
    let service: Arc<dyn DeliveryService> = Arc::new(InProcess::default());
    let mut host = Host::found(&service).await;
    let lobby = host.call.invite().lobby_mailbox();
    fill(&service, lobby, KNOCKS_AT_ONCE + 1).await;
    let (_, bobs) = knock(&host.call, "Bob", 2);
    service.post(lobby, bobs).await.expect("there is room");

    for _ in 0..KNOCKS_AT_ONCE {
        assert_eq!(host.read().await, Err(HandleError::Knock(KnockFault::Unauthentic)));
    }
    assert_eq!(host.read().await, Err(HandleError::Knock(KnockFault::TooFast)));
    host.lanes.put_off(lobby);
    let rest = tokio::time::timeout(Duration::from_millis(50), host.lanes.next()).await;
    assert!(rest.is_err(), "nothing more is read: {rest:?}");

    host.now = host.now + Duration::from_secs(1);
    host.lanes.reopen().await.expect("the service is there");
    assert_eq!(
        host.read().await,
        Err(HandleError::Knock(KnockFault::Unauthentic)),
        "the one that was too fast"
    );
    assert_eq!(host.read().await, Ok(()), "Bob's, of the {KNOCKS_PER_SECOND} that there is time for now");
    assert_eq!(host.heard, ["Bob"]);

    // Nothing is handed out twice, and what comes later comes.
    let (_, carols) = knock(&host.call, "Carol", 3);
    service.post(lobby, carols).await.expect("there is room");
    assert_eq!(host.read().await, Ok(()));
    assert_eq!(host.heard, ["Bob", "Carol"]);
}
