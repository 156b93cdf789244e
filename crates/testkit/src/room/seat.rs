//! One member's machine: its clock, its line, and the participation that runs on it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use subrosa::{
    Call, CallError, EndReason, Epoch, Event, Guest, HeldId, Invite, Knock, MailboxId, Opener, ParticipantId,
    Sealer, Time,
};

use super::clock::Clock;
use super::config::{Append, Door, Treason};
use super::media::{Hearing, Waiting};
use super::queue::{Happening, Seated};

/// Events that a seat remembers.
const REMEMBERED: usize = 2_000;

pub(super) struct Seat {
    pub(super) name: String,
    pub(super) clock: Clock,
    /// The least that a message takes each way, and media.
    pub(super) latency: [Duration; 2],
    /// How much longer all handshake messages take, in both directions.
    pub(super) lag: Duration,
    pub(super) media_latency: Duration,
    /// Rises with every participation.
    pub(super) life: u32,
    /// What lives before this one sent is lost.
    pub(super) mute_before: u32,
    pub(super) stage: Stage,
    pub(super) door: Door,
    pub(super) is_cut_from_service: bool,
    pub(super) is_cut_from_media: bool,
    /// What the partition keeps back.
    pub(super) stalled: Vec<Happening>,
    /// Which log it is shown.
    pub(super) log: usize,
    /// The entries before this position were sent to it.
    pub(super) sent_to: u64,
    /// The server sends it no entries.
    pub(super) is_kept_in_the_dark: bool,
    /// The mailboxes that it reads, and how many messages of each were sent to it.
    pub(super) reads: BTreeMap<MailboxId, usize>,
    pub(super) has_microphone: bool,
    pub(super) treason: Option<Treason>,
    pub(super) vanishes_at: Option<Append>,
    /// Guests who wait, as its app shows them.
    pub(super) knocks: BTreeMap<ParticipantId, Knock>,
    pub(super) events: VecDeque<(Time, Event)>,
    /// How its last participation ended.
    pub(super) ended: Option<EndReason>,
    pub(super) was_denied: bool,
    /// With which it knocked last, as far as it knows that this one is good.
    pub(super) link: Option<Invite>,
    /// Knocks since it was in last.
    pub(super) tries: u32,
    /// Every participation that it ever had.
    pub(super) ids: Vec<ParticipantId>,
}

/// What somebody is to the call.
pub(super) enum Stage {
    Away,
    Waiting(Box<Guest>),
    In(Box<Attending>),
}

/// A participation.
pub(super) struct Attending {
    pub(super) call: Call,
    pub(super) id: ParticipantId,
    pub(super) microphone: Option<Sealer>,
    pub(super) opener: Opener,
    /// Entries that overtook others.
    pub(super) ahead: BTreeMap<u64, Bytes>,
    pub(super) wakes_at: Time,
    /// The earliest wake in the room's queue.
    pub(super) wake_scheduled: Time,
    /// Wakes at one and the same moment.
    pub(super) wakes_now: u32,
    /// The epochs that it has been in, and not forgotten.
    pub(super) epochs: BTreeMap<Epoch, Own>,
    pub(super) held: BTreeMap<HeldId, Waiting>,
    pub(super) hearing: BTreeMap<ParticipantId, Hearing>,
    /// Frames that opened, a bit for each.
    pub(super) opened: Vec<u64>,
    /// The epoch that it seals under, if it may.
    pub(super) switched: Option<Epoch>,
    /// Until then its app shows rosters.
    pub(super) shows_until: Time,
    /// Since when its call is cut off from its hosts, on its clock.
    pub(super) paused_since: Option<Time>,
    /// When that was over last.
    pub(super) resumed_at: Option<Time>,
    /// What came out of the call for the entry that is being handed in.
    pub(super) reading: Option<super::ledger::Reading>,
    pub(super) is_stranded: bool,
}

/// An epoch, as one participant went through it. Times are on his clock.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Its number in the ledger.
    pub(super) number: usize,
    pub(super) applied_at: Time,
    pub(super) taken_at: Option<Time>,
    /// How long a sender may go on with older ones.
    pub(super) deadline: Duration,
    /// How long older ones still open.
    pub(super) retention: Duration,
    pub(super) removes: bool,
    /// The first one of a participation has nothing to wait for.
    pub(super) is_first: bool,
}

impl Seat {
    pub(super) fn seated(&self, who: usize) -> Seated {
        Seated { who, life: self.life }
    }

    pub(super) fn attending(&self) -> Option<&Attending> {
        match &self.stage {
            Stage::In(attending) => Some(attending),
            _ => None,
        }
    }

    pub(super) fn attending_mut(&mut self) -> Option<&mut Attending> {
        match &mut self.stage {
            Stage::In(attending) => Some(attending),
            _ => None,
        }
    }

    /// Returns whether it is in the call and means no harm.
    pub(super) fn is_honest(&self) -> bool {
        self.treason.is_none()
    }

