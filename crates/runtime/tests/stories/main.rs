//! Calls that drive themselves, as apps meet them. The clock is held: it goes on when nobody has anything to do.

mod door;
mod moody;
mod service;

use std::time::Duration;

use bytes::BytesMut;
use subrosa::{
    CallConfig, CallError, Codec, EndReason, Epoch, Event, Metadata, Opener, Opening, Profile, Roster,
    SealError, Sealer, TrackKind,
};
use subrosa_delivery::DeliveryService;
use subrosa_runtime::{AdmissionError, CallEvent, CallHandle, Client, CommandError, Events};

use moody::Moody;
use tokio::time::timeout;

/// The held clock is soon there.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Somebody in a call, with his app.
pub(crate) struct Person {
    pub(crate) call: CallHandle,
    pub(crate) events: Events,
    pub(crate) microphone: Sealer,
    pub(crate) ears: Opener,
    taken: Epoch,
}

impl Person {
    pub(crate) async fn found(client: &Client, config: &CallConfig) -> Self {
        let founded = client.create(&profile("Ann"), config).await;
        let mut ann = Self::take(founded.expect("a good configuration")).await;
        ann.roster().await;
        ann
    }

    pub(crate) async fn take((call, events): (CallHandle, Events)) -> Self {
        let microphone = call.sealer(TrackKind::Microphone).await.expect("a track");
        let ears = call.opener().await.expect("an opener");
        Self { call, events, microphone, ears, taken: Epoch(0) }
    }

    /// Founds a call over a service, and lets somebody in.
    pub(crate) async fn pair(service: &Moody, config: &CallConfig) -> (Self, Self) {
        let client = Client::new(service.clone());
        let mut ann = Self::found(&client, config).await;
        let bob = ann.lets_in(&client, "Bob").await;
        (ann, bob)
    }

    pub(crate) async fn lets_in(&mut self, client: &Client, name: &str) -> Self {
        let invite = self.call.invite().await.expect("the call is there");
        let waiting = client.knock(invite, &profile(name)).await.expect("the service is there");
        let knock = self.until(|event| match event {
            CallEvent::Call(Event::Knock(knock)) => Some(knock),
            _ => None,
        });
        let knock = knock.await;
        assert_eq!((knock.id, &knock.name[..]), (waiting.id(), name));
        self.call.admit(&[knock.id]).await.expect("he waits");
        let mut somebody = Self::take(waiting.admitted().await.expect("a host's answer")).await;
        somebody.roster().await;
        while self.roster().await.members.len() < somebody.members().await {}
        somebody
    }

    pub(crate) async fn members(&self) -> usize {
        self.call.roster().await.expect("the call is there").members.len()
    }

    /// His app has taken the newest roster.
    pub(crate) async fn is_up_to_date(&self) -> bool {
        self.call.roster().await.expect("the call is there").epoch == self.taken
    }

    /// Takes the next roster, as an app does that shows it.
    pub(crate) async fn roster(&mut self) -> Roster {
        let roster = self.until(|event| match event {
            CallEvent::Call(Event::Roster(roster)) => Some(roster),
            _ => None,
        });
        let roster = roster.await;
        self.call.roster_taken(roster.epoch).await.expect("it was shown");
        self.taken = roster.epoch;
        roster
    }

    /// Reads events until one is what is waited for.
    pub(crate) async fn until<T>(&mut self, mut is: impl FnMut(CallEvent) -> Option<T>) -> T {
        loop {
            let event = timeout(PATIENCE, self.events.next()).await.expect("something happens in an hour");
            let event = event.expect("the call goes on");
            if let Some(found) = is(event) {
                return found;
            }
        }
    }

    pub(crate) async fn ended(&mut self) -> EndReason {
        self.until(|event| match event {
            CallEvent::Call(Event::Ended(reason)) => Some(reason),
            _ => None,
        })
        .await
    }

    pub(crate) fn says(&mut self, what: &str) -> Result<BytesMut, SealError> {
        let mut frame = BytesMut::new();
        self.microphone.seal(Metadata::frame(Codec::Opus), what.as_bytes(), &mut frame)?;
        Ok(frame)
    }

    pub(crate) fn hears(&mut self, mut frame: BytesMut) -> Option<String> {
        match self.ears.open(Metadata::frame(Codec::Opus), &mut frame) {
            Ok(Opening::Opened(_)) => Some(String::from_utf8_lossy(&frame).into_owned()),
            _ => None,
        }
    }
}

