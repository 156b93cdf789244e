//! A participant's control task: drives one `Call` over the delivery service.
//!
//! The whole contract is in [`Participant::run`]: one input, then everything that comes out, then wait.

use std::sync::Arc;
use std::time::Duration;

use subrosa::{
    Call, CallError, Event, Guest, HandleError, KnockFault, Lane, Member, Message, Output, ParticipantId,
    SkipReason, Time, TrackId,
};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::failure::{Context, Failure};
use crate::lanes::Lanes;
use crate::line::PART;
use crate::notes::{Notes, Outcome, Progress};
use crate::orders::{Door, Order};
use crate::receive::Receiving;
use crate::send::Sent;
use crate::setting::Setting;

/// After so long knocks that came too fast are looked at, in real time: time enough for a hundred.
const KNOCKS_PUT_OFF: Duration = Duration::from_secs(1);

pub(crate) struct Participant {
    pub(crate) call: Call,
    pub(crate) lanes: Lanes,
    pub(crate) setting: Arc<Setting>,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Vec<JoinHandle<Result<Sent, Failure>>>,
    pub(crate) stop_sending: watch::Sender<bool>,
    /// The tracks that were asked for a keyframe last.
    pub(crate) keyframes: watch::Sender<Vec<TrackId>>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Guests who wait, and what is done about them (host).
    pub(crate) waiting: Vec<ParticipantId>,
    pub(crate) door: Door,
    /// When to go on reading mailboxes in which knocks came too fast (host).
    pub(crate) reopen_at: Time,
    /// A cheater's: the entries that his call does not get.
    pub(crate) withheld: Option<Vec<Message>>,
    /// A cheater's: whom he wants to let in.
    pub(crate) friend: Option<Box<Guest>>,
    pub(crate) sent: Sent,
    pub(crate) notes: Notes,
}

