//! A call in which people come and go all the time.

use core::time::Duration;

use subrosa::CallConfig;

use super::{Dice, FOUNDER, Room, RoomConfig, Way};

/// A stream of chance that the room does not use.
const CHURN: u64 = 16;
/// The second host, so that one can be late without all being late.
const SECOND_HOST: &str = "Bob";

/// A call in which people come and go all the time, over a network that is late and loses frames: what a switch of keys has to
/// withstand.
#[derive(Clone, Debug)]
pub struct Churn {
    /// How many are in the call.
    pub participants: usize,
    /// How many joins, leaves and removals there are.
    pub changes: usize,
    /// How often each microphone has a frame.
    pub frames_every: Duration,
    /// How much longer one in fifty log entries takes, to each member.
    pub late_by: Duration,
    /// Where all chance comes from.
    pub seed: u64,
}

impl Default for Churn {
    /// 500 changes in a call of 20, with 50 frames a second from each, and late entries 2 s late.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { participants: 20, changes: 500, frames_every: millis(20), late_by: millis(2_000), seed: 1 }
    }
}

impl Churn {
    /// Returns the network: handshake messages take 150 ± 100 ms each way, and one in fifty log entries longer
    /// than that to each member; media take 60 ± 30 ms, and 2 % of them are lost.
    pub fn config(&self) -> RoomConfig {
        let millis = Duration::from_millis;
        RoomConfig {
            call: CallConfig::default(),
            handshake: Way::taking(millis(50), millis(200)),
            late_entries: (0.02, self.late_by),
            media: Way { loss: 0.02, ..Way::taking(millis(30), millis(60)) },
            frames_every: Some(self.frames_every),
            stranger: false,
            ..RoomConfig::default()
        }
    }

    /// Runs it, and tells `progress` how many changes there were, after each.
    ///
    /// # Panics
    /// If the call falls apart: somebody does not get in, say.
    pub fn run(&self, mut progress: impl FnMut(usize)) -> Room {
        let mut room = Room::new(self.seed, self.config());
        let mut dice = Dice::new(self.seed, CHURN);
        room.join(SECOND_HOST);
        let second = room.person(SECOND_HOST).id();
        room.act(FOUNDER, |call, now| call.make_host(second, now)).expect("the founder is a host");
        // A few more than there are places, so that there is somebody to come back.
        let guests = (2..self.participants + 3).map(|number| format!("guest {number}")).collect::<Vec<_>>();
        let first = guests.iter().take(self.participants.saturating_sub(2));
        room.join_all(&first.map(String::as_str).collect::<Vec<_>>());
        room.pass(Duration::from_secs(20));
        for change in 0..self.changes {
            self.change(&mut room, &mut dice, &guests);
            progress(change + 1);
            // Within what R8's pacing lets through: 8 commits in 10 s.
            room.pass(dice.between(Duration::from_secs(1), Duration::from_secs(4)));
        }
        room.pass(Duration::from_secs(20));
        // So that nothing is still on its way, and every frame has been accounted for.
        for name in room.people().map(|person| person.name().to_owned()).collect::<Vec<_>>() {
            room.speaks(&name, false);
        }
        room.pass(Duration::from_secs(10));
        room
    }

    fn change(&self, room: &mut Room, dice: &mut Dice, guests: &[String]) {
        let known = |name: &&String| room.people().any(|person| person.name() == name.as_str());
        let is_in = |name: &&String| known(name) && room.person(name).is_in();
        let is_away = |name: &&String| !known(name) || !is_in(name) && !room.person(name).is_waiting();
        let inside = guests.iter().filter(is_in).cloned().collect::<Vec<_>>();
        let away = guests.iter().filter(is_away).cloned().collect::<Vec<_>>();
        let is_full = inside.len() + 2 >= self.participants;
        if !away.is_empty() && (inside.is_empty() || !is_full && dice.chance(0.8)) {
            return room.knock(dice.one_of(&away).as_str());
        }
        let who = dice.one_of(&inside).clone();
        if dice.chance(0.5) {
            return room.act(&who, |call, now| call.leave(now)).unwrap_or_default();
        }
        let (id, host) = (room.person(&who).id(), *dice.one_of(&[FOUNDER, SECOND_HOST]));
        // He may have left a moment ago, or not have come for this host yet.
        room.act(host, |call, now| call.remove(&[id], now)).unwrap_or_default();
    }
}
