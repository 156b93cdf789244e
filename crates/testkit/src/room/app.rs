//! A member's app: what it does with the call's outputs, and with what the delivery service brings.

use core::time::Duration;

use subrosa::{
    CallError, Cause, Epoch, Event, HandleError, Lane, Message, Output, ParticipantId, Roster, Time,
    TrackKind,
};

use super::config::{Append, Door, Treason};
use super::ledger::{Promise, Reading};
use super::media::arrivals;
use super::queue::{Down, Happening, Seated, Up};
use super::seat::{Attending, Own, Stage, never_mind};
use super::{Call, Room, Switch};

/// More wakes than that at one moment are a deadline that does not go away.
const WAKES_AT_ONCE: u32 = 50;

impl Room {
    /// Somebody is in the call.
    pub(super) fn sit(&mut self, who: usize, call: Call) {
        let seat = &mut self.seats[who];
        let from = call.log_position();
        let mut attending = Box::new(Attending::new(call));
        attending.microphone = attending.call.sealer(TrackKind::Microphone).ok();
        seat.ids.push(attending.id);
        seat.reads.clear();
        seat.ended = None;
        seat.tries = 0;
        seat.sent_to = from;
        seat.stage = Stage::In(attending);
        let seated = seat.seated(who);
        if let Some(every) = self.config.frames_every {
            let phase = self.lines.between(Duration::ZERO, every);
            self.queue.push(self.now + phase, Happening::Speak(seated));
        }
        self.drain(who);
        self.send_entries(who);
    }

    /// The one contract: after every input, everything that comes out, until `Timeout`.
    pub(super) fn drain(&mut self, who: usize) {
        loop {
            let Some(attending) = self.seats[who].attending_mut() else { return };
            match attending.call.poll_output() {
                Output::Send(message) => self.send(who, message),
                Output::Event(event) => self.event(who, event),
                Output::Timeout(at) => return self.sleep_until(who, at),
            }
        }
    }

    fn sleep_until(&mut self, who: usize, at: Time) {
        let seat = &mut self.seats[who];
        let (at, seated) = (seat.clock.when(at), seat.seated(who));
        let is_frozen = seat.treason == Some(Treason::Frozen);
        let Some(attending) = seat.attending_mut().filter(|_| !is_frozen) else { return };
        attending.wakes_at = at;
        if at < attending.wake_scheduled {
            attending.wake_scheduled = at;
            self.queue.push(at.max(self.now), Happening::Wake(seated));
        }
    }

    /// A deadline of a call may have come.
    pub(super) fn wake(&mut self, at: Seated) {
        if !self.is_there(at) {
            return;
        }
        let seat = &mut self.seats[at.who];
        let (now, is_frozen) = (seat.clock.reads(self.now), seat.treason == Some(Treason::Frozen));
        let Some(attending) = seat.attending_mut().filter(|_| !is_frozen) else { return };
        attending.wake_scheduled = Time::NEVER;
        if attending.wakes_at > self.now {
            let at_local = attending.wakes_at;
            attending.wake_scheduled = at_local;
            self.queue.push(at_local, Happening::Wake(at));
            return;
        }
        attending.call.handle_timeout(now);
        self.drain(at.who);
        self.release_held(at.who);
        let Some(attending) = self.seats[at.who].attending_mut() else { return };
        attending.wakes_now = if attending.wakes_at > self.now { 0 } else { attending.wakes_now + 1 };
        if attending.wakes_now > WAKES_AT_ONCE {
            attending.wakes_now = 0;
            attending.wakes_at = self.now + Duration::from_millis(100);
            self.broke(at.who, Promise::Works, "a deadline that is met does not go away".to_owned());
        }
    }

    // What goes out.

    fn send(&mut self, who: usize, Message { lane, payload }: Message) {
        let up = match lane {
            Lane::Log { position } => Up::Append { position, entry: payload },
            Lane::Talk => Up::Talk(payload),
            Lane::Mailbox(mailbox) => Up::Post(mailbox, payload),
        };
        let vanishes = match up {
            Up::Append { .. } => self.seats[who].vanishes_at.take(),
            _ => None,
        };
        if vanishes != Some(Append::Before) {
            self.send_up(who, up);
        }
        if vanishes.is_some() {
            self.vanish(who);
        }
    }

    pub(super) fn send_up(&mut self, who: usize, up: Up) {
        let seat = &self.seats[who];
        let (from, latency) = (seat.seated(who), seat.latency[0] + seat.lag);
        let is_reliable = !matches!(up, Up::Talk(_));
        let way = self.mischief.worse(&self.config.handshake);
        for delay in arrivals(&mut self.dice, &way, latency, is_reliable).into_iter().flatten() {
            self.queue.push(self.now + delay, Happening::Up(from, up.clone()));
        }
    }

