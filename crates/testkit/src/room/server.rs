//! The server: what reaches it, what it does with that, and what it does when it means harm.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use subrosa::MailboxId;

use super::config::Way;
use super::queue::{Down, Happening, Seated, Up};
use super::seat::Stage;
use super::{Dice, Room};

/// Talk and mail that the server keeps, to play it again.
const KEPT: usize = 200;

/// What the server does that it should not.
#[derive(Default)]
pub(super) struct Mischief {
    /// So many appends find garbage in their place.
    garbage_before: u32,
    /// Whose talk is not forwarded, and to whom, if not to everybody.
    muted: BTreeSet<(usize, Option<usize>)>,
    /// Whose talk is handed out one message at a time.
    paced: BTreeMap<usize, Paced>,
    /// On top of what the network does to handshake messages.
    worse: Option<Way>,
    /// What waits for the end of an outage.
    waiting: Vec<Happening>,
    talk: VecDeque<Bytes>,
    mail: VecDeque<(MailboxId, Bytes)>,
}

struct Paced {
    every: Duration,
    waiting: VecDeque<Bytes>,
    is_under_way: bool,
}

impl Mischief {
    /// Returns a way as it is with what the server adds to it.
    pub(super) fn worse(&self, way: &Way) -> Way {
        match &self.worse {
            None => way.clone(),
            Some(worse) => Way {
                latency: way.latency.clone(),
                jitter: way.jitter + worse.jitter,
                loss: way.loss.max(worse.loss),
                doubled: way.doubled.max(worse.doubled),
            },
        }
    }
}

/// What a server can do that means harm; see [`Room::server`].
pub struct Server<'a> {
    room: &'a mut Room,
}

impl Room {
    /// Makes the server do something. It goes on until it is told otherwise; [`Server::behaves`] ends all but a split.
    pub fn server(&mut self) -> Server<'_> {
        Server { room: self }
    }
}

impl Server<'_> {
    /// Shows a member no further entries of the log, until it [gives](Self::gives_log) them.
    #[track_caller]
    pub fn withholds_log(&mut self, from: &str) {
        let who = self.room.who(from);
        self.room.seats[who].is_kept_in_the_dark = true;
    }

    /// Shows a member what was withheld from him.
    #[track_caller]
    pub fn gives_log(&mut self, to: &str) {
        let who = self.room.who(to);
        self.room.seats[who].is_kept_in_the_dark = false;
        self.room.send_entries(who);
    }

    /// Shows a member the next so many entries of what is withheld from him, and goes on withholding the rest.
    #[track_caller]
    pub fn gives_entries(&mut self, to: &str, entries: u64) {
        let who = self.room.who(to);
        let until = self.room.seats[who].sent_to.saturating_add(entries);
        self.room.send_entries_until(who, until);
    }

    /// Does not forward what a member says in the talk lane; to nobody, or to one.
    #[track_caller]
    pub fn mutes(&mut self, whom: &str, to: Option<&str>) {
        let pair = (self.room.who(whom), to.map(|to| self.room.who(to)));
        self.room.mischief.muted.insert(pair);
    }

    /// Forwards to a member one talk message in so much time, and keeps the rest for later.
    #[track_caller]
    pub fn paces_talk(&mut self, to: &str, every: Duration) {
        let who = self.room.who(to);
        let paced = Paced { every, waiting: VecDeque::new(), is_under_way: false };
        self.room.mischief.paced.entry(who).or_insert(paced).every = every;
    }

    /// Puts garbage into the places of the next so many entries, so that they come too late.
    pub fn puts_garbage_before(&mut self, entries: u32) {
        self.room.mischief.garbage_before = entries;
    }

    /// Writes garbage, and perhaps old entries, at the end of the log.
    pub fn writes(&mut self, count: usize, old_ones: bool) {
        for _ in 0..count {
            let entry = self.room.garbage(old_ones);
            for log in 0..if self.room.service.is_split() { 2 } else { 1 } {
                let end = self.room.service.len(log);
                self.room.append(log, end, entry.clone());
            }
        }
    }

    /// Shows these members a log of its own from here on. Talk and mailboxes still join them to the others.
    #[track_caller]
    pub fn splits(&mut self, half: &[&str]) {
        self.room.service.split();
        for name in half {
            let who = self.room.who(name);
            self.room.seats[who].log = 1;
        }
    }

    /// Is gone: nothing is taken in, and nothing forwarded.
    pub fn goes_down(&mut self) {
        self.room.service.is_down = true;
    }

    /// Is back, and takes in what was to be appended and posted meanwhile.
    pub fn comes_back(&mut self) {
        let room = &mut *self.room;
        room.service.is_down = false;
        for happening in core::mem::take(&mut room.mischief.waiting) {
            let delay = room.dice.between(Duration::ZERO, Duration::from_millis(500));
            room.queue.push(room.now + delay, happening);
        }
    }

    /// Drops, delays, doubles and reorders handshake messages, on top of what the network does. (It can drop log entries and mail
    /// too, but only for good: then it is [withholding](Self::withholds_log).)
    pub fn worsens(&mut self, way: Way) {
        self.room.mischief.worse = Some(way);
    }

    /// Sends the last so many talk messages to everybody once more.
    pub fn replays_talk(&mut self, count: usize) {
        let talk = self.room.mischief.talk.iter().rev().take(count).cloned().collect::<Vec<_>>();
        for (who, payload) in
            (0..self.room.seats.len()).flat_map(|who| talk.iter().map(move |payload| (who, payload)))
        {
            self.room.send_down(who, Down::Talk(payload.clone()));
        }
    }

    /// Posts the last so many messages to mailboxes once more.
    pub fn replays_mail(&mut self, count: usize) {
        let mail = self.room.mischief.mail.iter().rev().take(count).cloned().collect::<Vec<_>>();
        for (mailbox, bytes) in mail {
            self.room.post(mailbox, bytes);
        }
    }

    /// Has the media server send the last so many frames, 256 at most, to everybody once more.
    pub fn replays_frames(&mut self, count: usize) {
        self.room.replay_frames(count);
    }

    /// Ends all mischief but a split, and hands out what was withheld.
    pub fn behaves(&mut self) {
        let room = &mut *self.room;
        room.mischief.garbage_before = 0;
        room.mischief.muted.clear();
        room.mischief.worse = None;
        for (who, paced) in core::mem::take(&mut room.mischief.paced) {
            for payload in paced.waiting {
                room.send_down(who, Down::Talk(payload));
            }
        }
        for who in 0..room.seats.len() {
            room.seats[who].is_kept_in_the_dark = false;
            room.send_entries(who);
        }
        self.comes_back();
    }
}

