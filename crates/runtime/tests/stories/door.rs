//! A host against whoever has no more than the link.

use std::time::Duration;

use bytes::Bytes;
use subrosa::{CallConfig, Event, HandleError, Invite, Knock, KnockFault, MailboxId};
use subrosa_delivery::{DeliveryService, Limits};
use subrosa_runtime::{AdmissionError, CallEvent, Client};
use tokio::time::{Instant, timeout};

use super::moody::Moody;
use super::{Person, profile};

/// What a host opens at once after a pause.
const KNOCKS_AT_ONCE: usize = 2048;

async fn fill(service: &Moody, mailbox: MailboxId, with: usize) {
    for number in 0..with as u64 {
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        service.post(mailbox, message).await.expect("there is room");
    }
}

async fn founded(service: &Moody) -> (Client, Person, Invite) {
    let client = Client::new(service.clone()).report_refused();
    let ann = Person::found(&client, &CallConfig::default()).await;
    let invite = ann.call.invite().await.expect("the call is there");
    (client, ann, invite)
}

async fn knock(ann: &mut Person) -> Knock {
    ann.until(|event| match event {
        CallEvent::Call(Event::Knock(knock)) => Some(knock),
        _ => None,
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_guest_who_has_filled_his_own_mailbox_gets_no_answer_and_the_host_goes_on() {
    let service = Moody::default();
    let (client, mut ann, invite) = founded(&service).await;
    let mal = client.knock(invite.clone(), &profile("Mal")).await.expect("the service is there");
    let mal = mal.into_guest();
    fill(&service, mal.answer_mailbox(), Limits::default().max_mailbox_messages).await;
    let mals = knock(&mut ann).await;
    ann.call.deny(mals.id).await.expect("he waits");

    let bob = client.knock(invite, &profile("Bob")).await.expect("the service is there");
    let bobs = knock(&mut ann).await;
    assert_eq!(bobs.name, "Bob");
    ann.call.deny(bobs.id).await.expect("he waits");
    assert_eq!(bob.admitted().await.err(), Some(AdmissionError::Denied));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_for_the_service_is_not_delivered_and_the_host_goes_on() {
    let service = Moody::with(Limits { max_entry_bytes: 2_000, ..Limits::default() });
    let (client, mut ann, invite) = founded(&service).await;
    let mal = client.knock(invite, &profile("Mal")).await.expect("the service is there");
    let mals = knock(&mut ann).await;
    ann.call.deny(mals.id).await.expect("he waits"); // an answer is longer than that
    assert!(timeout(Duration::from_secs(20), mal.admitted()).await.is_err());
    ann.call.lock().await.expect("she is the host");
    ann.roster().await;
    assert!(ann.call.ask(|call| call.is_locked()).await.expect("the call is there"));
}

#[tokio::test(start_paused = true)]
async fn knocks_that_came_too_fast_are_looked_at_later_in_their_order() {
    let service = Moody::default();
    let (client, mut ann, invite) = founded(&service).await;
    fill(&service, invite.lobby_mailbox(), KNOCKS_AT_ONCE + 1).await;
    let began = Instant::now();
    let _bob = client.knock(invite.clone(), &profile("Bob")).await.expect("the service is there");

    for number in 0..=KNOCKS_AT_ONCE as u64 {
        let refused = ann.until(|event| match event {
            CallEvent::Refused(refused) => Some(refused),
            CallEvent::Call(Event::Knock(knock)) => panic!("{} overtook {number} others", knock.name),
            _ => None,
        });
        let refused = refused.await;
        assert_eq!(refused.error, HandleError::Knock(KnockFault::Unauthentic));
        assert_eq!(
            refused.message.payload[..],
            number.to_be_bytes(),
            "none is handed in twice, none is lost"
        );
    }
    assert_eq!(knock(&mut ann).await.name, "Bob");
    assert!(began.elapsed() >= Duration::from_secs(1), "the last ones had to wait");

    // And what comes later comes.
    let _carol = client.knock(invite, &profile("Carol")).await.expect("the service is there");
    assert_eq!(knock(&mut ann).await.name, "Carol");
}
