//! A server that keeps a removal from somebody, so that he goes on sealing for the one who was removed: in a small call of its own,
//! beside the main one.
//!
//! He cannot know what nobody tells him. But the hosts' heartbeats are not of his epoch any more, so he stops by himself (R21).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use subrosa::sframe::SealError;
use subrosa::{
    Call, CallConfig, Codec, Event, Guest, HandleError, HostAnswer, Invite, Lane, Message, Metadata, Output,
    Profile, Random, Sealer, Time, TrackKind,
};
use subrosa_delivery::{DeliveryService, InProcess, Limits};

use crate::clock::Clock;
use crate::failure::{Context, Failure};
use crate::lanes::Lanes;
use crate::unruly::Unruly;

/// The shortest that a configuration may ask for. In real time, whatever the story's speed.
const HEARTBEAT: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(3);
/// Longer than the window: until the removal it is heartbeats that keep everybody in.
const BEFORE: Duration = Duration::from_millis(3_500);
/// The window and a second: by then it must have happened.
const AFTER: Duration = Duration::from_secs(4);
/// Between two frames of everybody.
const FRAME: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug)]
pub(crate) struct CutOff {
    pub(crate) heartbeat: Duration,
    pub(crate) window: Duration,
    /// From when the removal stood in the log to when he was told that he is cut off; none if he never was.
    pub(crate) detected: Option<Duration>,
    /// Frames that he sealed before the removal, between it and that moment, and from then on.
    pub(crate) sealed_before: usize,
    pub(crate) sealed_meanwhile: usize,
    pub(crate) sealed_after: usize,
    /// How often he could not, from then on.
    pub(crate) refused_after: usize,
    /// Whoever got the removal was never cut off, and sealed on after the window was over.
    pub(crate) others_go_on: bool,
}

/// Somebody in the small call.
struct Seat {
    call: Call,
    lanes: Lanes,
    clock: Clock,
    sealer: Sealer,
    deadline: Time,
    /// When the last entry of his was in the log.
    wrote_at: Time,
    cut_off_at: Option<Time>,
    /// When he sealed, and when he could not.
    sealed: Vec<Time>,
    refused: Vec<Time>,
}

pub(crate) async fn play(clock: Clock) -> Result<CutOff, Failure> {
    let honest = InProcess::new(Limits::default());
    let service: Arc<dyn DeliveryService> = Arc::new(honest.clone());
    let for_one = Arc::new(Unruly::new(honest, clock));
    for_one.behave(); // but for one thing, later

    let config = CallConfig { heartbeat: HEARTBEAT, liveness_window: WINDOW, ..CallConfig::default() };
    let profile = Profile::person("host").or_broken("a name")?;
    let call = Call::create(&profile, &config, Random::os(), clock.now()).or_broken("founding a call")?;
    let invite = call.invite();
    let mut host = Seat::take(call, Arc::clone(&service), clock).await?;
    let joining = async {
        tokio::try_join!(
            Seat::join("removed", invite.clone(), Arc::clone(&service), clock),
            Seat::join("informed", invite.clone(), service, clock),
            Seat::join("unaware", invite.clone(), Arc::clone(&for_one) as Arc<dyn DeliveryService>, clock),
        )
    };
    let (mut removed, mut informed, mut unaware) = tokio::select! {
        joined = joining => joined?,
        over = host.live(Time::NEVER) => {
            return Err(over.err().unwrap_or(Failure::Broken("the small call is over".to_owned())));
        }
    };
    let until = clock.now() + BEFORE;
    tokio::try_join!(host.live(until), removed.live(until), informed.live(until), unaware.live(until))?;

    for_one.withhold_log();
    host.call.remove(&[removed.call.me()], clock.now()).or_broken("removing")?;
    host.drain().await?;
    let removed_at = host.wrote_at;
    let until = removed_at + AFTER;
    tokio::try_join!(host.live(until), removed.live(until), informed.live(until), unaware.live(until))?;

    let cut_off_at = unaware.cut_off_at.unwrap_or(Time::NEVER);
    let count = |times: &[Time], is: &dyn Fn(Time) -> bool| times.iter().filter(|at| is(**at)).count();
    let last = |seat: &Seat| seat.sealed.last().copied().unwrap_or(Time::ZERO);
    Ok(CutOff {
        heartbeat: HEARTBEAT,
        window: WINDOW,
        detected: unaware.cut_off_at.map(|at| at - removed_at),
        sealed_before: count(&unaware.sealed, &|at| at < removed_at),
        sealed_meanwhile: count(&unaware.sealed, &|at| at >= removed_at && at < cut_off_at),
        sealed_after: count(&unaware.sealed, &|at| at >= cut_off_at),
        refused_after: count(&unaware.refused, &|at| at >= cut_off_at),
        others_go_on: informed.cut_off_at.is_none() && last(&informed) > removed_at + WINDOW,
    })
}

