//! Coming in: knocks, answers, and coming back.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use subrosa::{Guest, HostAnswer, Invite, JoinError, Lane, Message};

use super::clock::Clock;
use super::config::{Door, Way};
use super::ledger::Promise;
use super::queue::{Down, Happening, Seated, Up};
use super::seat::{Seat, Stage};
use super::{Dice, JOINS_WITHIN, Room, profile};

/// How long an app waits before it knocks again with a new link.
const NEW_LINK_AFTER: Duration = Duration::from_secs(1);
/// What a clock reads at first, at most.
const ORIGIN: Duration = Duration::from_secs(1_000_000);

impl Room {
    /// Somebody knocks with the current link, and time passes until he is in.
    ///
    /// # Panics
    /// If he is not in after a minute.
    #[track_caller]
    pub fn join(&mut self, name: &str) {
        self.knock(name);
        assert!(self.pass_until(JOINS_WITHIN, |room| room.person(name).is_in()), "{name} does not get in");
    }

    /// Several people knock at the same moment, and time passes until all are in.
    ///
    /// # Panics
    /// If one of them is not in after a minute.
    #[track_caller]
    pub fn join_all(&mut self, names: &[&str]) {
        for name in names {
            self.knock(name);
        }
        let all_are_in = |room: &Self| names.iter().all(|name| room.person(name).is_in());
        assert!(self.pass_until(JOINS_WITHIN, all_are_in), "not all of {names:?} get in");
    }

    /// Somebody knocks with the current link; whatever side of the call he had is gone.
    ///
    /// # Panics
    /// If nobody is in the call who could give him the link.
    #[track_caller]
    pub fn knock(&mut self, name: &str) {
        let invite = self.invite().expect("somebody in the call has its link");
        self.knock_with(name, invite);
    }

    /// Somebody knocks with a link that he got some time.
    pub fn knock_with(&mut self, name: &str, invite: Invite) {
        let who = self.seat(name);
        let random = self.random();
        self.seats[who].link = Some(invite.clone());
        let knocked = Guest::knock(invite, &profile(name), random);
        self.wait(who, knocked);
    }

    /// Somebody who was in the call comes back under the same name, with what his client still has (R7): its last link. Without a
    /// client he knocks with the current link, if there is one.
    pub fn rejoin(&mut self, name: &str) {
        let who = self.seat(name);
        let random = self.random();
        match self.seats[who].get_up() {
            Stage::In(attending) => {
                self.seats[who].link = Some(attending.call.invite());
                let rejoined = attending.call.rejoin(random);
                self.wait(who, rejoined);
            }
            _ => {
                if let Some(invite) = self.invite() {
                    self.knock_with(name, invite);
                }
            }
        }
    }

    /// Says what the app of a host does with knocks.
    pub fn door(&mut self, name: &str, door: Door) {
        let who = self.who(name);
        self.seats[who].door = door;
        for guest in self.seats[who].knocks.keys().copied().collect::<Vec<_>>() {
            self.answer_door(who, guest);
        }
        self.drain(who);
    }

    /// Returns the link as it is now: what the member in the newest epoch has.
    pub fn invite(&self) -> Option<Invite> {
        let calls = self.seats.iter().filter(|seat| seat.is_honest()).filter_map(Seat::attending);
        let living = calls.map(|attending| &attending.call).filter(|call| call.ended().is_none());
        living.max_by_key(|call| call.epoch()).map(subrosa::Call::invite)
    }

