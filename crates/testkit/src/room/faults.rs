//! What happens to members: partitions, crashes, treason.

use core::time::Duration;

use subrosa::danger::tampered;
use subrosa::{Lane, Message, ParticipantId};

use super::Room;
use super::config::{Append, From, Treason};
use super::queue::Up;
use super::seat::Stage;

impl Room {
    /// Cuts members off for a while: until [`heal`](Self::heal). Talk and media that would reach or leave them meanwhile are lost;
    /// log entries and mail come later.
    #[track_caller]
    pub fn partition(&mut self, names: &[&str], from: From) {
        for name in names {
            let who = self.who(name);
            let seat = &mut self.seats[who];
            seat.is_cut_from_service |= from != From::Media;
            seat.is_cut_from_media |= from != From::Service;
        }
    }

    /// Ends all partitions of these members.
    #[track_caller]
    pub fn heal(&mut self, names: &[&str]) {
        for name in names {
            let who = self.who(name);
            let seat = &mut self.seats[who];
            (seat.is_cut_from_service, seat.is_cut_from_media) = (false, false);
            for happening in core::mem::take(&mut seat.stalled) {
                let delay = self.dice.between(Duration::ZERO, Duration::from_millis(50));
                self.queue.push(self.now + delay, happening);
            }
        }
    }

    /// Makes all handshake messages of a member take so much longer, in both directions.
    #[track_caller]
    pub fn lag(&mut self, name: &str, lag: Duration) {
        let who = self.who(name);
        self.seats[who].lag = lag;
    }

    /// A member vanishes. What is on its way from him still arrives; nobody takes him off the roster but by R13 and R21.
    #[track_caller]
    pub fn crash(&mut self, name: &str) {
        let who = self.who(name);
        self.vanish(who);
    }

    /// A member vanishes and with him all that he has sent and the service has not got yet.
    #[track_caller]
    pub fn crash_mute(&mut self, name: &str) {
        let who = self.who(name);
        self.vanish(who);
        self.seats[who].mute_before = self.seats[who].life;
    }

    /// A member will vanish the next time that his call wants something appended to the log.
    #[track_caller]
    pub fn crash_at(&mut self, name: &str, append: Append) {
        let who = self.who(name);
        self.seats[who].vanishes_at = Some(append);
    }

    pub(super) fn vanish(&mut self, who: usize) {
        let seat = &mut self.seats[who];
        seat.get_up(); // dropping the call wipes its keys
        seat.ended = None;
        seat.vanishes_at = None;
        seat.stalled.clear();
    }

    /// From now on a member means harm, and the servers help him: he is handed every frame, the moment that it is sealed. He stops
    /// only when he [rejoins](Self::rejoin) or [crashes](Self::crash).
    #[track_caller]
    pub fn betray(&mut self, name: &str, treason: Treason) {
        let who = self.who(name);
        self.seats[who].treason = Some(treason);
    }

    /// A member's client makes a commit that lets a waiting guest in, whether or not its owner may, and appends it. That is
    /// [treason](Treason::Deaf). Says whether it could be made.
    ///
    /// # Panics
    /// If the guest does not wait, or the member is not in the call.
    #[track_caller]
    pub fn forge_admission(&mut self, by: &str, guest: &str) -> bool {
        let (by, guest) = (self.who(by), self.who(guest));
        let stage = core::mem::replace(&mut self.seats[guest].stage, Stage::Away);
        let Stage::Waiting(waiting) = &stage else { panic!("{} does not wait", self.seats[guest].name) };
        let attending = self.seats[by].attending_mut().expect("the forger is in the call");
        let forged = tampered::admit(&mut attending.call, waiting);
        self.seats[guest].stage = stage;
        self.append_forged(by, forged)
    }

    /// A member's client makes a commit whose path is wrong for about so many of 256 of the keys to which it is sealed, and appends
    /// it: if he is a host, whoever has one of these is stranded (R7). He cannot read it himself, so it is [treason](Treason::Deaf).
    /// Says whether it could be made.
    ///
    /// # Panics
    /// If the member is not in the call.
    #[track_caller]
    pub fn spoil_path(&mut self, by: &str, of_256: u16) -> bool {
        let by = self.who(by);
        let attending = self.seats[by].attending_mut().expect("the forger is in the call");
        let spoils = move |key: &[u8]| key.first().is_some_and(|first| u16::from(*first) < of_256);
        let forged = tampered::spoil_path(&mut attending.call, spoils);
        let id = attending.id;
        self.ledger.spoilers.insert(id);
        self.append_forged(by, forged)
    }

    /// A member's client says in the talk lane that a host is there, in that host's name. That is [treason](Treason::Deaf).
    ///
    /// # Panics
    /// If the member is not in the call, or has nobody of that name on his roster.
    #[track_caller]
    pub fn forge_beat(&mut self, by: &str, of: ParticipantId, number: u64) {
        let by = self.who(by);
        let attending = self.seats[by].attending_mut().expect("the forger is in the call");
        let Message { payload, .. } =
            tampered::beat(&mut attending.call, of, number).expect("the host is in");
        self.seats[by].treason.get_or_insert(Treason::Deaf);
        self.send_up(by, Up::Talk(payload));
    }

    fn append_forged<E>(&mut self, by: usize, forged: Result<Message, E>) -> bool {
        // His own call does not know any more what it has under way.
        self.seats[by].treason.get_or_insert(Treason::Deaf);
        let Ok(Message { lane: Lane::Log { position }, payload }) = forged else { return false };
        self.send_up(by, Up::Append { position, entry: payload });
        true
    }
}