    pub(super) fn send_down(&mut self, who: usize, down: Down) {
        let seat = &self.seats[who];
        let (to, latency) = (seat.seated(who), seat.latency[1] + seat.lag);
        let is_reliable = !matches!(down, Down::Talk(_));
        let (share, late) = self.config.late_entries;
        let is_late = matches!(down, Down::Entry { .. }) && self.dice.chance(share);
        let latency = latency + if is_late { late } else { Duration::ZERO };
        let way = self.mischief.worse(&self.config.handshake);
        for delay in arrivals(&mut self.dice, &way, latency, is_reliable).into_iter().flatten() {
            self.queue.push(self.now + delay, Happening::Down(to, down.clone()));
        }
    }

    // What comes in.

    /// Something has reached a member's machine.
    pub(super) fn reaches_member(&mut self, to: Seated, down: Down) {
        if !self.is_there(to) {
            return;
        }
        let seat = &mut self.seats[to.who];
        if seat.is_cut_from_service {
            if !matches!(down, Down::Talk(_)) {
                seat.stalled.push(Happening::Down(to, down));
            }
            return;
        }
        match (&mut seat.stage, down) {
            (Stage::Away, _) => {}
            (Stage::In(attending), _) if attending.call.ended().is_some() => {} // the app has hung up
            (Stage::Waiting(_), Down::Mail(_, bytes)) => self.answered(to.who, &bytes),
            (Stage::Waiting(_), _) => {}
            // They will not hear of it.
            (Stage::In(_), _) if seat.treason == Some(Treason::Frozen) => {}
            (Stage::In(_), Down::Entry { .. }) if seat.treason == Some(Treason::Deaf) => {}
            (Stage::In(attending), Down::Entry { position, entry }) => {
                attending.ahead.insert(position, entry);
                self.read_log(to.who, position);
            }
            (Stage::In(_), Down::Talk(payload)) => {
                self.hand_in(to.who, &Message { lane: Lane::Talk, payload })
            }
            (Stage::In(_), Down::Mail(mailbox, payload)) => {
                self.hand_in(to.who, &Message { lane: Lane::Mailbox(mailbox), payload });
            }
        }
    }

    /// Hands in what there is of the log. What has just come is tried even if something before it is missing: a call says so.
    fn read_log(&mut self, who: usize, just_come: u64) {
        let mut position = just_come;
        loop {
            let Some(attending) = self.seats[who].attending_mut() else { return };
            let Some(entry) = attending.ahead.get(&position).cloned() else { return };
            let before = attending.call.log_position();
            self.hand_in(who, &Message { lane: Lane::Log { position }, payload: entry });
            let Some(attending) = self.seats[who].attending_mut() else { return };
            let next = attending.call.log_position();
            if position > before && next == before {
                position = next; // there was a gap, and perhaps its end is here
                if !attending.ahead.contains_key(&position) {
                    return;
                }
                continue;
            }
            attending.ahead = attending.ahead.split_off(&next);
            if attending.call.ended().is_some() || attending.is_stranded {
                return;
            }
            position = next;
        }
    }

    fn hand_in(&mut self, who: usize, message: &Message) {
        let seat = &mut self.seats[who];
        let now = seat.clock.reads(self.now);
        let Stage::In(attending) = &mut seat.stage else { return };
        let before = attending.call.log_position();
        attending.reading = Some(Reading::Nothing);
        let handled = attending.call.handle_message(message, now);
        let place = self.service.place(seat.log, before);
        let was_read = matches!(message.lane, Lane::Log { position } if position == before)
            && handled.is_ok()
            && attending.call.log_position() > before;
        self.drain(who);
        if let Err(error) = handled {
            self.note_refused(who, error);
        }
        let seat = &mut self.seats[who];
        let is_honest = seat.is_honest();
        let Some(attending) = seat.attending_mut() else { return };
        let reading = attending.reading.take().filter(|_| was_read && is_honest && !attending.is_stranded);
        let ended = attending.call.ended();
        let id = attending.id;
        match (reading, ended) {
            (Some(reading), Some(reason)) => self.ledger.ended(place, id, reason, reading),
            (Some(reading), None) => {
                if let Err(how) = self.ledger.read(place, reading) {
                    self.broke(who, Promise::OneHistory, how);
                }
            }
            (None, _) => {}
        }
    }