pub(crate) fn profile(name: &str) -> Profile {
    Profile::person(name).expect("a name")
}

#[tokio::test(start_paused = true)]
async fn people_come_talk_and_go() {
    let service = Moody::default();
    let (mut ann, mut bob) = Person::pair(&service, &CallConfig::default()).await;
    let said = bob.says("hello").expect("he may seal");
    assert_eq!(ann.hears(said).as_deref(), Some("hello"));
    let said = ann.says("hello, Bob").expect("she may seal");
    assert_eq!(bob.hears(said).as_deref(), Some("hello, Bob"));
    let codes = [ann.call.code().await, bob.call.code().await].map(|code| code.expect("the call is there"));
    assert_eq!(format!("{:?}", codes[0]), format!("{:?}", codes[1]));

    // Bob takes leave; Ann's app sees him go, and his own call is over.
    let handle = bob.call.clone();
    handle.hang_up().await;
    assert_eq!(bob.ended().await, EndReason::Left);
    assert_eq!(ann.roster().await.members.len(), 1);
    assert_eq!(bob.says("one more thing"), Err(SealError::Ended));
    assert_eq!(bob.call.lock().await, Err(CommandError::Call(CallError::Ended)));

    // The last host puts the lights out.
    let id = ann.call.id();
    assert!(service.read(id, 0).await.expect("the service is there").is_some());
    ann.call.clone().hang_up().await;
    assert_eq!(service.read(id, 0).await.expect("the service is there"), None);
}

#[tokio::test(start_paused = true)]
async fn when_the_last_host_leaves_all_learn_it() {
    let (ann, mut bob) = Person::pair(&Moody::default(), &CallConfig::default()).await;
    ann.call.hang_up().await;
    assert_eq!(bob.ended().await, EndReason::LastHostLeft);
    assert!(bob.events.next().await.is_none(), "nothing comes after the end");
    let over = Duration::from_secs(1);
    assert!(bob.call.ended(over).await);
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_can_knock_again() {
    let (mut ann, mut bob) = Person::pair(&Moody::default(), &CallConfig::default()).await;
    let before = bob.call.me();
    ann.call.remove(&[before]).await.expect("she is the host");
    assert_eq!(bob.ended().await, EndReason::Removed { by: ann.call.me() });
    assert_eq!(ann.roster().await.members.len(), 1);

    let Person { call, .. } = bob;
    let waiting = call.rejoin().await.expect("the service is there");
    assert_ne!(waiting.id(), before, "with fresh keys he is somebody else");
    let id = waiting.id();
    ann.until(|event| matches!(event, CallEvent::Call(Event::Knock(knock)) if knock.id == id).then_some(()))
        .await;
    ann.call.admit(&[waiting.id()]).await.expect("he waits");
    let (bob, _events) = waiting.admitted().await.expect("a host's answer");
    assert_eq!(bob.roster().await.expect("the call is there").members.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_is_told() {
    let client = Client::new(Moody::default());
    let mut ann = Person::found(&client, &CallConfig::default()).await;
    let invite = ann.call.invite().await.expect("the call is there");
    let waiting = client.knock(invite, &profile("Mallory")).await.expect("the service is there");
    ann.until(|event| matches!(event, CallEvent::Call(Event::Knock(_))).then_some(())).await;
    assert_eq!(ann.call.waiting().await.expect("the call is there").len(), 1);
    ann.call.deny(waiting.id()).await.expect("he waits");
    assert_eq!(waiting.admitted().await.err(), Some(AdmissionError::Denied));
    assert_eq!(ann.call.admit(&[]).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn with_the_last_handle_the_keys_go() {
    let (mut ann, bob) = Person::pair(&Moody::default(), &CallConfig::default()).await;
    let Person { call, mut events, mut microphone, .. } = bob;
    let another = call.clone();
    drop(call);
    another.roster().await.expect("somebody still holds it");
    drop(another);
    while events.next().await.is_some() {}
    let mut frame = BytesMut::new();
    let sealed = microphone.seal(Metadata::frame(Codec::Opus), b"I am still here", &mut frame);
    assert_eq!(sealed, Err(SealError::Ended));
    assert!(ann.says("and I am").is_ok());
}
