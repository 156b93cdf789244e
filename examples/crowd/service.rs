//! The delivery service: one log, a talk lane, mailboxes. What comes to it and goes from it takes its time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use subrosa::{Lane, MailboxId, Message, Time};

use crate::draws::Draws;
use crate::listener::Frame;
use crate::participant::{Input, Participant};

/// What a participant asks of the service.
pub(crate) enum Request {
    Send(Message),
    /// From now on he reads these mailboxes, and no others.
    Mailboxes(Vec<MailboxId>),
    /// He reads the log from this position on, and hears the talk lane.
    Listen {
        from: u64,
    },
    /// To those who listen to the founder's media.
    Frame(Frame),
    Gone,
}

#[derive(Default)]
struct Mailbox {
    kept: Vec<Bytes>,
    readers: BTreeSet<usize>,
}

/// The service, and what is on its way there.
pub(crate) struct Service {
    under_way: BTreeMap<(Time, u64), (usize, Request)>,
    /// When the last request of each participant comes: they stay in their order.
    sent: BTreeMap<usize, Time>,
    pub(crate) log: Vec<Bytes>,
    /// Who reads the log, and when he has the last entry: entries stay in their order, as on a connection.
    readers: BTreeMap<usize, Time>,
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    /// Who receives the founder's frames.
    pub(crate) listeners: Vec<usize>,
    draws: Draws,
    count: u64,
    /// Messages and bytes that the service has taken in and given out: log, talk and mailboxes.
    pub(crate) load: Load,
}

/// What the service has carried.
#[derive(Clone, Copy, Default)]
pub(crate) struct Load {
    pub(crate) taken: u64,
    pub(crate) taken_bytes: u64,
    pub(crate) given: u64,
    pub(crate) given_bytes: u64,
}

impl Service {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            under_way: BTreeMap::new(),
            sent: BTreeMap::new(),
            log: Vec::new(),
            readers: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            listeners: Vec::new(),
            draws: Draws::new(seed),
            count: 0,
            load: Load::default(),
        }
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Takes what a participant sent at a moment: it is here a little later.
    pub(crate) fn send(&mut self, from: usize, at: Time, request: Request) {
        let there = at + self.draws.way();
        let last = self.sent.entry(from).or_default();
        *last = there.max(*last);
        let there = *last;
        let number = self.number();
        self.under_way.insert((there, number), (from, request));
    }

    /// Nothing is carried to him any more.
    pub(crate) fn forget(&mut self, who: usize) {
        self.readers.remove(&who);
        self.listeners.retain(|listener| *listener != who);
        self.read_only(who, &[]);
    }

    /// Does all that comes before `until`.
    pub(crate) fn work(&mut self, until: Time, people: &mut [Participant]) {
        while let Some(first) = self.under_way.first_entry().filter(|first| first.key().0 < until) {
            let ((at, _), (from, request)) = first.remove_entry();
            self.serve(at, from, request, people);
        }
    }

    fn serve(&mut self, at: Time, from: usize, request: Request, people: &mut [Participant]) {
        match request {
            Request::Send(message) => {
                let len = message.payload.len() as u64;
                self.load.taken += 1;
                self.load.taken_bytes += len;
                people[from].traffic.up += len;
                self.take(at, message, people);
            }
            Request::Mailboxes(named) => {
                self.read_only(from, &named);
                for id in named {
                    let mailbox = self.mailboxes.entry(id).or_default();
                    if mailbox.readers.insert(from) {
                        for payload in mailbox.kept.clone() {
                            self.deliver(at, from, Message { lane: Lane::Mailbox(id), payload }, people);
                        }
                    }
                }
            }
            Request::Listen { from: position } => {
                self.readers.insert(from, at);
                let missed = (position as usize).min(self.log.len())..self.log.len();
                for position in missed {
                    self.deliver_entry(at, from, position, people);
                }
            }
            Request::Frame(frame) => {
                for listener in self.listeners.clone() {
                    let there = at + self.draws.way();
                    let number = self.number();
                    people[listener].inbox.insert((there, number), Input::Frame(frame.clone()));
                }
            }
            Request::Gone => self.forget(from),
        }
    }

    fn take(&mut self, at: Time, message: Message, people: &mut [Participant]) {
        match message.lane {
            // Whoever was first has the position; the others read what he wrote.
            Lane::Log { position } if position as usize == self.log.len() => {
                self.log.push(message.payload);
                for reader in self.readers.keys().copied().collect::<Vec<_>>() {
                    self.deliver_entry(at, reader, position as usize, people);
                }
            }
            Lane::Log { .. } => {}
            Lane::Talk => {
                for reader in self.readers.keys().copied().collect::<Vec<_>>() {
                    self.deliver(at, reader, message.clone(), people);
                }
            }
            Lane::Mailbox(id) => {
                let mailbox = self.mailboxes.entry(id).or_default();
                mailbox.kept.push(message.payload.clone());
                for reader in mailbox.readers.clone() {
                    self.deliver(at, reader, message.clone(), people);
                }
            }
        }
    }

    /// A mailbox that was read and that nobody reads any more is closed.
    fn read_only(&mut self, who: usize, named: &[MailboxId]) {
        self.mailboxes.retain(|id, mailbox| {
            let was_his = !named.contains(id) && mailbox.readers.remove(&who);
            !(was_his && mailbox.readers.is_empty())
        });
    }

    fn deliver_entry(&mut self, at: Time, to: usize, position: usize, people: &mut [Participant]) {
        let way = self.draws.way();
        let last = self.readers.entry(to).or_default();
        *last = (at + way).max(*last);
        let there = *last;
        let lane = Lane::Log { position: position as u64 };
        self.hand_over(there, to, Message { lane, payload: self.log[position].clone() }, people);
    }

    fn deliver(&mut self, at: Time, to: usize, message: Message, people: &mut [Participant]) {
        let there = at + self.draws.way();
        self.hand_over(there, to, message, people);
    }

    fn hand_over(&mut self, there: Time, to: usize, message: Message, people: &mut [Participant]) {
        let len = message.payload.len() as u64;
        self.load.given += 1;
        self.load.given_bytes += len;
        people[to].traffic.down += len;
        let number = self.number();
        people[to].inbox.insert((there, number), Input::Message(message));
    }
}
