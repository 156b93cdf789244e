//! A participant's control task: drives one `Call` over the delivery service.
//!
//! The whole contract is in [`Participant::run`]: one input, then everything that comes out, then wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use subrosa::{Call, EndReason, Event, HandleError, Lane, Message, Output, ParticipantId, Time};
use subrosa_delivery::{Appended, DeliveryService, LogStream, MailboxStream};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::failure::{Context, Failure};
use crate::line::PART;
use crate::receive::{Receiving, Tally};
use crate::received::Received;
use crate::send::Sent;
use crate::setting::Setting;

/// What the story wants of a participant.
#[derive(Debug)]
pub(crate) enum Wish {
    /// Let guests in once so many wait, all at once (host).
    AdmitWhen(usize),
    /// Remove somebody (host).
    Remove(ParticipantId),
    /// Switch camera and microphone off.
    StopSending,
    /// Leave the call.
    Leave,
    /// Cheat: keep the log from one's own call, and with it the commit that removes one.
    WithholdLog,
    /// Give the call what was withheld.
    ObeyLog,
}

/// A wish, and whom to tell that it is under way.
pub(crate) struct Order {
    pub(crate) wish: Wish,
    pub(crate) done: oneshot::Sender<()>,
}

/// How far a participant is, for the story.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Progress {
    pub(crate) in_call: Option<ParticipantId>,
    pub(crate) members: usize,
    pub(crate) ended: Option<EndReason>,
}

/// What a participant has to tell when he is out.
pub(crate) struct Outcome {
    pub(crate) id: ParticipantId,
    pub(crate) sent: Sent,
    pub(crate) tally: Tally,
    pub(crate) received: Received,
    pub(crate) notes: Notes,
}

/// What the control task noted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The positions of the log that were handed in.
    pub(crate) read: Vec<u64>,
    /// Those that meant nothing.
    pub(crate) skipped: Vec<u64>,
    /// Messages in the lobby's mailbox that were no knocks, by reason.
    pub(crate) knocks_refused: BTreeMap<String, u64>,
    pub(crate) ended: Option<EndReason>,
}

pub(crate) struct Participant {
    pub(crate) call: Call,
    pub(crate) setting: Arc<Setting>,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) receiving: Receiving,
    pub(crate) sending: Vec<JoinHandle<Result<Sent, Failure>>>,
    pub(crate) stop_sending: watch::Sender<bool>,
    pub(crate) keyframes: watch::Sender<u64>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Guests who wait, and how many of them it takes (host).
    pub(crate) waiting: Vec<ParticipantId>,
    pub(crate) admit_when: Option<usize>,
    /// A cheater's: the entries that his call does not get.
    pub(crate) withheld: Option<Vec<(u64, Bytes)>>,
    pub(crate) sent: Sent,
    pub(crate) notes: Notes,
}

impl Participant {
    /// Takes part until the call is over for this participant.
    pub(crate) async fn run(
        mut self,
        mut log: LogStream,
        mut lobby: Option<MailboxStream>,
        mut orders: mpsc::Receiver<Order>,
    ) -> Result<Outcome, Failure> {
        loop {
            let deadline = self.drain().await?;
            if self.notes.ended.is_some() {
                return self.out().await;
            }
            let clock = self.setting.clock;
            tokio::select! {
                Some((position, entry)) = log.next() => self.read(position, entry)?,
                Some(message) = next(&mut lobby) => self.hear(message)?,
                Some(order) = orders.recv() => self.obey(order).await?,
                () = clock.until(deadline) => self.call.handle_timeout(clock.now()),
            }
        }
    }

    /// Takes out everything that the call has to say, and does it. Returns when it wants to be called again.
    async fn drain(&mut self) -> Result<Time, Failure> {
        let mut to_send = Vec::new();
        let deadline = loop {
            match self.call.poll_output() {
                Output::Send(message) => to_send.push(message),
                Output::Event(event) => self.event(event)?,
                Output::Timeout(deadline) => break deadline,
            }
        };
        for Message { lane, payload } in to_send {
            match lane {
                Lane::Log { position } => {
                    let appended = self.setting.service.append(self.call.id(), position, payload).await;
                    // Whether it won or not: the log will tell, and the call does what is right then.
                    let (Appended::Written | Appended::Taken) = appended.or_broken("appending to the log")?;
                }
                Lane::Mailbox(mailbox) => {
                    self.setting.service.post(mailbox, payload).await.or_broken("posting to a mailbox")?;
                }
            }
        }
        Ok(deadline)
    }

