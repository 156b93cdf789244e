//! A call around one table: everybody hears everything at once, and nobody cheats.
//!
//! For tests and examples about something else than how a call is held: RTP, codecs, adapters. Who asks what happens when messages
//! come late, or never, takes a [`Room`](crate::room::Room).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use subrosa::danger::seeded_random;
use subrosa::sframe::Backend;
use subrosa::{
    Call, CallConfig, Event, Guest, HostAnswer, Lane, Message, Opener, Output, ParticipantId, Profile,
    Sealer, Time, TrackId, TrackKind,
};

/// The longest step of time that is taken at once: heartbeats must come when they are due.
const STEP: Duration = Duration::from_millis(100);

/// Everybody's calls, and what is between them. The first is the host.
#[derive(Debug)]
pub struct Table {
    people: Vec<(String, Call)>,
    backend: Backend,
    now: Time,
    log: Vec<Bytes>,
    mail: Vec<Message>,
    talk: Vec<Message>,
    keyframes: BTreeMap<String, Vec<TrackId>>,
    /// Who hears nothing at the moment.
    deaf: BTreeSet<String>,
    seed: u8,
}

impl Table {
    /// Makes a call of these people, the first of whom is its host; all seal under its newest epoch.
    ///
    /// # Panics
    ///
    /// If nobody is named.
    pub fn of(names: &[&str]) -> Self {
        Self::configured(&CallConfig::default(), names)
    }

    /// As [`of`](Self::of), with a suite, a policy and the like of choice.
    ///
    /// # Panics
    ///
    /// If nobody is named.
    pub fn configured(config: &CallConfig, names: &[&str]) -> Self {
        Self::on(Backend::default(), config, names)
    }

    /// As [`configured`](Self::configured), and all seal and open with another library's AES-GCM.
    ///
    /// # Panics
    ///
    /// If nobody is named.
    pub fn on(backend: Backend, config: &CallConfig, names: &[&str]) -> Self {
        let (host, guests) = names.split_first().expect("a call has a host");
        let call = Call::create(&person(host), config, random(0), Time::ZERO).map(|mut call| {
            call.set_backend(backend);
            call
        });
        let mut table = Self {
            backend,
            people: vec![((*host).to_owned(), call.expect("a call"))],
            now: Time::ZERO,
            log: Vec::new(),
            mail: Vec::new(),
            talk: Vec::new(),
            keyframes: BTreeMap::new(),
            deaf: BTreeSet::new(),
            seed: 0,
        };
        table.settle();
        guests.iter().for_each(|guest| table.admit(guest));
        table
    }

    /// Somebody knocks, is let in, and has the keys. Takes simulated time, a second or so.
    pub fn admit(&mut self, name: &str) {
        self.seed += 1;
        let (guest, knock) =
            Guest::knock(self.people[0].1.invite(), &person(name), random(self.seed)).expect("an invite");
        self.mail.push(knock);
        let lane = Lane::Mailbox(guest.answer_mailbox());
        let answer = (0..100).find_map(|_| {
            self.wait(STEP);
            self.mail.iter().position(|mail| mail.lane == lane).map(|at| self.mail.remove(at))
        });
        let answer = answer.expect("the host answers");
        let HostAnswer::Admitted(admission) = guest.open_answer(&answer.payload).expect("an answer") else {
            panic!("the host lets everybody in");
        };
        let mut call = guest.accept(admission, self.now).expect("the admission is in order");
        call.set_backend(self.backend);
        self.people.push((name.to_owned(), call));
        self.until_all_seal();
    }

    /// The host removes somebody, and the others change keys. Takes simulated time, a second or so.
    pub fn remove(&mut self, name: &str) {
        let id = self.call(name).me();
        let now = self.now;
        self.people[0].1.remove(&[id], now).expect("she is the host, and he is in");
        self.settle(); // all were sealing until now
        self.until_all_seal();
    }

    /// From now on he hears nothing of what is said and done, until [`hears`](Self::hears): the others go on without him.
    pub fn is_deaf(&mut self, name: &str) {
        self.deaf.insert(name.to_owned());
    }

