//! A large call of which two are really there: a host, and one member.
//!
//! The others knocked, were let in and have their leaves in the tree, and then say nothing: so a call of a thousand is there within a
//! second or two, and what it costs the host and a member can be measured. A call in which all act is a [`Room`](crate::room::Room).

use core::time::Duration;

use bytes::Bytes;
use subrosa::danger::seeded_random;
use subrosa::{
    Call, CallConfig, Event, Guest, HostAnswer, Lane, Message, Output, ParticipantId, Profile, Random, Time,
};

/// So much time passes between two commits that none has to wait for another.
const STEP: Duration = Duration::from_millis(100);

/// A large call, its host, and a member.
#[derive(Debug)]
pub struct Hall {
    /// The host, who has done everything that is in the log.
    pub host: Call,
    /// The first who came after the host. He reads the log when [`member_reads`](Self::member_reads) lets him.
    pub member: Option<Call>,
    log: Vec<Bytes>,
    answers: Vec<Message>,
    now: Time,
    guests: u32,
}

impl Hall {
    /// Makes a call of that many, all let in with one commit. (So the tree's inner nodes are blank.)
    ///
    /// # Panics
    /// If there is nobody, or are more than a call takes.
    pub fn of(participants: usize) -> Self {
        let host = Call::create(&person(0), &config(), random(0), Time::ZERO).expect("a call");
        let mut hall =
            Self { host, member: None, log: Vec::new(), answers: Vec::new(), now: Time::ZERO, guests: 0 };
        hall.host_acts();
        if let Some(guests) = participants.checked_sub(2) {
            let member = hall.knock();
            let ids = [member.id()].into_iter().chain((0..guests).map(|_| hall.knock().id()));
            let ids = ids.collect::<Vec<_>>();
            hall.admit(&ids);
            hall.member = Some(hall.comes(member));
        }
        hall
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Somebody knocks; the host hears it.
    pub fn knock(&mut self) -> Guest {
        self.guests += 1;
        let (guest, knock) =
            Guest::knock(self.host.invite(), &person(self.guests), random(self.guests)).expect("an invite");
        self.host.handle_message(&knock, self.now).expect("a knock");
        self.host_acts();
        guest
    }

    /// The host lets them in, with one commit: the entry is returned.
    ///
    /// # Panics
    /// If they do not wait, or are too many for one commit.
    pub fn admit(&mut self, guests: &[ParticipantId]) -> Bytes {
        self.after_a_while();
        self.host.admit(guests, self.now).expect("they wait");
        self.one_entry()
    }

    /// The host lets somebody in, and the member's clock stands still: so commits can be made beforehand, and be read by him later.
    ///
    /// # Panics
    /// If he does not wait.
    pub fn host_admits_alone(&mut self, guest: ParticipantId) -> Bytes {
        let member = self.member.take();
        let entry = self.admit(&[guest]);
        self.member = member;
        entry
    }

    /// The host removes them, with one commit: the entry is returned.
    ///
    /// # Panics
    /// If they are not there.
    pub fn remove(&mut self, participants: &[ParticipantId]) -> Bytes {
        self.after_a_while();
        self.host.remove(participants, self.now).expect("they are there");
        self.one_entry()
    }

    /// A guest who was let in comes.
    ///
    /// # Panics
    /// If he was not.
    pub fn comes(&mut self, guest: Guest) -> Call {
        let (guest, answer) = self.welcome(guest);
        let admission = match guest.open_answer(&answer.payload).expect("an answer") {
            HostAnswer::Admitted(admission) => admission,
            other => panic!("{other:?}"),
        };
        let mut call = guest.accept(admission, self.now).expect("a welcome");
        take_rosters(&mut call, self.now);
        call
    }

    /// Returns what the host answered to a guest, for who wants to measure the rest.
    ///
    /// # Panics
    /// If he was not let in.
    pub fn welcome(&mut self, guest: Guest) -> (Guest, Message) {
        let lane = Lane::Mailbox(guest.answer_mailbox());
        let at = self.answers.iter().position(|answer| answer.lane == lane).expect("he was let in");
        let answer = self.answers.swap_remove(at);
        (guest, answer)
    }

    /// The member reads the log as far as it goes, and takes each roster; says how many entries that were.
    ///
    /// # Panics
    /// If there is no member.
    pub fn member_reads(&mut self) -> usize {
        let member = self.member.as_mut().expect("a call of two");
        let mut entries = 0;
        while let Some(payload) = self.log.get(member.log_position() as usize) {
            let lane = Lane::Log { position: member.log_position() };
            let entry = Message { lane, payload: payload.clone() };
            member.handle_message(&entry, self.now).expect("an entry");
            take_rosters(member, self.now);
            entries += 1;
        }
        entries
    }

    /// The same with time between the entries, so that the member goes over to each epoch before he reads of the next.
    ///
    /// # Panics
    /// If there is no member.
    pub fn member_reads_and_follows(&mut self) {
        let member = self.member.as_mut().expect("a call of two");
        while let Some(payload) = self.log.get(member.log_position() as usize) {
            self.now = self.now + STEP;
            let lane = Lane::Log { position: member.log_position() };
            member.handle_message(&Message { lane, payload: payload.clone() }, self.now).expect("an entry");
            take_rosters(member, self.now);
            self.now = self.now + config().switch_deadline;
            member.handle_timeout(self.now);
            take_rosters(member, self.now);
        }
    }

    /// Time passes, for the host and the member.
    pub fn after_a_while(&mut self) {
        self.now = self.now + STEP;
        self.host.handle_timeout(self.now);
        self.host_acts();
        if let Some(member) = &mut self.member {
            member.handle_timeout(self.now);
            take_rosters(member, self.now);
        }
    }

    fn one_entry(&mut self) -> Bytes {
        let before = self.log.len();
        self.host_acts();
        assert_eq!(self.log.len(), before + 1, "one commit does it");
        self.log[before].clone()
    }

    fn host_acts(&mut self) {
        while let Some(output) = next_output(&mut self.host, self.now) {
            let Output::Send(message) = output else { continue };
            match message.lane {
                Lane::Log { position } if position as usize == self.log.len() => {
                    self.log.push(message.payload.clone());
                    self.host.handle_message(&message, self.now).expect("his own entry");
                }
                Lane::Mailbox(_) => self.answers.push(message),
                _ => {}
            }
        }
    }
}

/// Returns what a call has to say next; takes rosters.
fn next_output(call: &mut Call, now: Time) -> Option<Output> {
    match call.poll_output() {
        Output::Timeout(_) => None,
        Output::Event(Event::Roster(roster)) => {
            call.roster_taken(roster.epoch, now).expect("it was just shown");
            Some(Output::Event(Event::Roster(roster)))
        }
        output => Some(output),
    }
}

/// Hears what a call has to say, and takes its rosters.
pub fn take_rosters(call: &mut Call, now: Time) {
    while next_output(call, now).is_some() {}
}

/// Nobody is missed for ten minutes, and commits wait for little: what is measured shall not depend on the hour.
pub fn config() -> CallConfig {
    let long = Duration::from_secs(600);
    CallConfig {
        max_participants: 2_000,
        switch_deadline: Duration::from_millis(10),
        retention: STEP,
        removal_retention: STEP,
        heartbeat: Duration::from_secs(60),
        liveness_window: long,
        newcomer_window: long,
        silence_limit: Duration::from_secs(3_600),
        ..CallConfig::default()
    }
}

fn person(number: u32) -> Profile {
    Profile::person(&format!("Participant {number}")).expect("a name")
}

fn random(number: u32) -> Random {
    let mut seed = [0x4a; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    seeded_random(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host and member stay together through joins and removals, and joins are small however many are there.
    #[test]
    fn a_hall_of_a_hundred() {
        let mut hall = Hall::of(100);
        let guest = hall.knock();
        let entry = hall.admit(&[guest.id()]);
        assert!(entry.len() <= 2_048, "{} bytes", entry.len());
        let came = hall.comes(guest);
        hall.remove(&[came.me()]);
        assert_eq!(hall.member_reads(), 2);
        let member = hall.member.expect("a member");
        assert_eq!((member.epoch(), member.roster().members.len()), (hall.host.epoch(), 100));
        assert_eq!(member.code(), hall.host.code());
    }
}