    pub(super) fn remember(&mut self, at: Time, event: Event) {
        if self.events.len() == REMEMBERED {
            self.events.pop_front();
        }
        self.events.push_back((at, event));
    }

    /// The participation is over: nothing that belongs to it happens any more.
    pub(super) fn get_up(&mut self) -> Stage {
        self.life += 1;
        self.reads.clear();
        self.knocks.clear();
        self.treason = None;
        core::mem::replace(&mut self.stage, Stage::Away)
    }
}

impl Attending {
    pub(super) fn new(call: Call) -> Self {
        let (id, opener) = (call.me(), call.opener());
        Self {
            id,
            microphone: None,
            opener,
            call,
            ahead: BTreeMap::new(),
            wakes_at: Time::NEVER,
            wake_scheduled: Time::NEVER,
            wakes_now: 0,
            epochs: BTreeMap::new(),
            held: BTreeMap::new(),
            hearing: BTreeMap::new(),
            opened: Vec::new(),
            switched: None,
            shows_until: Time::ZERO,
            paused_since: None,
            resumed_at: None,
            reading: None,
            is_stranded: false,
        }
    }

    /// Forgets epochs that nothing can be under any more.
    pub(super) fn forget(&mut self) {
        const KEPT: usize = 64;
        while self.epochs.len() > KEPT {
            if let Some((epoch, _)) = self.epochs.pop_first() {
                self.hearing.values_mut().for_each(|hearing| hearing.forget(epoch));
            }
        }
        let on_roster = self.call.roster().members.iter().map(|m| m.id).collect::<BTreeSet<_>>();
        self.hearing.retain(|id, hearing| on_roster.contains(id) || !hearing.is_over());
    }
}

/// What a story sees of a member.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    pub(super) seat: &'a Seat,
}

impl<'a> Person<'a> {
    /// Returns his name.
    pub fn name(&self) -> &'a str {
        &self.seat.name
    }

    /// Returns whether he is in the call, as far as he knows.
    pub fn is_in(&self) -> bool {
        self.seat.attending().is_some_and(|attending| attending.call.ended().is_none())
    }

    /// Returns whether he waits to be let in.
    pub fn is_waiting(&self) -> bool {
        matches!(self.seat.stage, Stage::Waiting(_))
    }

    /// Returns his side of the call, if there is one.
    pub fn try_call(&self) -> Option<&'a Call> {
        self.seat.attending().map(|attending| &attending.call)
    }

    /// Returns his side of the call.
    ///
    /// # Panics
    /// If he is not in it.
    #[track_caller]
    pub fn call(&self) -> &'a Call {
        self.try_call().unwrap_or_else(|| panic!("{} is not in the call", self.seat.name))
    }

    /// Returns the name of his participation.
    ///
    /// # Panics
    /// If he is not in the call.
    #[track_caller]
    pub fn id(&self) -> ParticipantId {
        self.call().me()
    }

    /// Returns all names that he ever had in the call.
    pub fn ids(&self) -> &'a [ParticipantId] {
        &self.seat.ids
    }

    /// Returns how his last participation ended, if it did.
    pub fn ended(&self) -> Option<EndReason> {
        self.seat.ended
    }

    /// Returns whether his last knock was answered with a no.
    pub fn was_denied(&self) -> bool {
        self.seat.was_denied
    }

    /// Returns whether he neither seals nor opens for want of heartbeats (R21, R22).
    pub fn is_cut_off(&self) -> bool {
        self.try_call().is_some_and(Call::is_cut_off)
    }

    /// Returns whether he does what a client should: he was never told to [betray](super::Room::betray) the call.
    pub fn is_honest(&self) -> bool {
        self.seat.is_honest()
    }

    /// Returns whether he cannot follow the log any more (R7).
    pub fn is_stranded(&self) -> bool {
        self.seat.attending().is_some_and(|attending| attending.is_stranded)
    }

    /// Returns which log he is shown: 0, or 1 if he is of the half for which the server [split](super::Server::splits) it.
    pub fn log(&self) -> usize {
        self.seat.log
    }

    /// Returns whether he can seal now.
    pub fn can_speak(&self) -> bool {
        self.try_call().is_some_and(|call| call.sealing_epoch().is_some())
    }

    /// Returns the guests who wait, as his app shows them to him.
    pub fn knocks(&self) -> impl Iterator<Item = &'a Knock> + use<'a> {
        self.seat.knocks.values()
    }

    /// Returns the last 2,000 events, each with the moment of the room.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &'a (Time, Event)> + use<'a> {
        self.seat.events.iter()
    }

    /// Returns when the last event of some kind came.
    pub fn last(&self, is: impl Fn(&Event) -> bool) -> Option<Time> {
        self.events().rev().find(|(_, event)| is(event)).map(|(at, _)| *at)
    }

    /// Returns how many of the last 2,000 events are of some kind.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events().filter(|(_, event)| is(event)).count()
    }
}

/// What an app says to a refused command: nothing.
pub(super) fn never_mind(_: Result<(), CallError>) {}