    fn event(&mut self, event: Event) -> Result<(), Failure> {
        let now = self.setting.clock.now();
        match event {
            Event::Roster(roster) => {
                self.setting.ledger.roster(&roster, now);
                self.progress.send_modify(|progress| {
                    progress.in_call = Some(self.call.me());
                    progress.members = roster.members.len();
                });
                // An app shows the roster here; only now do frames of this epoch open.
                self.call.roster_taken(roster.epoch, now).or_broken("taking a roster")?;
            }
            Event::Knock(knock) => {
                self.waiting.push(knock.id); // a real app asks its user
                self.admit()?;
            }
            Event::KeyframeNeeded(_) => self.keyframes.send_modify(|requests| *requests += 1),
            Event::Skipped { position, .. } => self.notes.skipped.push(position),
            Event::Ended(reason) => {
                self.notes.ended = Some(reason);
                self.progress.send_modify(|progress| progress.ended = Some(reason));
            }
            _ => {}
        }
        Ok(())
    }

    fn admit(&mut self) -> Result<(), Failure> {
        if self.admit_when.is_none_or(|enough| self.waiting.len() < enough) {
            return Ok(());
        }
        let guests = std::mem::take(&mut self.waiting);
        self.call.admit(&guests, self.setting.clock.now()).or_broken("admitting guests")
    }

    /// Hands in a log entry, one's own included.
    fn read(&mut self, position: u64, entry: Bytes) -> Result<(), Failure> {
        if let Some(withheld) = &mut self.withheld {
            withheld.push((position, entry));
            return Ok(());
        }
        self.notes.read.push(position);
        let message = Message { lane: Lane::Log { position }, payload: entry };
        self.call.handle_message(&message, self.setting.clock.now()).or_broken("handing in a log entry")
    }

    /// Hands in what came into the lobby's mailbox. Anybody can have put it there.
    fn hear(&mut self, payload: Bytes) -> Result<(), Failure> {
        let message = Message { lane: Lane::Mailbox(self.call.invite().lobby_mailbox()), payload };
        match self.call.handle_message(&message, self.setting.clock.now()) {
            Err(HandleError::Knock(fault)) => {
                *self.notes.knocks_refused.entry(fault.to_string()).or_default() += 1;
                Ok(())
            }
            other => other.or_broken("handing in a knock"),
        }
    }

    async fn obey(&mut self, Order { wish, done }: Order) -> Result<(), Failure> {
        let now = self.setting.clock.now();
        match wish {
            Wish::AdmitWhen(enough) => {
                self.admit_when = Some(enough);
                self.admit()?;
            }
            Wish::Remove(participant) => self.call.remove(&[participant], now).or_broken("removing")?,
            Wish::StopSending => self.stop_sending().await?,
            Wish::Leave => self.call.leave(now).or_broken("leaving")?,
            Wish::WithholdLog => self.withheld = Some(Vec::new()),
            Wish::ObeyLog => {
                for (position, entry) in self.withheld.take().unwrap_or_default() {
                    self.read(position, entry)?;
                    self.drain().await?;
                    if self.notes.ended.is_some() {
                        break;
                    }
                }
            }
        }
        done.send(()).unwrap_or_default(); // the story may not care
        Ok(())
    }

    async fn stop_sending(&mut self) -> Result<(), Failure> {
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
        self.socket.send(PART).await.or_broken("hanging up")?;
        let (tally, received) = self.receiving.finish().await?;
        Ok(Outcome { id: self.call.me(), sent: self.sent, tally, received, notes: self.notes })
    }
}

async fn next(mailbox: &mut Option<MailboxStream>) -> Option<Bytes> {
    match mailbox {
        Some(mailbox) => mailbox.next().await,
        None => std::future::pending().await,
    }
}