    fn note_refused(&mut self, who: usize, error: HandleError) {
        let why = match error {
            HandleError::Gap { .. } => "log entries are missing".to_owned(),
            other => other.to_string(),
        };
        *self.refused.entry(why).or_default() += 1;
        if let HandleError::Engine(_) = error {
            self.broke(who, Promise::Works, error.to_string());
        }
    }

    // What is to be known.

    fn event(&mut self, who: usize, event: Event) {
        let now = self.now;
        self.seats[who].remember(now, event.clone());
        match event {
            Event::Roster(roster) => self.shows_roster(who, &roster),
            Event::EpochOpened(_) => self.release_held(who),
            Event::Switched(epoch) => self.note_switch(who, epoch),
            Event::Mailboxes => self.read_mailboxes(who),
            Event::Knock(knock) => {
                let (id, seat) = (knock.id, &mut self.seats[who]);
                seat.knocks.insert(id, knock);
                self.answer_door(who, id);
            }
            Event::KnockGone(id) | Event::GuestUnusable(id) => {
                self.seats[who].knocks.remove(&id);
            }
            Event::CutOff { .. } | Event::HostSilent { .. } => self.note_pause(who, true),
            Event::Resumed => self.note_pause(who, false),
            Event::Leaving(id) => self.note_reading(who, Reading::Leave(vec![id])),
            Event::Skipped { reason, .. } => self.note_reading(who, Reading::Skipped(reason)),
            Event::Stranded { by, position } => {
                if let Some(attending) = self.seats[who].attending_mut() {
                    attending.is_stranded = true;
                }
                if !self.ledger.spoilers.contains(&by) {
                    self.broke(who, Promise::NotStranded, format!("by entry {position} of {by:?}"));
                }
            }
            Event::Ended(reason) => {
                self.seats[who].ended = Some(reason);
                self.seats[who].knocks.clear();
            }
            Event::CommitFailed(error) => {
                let why = error.to_string();
                // Somebody else was faster, and what is left of it is not allowed any more.
                if !why.ends_with("an own commit breaks the policy") {
                    self.broke(who, Promise::Works, why);
                }
            }
            _ => {}
        }
    }

    fn note_reading(&mut self, who: usize, reading: Reading) {
        if let Some(attending) = self.seats[who].attending_mut() {
            attending.reading = Some(reading);
        }
    }

    fn note_pause(&mut self, who: usize, paused: bool) {
        let seat = &mut self.seats[who];
        let now = seat.clock.reads(self.now);
        if let Some(attending) = seat.attending_mut() {
            match paused {
                true => _ = attending.paused_since.get_or_insert(now),
                false => (attending.paused_since, attending.resumed_at) = (None, Some(now)),
            }
        }
        if !paused {
            self.release_held(who);
        }
    }

    fn shows_roster(&mut self, who: usize, roster: &Roster) {
        let seat = &mut self.seats[who];
        let local = seat.clock.reads(self.now);
        let Stage::In(attending) = &mut seat.stage else { return };
        let place = match roster.cause {
            Cause::Founded => None,
            _ => attending.call.log_position().checked_sub(1).map(|last| self.service.place(seat.log, last)),
        };
        let entry = place.and_then(|place| self.service.entry(place.log, place.position));
        let written_at = entry.map_or(self.now, |entry| entry.written_at);
        let number = match self.ledger.entered(&attending.call, roster, place, [written_at, self.now]) {
            Ok(number) => number,
            Err(how) => return self.broke(who, Promise::OneHistory, how),
        };
        if matches!(roster.cause, Cause::Commit { by, .. } if by == attending.id) {
            self.ledger.committed(number, self.now);
        }
        // Behind a split a newcomer is of the half that let him in.
        let admitted_at =
            self.ledger.epochs[number].place.filter(|_| matches!(roster.cause, Cause::Joined { .. }));
        if let Some(place) = admitted_at.filter(|place| !self.service.is_shared(place.position)) {
            seat.log = place.log;
        }
        if let Some((_, before)) = attending.epochs.last_key_value() {
            self.ledger.left(before.number, attending.id, self.now);
        }
        let config = attending.call.config();
        let removes = matches!(&roster.cause, Cause::Commit { removed, .. } if !removed.is_empty());
        let is_first = attending.epochs.is_empty();
        let own = Own {
            number,
            applied_at: local,
            taken_at: None,
            deadline: config.switch_deadline,
            retention: if removes { config.removal_retention } else { config.retention },
            removes,
            is_first,
        };
        attending.epochs.insert(roster.epoch, own);
        attending.reading = Some(Reading::Epoch(roster.epoch));
        attending.forget();
        let lies = self.lies_of(who, roster);
        if let Some(how) = lies {
            self.broke(who, Promise::TrueRoster, how);
        }
        self.app_takes(who, roster.epoch);
        // Whom it let in, or what stood in the way, may have changed.
        for guest in self.seats[who].knocks.keys().copied().collect::<Vec<_>>() {
            match roster.member(guest) {
                Some(_) => _ = self.seats[who].knocks.remove(&guest),
                None => self.answer_door(who, guest),
            }
        }
    }

