//! Where the delivery service is not at its best.

use std::time::Duration;

use subrosa::{CallConfig, Event, SealError};
use subrosa_delivery::{Bound, Limits};
use subrosa_runtime::{CallEvent, Client};
use tokio::time::{Instant, sleep};

use super::Person;
use super::moody::Moody;

/// The next event that an app shows of the service or of silent hosts.
async fn shown(person: &mut Person) -> &'static str {
    person
        .until(|event| match event {
            CallEvent::ServiceLost => Some("lost"),
            CallEvent::ServiceFull(Bound::LogEntries) => Some("full"),
            CallEvent::ServiceBack => Some("back"),
            CallEvent::Call(Event::CutOff { .. } | Event::HostSilent { .. }) => Some("cut off"),
            CallEvent::Call(Event::Resumed) => Some("resumed"),
            _ => None,
        })
        .await
}

/// R21: what a service that is away does not bring may be a removal.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_is_told_before_the_window_closes_and_when_it_is_back_all_goes_on() {
    let service = Moody::default();
    let (mut ann, mut bob) = Person::pair(&service, &CallConfig::default()).await;
    sleep(Duration::from_secs(20)).await;
    service.is_away(true);
    let away = Instant::now();

    assert_eq!(shown(&mut bob).await, "lost");
    assert!(away.elapsed() <= Duration::from_secs(6), "after {:?}", away.elapsed());
    let said = bob.says("can you hear me?").expect("he goes on with the keys that he has");
    assert_eq!(ann.hears(said).as_deref(), Some("can you hear me?"));

    assert_eq!(shown(&mut bob).await, "cut off");
    assert!(away.elapsed() <= Duration::from_secs(31), "after {:?}", away.elapsed());
    assert_eq!(bob.says("hello?"), Err(SealError::Paused));
    sleep(Duration::from_secs(100)).await;
    assert_eq!(bob.says("hello?"), Err(SealError::Paused));

    service.is_away(false);
    let mut then = [shown(&mut bob).await, shown(&mut bob).await];
    then.sort_unstable();
    assert_eq!(then, ["back", "resumed"]);
    let said = bob.says("there you are").expect("he may seal again");
    assert_eq!(ann.hears(said).as_deref(), Some("there you are"));
}

#[tokio::test(start_paused = true)]
async fn what_a_host_wanted_while_the_service_was_away_happens_when_it_is_back() {
    let service = Moody::default();
    let (mut ann, bob) = Person::pair(&service, &CallConfig::default()).await;
    service.is_away(true);
    ann.call.remove(&[bob.call.me()]).await.expect("she is the host");
    sleep(Duration::from_secs(15)).await;
    assert_eq!(ann.call.roster().await.expect("the call is there").members.len(), 2);
    service.is_away(false);
    assert_eq!(ann.roster().await.members.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_without_room_is_told_and_the_call_goes_on_as_it_is() {
    let service = Moody::with(Limits { max_log_entries: 1, ..Limits::default() });
    let (mut ann, mut bob) = Person::pair(&service, &CallConfig::default()).await;
    ann.call.lock().await.expect("she is the host");
    assert_eq!(shown(&mut ann).await, "full");
    let said = bob.says("and now?").expect("he may seal");
    assert_eq!(ann.hears(said).as_deref(), Some("and now?"));
}

/// An append that is not answered delays neither heartbeats nor the switch to new keys.
#[tokio::test(start_paused = true)]
async fn no_lane_waits_for_another() {
    let service = Moody::default();
    let (mut ann, mut bob) = Person::pair(&service, &CallConfig::default()).await;
    service.hangs(true);
    ann.call.lock().await.expect("she is the host");
    sleep(Duration::from_secs(120)).await; // four windows
    for person in [&mut ann, &mut bob] {
        let said = person.says("still here");
        assert!(said.is_ok(), "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_break_off_are_taken_up_where_they_were() {
    let service = Moody::default();
    service.ends_after(1);
    let client = Client::new(service.clone());
    let mut ann = Person::found(&client, &CallConfig::default()).await;
    let mut guests = Vec::new();
    for name in ["Bob", "Carol", "Dave", "Erin"] {
        guests.push(ann.lets_in(&client, name).await);
    }
    for guest in &mut guests {
        while guest.members().await < 5 || !guest.is_up_to_date().await {
            guest.roster().await;
        }
        let said = guest.says("here");
        assert!(said.is_ok(), "{said:?}");
    }
}

/// Events wait for an app that does not read them, and commands are carried out meanwhile; but what comes in has to wait with the service.
#[tokio::test(start_paused = true)]
async fn an_app_that_does_not_read_its_events_loses_none() {
    let service = Moody::default();
    let client = Client::new(service.clone()).report_refused();
    let mut ann = Person::found(&client, &CallConfig::default()).await;
    let lobby = ann.call.invite().await.expect("the call is there").lobby_mailbox();
    let garbage = 1_500_u64;
    for number in 0..garbage {
        let message = bytes::Bytes::copy_from_slice(&number.to_be_bytes());
        subrosa_delivery::DeliveryService::post(&service, lobby, message).await.expect("there is room");
    }
    sleep(Duration::from_secs(1)).await;
    ann.call.roster().await.expect("a command is answered");
    for number in 0..garbage {
        let refused = ann
            .until(|event| match event {
                CallEvent::Refused(refused) => Some(refused),
                _ => None,
            })
            .await;
        assert_eq!(refused.message.payload[..], number.to_be_bytes());
    }
}
