//! One member: his call over a connection of his own, a microphone, and ears.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use subrosa::{
    CallConfig, Codec, Epoch, Event, Invite, Metadata, Opened, Opener, Opening, ParticipantId, Profile,
    Sealer, TrackKind,
};
use subrosa_delivery::DeliveryService;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_runtime::{CallEvent, CallHandle, Client, Events};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::books::{Booked, Books};

/// Between two frames of everybody.
pub(crate) const FRAME: Duration = Duration::from_millis(100);

/// Media: whatever somebody seals goes to all.
pub(crate) type Air = broadcast::Sender<Bytes>;

/// What a member has seen and heard.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) epoch: Epoch,
    pub(crate) members: Vec<ParticipantId>,
    /// When each was heard last, and for how long he was not, at most, since he was heard first.
    pub(crate) heard: BTreeMap<ParticipantId, (Instant, Duration)>,
    /// Events in the order in which they came, but for rosters and their like.
    pub(crate) told: Vec<Told>,
    pub(crate) sealed: u64,
    pub(crate) over: bool,
}

/// What an app shows of the service, and of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    ServiceLost,
    ServiceFull,
    ServiceBack,
    CutOff,
    Resumed,
}

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) call: CallHandle,
    seen: Arc<Mutex<Seen>>,
    tasks: [JoinHandle<()>; 3],
}

/// How a member reaches the service.
pub(crate) async fn client(servers: &[String], config: NatsConfig, books: &Books) -> Client {
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let service = Nats::connect(&servers, config).await.expect("the servers are there");
    let service: Arc<dyn DeliveryService> = Arc::new(Booked { service, books: books.clone() });
    Client::over(service)
}

impl Person {
    pub(crate) async fn found(client: &Client, config: &CallConfig, air: &Air) -> Self {
        let profile = Profile::person("Host").expect("a name");
        let (call, events) = client.create(&profile, config).await.expect("a call");
        Self::start("Host".to_owned(), call, events, air).await
    }

    /// Knocks, and waits to be let in; `None` if he is not, because the service is away.
    pub(crate) async fn join(client: &Client, name: String, invite: Invite, air: &Air) -> Option<Self> {
        let profile = Profile::person(&name).expect("a name");
        let waiting = client.knock(invite, &profile).await.ok()?;
        let (call, events) = waiting.admitted().await.ok()?;
        Some(Self::start(name, call, events, air).await)
    }

    async fn start(name: String, call: CallHandle, events: Events, air: &Air) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let microphone = call.sealer(TrackKind::Microphone).await.expect("a track");
        let opener = call.opener().await.expect("an opener");
        let tasks = [
            tokio::spawn(take_part(call.clone(), events, Arc::clone(&seen))),
            tokio::spawn(speak(microphone, air.clone(), Arc::clone(&seen))),
            tokio::spawn(listen(opener, air.subscribe(), Arc::clone(&seen))),
        ];
        Self { name, call, seen, tasks }
    }

    pub(crate) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    pub(crate) fn me(&self) -> ParticipantId {
        self.call.me()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an app does: shows the roster, lets in who knocks.
async fn take_part(call: CallHandle, mut events: Events, seen: Arc<Mutex<Seen>>) {
    while let Some(event) = events.next().await {
        let told = match event {
            CallEvent::Call(Event::Roster(roster)) => {
                call.roster_taken(roster.epoch).await.ok();
                let mut seen = lock(&seen);
                seen.epoch = roster.epoch;
                seen.members = roster.members.iter().map(|member| member.id).collect();
                // Who left and comes back is somebody else.
                let members = seen.members.clone();
                seen.heard.retain(|id, _| members.contains(id));
                continue;
            }
            CallEvent::Call(Event::Knock(knock)) => {
                call.admit(&[knock.id]).await.ok(); // another host may be faster
                continue;
            }
            CallEvent::ServiceLost => Told::ServiceLost,
            CallEvent::ServiceFull(_) => Told::ServiceFull,
            CallEvent::ServiceBack => Told::ServiceBack,
            CallEvent::Call(Event::CutOff { .. } | Event::HostSilent { .. }) => Told::CutOff,
            CallEvent::Call(Event::Resumed) => Told::Resumed,
            _ => continue,
        };
        lock(&seen).told.push(told);
    }
    lock(&seen).over = true;
}

async fn speak(mut microphone: Sealer, air: Air, seen: Arc<Mutex<Seen>>) {
    let mut tick = interval(FRAME);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut frame = BytesMut::new();
        if microphone.seal(Metadata::frame(Codec::Opus), b"a frame of sound", &mut frame).is_ok() {
            lock(&seen).sealed += 1;
            air.send(frame.freeze()).ok(); // nobody may be there yet
        }
    }
}

async fn listen(mut opener: Opener, mut air: broadcast::Receiver<Bytes>, seen: Arc<Mutex<Seen>>) {
    loop {
        match air.recv().await {
            Ok(frame) => {
                let mut frame = BytesMut::from(&frame[..]);
                if let Ok(Opening::Opened(opened)) = opener.open(Metadata::frame(Codec::Opus), &mut frame) {
                    hear(&seen, &opened);
                }
                while let Some(released) = opener.released() {
                    released.outcome.iter().for_each(|opened| hear(&seen, opened));
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn hear(seen: &Mutex<Seen>, opened: &Opened) {
    let now = Instant::now();
    let mut seen = lock(seen);
    if seen.members.contains(&opened.sender) {
        let (last, longest) = seen.heard.entry(opened.sender).or_insert((now, Duration::ZERO));
        *longest = (*longest).max(now - *last);
        *last = now;
    }
}
