//! A room of participants around one honest in-memory log.

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::call::*;
use crate::danger::seeded_random;
use crate::group::Group;
use crate::id::MailboxId;
use crate::keyring::{FrameError, Opener, Opening, Sealer};
use crate::sframe::SealError;
use crate::track::{Codec, Metadata, TrackKind};

/// Enough for a tree with some parents.
pub(super) const MANY: [&str; 20] = [
    "Bob", "g01", "g02", "g03", "g04", "g05", "g06", "g07", "g08", "g09", "g10", "g11", "g12", "g13", "g14",
    "g15", "g16", "g17", "g18", "g19",
];

pub(super) const FRAME: Metadata<'static> = Metadata::frame(Codec::Vp8);

pub(super) struct Seat {
    pub(super) call: Call,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    pub(super) events: Vec<Event>,
    /// What it sent and nobody delivered yet.
    pub(super) outbox: Vec<Message>,
    /// When set, rosters are left for the test to take.
    pub(super) takes_rosters: bool,
    pub(super) wakes_at: Time,
    /// What of the talk lane it has heard.
    pub(super) heard: usize,
    /// What of each mailbox it has read.
    read: BTreeMap<MailboxId, usize>,
    /// It hears nothing of the talk lane any more; a server can do that.
    pub(super) deaf: bool,
    /// It gets no further entries of the log; a server can do that.
    pub(super) no_log: bool,
    pub(super) refused: Vec<HandleError>,
}

impl Seat {
    pub(super) fn new(call: Call, heard: usize) -> Self {
        let sealer = call.sealer(TrackKind::Camera).expect("the first track");
        let opener = call.opener();
        let (events, outbox) = (Vec::new(), Vec::new());
        Self {
            call,
            sealer,
            opener,
            events,
            outbox,
            takes_rosters: true,
            wakes_at: Time::NEVER,
            heard,
            read: BTreeMap::new(),
            deaf: false,
            no_log: false,
            refused: Vec::new(),
        }
    }

    /// Takes in a message; what is refused is noted.
    pub(super) fn take_in(&mut self, lane: Lane, payload: Bytes, now: Time) {
        if self.call.ended().is_none() {
            let handled = self.call.handle_message(&Message { lane, payload }, now);
            self.refused.extend(handled.err());
            self.drain(now);
        }
    }

    /// The one contract: drain until `Timeout`.
    pub(super) fn drain(&mut self, now: Time) {
        loop {
            match self.call.poll_output() {
                Output::Send(message) => self.outbox.push(message),
                Output::Event(event) => {
                    if let (Event::Roster(roster), true) = (&event, self.takes_rosters) {
                        self.call.roster_taken(roster.epoch, now).expect("the roster was shown");
                    }
                    self.events.push(event);
                }
                Output::Timeout(at) => {
                    self.wakes_at = at;
                    return;
                }
            }
        }
    }

    pub(super) fn seal(&mut self, payload: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        self.sealer.seal(FRAME, payload, &mut out).expect("it seals");
        out
    }

    pub(super) fn open(&mut self, sealed: &[u8]) -> Result<(ParticipantId, Bytes), FrameError> {
        let mut frame = BytesMut::from(sealed);
        match self.opener.open(FRAME, &mut frame)? {
            Opening::Opened(opened) => Ok((opened.sender, frame.freeze())),
            Opening::Held(id) => panic!("held as {id:?}"),
        }
    }
}

pub(super) struct Room {
    pub(super) now: Time,
    pub(super) log: Vec<Bytes>,
    pub(super) talk: Vec<Bytes>,
    pub(super) mailboxes: BTreeMap<MailboxId, Vec<Bytes>>,
    pub(super) seats: BTreeMap<&'static str, Seat>,
    seed: u64,
}

pub(super) fn ann() -> Profile {
    Profile::person("Ann").expect("a good name")
}

impl Room {
    /// A call with Ann, its founder and host.
    pub(super) fn new(seed: u64) -> Self {
        Self::with(seed, &CallConfig::default())
    }

    pub(super) fn with(seed: u64, config: &CallConfig) -> Self {
        let mut room = Self {
            now: Time::ZERO,
            log: Vec::new(),
            talk: Vec::new(),
            mailboxes: BTreeMap::new(),
            seats: BTreeMap::new(),
            seed,
        };
        let call = Call::create(&ann(), config, room.random(), room.now).expect("a call");
        room.sit("Ann", call);
        room
    }

