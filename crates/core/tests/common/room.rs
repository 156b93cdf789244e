//! A call of a few people around one table: a log, mailboxes, and nobody cheats.

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use subrosa::sframe::CipherSuite;
use subrosa::{
    Call, CallConfig, Codec, Event, Guest, HostAnswer, Lane, Message, Metadata, Opened, Opener, Opening,
    Output, ParticipantId, Profile, Random, Sealer, Time, TrackKind, danger,
};

/// The metadata of the tests' frames.
pub(crate) const FRAME: Metadata<'static> = Metadata::frame(Codec::Vp8);

/// Everybody's calls (the host's first), and the delivery service between them.
pub(crate) struct Room {
    pub(crate) calls: Vec<Call>,
    pub(crate) now: Time,
    /// The log's entries by position.
    pub(crate) log: Vec<Bytes>,
    /// What was sent to mailboxes and not fetched yet; hosts fetch theirs at once.
    pub(crate) mail: Vec<Message>,
    /// What was said on the talk lane and not heard yet.
    pub(crate) talk: Vec<Message>,
    /// Who knocked and was not let in yet.
    knocks: Vec<ParticipantId>,
    /// All events but rosters and knocks, with whose they are.
    pub(crate) events: Vec<(usize, Event)>,
    seed: u32,
}

impl Room {
    /// The host alone.
    pub(crate) fn new(suite: CipherSuite) -> Self {
        let config = CallConfig { suite, ..CallConfig::default() };
        let create = if suite.has_short_tags() { danger::create_with_short_tags } else { Call::create };
        let host = create(&person("Ann"), &config, random(0), Time::ZERO).expect("a call");
        let mut room = Self {
            calls: vec![host],
            now: Time::ZERO,
            log: Vec::new(),
            mail: Vec::new(),
            talk: Vec::new(),
            knocks: Vec::new(),
            events: Vec::new(),
            seed: 0,
        };
        room.pump();
        room
    }

    /// The host and as many guests as named, and all of them seal and open under one epoch.
    pub(crate) fn with_guests(suite: CipherSuite, guests: &[&str]) -> Self {
        let mut room = Self::new(suite);
        room.admit(guests);
        room.settle();
        room
    }

    /// Somebody knocks; the guest and the knock.
    pub(crate) fn knock(&mut self, name: &str) -> (Guest, Message) {
        self.seed += 1;
        Guest::knock(self.calls[0].invite(), &person(name), random(self.seed)).expect("an invite")
    }

    /// Some people knock and are let in.
    pub(crate) fn admit(&mut self, names: &[&str]) {
        let mut waiting = Vec::new();
        for name in names {
            let (guest, knock) = self.knock(name);
            self.calls[0].handle_message(&knock, self.now).expect("a knock");
            waiting.push(guest);
        }
        self.pump();
        waiting.into_iter().for_each(|guest| self.enter(guest));
    }

    /// An admitted guest takes the answer out of his mailbox and joins.
    pub(crate) fn enter(&mut self, guest: Guest) {
        let lane = Lane::Mailbox(guest.answer_mailbox());
        let is_answer = |mail: &Message| mail.lane == lane;
        for _ in 0..100 {
            if !self.mail.iter().any(is_answer) {
                self.wait(Duration::from_millis(100)); // hosts gather what they commit
            }
        }
        let at = self.mail.iter().position(is_answer).expect("an answer");
        let answer = self.mail.remove(at);
        let HostAnswer::Admitted(admission) = guest.open_answer(&answer.payload).expect("an answer") else {
            panic!("denied");
        };
        let has_short_tags = self.calls[0].config().suite.has_short_tags();
        let accept = if has_short_tags { danger::accept_short_tags } else { Guest::accept };
        self.calls.push(accept(guest, admission, self.now).expect("the admission is in order"));
        self.pump();
    }

    /// Does what everybody wants until nobody wants anything.
    pub(crate) fn pump(&mut self) {
        loop {
            self.collect();
            if self.let_in() {
                continue;
            }
            if !self.deliver_entry() && !self.deliver_talk() {
                return;
            }
        }
    }

