//! Getting into a call: founding it, or knocking and being let in.

use std::sync::Arc;

use bytes::Bytes;
use subrosa::{
    Call, Guest, HostAnswer, Invite, Lane, Message, ParticipantId, Profile, Random, Time, TrackKind,
};
use subrosa_delivery::{DeliveryService, MailboxStream};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::{Context, Failure};
use crate::lanes::Lanes;
use crate::line;
use crate::notes::{Notes, Outcome, Progress};
use crate::orders::{Door, Order, Wish};
use crate::participant::Participant;
use crate::receive::Receiving;
use crate::send::{Sending, Sent};
use crate::setting::Setting;

/// In real time: whoever waits longer waits in vain.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Who somebody is before he is in the call.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) number: usize,
    /// What he publishes. Everybody listens.
    pub(crate) tracks: Vec<TrackKind>,
}

/// The story's hold on a participant.
pub(crate) struct Handle {
    pub(crate) name: &'static str,
    orders: mpsc::Sender<Order>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<Result<Outcome, Failure>>,
}

/// The participant's ends of what the handle has.
struct Strings {
    orders: mpsc::Receiver<Order>,
    progress: watch::Sender<Progress>,
}

/// Founds a call. Returns the link that invites others, too.
pub(crate) async fn found(person: Person, setting: &Arc<Setting>) -> Result<(Handle, String), Failure> {
    let socket = Arc::new(line::open(setting.server).await?);
    let receiving = Receiving::start(Arc::clone(&socket), Arc::clone(setting));
    let profile = Profile::person(person.name).or_broken("a name")?;
    let call = Call::create(&profile, &setting.call_config(), Random::os(), setting.clock.now())
        .or_broken("founding the call")?;
    let link = call.invite().to_link("https://meet.example/standup").to_string();
    let setting = Arc::clone(setting);
    let handle = spawn(person.name, move |strings| enter(call, person, socket, receiving, strings, setting));
    Ok((handle, link))
}

/// Knocks, waits to be let in, and takes part.
pub(crate) fn knock(person: Person, link: String, setting: &Arc<Setting>) -> Handle {
    let setting = Arc::clone(setting);
    spawn(person.name, move |strings| async move {
        // The line is opened first: who is let in does not want to miss the first word.
        let socket = Arc::new(line::open(setting.server).await?);
        let receiving = Receiving::start(Arc::clone(&socket), Arc::clone(&setting));
        let call = timeout(PATIENCE, be_let_in(&person, &link, &setting))
            .await
            .map_err(|_| Failure::Broken("a guest was not let in".to_owned()))??;
        enter(call, person, socket, receiving, strings, setting).await
    })
}

async fn be_let_in(person: &Person, link: &str, setting: &Setting) -> Result<Call, Failure> {
    let mut knocking = Knocking::start(person.name, link, setting).await?;
    match knocking.answer().await? {
        HostAnswer::Admitted(admission) => {
            let Knocking { guest, .. } = knocking;
            guest.accept(admission, setting.clock.now()).or_broken("accepting an admission")
        }
        other => Err(Failure::Broken(format!("a guest was turned away: {other:?}"))),
    }
}

/// Somebody who has knocked and waits for his answer.
pub(crate) struct Knocking {
    pub(crate) guest: Guest,
    answers: MailboxStream,
    service: Arc<dyn DeliveryService>,
    /// What came instead of an answer: only a host can make one.
    pub(crate) refused: Vec<Bytes>,
}

impl Knocking {
    pub(crate) async fn start(name: &str, link: &str, setting: &Setting) -> Result<Self, Failure> {
        let service = Arc::clone(&setting.service);
        let profile = Profile::person(name).or_broken("a name")?;
        let invite = Invite::parse(link).or_broken("a link")?;
        let (guest, Message { lane, payload }) =
            Guest::knock(invite, &profile, Random::os()).or_broken("knocking")?;
        let answers = service.open_mailbox(guest.answer_mailbox()).await.or_broken("opening a mailbox")?;
        let Lane::Mailbox(lobby) = lane else {
            return Err(Failure::Broken("a knock that is not for a mailbox".to_owned()));
        };
        service.post(lobby, payload).await.or_broken("knocking")?;
        Ok(Self { guest, answers, service, refused: Vec::new() })
    }