    /// R14: what a roster says of how its members came in must be what happened.
    fn lies_of(&self, who: usize, roster: &Roster) -> Option<String> {
        let attending = self.seats[who].attending()?;
        if roster.me().map(|me| me.id) != Some(attending.id) {
            return Some(format!("the roster of epoch {} has not got its own reader", roster.epoch));
        }
        let came = |member: &subrosa::Member| {
            let (Some(since), Some(by)) = (member.since, member.admitted_by) else { return true };
            self.ledger.epochs.iter().any(|record| {
                let admitted = matches!(&record.cause, Cause::Commit { by: host, admitted, .. }
                    if *host == by && admitted.contains(&member.id));
                record.epoch == since && admitted
            })
        };
        let liar = roster.members.iter().find(|member| !came(member))?;
        Some(format!("the roster of epoch {} says wrongly how {:?} came in", roster.epoch, liar.id))
    }

    /// The app shows a roster, which takes its time; and says so, in the order in which they came.
    fn app_takes(&mut self, who: usize, epoch: Epoch) {
        let (least, most) = self.config.rosters_take.clone().into_inner();
        let takes = self.dice.between(least, most);
        let seated = self.seats[who].seated(who);
        if takes == Duration::ZERO {
            return self.take_roster(seated, epoch);
        }
        let Some(attending) = self.seats[who].attending_mut() else { return };
        let until = match self.config.rosters_in_order {
            true => attending.shows_until.max(self.now + takes),
            false => self.now + takes,
        };
        attending.shows_until = until;
        self.queue.push(until, Happening::Take(seated, epoch));
    }

    /// The app says that a roster was shown.
    pub(super) fn take_roster(&mut self, at: Seated, epoch: Epoch) {
        if !self.is_there(at) {
            return;
        }
        let seat = &mut self.seats[at.who];
        let now = seat.clock.reads(self.now);
        let Some(attending) = seat.attending_mut() else { return };
        match attending.call.roster_taken(epoch, now) {
            Ok(()) => {
                if let Some(own) = attending.epochs.get_mut(&epoch) {
                    own.taken_at.get_or_insert(now);
                    self.ledger.took(own.number, attending.id);
                }
            }
            Err(CallError::EpochGone | CallError::Ended) => {}
            Err(error) => self.broke(at.who, Promise::Works, format!("taking a roster: {error}")),
        }
        self.drain(at.who);
    }

    /// A sender uses a new epoch.
    fn note_switch(&mut self, who: usize, epoch: Epoch) {
        let seat = &mut self.seats[who];
        let now = seat.clock.reads(self.now);
        let Some(attending) = seat.attending_mut() else { return };
        attending.switched = Some(epoch);
        let Some(own) = attending.epochs.get(&epoch) else { return };
        if own.is_first {
            return;
        }
        let was_announced = now < own.applied_at + own.deadline;
        let number = own.number;
        let after = self.now - self.ledger.epochs[number].written_at;
        self.switches.push(Switch { epoch, after, was_announced });
        if let Some(missing) = self.ledger.missing(number, self.now).filter(|_| was_announced) {
            let how = format!("switches to epoch {epoch}, which {missing:?} has not got");
            self.broke(who, Promise::NotTooEarly, how);
        }
    }

    /// A host's app answers a knock, by its policy. The call says if that is not possible now.
    pub(super) fn answer_door(&mut self, who: usize, guest: ParticipantId) {
        let seat = &mut self.seats[who];
        let now = seat.clock.reads(self.now);
        let door = seat.door;
        let Some(attending) = seat.attending_mut() else { return };
        match door {
            Door::Open => never_mind(attending.call.admit(&[guest], now)),
            Door::Closed => {
                if attending.call.deny(guest, now).is_ok() {
                    seat.knocks.remove(&guest);
                }
            }
            Door::Asks => {}
        }
    }

    fn read_mailboxes(&mut self, who: usize) {
        let seat = &mut self.seats[who];
        let Some(mailboxes) = seat.attending().map(|attending| attending.call.mailboxes()) else { return };
        seat.reads.retain(|mailbox, _| mailboxes.contains(mailbox));
        for mailbox in mailboxes {
            seat.reads.entry(mailbox).or_insert(0);
        }
        self.send_mail(who);
    }
}
