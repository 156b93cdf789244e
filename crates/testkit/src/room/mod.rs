//! A simulated room: participants around a delivery service and a media server, on simulated time.
//!
//! A [`Room`] holds a whole call: members with crooked clocks and bad lines, a log, a talk lane, mailboxes, frames that are sealed,
//! delayed, lost, doubled and opened, partitions, crashes, a server that means harm. It never waits, reads no clock and starts no
//! thread: one queue of happenings drives it, and **everything in it follows from a `u64` seed**, to the last bit. An hour
//! of a small call takes seconds.
//!
//! ```
//! use core::time::Duration;
//! use subrosa_testkit::room::{Room, RoomConfig};
//!
//! let mut room = Room::new(7, RoomConfig::default()); // Ann founds a call, and lets everybody in
//! room.join("Bob");
//! room.join("Cid");
//! room.pass(Duration::from_secs(10));
//!
//! let cid = room.person("Cid").id();
//! room.act("Ann", |call, now| call.remove(&[cid], now)).expect("Ann is a host");
//! room.pass(Duration::from_secs(10));
//! assert!(!room.person("Cid").is_in());
//! room.check(); // all that a call promises was kept in this one
//! ```
//!
//! A story says what it expects. What a call promises in *every* room the room watches by itself: [`Promise`] lists it,
//! [`Room::broken`] says what was broken, and [`Room::check`] panics if anything was.

mod app;
mod churn;
mod clock;
mod config;
mod dice;
mod faults;
mod guarantee;
mod joining;
mod ledger;
mod media;
mod queue;
mod report;
mod seat;
mod server;
mod service;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use bytes::BytesMut;
use subrosa::danger::seeded_random;
use subrosa::{Call, EndReason, Opener, ParticipantId, Profile, Random, Time};

pub use churn::Churn;
pub use clock::Clock;
pub use config::{Append, Door, From, RoomConfig, Treason, Way};
pub use dice::Dice;
pub use ledger::{Broken, EpochRecord, Promise};
pub use report::{Report, Switch, Tally};
pub use seat::Person;
pub use server::Server;
pub use service::Place;

use ledger::Ledger;
use media::Frame;
use queue::{Happening, Queue, Seated};
use report::Tally as Counts;
use seat::{Seat, Stage};
use server::Mischief;
use service::Service;

/// The founder of every call.
pub const FOUNDER: &str = "Ann";
/// How long [`Room::join`] waits.
const JOINS_WITHIN: Duration = Duration::from_secs(60);
/// Streams of chance, so that more of one leaves the others as they are.
const NETWORK: u64 = 0;
const KEYS: u64 = 1;
const LINES: u64 = 2;

/// A simulated room; see the [module](self).
pub struct Room {
    config: RoomConfig,
    epoch_bits: u32,
    now: Time,
    queue: Queue,
    /// For what happens on the way.
    dice: Dice,
    /// For the members' keys.
    keys: Dice,
    /// For what a member's line and clock are like.
    lines: Dice,
    service: Service,
    mischief: Mischief,
    seats: Vec<Seat>,
    ledger: Ledger,
    stranger: Option<Stranger>,
    next_frame: u64,
    kept_frames: VecDeque<Rc<Frame>>,
    scratch: BytesMut,
    tally: Counts,
    switches: Vec<Switch>,
    gaps: BTreeMap<ParticipantId, Duration>,
    last_opened_by_traitors: Option<Time>,
    talk: u64,
    refused: BTreeMap<String, u64>,
}

/// Somebody without keys whom the media server hands every frame. All that he has is a call of his own, in which he is alone.
struct Stranger {
    opener: Opener,
    /// Keeps the opener alive.
    _call: Call,
}

impl Room {
    /// Makes a room in which [`FOUNDER`] has founded a call.
    ///
    /// # Panics
    /// If the call's configuration is not possible.
    pub fn new(seed: u64, config: RoomConfig) -> Self {
        let mut room = Self {
            epoch_bits: u32::from(config.call.epoch_bits),
            now: Time::ZERO,
            queue: Queue::default(),
            dice: Dice::new(seed, NETWORK),
            keys: Dice::new(seed, KEYS),
            lines: Dice::new(seed, LINES),
            service: Service::default(),
            mischief: Mischief::default(),
            seats: Vec::new(),
            ledger: Ledger::default(),
            stranger: None,
            next_frame: 0,
            kept_frames: VecDeque::new(),
            scratch: BytesMut::new(),
            tally: Counts::default(),
            switches: Vec::new(),
            gaps: BTreeMap::new(),
            last_opened_by_traitors: None,
            talk: 0,
            refused: BTreeMap::new(),
            config,
        };
        if room.config.stranger {
            let call = room.found("the stranger", Time::ZERO);
            room.stranger = Some(Stranger { opener: call.opener(), _call: call });
        }
        let who = room.seat(FOUNDER);
        let call = room.found(FOUNDER, room.seats[who].clock.reads(room.now));
        room.sit(who, call);
        room
    }

    fn found(&mut self, name: &str, now: Time) -> Call {
        let random = self.random();
        Call::create(&profile(name), &self.config.call, random, now)
            .expect("a configuration that is possible")
    }

    fn random(&mut self) -> Random {
        seeded_random(self.keys.seed())
    }

    // Time.