impl Participant {
    /// Takes part until the call is over for this participant.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Result<Outcome, Failure> {
        loop {
            let deadline = self.drain().await?;
            if self.notes.ended.is_some() {
                return self.out().await;
            }
            let clock = self.setting.clock;
            tokio::select! {
                Some(message) = self.lanes.next() => self.take_in(message).await?,
                Some(order) = orders.recv() => self.obey(order).await?,
                () = clock.until(deadline) => self.call.handle_timeout(clock.now()),
                () = clock.until(self.reopen_at) => {
                    self.reopen_at = Time::NEVER;
                    self.lanes.reopen().await.or_broken("reading mailboxes")?;
                }
            }
        }
    }

    /// Takes out everything that the call has to say, and does it. Returns when it wants to be called again.
    pub(crate) async fn drain(&mut self) -> Result<Time, Failure> {
        let (mut to_send, mut mailboxes_changed) = (Vec::new(), false);
        let deadline = loop {
            match self.call.poll_output() {
                Output::Send(message) => to_send.push(message),
                Output::Event(Event::Mailboxes) => mailboxes_changed = true,
                Output::Event(event) => self.event(event)?,
                Output::Timeout(deadline) => break deadline,
            }
        };
        self.lanes.send(to_send).await.or_broken("sending")?;
        if mailboxes_changed {
            self.follow_mailboxes().await?;
        }
        Ok(deadline)
    }

    async fn follow_mailboxes(&mut self) -> Result<(), Failure> {
        let (named, lobby) = (self.call.mailboxes(), self.call.invite().lobby_mailbox());
        self.lanes.follow_mailboxes(named, lobby).await.or_broken("reading mailboxes")
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        let now = self.setting.clock.now();
        match event {
            Event::Roster(roster) => {
                self.setting.ledger.roster(&roster, self.call.is_locked(), now);
                self.notes.met.extend(roster.members.iter().map(|member| member.id));
                self.progress.send_modify(|progress| {
                    progress.in_call = Some(self.call.me());
                    progress.epoch = roster.epoch;
                    progress.members = roster.members.len();
                    progress.locked = self.call.is_locked();
                });
                // An app shows the roster here; only now do frames of this epoch open.
                self.call.roster_taken(roster.epoch, now).or_broken("taking a roster")?;
            }
            Event::Knock(knock) => {
                self.notes.knocks += 1;
                self.waiting.push(knock.id); // a real app asks its user
                self.answer_door()?;
            }
            Event::KeyframeNeeded { tracks, .. } => _ = self.keyframes.send_replace(tracks),
            Event::Skipped { position, reason } => self.skipped(position, reason),
            // Nothing is sealed or opened until the call says `Resumed`: an app shows it.
            Event::CutOff { .. } | Event::HostSilent { .. } => self.notes.cut_off += 1,
            Event::Ended(reason) => {
                self.notes.ended = Some(reason);
                self.progress.send_modify(|progress| progress.ended = Some(reason));
            }
            _ => {}
        }
        Ok(())
    }

    fn skipped(&mut self, position: u64, reason: SkipReason) {
        self.notes.skipped.push(position);
        if let SkipReason::Policy { by, violation, .. } = reason {
            self.notes.violations.push((by, violation)); // an app warns its user of this participant
            self.progress.send_modify(|progress| progress.violations += 1);
        }
    }

    /// Answers those who wait, as far as the host has been told how.
    pub(crate) fn answer_door(&mut self) -> Result<(), Failure> {
        let now = self.setting.clock.now();
        match self.door {
            Door::AdmitWhen(enough) if self.waiting.len() >= enough => {
                let guests = std::mem::take(&mut self.waiting);
                match self.call.admit(&guests, now) {
                    Err(CallError::Locked) => {
                        self.notes.locked_out.extend(guests);
                        self.progress.send_modify(|it| it.locked_out = self.notes.locked_out.len());
                        Ok(())
                    }
                    other => other.or_broken("admitting guests"),
                }
            }
            Door::Deny => self
                .waiting
                .drain(..)
                .try_for_each(|guest| self.call.deny(guest, now))
                .or_broken("denying a guest"),
            Door::Unwatched | Door::AdmitWhen(_) => Ok(()),
        }
    }

    /// Hands in a message: whatever stands in the log, one's own entries included, whatever is said in the talk lane, and what
    /// is put into one's mailboxes.
    pub(crate) async fn take_in(&mut self, message: Message) -> Result<(), Failure> {
        if let Lane::Log { position } = message.lane {
            if let Some(withheld) = &mut self.withheld {
                withheld.push(message);
                return Ok(());
            }
            self.notes.read.push(position);
        }
        match self.call.handle_message(&message, self.setting.clock.now()) {
            Ok(()) => {}
            // In a rush the rest of the lobby's mailbox can wait there: it was not looked at, and nothing was remembered of it.
            Err(HandleError::Knock(KnockFault::TooFast)) => {
                if let Lane::Mailbox(mailbox) = message.lane {
                    self.lanes.put_off(mailbox);
                    self.reopen_at = self.setting.clock.now() + KNOCKS_PUT_OFF;
                }
            }
            // Anybody can put anything there, and a server can say it twice: it is noted, and the call goes on.
            Err(HandleError::Knock(fault)) => {
                *self.notes.knocks_refused.entry(fault.to_string()).or_default() += 1;
                self.notes.refused.insert(message.payload.clone());
            }
            Err(HandleError::Talk(fault)) => {
                *self.notes.talk_refused.entry(fault.to_string()).or_default() += 1;
                self.notes.refused.insert(message.payload.clone());
            }
            Err(HandleError::UnknownMailbox) => {} // it came while the mailbox was being closed
            Err(HandleError::Gap { expected }) => {
                self.lanes.reread_log(expected).await.or_broken("following the log")?;
            }
            Err(error) => return Err(error).or_broken("handing in a message"),
        }
        if matches!(message.lane, Lane::Log { .. }) { self.let_friend_in().await } else { Ok(()) }
    }

    pub(crate) async fn stop_sending(&mut self) -> Result<(), Failure> {
        self.stop_sending.send_replace(true);
        for task in self.sending.drain(..) {
            let sent = task.await.map_err(|_| Failure::Broken("a sender panicked".to_owned()))??;
            self.sent.frames += sent.frames;
            self.sent.overhead += sent.overhead;
            self.sent.seal_nanos.extend(sent.seal_nanos);
        }
        Ok(())
    }

    /// The call is over: joins the media tasks and hangs up.
    async fn out(mut self) -> Result<Outcome, Failure> {
        self.stop_sending().await?;
        self.follow_mailboxes().await?; // none is named any more, so all are closed
        let is_host = |member: &Member| member.is_host && !member.is_me;
        if self.call.is_host() && !self.call.roster().members.iter().any(is_host) {
            let lobby = self.call.invite().lobby_mailbox();
            self.lanes.end_call(lobby).await.or_broken("ending the call")?;
        }
        self.socket.send(PART).await.or_broken("hanging up")?;
        let port = self.socket.local_addr().or_broken("a participant's socket")?.port();
        let (tally, received) = self.receiving.finish().await?;
        Ok(Outcome { id: self.call.me(), port, sent: self.sent, tally, received, notes: self.notes })
    }
}