impl Seat {
    async fn take(call: Call, service: Arc<dyn DeliveryService>, clock: Clock) -> Result<Self, Failure> {
        let lanes = Lanes::open(service, call.id(), call.log_position()).await;
        let lanes = lanes.or_broken("opening the lanes")?;
        let mut seat = Self {
            sealer: call.sealer(TrackKind::Microphone).or_broken("a track")?,
            call,
            lanes,
            clock,
            deadline: Time::ZERO,
            wrote_at: Time::ZERO,
            cut_off_at: None,
            sealed: Vec::new(),
            refused: Vec::new(),
        };
        seat.drain().await?;
        Ok(seat)
    }

    /// Knocks and waits to be let in.
    async fn join(
        name: &str,
        invite: Invite,
        service: Arc<dyn DeliveryService>,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let profile = Profile::person(name).or_broken("a name")?;
        let lobby = invite.lobby_mailbox();
        let (guest, knock) = Guest::knock(invite, &profile, Random::os()).or_broken("knocking")?;
        let mut answers = service.open_mailbox(guest.answer_mailbox()).await.or_broken("a mailbox")?;
        service.post(lobby, knock.payload).await.or_broken("knocking")?;
        let answer = answers.next().await.ok_or(Failure::Broken("a mailbox was closed".to_owned()))?;
        let Ok(HostAnswer::Admitted(admission)) = guest.open_answer(&answer) else {
            return Err(Failure::Broken("a guest was not let in".to_owned()));
        };
        let call = guest.accept(admission, clock.now()).or_broken("accepting an admission")?;
        Self::take(call, service, clock).await
    }

    /// Takes part, and seals a frame now and then, until a moment or the end of the call.
    async fn live(&mut self, until: Time) -> Result<(), Failure> {
        let mut frame_at = self.clock.now();
        while self.clock.now() < until && self.call.ended().is_none() {
            let wake_at = self.deadline.min(frame_at).min(until);
            tokio::select! {
                Some(message) = self.lanes.next() => self.take_in(&message)?,
                () = self.clock.until(wake_at) => {}
            }
            if self.deadline <= self.clock.now() {
                self.call.handle_timeout(self.clock.now());
            }
            self.drain().await?;
            if frame_at <= self.clock.now() {
                self.seal()?;
                frame_at = self.clock.now() + FRAME;
            }
        }
        Ok(())
    }

    fn take_in(&mut self, message: &Message) -> Result<(), Failure> {
        match self.call.handle_message(message, self.clock.now()) {
            Err(HandleError::Talk(_) | HandleError::Knock(_)) => Ok(()), // nobody's trouble
            other => other.or_broken("handing in a message"),
        }
    }

    async fn drain(&mut self) -> Result<(), Failure> {
        let (mut to_send, mut mailboxes_changed) = (Vec::new(), false);
        let now = self.clock.now();
        self.deadline = loop {
            match self.call.poll_output() {
                Output::Send(message) => to_send.push(message),
                Output::Event(Event::Mailboxes) => mailboxes_changed = true,
                Output::Event(Event::Roster(roster)) => {
                    self.call.roster_taken(roster.epoch, now).or_broken("taking a roster")?;
                }
                Output::Event(Event::Knock(knock)) => {
                    self.call.admit(&[knock.id], now).or_broken("admitting")?;
                }
                Output::Event(Event::CutOff { .. } | Event::HostSilent { .. }) => {
                    _ = self.cut_off_at.get_or_insert(now)
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        let writes = to_send.iter().any(|message| matches!(message.lane, Lane::Log { .. }));
        self.lanes.send(to_send).await.or_broken("sending")?;
        if writes {
            self.wrote_at = self.clock.now();
        }
        if mailboxes_changed {
            let (named, lobby) = (self.call.mailboxes(), self.call.invite().lobby_mailbox());
            self.lanes.follow_mailboxes(named, lobby).await.or_broken("reading mailboxes")?;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        let metadata = Metadata::frame(Codec::Opus);
        match self.sealer.seal(metadata, b"a frame", &mut BytesMut::new()) {
            Ok(_) => self.sealed.push(self.clock.now()),
            Err(SealError::Paused | SealError::NotReady | SealError::Ended) => {
                self.refused.push(self.clock.now());
            }
            Err(error) => return Err(error).or_broken("sealing a frame"),
        }
        Ok(())
    }
}
