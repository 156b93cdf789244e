//! A participant's control task: what an app does with a call.
//!
//! The whole of it is in [`Participant::run`]: an event, or something that the user wants, one after the other.

use std::sync::Arc;
use std::time::Duration;

use subrosa::{CallError, Event, HandleError, ParticipantId, SkipReason, TrackId};
use subrosa_runtime::{CallEvent, CallHandle, CommandError, Events, Refused};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::failure::{Context, Failure};
use crate::line::PART;
use crate::notes::{Notes, Outcome, Progress};
use crate::orders::{Door, Order};
use crate::receive::Receiving;
use crate::send::Sent;
use crate::setting::Setting;
use crate::view::View;

/// How long the end may take: what was still to be said is said meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Participant {
    pub(crate) call: CallHandle,
    pub(crate) events: Events,
    pub(crate) view: Arc<View>,
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
    pub(crate) sent: Sent,
    pub(crate) notes: Notes,
}

impl Participant {
    /// Takes part until the call is over for this participant.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Result<Outcome, Failure> {
        loop {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(event) => self.event(event).await?,
                    None => return self.out().await,
                },
                Some(order) = orders.recv() => self.obey(order).await?,
            }
        }
    }

    async fn event(&mut self, event: CallEvent) -> Result<(), Failure> {
        match event {
            CallEvent::Call(event) => self.in_call(event).await?,
            // Anybody can put anything there, and a server can say it twice: it is noted, and the call goes on.
            CallEvent::Refused(Refused { message, error }) => {
                let refused = match error {
                    HandleError::Knock(fault) => {
                        self.notes.knocks_refused.entry(fault.to_string()).or_default()
                    }
                    HandleError::Talk(fault) => self.notes.talk_refused.entry(fault.to_string()).or_default(),
                    error => return Err(error).or_broken("handing in a message"),
                };
                *refused += 1;
                self.notes.refused.insert(message.payload);
            }
            // An app shows it. The call goes on for a while, and by itself when the service is back.
            CallEvent::ServiceLost => self.notes.service_lost += 1,
            _ => {}
        }
        Ok(())
    }

    async fn in_call(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Roster(roster) => {
                let locked = self.call.ask(|call| call.is_locked()).await.or_broken("asking the call")?;
                self.setting.ledger.roster(&roster, locked, self.setting.clock.now());
                self.notes.met.extend(roster.members.iter().map(|member| member.id));
                self.progress.send_modify(|progress| {
                    progress.in_call = Some(self.call.me());
                    progress.epoch = roster.epoch;
                    progress.members = roster.members.len();
                    progress.locked = locked;
                });
                // An app shows the roster here; only now do frames of this epoch open.
                match self.call.roster_taken(roster.epoch).await {
                    // It is over already, and that is told next.
                    Ok(()) | Err(CommandError::Call(CallError::Ended)) => {}
                    other => other.or_broken("taking a roster")?,
                }
            }
            Event::Knock(knock) => {
                self.notes.knocks += 1;
                self.waiting.push(knock.id); // a real app asks its user
                self.answer_door().await?;
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
    pub(crate) async fn answer_door(&mut self) -> Result<(), Failure> {
        match self.door {
            Door::AdmitWhen(enough) if self.waiting.len() >= enough => {
                let guests = std::mem::take(&mut self.waiting);
                match self.call.admit(&guests).await {
                    Err(CommandError::Call(CallError::Locked)) => {
                        self.notes.locked_out.extend(guests);
                        self.progress.send_modify(|it| it.locked_out = self.notes.locked_out.len());
                    }
                    other => other.or_broken("admitting guests")?,
                }
            }
            Door::Deny => {
                for guest in self.waiting.drain(..) {
                    self.call.deny(guest).await.or_broken("denying a guest")?;
                }
            }
            Door::Unwatched | Door::AdmitWhen(_) => {}
        }
        Ok(())
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
        if !self.call.ended(PATIENCE).await {
            return Err(Failure::Broken("a call does not end".to_owned()));
        }
        let end = self.call.ask(|call| call.log_position()).await.or_broken("asking the call")?;
        self.notes.read = (self.view.from()..end).collect();
        self.socket.send(PART).await.or_broken("hanging up")?;
        let port = self.socket.local_addr().or_broken("a participant's socket")?.port();
        let (tally, received) = self.receiving.finish().await?;
        Ok(Outcome { id: self.call.me(), port, sent: self.sent, tally, received, notes: self.notes })
    }
}