    /// He hears again, and reads in the log what was done meanwhile.
    pub fn hears(&mut self, name: &str) {
        self.deaf.remove(name);
        self.settle();
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.advance(self.now + time);
    }

    /// Lets time pass until this moment; for a call beside real media, the time since its start.
    pub fn advance(&mut self, until: Time) {
        while self.now < until {
            self.now = (self.now + STEP).min(until);
            let now = self.now;
            self.people.iter_mut().for_each(|(_, call)| call.handle_timeout(now));
            self.settle();
        }
    }

    /// Returns the moment.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Returns somebody's call.
    ///
    /// # Panics
    ///
    /// If nobody of that name ever came.
    pub fn call(&self, name: &str) -> &Call {
        let found = self.people.iter().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("nobody here is called {name}")).1
    }

    /// Returns who this is, as others see him.
    pub fn id(&self, name: &str) -> ParticipantId {
        self.call(name).me()
    }

    /// Makes a sealer for a track of his.
    pub fn sealer(&self, name: &str, kind: TrackKind) -> Sealer {
        self.call(name).sealer(kind).expect("a track")
    }

    /// Makes an opener for a thread of his.
    pub fn opener(&self, name: &str) -> Opener {
        self.call(name).opener()
    }

    /// Returns the tracks of which he was asked for a keyframe since the last time, each as often as he was.
    pub fn keyframes_needed(&mut self, name: &str) -> Vec<TrackId> {
        self.keyframes.remove(name).unwrap_or_default()
    }

    fn until_all_seal(&mut self) {
        for _ in 0..100 {
            let newest = self.people[0].1.epoch();
            let mut listening =
                self.people.iter().filter(|(name, call)| is_listening(&self.deaf, name, call));
            let end = self.log.len() as u64;
            if listening.all(|(_, call)| call.sealing_epoch() == Some(newest) && call.log_position() == end) {
                return;
            }
            self.wait(STEP);
        }
        panic!("the call does not settle");
    }

    /// Does what everybody wants until nobody wants anything.
    fn settle(&mut self) {
        loop {
            self.collect();
            if !self.deliver_entry() && !self.deliver_words() {
                return;
            }
        }
    }

    fn collect(&mut self) {
        let now = self.now;
        for (name, call) in &mut self.people {
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
                        call.roster_taken(roster.epoch, now).expect("it was just shown");
                    }
                    Output::Event(Event::Knock(knock)) => call.admit(&[knock.id], now).expect("he waits"),
                    Output::Event(Event::KeyframeNeeded { tracks, .. }) => {
                        self.keyframes.entry(name.clone()).or_default().extend(tracks);
                    }
                    Output::Event(_) => {}
                }
            }
        }
    }

    fn deliver_entry(&mut self) -> bool {
        let end = self.log.len() as u64;
        let mut listening =
            self.people.iter_mut().filter(|(name, call)| is_listening(&self.deaf, name, call));
        let Some((_, call)) = listening.find(|(_, call)| call.log_position() < end) else { return false };
        let position = call.log_position();
        let payload = self.log[position as usize].clone();
        let entry = Message { lane: Lane::Log { position }, payload };
        call.handle_message(&entry, self.now).expect("the next entry of the log");
        true
    }

    fn deliver_words(&mut self) -> bool {
        let now = self.now;
        let said = core::mem::take(&mut self.talk);
        let mut any = !said.is_empty();
        for (name, call) in &mut self.people {
            if !is_listening(&self.deaf, name, call) {
                continue;
            }
            for message in &said {
                call.handle_message(message, now).expect("nobody talks nonsense");
            }
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
}

fn is_listening(deaf: &BTreeSet<String>, name: &str, call: &Call) -> bool {
    call.ended().is_none() && !deaf.contains(name)
}

fn person(name: &str) -> Profile {
    Profile::person(name).expect("a name")
}

fn random(seed: u8) -> subrosa::Random {
    seeded_random([seed; 32])
}