    /// Waits for a host's answer, and closes the mailbox after it.
    pub(crate) async fn answer(&mut self) -> Result<HostAnswer, Failure> {
        loop {
            let message = self.answers.next().await;
            let message = message.ok_or(Failure::Broken("a mailbox was closed".to_owned()))?;
            match self.guest.open_answer(&message) {
                Ok(answer) => {
                    let closed = self.service.close_mailbox(self.guest.answer_mailbox()).await;
                    return closed.or_broken("closing a mailbox").map(|()| answer);
                }
                Err(_) => self.refused.push(message), // not from a host: wait on
            }
        }
    }
}

async fn enter(
    call: Call,
    person: Person,
    socket: Arc<UdpSocket>,
    mut receiving: Receiving,
    strings: Strings,
    setting: Arc<Setting>,
) -> Result<Outcome, Failure> {
    receiving.open_with(call.opener());
    let (stop_sending, stop) = watch::channel(false);
    let (keyframes, keyframe_requests) = watch::channel(Vec::new());
    let mut sending = Vec::new();
    for kind in person.tracks {
        let track = Sending {
            me: call.me(),
            number: person.number,
            sealer: call.sealer(kind).or_broken("a track")?,
            socket: Arc::clone(&socket),
            setting: Arc::clone(&setting),
            keyframes: keyframe_requests.clone(),
            stop: stop.clone(),
        };
        sending.push(tokio::spawn(track.run()));
    }
    let lanes = Lanes::open(Arc::clone(&setting.service), call.id(), call.log_position()).await;
    let lanes = lanes.or_broken("opening the lanes")?;
    let participant = Participant {
        call,
        lanes,
        setting,
        socket,
        receiving,
        sending,
        stop_sending,
        keyframes,
        progress: strings.progress,
        waiting: Vec::new(),
        door: Door::Unwatched,
        reopen_at: Time::NEVER,
        withheld: None,
        friend: None,
        sent: Sent::default(),
        notes: Notes::default(),
    };
    participant.run(strings.orders).await
}

fn spawn<F>(name: &'static str, task: impl FnOnce(Strings) -> F) -> Handle
where
    F: Future<Output = Result<Outcome, Failure>> + Send + 'static,
{
    let (orders, to_obey) = mpsc::channel(8);
    let (progress, watched) = watch::channel(Progress::default());
    let task = tokio::spawn(task(Strings { orders: to_obey, progress }));
    Handle { name, orders, progress: watched, task }
}

impl Handle {
    /// Has something done; returns when it is under way.
    pub(crate) async fn order(&self, wish: Wish) -> Result<(), Failure> {
        let (done, is_done) = oneshot::channel();
        let gone = || Failure::Broken(format!("{} is gone", self.name));
        self.orders.send(Order { wish, done }).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())
    }

    /// Waits until the participant is somewhere; fails with what made him fail.
    pub(crate) async fn reaches(
        &mut self,
        what: &str,
        there: impl Fn(&Progress) -> bool,
    ) -> Result<Progress, Failure> {
        match timeout(PATIENCE, self.progress.wait_for(there)).await {
            Ok(Ok(progress)) => Ok(*progress),
            Ok(Err(_)) => match (&mut self.task).await {
                Ok(Err(failure)) => Err(failure),
                _ => Err(Failure::Broken(format!("{} did not see it happen: {what}", self.name))),
            },
            Err(_) => Err(Failure::Broken(format!("{} waits in vain: {what}", self.name))),
        }
    }

    /// Waits until it is in the call.
    pub(crate) async fn joined(&mut self) -> Result<ParticipantId, Failure> {
        let progress = self.reaches("to be in the call", |progress| progress.in_call.is_some()).await?;
        progress.in_call.ok_or(Failure::Broken("in the call, but nobody".to_owned()))
    }

    pub(crate) async fn outcome(self) -> Result<Outcome, Failure> {
        self.task.await.map_err(|_| Failure::Broken(format!("{} panicked", self.name)))?
    }
}
