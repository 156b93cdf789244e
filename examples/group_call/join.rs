//! Getting into a call: founding it, or knocking and being let in.

use std::sync::Arc;

use subrosa::{Invite, ParticipantId, Profile, TrackKind};
use subrosa_runtime::{CallHandle, Events, Knocking};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::{Context, Failure};
use crate::line;
use crate::notes::{Notes, Outcome, Progress};
use crate::orders::{Door, Order, Wish};
use crate::participant::Participant;
use crate::receive::Receiving;
use crate::send::{Sending, Sent};
use crate::setting::Setting;
use crate::view::View;

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
    let view = View::of(&setting.service);
    let profile = Profile::person(person.name).or_broken("a name")?;
    let founded = setting.client(&view).create(&profile, &setting.call_config()).await;
    let call = founded.or_broken("founding the call")?;
    let invite = call.0.invite().await.or_broken("asking the call")?;
    let link = invite.to_link(&setting.link_base()).to_string();
    let setting = Arc::clone(setting);
    let handle = spawn(person.name, move |strings| {
        Entering { call, view, person, socket, receiving, setting }.enter(strings)
    });
    Ok((handle, link))
}

/// Knocks, waits to be let in, and takes part.
pub(crate) fn knock(person: Person, link: String, setting: &Arc<Setting>) -> Handle {
    let setting = Arc::clone(setting);
    spawn(person.name, move |strings| async move {
        // The line is opened first: who is let in does not want to miss the first word.
        let socket = Arc::new(line::open(setting.server).await?);
        let receiving = Receiving::start(Arc::clone(&socket), Arc::clone(&setting));
        let view = View::of(&setting.service);
        let waiting = wait(person.name, &link, &setting, &view).await?;
        let call = timeout(PATIENCE, waiting.admitted()).await;
        let call = call.map_err(|_| Failure::Broken("a guest was not let in".to_owned()))?;
        let call = call.or_broken("being let in")?;
        Entering { call, view, person, socket, receiving, setting }.enter(strings).await
    })
}

/// Knocks.
pub(crate) async fn wait(
    name: &str,
    link: &str,
    setting: &Setting,
    view: &Arc<View>,
) -> Result<Knocking, Failure> {
    let profile = Profile::person(name).or_broken("a name")?;
    let invite = Invite::parse(link).or_input("the link")?;
    setting.client(view).knock(invite, &profile).await.or_broken("knocking")
}

/// Somebody who has a call.
struct Entering {
    call: (CallHandle, Events),
    view: Arc<View>,
    person: Person,
    socket: Arc<UdpSocket>,
    receiving: Receiving,
    setting: Arc<Setting>,
}

impl Entering {
    async fn enter(self, strings: Strings) -> Result<Outcome, Failure> {
        let Self { call: (call, events), view, person, socket, mut receiving, setting } = self;
        receiving.open_with(call.opener().await.or_broken("asking the call")?);
        let (stop_sending, stop) = watch::channel(false);
        let (keyframes, keyframe_requests) = watch::channel(Vec::new());
        let mut sending = Vec::new();
        for kind in person.tracks {
            let track = Sending {
                me: call.me(),
                number: person.number,
                sealer: call.sealer(kind).await.or_broken("a track")?,
                socket: Arc::clone(&socket),
                setting: Arc::clone(&setting),
                keyframes: keyframe_requests.clone(),
                stop: stop.clone(),
            };
            sending.push(tokio::spawn(track.run()));
        }
        let participant = Participant {
            call,
            events,
            view,
            setting,
            socket,
            receiving,
            sending,
            stop_sending,
            keyframes,
            progress: strings.progress,
            waiting: Vec::new(),
            door: Door::Unwatched,
            sent: Sent::default(),
            notes: Notes::default(),
        };
        participant.run(strings.orders).await
    }
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