    /// Returns what time it is in the room: since it began.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, what)) = self.queue.pop(until) {
            self.now = at;
            self.happens(what);
        }
        self.now = until;
    }

    /// Lets time pass until something is so, or for that long; says whether it is.
    pub fn pass_until(&mut self, at_most: Duration, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        let until = self.now + at_most;
        while !is_so(self) {
            let Some((at, what)) = self.queue.pop(until) else {
                self.now = until;
                return is_so(self);
            };
            self.now = at;
            self.happens(what);
        }
        true
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Wake(at) => self.wake(at),
            Happening::Take(at, epoch) => self.take_roster(at, epoch),
            Happening::Impatient(at) => self.lose_patience(at),
            Happening::Up(from, up) => self.reaches_service(from, up),
            Happening::Down(to, down) => self.reaches_member(to, down),
            Happening::Paced(who) => self.hand_out_paced(who),
            Happening::Speak(at) => self.speak(at),
            Happening::Frame(to, frame, is_again) => self.frame_arrives(to, &frame, is_again),
        }
    }

    /// Returns whether a participation still goes on.
    fn is_there(&self, at: Seated) -> bool {
        self.seats[at.who].life == at.life
    }

    // People.

    /// Returns what there is to see of somebody.
    ///
    /// # Panics
    /// If nobody of that name was ever here.
    #[track_caller]
    pub fn person(&self, name: &str) -> Person<'_> {
        Person { seat: &self.seats[self.who(name)] }
    }

    /// Returns everybody who was ever here, in the order in which they came.
    pub fn people(&self) -> impl Iterator<Item = Person<'_>> {
        self.seats.iter().map(|seat| Person { seat })
    }

    /// Does something with a member's call, as his app would on a click: the second argument is the time on his clock.
    ///
    /// # Panics
    /// If he is not in the call.
    #[track_caller]
    pub fn act<T>(&mut self, name: &str, command: impl FnOnce(&mut Call, Time) -> T) -> T {
        let who = self.who(name);
        let now = self.seats[who].clock.reads(self.now);
        let Stage::In(attending) = &mut self.seats[who].stage else { panic!("{name} is not in the call") };
        let done = command(&mut attending.call, now);
        self.drain(who);
        done
    }

    #[track_caller]
    fn who(&self, name: &str) -> usize {
        let who = self.seats.iter().position(|seat| seat.name == name);
        who.unwrap_or_else(|| panic!("nobody called {name} was ever here"))
    }

    // What came of it.

    /// Returns the call's epochs so far, as whoever was first in each told it.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.ledger.epochs
    }

    /// Returns the promises that were broken so far.
    pub fn broken(&self) -> &[Broken] {
        &self.ledger.broken
    }

    /// Returns for whom the call ended although the others still have him, or ended otherwise than they say.
    pub fn wrongly_ended(&self) -> Vec<(ParticipantId, EndReason)> {
        self.ledger.wrongly_ended()
    }

    /// Checks that every promise was kept.
    ///
    /// # Panics
    /// If one was broken; says which.
    #[track_caller]
    pub fn check(&self) {
        let wrongly = self.ledger.wrongly_ended();
        assert!(wrongly.is_empty(), "the call ended without reason for {wrongly:?}");
        let broken = self.broken().iter().take(20).map(|broken| format!("\n  {broken}")).collect::<String>();
        assert!(broken.is_empty(), "broken promises: {}{broken}", self.broken().len());
    }

    /// Returns what the run came to so far.
    pub fn report(&self) -> Report {
        Report {
            frames: self.tally,
            switches: self.switches.clone(),
            gaps: self.gaps.values().copied().collect(),
            last_opened_by_traitors: self.last_opened_by_traitors,
            entries: self.service.len(0),
            epochs: self.ledger.epochs.len(),
            talk: self.talk,
            refused: self.refused.clone(),
        }
    }

    /// Returns the length of the log that a member is shown.
    #[track_caller]
    pub fn log_len(&self, name: &str) -> u64 {
        self.service.len(self.seats[self.who(name)].log)
    }

    /// Returns the place in the log that a member reads next, if he is in the call. Two with the same place have read the same.
    #[track_caller]
    pub fn place_of(&self, name: &str) -> Option<Place> {
        let seat = &self.seats[self.who(name)];
        let next = seat.attending()?.call.log_position();
        let place = |position| self.service.place(seat.log, position);
        // Where a split begins, both halves have read the same.
        Some(
            next.checked_sub(1)
                .map_or(Place { log: 0, position: 0 }, |last| Place { position: next, ..place(last) }),
        )
    }

    /// Returns the place in [`epochs`](Self::epochs) of the epoch that a member is in, if he is in the call.
    #[track_caller]
    pub fn epoch_of(&self, name: &str) -> Option<usize> {
        let attending = self.seats[self.who(name)].attending()?;
        attending.epochs.last_key_value().map(|(_, own)| own.number)
    }

    fn broke(&mut self, who: usize, promise: Promise, how: String) {
        // A broken promise is mostly broken for every frame: the first few tell.
        const ENOUGH: usize = 1_000;
        let is_own_fault = promise == Promise::Works && !self.seats[who].is_honest();
        if !is_own_fault && self.ledger.broken.len() < ENOUGH {
            let name = self.seats[who].name.clone();
            self.ledger.broken.push(Broken { at: self.now, name, promise, how });
        }
    }
}

/// A profile of that name.
fn profile(name: &str) -> Profile {
    Profile::person(name).expect("a name that can be shown")
}