    /// A call of Ann and these guests, of whom some are hosts like her; and time for everybody to know it.
    pub(super) fn hosted(seed: u64, guests: &[&'static str], hosts: &[&str]) -> Self {
        let mut room = Self::new(seed);
        room.admit(guests);
        for host in hosts {
            let id = room.id(host);
            room.act("Ann", |call, now| call.make_host(id, now)).expect("Ann may");
            room.pass(Duration::from_secs(1));
        }
        room.pass(Duration::from_secs(12));
        room
    }

    pub(super) fn random(&mut self) -> Random {
        self.seed += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seeded_random(seed)
    }

    pub(super) fn sit(&mut self, name: &'static str, call: Call) {
        let mut seat = Seat::new(call, self.talk.len());
        seat.drain(self.now);
        self.seats.insert(name, seat);
        self.settle();
    }

    pub(super) fn seat(&mut self, name: &str) -> &mut Seat {
        self.seats.get_mut(name).expect("somebody of that name sits here")
    }

    pub(super) fn id(&mut self, name: &str) -> ParticipantId {
        self.seat(name).call.me()
    }

    pub(super) fn invite(&mut self) -> Invite {
        self.seats.values().find(|seat| seat.call.ended().is_none()).expect("somebody is here").call.invite()
    }

    /// Somebody knocks; whoever reads the lobby hears it.
    pub(super) fn knock(&mut self, name: &'static str) -> Guest {
        let profile = Profile::person(name).expect("a good name");
        let (invite, random) = (self.invite(), self.random());
        let (guest, knock) = Guest::knock(invite, &profile, random).expect("a knock");
        self.post(&knock);
        self.settle();
        guest
    }

    /// Ann admits all these in one commit, and they join.
    pub(super) fn admit(&mut self, names: &[&'static str]) {
        let guests = names.iter().map(|name| self.knock(name)).collect::<Vec<_>>();
        let ids = guests.iter().map(Guest::id).collect::<Vec<_>>();
        self.act("Ann", |call, now| call.admit(&ids, now)).expect("Ann may admit");
        for (guest, name) in guests.into_iter().zip(names) {
            let call = self.enter(guest).expect("the guest gets in");
            self.sit(name, call);
        }
    }

    /// A guest reads his mailbox and accepts what is in it.
    pub(super) fn enter(&mut self, guest: Guest) -> Result<Call, JoinError> {
        let answer =
            self.mailboxes.get(&guest.answer_mailbox()).and_then(|b| b.first()).expect("an answer").clone();
        match guest.open_answer(&answer)? {
            HostAnswer::Admitted(admission) => guest.accept(admission, self.now),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn act<T>(&mut self, name: &str, command: impl FnOnce(&mut Call, Time) -> T) -> T {
        let now = self.now;
        let seat = self.seat(name);
        let done = command(&mut seat.call, now);
        seat.drain(now);
        self.settle();
        done
    }

    /// Delivers until nobody has anything to say: first come, first served, in the order of names.
    pub(super) fn settle(&mut self) {
        loop {
            let sent =
                self.seats.values_mut().flat_map(|seat| std::mem::take(&mut seat.outbox)).collect::<Vec<_>>();
            for message in &sent {
                self.post(message);
            }
            if !self.read_logs() && !self.listen() && sent.is_empty() {
                return;
            }
        }
    }

    pub(super) fn post(&mut self, message: &Message) {
        match message.lane {
            Lane::Log { position } if position == self.log.len() as u64 => {
                self.log.push(message.payload.clone())
            }
            Lane::Log { .. } => {} // taken: the log tells
            Lane::Talk => self.talk.push(message.payload.clone()),
            Lane::Mailbox(mailbox) => {
                self.mailboxes.entry(mailbox).or_default().push(message.payload.clone())
            }
        }
    }

    fn read_logs(&mut self) -> bool {
        let now = self.now;
        let mut any = false;
        for seat in self.seats.values_mut() {
            while seat.call.ended().is_none() && !seat.no_log {
                let position = seat.call.log_position();
                let Some(payload) = self.log.get(position as usize).cloned() else { break };
                let message = Message { lane: Lane::Log { position }, payload };
                seat.call.handle_message(&message, now).expect("the log is in order");
                seat.drain(now);
                if seat.call.log_position() == position {
                    break; // stranded
                }
                any = true;
            }
        }
        any
    }

    /// Everybody hears the talk lane and reads his mailboxes.
    fn listen(&mut self) -> bool {
        let now = self.now;
        let mut any = false;
        for seat in self.seats.values_mut() {
            while let Some(payload) = self.talk.get(seat.heard).cloned() {
                seat.heard += 1;
                any = true;
                if !seat.deaf {
                    seat.take_in(Lane::Talk, payload, now);
                }
            }
            for mailbox in seat.call.mailboxes() {
                let there = self.mailboxes.get(&mailbox).map_or(0, Vec::len);
                let read = seat.read.insert(mailbox, there).unwrap_or(0);
                for at in read..there {
                    any = true;
                    let payload = self.mailboxes[&mailbox][at].clone();
                    seat.take_in(Lane::Mailbox(mailbox), payload, now);
                }
            }
        }
        any
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self.seats.values().map(|seat| seat.wakes_at).min().unwrap_or(Time::NEVER);
            self.now = next.clamp(self.now, until);
            let now = self.now;
            for seat in self.seats.values_mut().filter(|seat| seat.wakes_at <= now) {
                seat.call.handle_timeout(now);
                seat.drain(now);
                assert!(seat.wakes_at > now, "a deadline that is met goes away");
            }
            self.settle();
            if next > until {
                return;
            }
        }
    }

    pub(super) fn seal(&mut self, name: &str, payload: &[u8]) -> BytesMut {
        self.seat(name).seal(payload)
    }

    pub(super) fn may_seal(&mut self, name: &str) -> Result<(), SealError> {
        self.seat(name).sealer.seal(FRAME, b"", &mut BytesMut::new()).map(drop)
    }

    pub(super) fn open(&mut self, name: &str, sealed: &[u8]) -> Result<(ParticipantId, Bytes), FrameError> {
        self.seat(name).open(sealed)
    }
}

/// What a hostile server, or a member with a tampered client, does; and what the others make of it.
impl Room {
    /// A member with a tampered client writes an entry for the next position.
    pub(super) fn forge(&mut self, name: &str, forge: impl FnOnce(&mut Group, u64) -> Vec<u8>) -> Vec<u8> {
        let position = self.next();
        forge(&mut self.seat(name).call.group, position)
    }

    /// Says whether somebody was told something.
    pub(super) fn was_told(&mut self, name: &str, what: impl Fn(&Event) -> bool) -> bool {
        self.seat(name).events.iter().any(what)
    }

    /// Names on everybody's roster; all must agree.
    pub(super) fn names(&mut self) -> Vec<String> {
        let names = |seat: &Seat| {
            let members = &seat.call.roster().members;
            let mut names = members.iter().map(|member| member.name.clone()).collect::<Vec<_>>();
            names.sort_unstable();
            names
        };
        let mut all = self.seats.values().filter(|seat| seat.call.ended().is_none()).map(names);
        let first = all.next().expect("somebody is in the call");
        assert!(all.all(|other| other == first), "the rosters differ");
        first
    }

    /// The server, or a member with a tampered client, puts an entry into the log.
    pub(super) fn inject(&mut self, entry: impl Into<Bytes>) {
        self.log.push(entry.into());
        self.settle();
    }

    pub(super) fn next(&self) -> u64 {
        self.log.len() as u64
    }

    /// Why somebody skipped an entry last, without what it tried; see `last_attempt`.
    pub(super) fn last_skip(&mut self, name: &str) -> SkipReason {
        match self.last_skip_whole(name) {
            SkipReason::Policy { by, violation, .. } => {
                SkipReason::Policy { by, violation, tried: Attempt::default() }
            }
            entry => entry,
        }
    }

    /// What the commit tried that somebody skipped last.
    pub(super) fn last_attempt(&mut self, name: &str) -> Attempt {
        let SkipReason::Policy { tried, .. } = self.last_skip_whole(name) else { panic!("it was no commit") };
        tried
    }

    fn last_skip_whole(&mut self, name: &str) -> SkipReason {
        let skip = |event: &Event| match event {
            Event::Skipped { reason, .. } => Some(*reason),
            _ => None,
        };
        let events = &self.seat(name).events;
        events
            .iter()
            .rev()
            .find_map(skip)
            .unwrap_or_else(|| panic!("{name} skipped nothing: {:?}", events.last()))
    }

    pub(super) fn digest(&mut self, name: &str) -> [u8; 32] {
        self.seat(name).call.digest()
    }

    /// Everybody skips the entry for that reason, and nobody's state is touched; then the call goes on.
    pub(super) fn refuses(&mut self, entry: impl Into<Bytes>, reason: SkipReason) {
        let in_the_call = self.seats.iter().filter(|(_, seat)| seat.call.ended().is_none());
        let others = in_the_call.map(|(name, _)| *name).collect::<Vec<_>>();
        let before = others.iter().map(|name| self.digest(name)).collect::<Vec<_>>();
        self.inject(entry);
        for (name, before) in others.iter().zip(before) {
            assert_eq!(self.last_skip(name), reason, "{name}");
            assert_eq!(self.digest(name), before, "R5: {name}'s state is as it was");
        }
    }
}