    /// The host lets in whoever knocked; says whether anybody did.
    pub(crate) fn let_in(&mut self) -> bool {
        let waiting = core::mem::take(&mut self.knocks);
        if !waiting.is_empty() {
            self.calls[0].admit(&waiting, self.now).expect("they wait");
        }
        !waiting.is_empty()
    }

    fn deliver_entry(&mut self) -> bool {
        let behind = self
            .calls
            .iter()
            .position(|call| call.ended().is_none() && call.log_position() < self.log.len() as u64);
        let Some(call) = behind.map(|index| &mut self.calls[index]) else { return false };
        let position = call.log_position();
        let message = Message { lane: Lane::Log { position }, payload: self.log[position as usize].clone() };
        call.handle_message(&message, self.now).expect("the next entry of the log");
        true
    }

    fn deliver_talk(&mut self) -> bool {
        let said = core::mem::take(&mut self.talk);
        for message in &said {
            for call in self.calls.iter_mut().filter(|call| call.ended().is_none()) {
                call.handle_message(message, self.now).expect("nobody talks nonsense");
            }
        }
        let now = self.now;
        let mut any = !said.is_empty();
        for call in self.calls.iter_mut().filter(|call| call.ended().is_none()) {
            let mailboxes = call.mailboxes();
            let is_his =
                |mail: &mut Message| matches!(mail.lane, Lane::Mailbox(id) if mailboxes.contains(&id));
            for message in self.mail.extract_if(.., is_his).collect::<Vec<_>>() {
                call.handle_message(&message, now).expect("nobody writes nonsense");
                any = true;
            }
        }
        any
    }

    /// Takes what everybody wants: entries into the log where they are the first at their position.
    pub(crate) fn collect(&mut self) {
        for (who, call) in self.calls.iter_mut().enumerate() {
            loop {
                match call.poll_output() {
                    Output::Timeout(_) => break,
                    Output::Send(Message { lane: Lane::Log { position }, payload }) => {
                        if position == self.log.len() as u64 {
                            self.log.push(payload);
                        }
                    }
                    Output::Send(message) if message.lane == Lane::Talk => self.talk.push(message),
                    Output::Send(message) => self.mail.push(message),
                    Output::Event(Event::Roster(roster)) => {
                        call.roster_taken(roster.epoch, self.now).expect("it was just shown");
                    }
                    Output::Event(Event::Knock(knock)) => self.knocks.push(knock.id),
                    Output::Event(Event::Mailboxes) => {}
                    Output::Event(event) => self.events.push((who, event)),
                }
            }
        }
    }

    /// Lets time pass, a tenth of a second at a time.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = (self.now + Duration::from_millis(100)).min(until);
            let now = self.now;
            self.calls.iter_mut().for_each(|call| call.handle_timeout(now));
            self.pump();
        }
    }

    /// Waits until older epochs are closed and all seal under the newest.
    pub(crate) fn settle(&mut self) {
        self.wait(Duration::from_secs(11));
        let newest = self.calls[0].epoch();
        assert!(self.calls.iter().all(|call| call.sealing_epoch() == Some(newest)));
    }

    pub(crate) fn camera(&self, who: usize) -> Sealer {
        self.calls[who].sealer(TrackKind::Camera).expect("a track")
    }

    pub(crate) fn opener(&self, who: usize) -> Opener {
        self.calls[who].opener()
    }
}

pub(crate) fn person(name: &str) -> Profile {
    Profile::person(name).expect("a name")
}

pub(crate) fn random(seed: u32) -> Random {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&seed.to_be_bytes());
    danger::seeded_random(bytes)
}

/// Seals a frame with the tests' metadata.
pub(crate) fn seal(sealer: &mut Sealer, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    sealer.seal(FRAME, payload, &mut frame).expect("it seals");
    frame
}

/// Opens a frame that must open now.
pub(crate) fn open(opener: &mut Opener, frame: &mut BytesMut) -> Opened {
    match opener.open(FRAME, frame) {
        Ok(Opening::Opened(opened)) => opened,
        other => panic!("{other:?}"),
    }
}