impl Room {
    /// Something has reached the delivery service.
    pub(super) fn reaches_service(&mut self, from: Seated, up: Up) {
        let seat = &mut self.seats[from.who];
        if from.life < seat.mute_before {
            return;
        }
        if seat.is_cut_from_service || self.service.is_down {
            if !matches!(up, Up::Talk(_)) {
                let later =
                    if seat.is_cut_from_service { &mut seat.stalled } else { &mut self.mischief.waiting };
                later.push(Happening::Up(from, up));
            }
            return;
        }
        let log = seat.log;
        match up {
            Up::Append { position, entry } => {
                if self.mischief.garbage_before > 0 && position == self.service.len(log) {
                    self.mischief.garbage_before -= 1;
                    let garbage = self.garbage(false);
                    self.append(log, position, garbage);
                }
                self.append(log, position, entry);
            }
            Up::Talk(payload) => self.publish(from.who, &payload),
            Up::Post(mailbox, bytes) => {
                remember(&mut self.mischief.mail, (mailbox, bytes.clone()));
                self.post(mailbox, bytes);
            }
        }
    }

    fn append(&mut self, log: usize, position: u64, entry: Bytes) {
        if self.service.append(log, position, entry, self.now) {
            for who in 0..self.seats.len() {
                self.send_entries(who);
            }
        }
    }

    /// Sends a member the entries that he has not been sent.
    pub(super) fn send_entries(&mut self, who: usize) {
        if !self.seats[who].is_kept_in_the_dark {
            self.send_entries_until(who, u64::MAX);
        }
    }

    fn send_entries_until(&mut self, who: usize, until: u64) {
        let seat = &mut self.seats[who];
        if !matches!(seat.stage, Stage::In(_)) {
            return;
        }
        let (log, from, to) = (seat.log, seat.sent_to, self.service.len(seat.log).min(until));
        seat.sent_to = to.max(from);
        for position in from..to {
            let Some(entry) = self.service.entry(log, position) else { return };
            let entry = entry.bytes.clone();
            self.send_down(who, Down::Entry { position, entry });
        }
    }

    fn post(&mut self, mailbox: MailboxId, bytes: Bytes) {
        self.service.post(mailbox, bytes);
        for who in 0..self.seats.len() {
            if self.seats[who].reads.contains_key(&mailbox) {
                self.send_mail(who);
            }
        }
    }

    /// Everybody who listens gets it, its sender too.
    fn publish(&mut self, from: usize, payload: &Bytes) {
        remember(&mut self.mischief.talk, payload.clone());
        for who in 0..self.seats.len() {
            let muted = &self.mischief.muted;
            let is_muted = muted.contains(&(from, None)) || muted.contains(&(from, Some(who)));
            if is_muted || !matches!(self.seats[who].stage, Stage::In(_)) {
                continue;
            }
            self.talk += 1;
            match self.mischief.paced.get_mut(&who) {
                None => self.send_down(who, Down::Talk(payload.clone())),
                Some(paced) => {
                    paced.waiting.push_back(payload.clone());
                    if !core::mem::replace(&mut paced.is_under_way, true) {
                        self.queue.push(self.now + paced.every, Happening::Paced(who));
                    }
                }
            }
        }
    }

    /// The server hands out one of the talk messages that it has kept for a member.
    pub(super) fn hand_out_paced(&mut self, who: usize) {
        let Some(paced) = self.mischief.paced.get_mut(&who) else { return };
        match paced.waiting.pop_front() {
            Some(payload) => {
                let every = paced.every;
                self.queue.push(self.now + every, Happening::Paced(who));
                self.send_down(who, Down::Talk(payload));
            }
            None => paced.is_under_way = false,
        }
    }

    /// Something that a server can make up: noise, an entry with one bit wrong, or an old one as it was.
    fn garbage(&mut self, old_ones: bool) -> Bytes {
        let Self { dice, service, .. } = self;
        let old = service.len(0).checked_sub(1).map(|last| dice.below(last + 1));
        let old = old.and_then(|position| service.entry(0, position)).map(|entry| entry.bytes.clone());
        match old {
            Some(entry) if old_ones => entry,
            Some(entry) if dice.chance(0.5) => with_one_bit_wrong(dice, &entry),
            _ => {
                let len = dice.index(300);
                Bytes::from(dice.bytes(len))
            }
        }
    }
}

fn with_one_bit_wrong(dice: &mut Dice, entry: &Bytes) -> Bytes {
    let mut bytes = entry.to_vec();
    let (at, bit) = (dice.index(bytes.len()), dice.index(8));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
    Bytes::from(bytes)
}

fn remember<T>(kept: &mut VecDeque<T>, what: T) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(what);
}