    /// Returns the seat of somebody, who may be here for the first time.
    pub(super) fn seat(&mut self, name: &str) -> usize {
        if let Some(who) = self.seats.iter().position(|seat| seat.name == name) {
            return who;
        }
        let latency = |dice: &mut Dice, way: &Way| {
            let (least, most) = way.latency.clone().into_inner();
            dice.between(least, most)
        };
        let crooked = self.config.crooked_clocks_ppm;
        let clock = match crooked {
            0 => Clock::new(Duration::ZERO, 0),
            _ => {
                let ppm = self.lines.below(2 * u64::from(crooked) + 1) as i32 - crooked as i32;
                Clock::new(self.lines.between(Duration::ZERO, ORIGIN), ppm)
            }
        };
        let up = latency(&mut self.lines, &self.config.handshake);
        let down = latency(&mut self.lines, &self.config.handshake);
        let media_latency = latency(&mut self.lines, &self.config.media);
        self.seats.push(Seat {
            name: name.to_owned(),
            clock,
            latency: [up, down],
            lag: Duration::ZERO,
            media_latency,
            life: 0,
            mute_before: 0,
            stage: Stage::Away,
            door: Door::default(),
            is_cut_from_service: false,
            is_cut_from_media: false,
            stalled: Vec::new(),
            log: 0,
            sent_to: 0,
            is_kept_in_the_dark: false,
            reads: BTreeMap::new(),
            has_microphone: true,
            treason: None,
            vanishes_at: None,
            knocks: BTreeMap::new(),
            events: VecDeque::new(),
            ended: None,
            was_denied: false,
            link: None,
            tries: 0,
            ids: Vec::new(),
        });
        self.seats.len() - 1
    }

    fn wait(&mut self, who: usize, knocked: Result<(Guest, Message), JoinError>) {
        let (guest, knock) = match knocked {
            Ok(knocked) => knocked,
            Err(error) => return self.broke(who, Promise::Works, format!("knocking: {error}")),
        };
        let seat = &mut self.seats[who];
        seat.get_up();
        seat.was_denied = false;
        seat.reads.insert(guest.answer_mailbox(), 0);
        seat.stage = Stage::Waiting(Box::new(guest));
        let seated = seat.seated(who);
        // Longer each time: all his knocks may be heard at last, and then he would be on the roster many times.
        let patience = self.config.patience * 2_u32.pow(seat.tries.min(8));
        seat.tries += 1;
        self.queue.push(self.now + patience, Happening::Impatient(seated));
        if let Lane::Mailbox(lobby) = knock.lane {
            self.send_up(who, Up::Post(lobby, knock.payload));
        }
        self.send_mail(who);
    }

    /// A guest has waited for long enough: perhaps the host who let him in has crashed, or his link is out of date.
    pub(super) fn lose_patience(&mut self, at: Seated) {
        if self.is_there(at) && matches!(self.seats[at.who].stage, Stage::Waiting(_)) {
            let (name, link) = (self.seats[at.who].name.clone(), self.seats[at.who].link.clone());
            // He has the link that he has, until somebody tells him that it is an old one.
            if let Some(link) = link.or_else(|| self.invite()) {
                self.knock_with(&name, link);
            }
        }
    }

    /// Something was in a guest's mailbox.
    pub(super) fn answered(&mut self, who: usize, bytes: &[u8]) {
        let seat = &mut self.seats[who];
        let Stage::Waiting(guest) = &seat.stage else { return };
        let answer = match guest.open_answer(bytes) {
            Ok(answer) => answer,
            Err(_) => return, // anybody can have put it there
        };
        let Stage::Waiting(guest) = seat.get_up() else { return };
        let now = seat.clock.reads(self.now);
        match answer {
            HostAnswer::Admitted(admission) => match guest.accept(admission, now) {
                Ok(call) => self.sit(who, call),
                Err(error) => self.broke(who, Promise::Works, format!("accepting an answer: {error}")),
            },
            HostAnswer::Denied => seat.was_denied = true,
            HostAnswer::CallOver => {}
            HostAnswer::LinkExpired => {
                // Whoever sent him the link sends him the new one.
                seat.link = None;
                seat.reads.insert(guest.answer_mailbox(), 0);
                seat.stage = Stage::Waiting(guest);
                let seated = seat.seated(who);
                self.queue.push(self.now + NEW_LINK_AFTER, Happening::Impatient(seated));
            }
        }
    }

    /// Sends a member what is in the mailboxes that he reads, and was not sent yet.
    pub(super) fn send_mail(&mut self, who: usize) {
        let mut to_send = Vec::new();
        for (mailbox, sent) in &mut self.seats[who].reads {
            let mail = self.service.mail(*mailbox);
            to_send.extend(mail.iter().skip(*sent).map(|bytes| (*mailbox, Bytes::clone(bytes))));
            *sent = mail.len();
        }
        for (mailbox, bytes) in to_send {
            self.send_down(who, Down::Mail(mailbox, bytes));
        }
    }
}
