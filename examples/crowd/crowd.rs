//! The run: who comes when, who goes, and time.
//!
//! Time passes in windows as long as the shortest way to the service. What somebody says in a window comes to nobody before the next one,
//! so within a window participants know nothing of each other, and may be driven on several threads without any difference to the result.

use std::collections::BTreeSet;
use std::time::Duration;

use subrosa::{Invite, ParticipantId, Time};

use crate::Failed;
use crate::arguments::Arguments;
use crate::draws::{Draws, SHORTEST_WAY};
use crate::listener::FRAME_EVERY;
use crate::participant::{Input, Participant, State, Traffic};
use crate::service::{Load, Service};

/// Fewer than that are driven faster on one thread than on several.
const WORTH_A_THREAD: usize = 8;
/// How many listen to the founder's media.
const LISTENERS: usize = 20;
/// Before the rush the call rests until its last commit does not slow down the next ones any more.
const REST: Duration = Duration::from_secs(12);
/// After it, until its keys are in use and its challenges sent.
const SETTLING: Duration = Duration::from_secs(15);
/// Whatever is waited for comes sooner, or never.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// Figures that rise, as they were at a moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) at: Time,
    pub(crate) load: Load,
    /// Of each participant who was in: traffic, and time in the library.
    pub(crate) of: Vec<Option<(Traffic, Duration)>>,
}

/// The call, all who are in it, and the service.
pub(crate) struct Crowd {
    pub(crate) people: Vec<Participant>,
    pub(crate) service: Service,
    pub(crate) now: Time,
    /// How many came in the rush, the hosts included.
    pub(crate) initial: usize,
    pub(crate) rush: (Time, Time),
    /// What both hosts did for it: bytes sent, and time spent in the library, which is real and no simulated time.
    pub(crate) rush_cost: [(u64, Duration); 2],
    /// Begin and end of the time of coming and going.
    pub(crate) steady: Option<(Snapshot, Snapshot)>,
    pub(crate) dropped: BTreeSet<ParticipantId>,
    invite: Invite,
    /// Those who stay to the end, as something is measured at them.
    stay: BTreeSet<usize>,
    draws: Draws,
    seed: u64,
    threads: usize,
}

impl Crowd {
    /// Founds the call, and makes the first guest its second host.
    pub(crate) fn found(arguments: &Arguments) -> Result<Self, Failed> {
        let founder = Participant::founder(&arguments.config(), arguments.seed)?;
        let invite = founder.call().ok_or("the founder is not in")?.invite();
        let mut crowd = Self {
            people: vec![founder],
            service: Service::new(arguments.seed),
            now: Time::ZERO,
            initial: arguments.participants as usize,
            rush: (Time::ZERO, Time::ZERO),
            rush_cost: [(0, Duration::ZERO); 2],
            steady: None,
            dropped: BTreeSet::new(),
            invite,
            stay: [0, 1].into(),
            draws: Draws::new(arguments.seed ^ 0x5eed),
            seed: arguments.seed,
            threads: arguments.threads as usize,
        };
        crowd.comes(crowd.now, false, false)?;
        crowd.wait_until("the second host is in", |crowd| crowd.people[1].is_in())?;
        let second = crowd.people[1].id;
        crowd.tell(0, Input::MakeHost(second));
        crowd.wait_until("the second host may admit", |crowd| {
            crowd.people[1].call().is_some_and(subrosa::Call::can_admit)
        })?;
        crowd.pass(REST)?;
        Ok(crowd)
    }

    /// All guests knock at the given rate, and are let in.
    pub(crate) fn rush(&mut self, per_second: u32) -> Result<(), Failed> {
        let guests = self.initial - 2;
        let listeners = (0..LISTENERS.min(guests)).map(|n| 2 + n * guests / LISTENERS.min(guests));
        let listeners = listeners.collect::<BTreeSet<_>>();
        let probed =
            2 + guests / 2 + usize::from(listeners.contains(&(2 + guests / 2)) && guests > LISTENERS);
        self.stay.extend(listeners.iter().copied().chain([probed]));
        self.service.listeners = Vec::new();
        let start = self.now;
        let before = self.cost_of_hosts();
        self.people[0].speak(Some(start + FRAME_EVERY))?;
        for guest in 0..guests {
            let at = start + Duration::from_secs(1).mul_f64(guest as f64 / f64::from(per_second));
            while self.now + SHORTEST_WAY <= at {
                self.step()?;
            }
            let who = self.people.len();
            self.comes(at, listeners.contains(&who), probed == who)?;
        }
        let initial = self.initial;
        self.wait_until("all guests are in", |crowd| {
            crowd.people.iter().take(initial).all(|person| person.in_at.is_some())
        })?;
        let last = self.people.iter().filter_map(|person| person.in_at).max().unwrap_or_default();
        self.rush = (start, last);
        let after = self.cost_of_hosts();
        self.rush_cost = [0, 1].map(|host| (after[host].0 - before[host].0, after[host].1 - before[host].1));
        Ok(())
    }

    /// People come, leave and fall silent.
    pub(crate) fn steady(&mut self, arguments: &Arguments) -> Result<(), Failed> {
        self.pass(SETTLING)?;
        let (before, start) = (self.snapshot(), self.now);
        let end = start + arguments.steady();
        let every = |seconds: u32, offset: f64| match seconds {
            0 => (Time::NEVER, Duration::ZERO),
            _ => {
                let pause = Duration::from_secs(seconds.into());
                (start + pause.mul_f64(offset), pause)
            }
        };
        let mut leaves = every(arguments.leave_every, 0.1);
        let mut drops = every(arguments.drop_every, 0.4);
        let mut arrivals = every(arguments.arrive_every, 0.7);
        let is_due = |(at, pause): &mut (Time, Duration), now: Time| {
            let due = *at <= now;
            if due {
                *at = *at + *pause;
            }
            due
        };
        while self.now < end {
            if is_due(&mut leaves, self.now)
                && let Some(who) = self.somebody()
            {
                self.people[who].is_leaving = true;
                self.tell(who, Input::Leave);
            }
            if is_due(&mut drops, self.now)
                && let Some(who) = self.somebody()
            {
                self.dropped.insert(self.people[who].id);
                self.people[who].drop_out();
                self.service.forget(who);
            }
            if is_due(&mut arrivals, self.now) {
                self.comes(self.now, false, false)?;
            }
            self.step()?;
        }
        self.steady = Some((before, self.snapshot()));
        Ok(())
    }

    /// Waits until nobody is missed any more and all are of one mind.
    pub(crate) fn calm_down(&mut self) -> Result<(), Failed> {
        self.wait_until("all who fell silent are out, and all who came are in", |crowd| {
            let there = |person: &Participant| !matches!(person.state, State::Waiting(_));
            let leaving = |person: &Participant| person.is_leaving && person.is_in();
            let roster = crowd.people[0].call().map(|call| &call.roster().members[..]).unwrap_or_default();
            crowd.people.iter().all(|person| there(person) && !leaving(person))
                && !roster.iter().any(|member| crowd.dropped.contains(&member.id))
        })?;
        self.people[0].speak(None)?;
        self.wait_until("all are in one epoch", Self::are_together)?;
        self.pass(Duration::from_secs(1))?; // the last frames arrive
        self.wait_until("all are in one epoch", Self::are_together)
    }

    fn cost_of_hosts(&self) -> [(u64, Duration); 2] {
        [0, 1].map(|host| (self.people[host].traffic.up, self.people[host].cpu))
    }

    fn are_together(&self) -> bool {
        let end = self.service.log.len() as u64;
        self.people.iter().filter_map(Participant::call).all(|call| call.log_position() == end)
    }

    /// Somebody who is in and may go.
    fn somebody(&mut self) -> Option<usize> {
        let may_go = |(who, person): &(usize, &Participant)| {
            person.is_in() && !person.is_leaving && !self.stay.contains(who)
        };
        let those = self.people.iter().enumerate().filter(may_go).map(|(who, _)| who).collect::<Vec<_>>();
        let chosen = (!those.is_empty()).then(|| self.draws.one_of(those.len()))?;
        those.get(chosen).copied()
    }

    fn comes(&mut self, at: Time, listens: bool, probed: bool) -> Result<(), Failed> {
        let who = self.people.len();
        let mut person = Participant::guest(who, self.invite.clone(), self.seed, at, probed)?;
        person.listens = listens;
        if listens {
            self.service.listeners.push(who);
        }
        self.people.push(person);
        self.collect();
        Ok(())
    }

    fn tell(&mut self, who: usize, input: Input) {
        self.people[who].inbox.insert((self.now, 0), input);
    }

    fn snapshot(&self) -> Snapshot {
        let of = |person: &Participant| person.is_in().then_some((person.traffic, person.cpu));
        Snapshot { at: self.now, load: self.service.load, of: self.people.iter().map(of).collect() }
    }

    fn pass(&mut self, time: Duration) -> Result<(), Failed> {
        let until = self.now + time;
        while self.now < until {
            self.step()?;
        }
        Ok(())
    }

    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), Failed> {
        let end = self.now + PATIENCE;
        while !is_so(self) {
            if self.now >= end {
                return Err(format!("waited in vain until {what}").into());
            }
            self.step()?;
        }
        Ok(())
    }

    /// One window: the service does its work, then everybody for whom there is something.
    fn step(&mut self) -> Result<(), Failed> {
        let end = self.now + SHORTEST_WAY;
        self.service.work(end, &mut self.people);
        let mut busy = self.people.iter_mut().filter(|person| person.due() < end).collect::<Vec<_>>();
        match self.threads {
            2.. if busy.len() >= WORTH_A_THREAD => {
                let share = busy.len().div_ceil(self.threads);
                std::thread::scope(|scope| {
                    for some in busy.chunks_mut(share) {
                        scope.spawn(move || some.iter_mut().for_each(|person| person.act(end)));
                    }
                });
            }
            _ => busy.iter_mut().for_each(|person| person.act(end)),
        }
        self.collect();
        self.now = end;
        if self.people.iter().any(|person| matches!(person.state, State::Lost)) {
            return Err("somebody could not join".into());
        }
        Ok(())
    }

    /// Takes what all want of the service, in the order of their numbers.
    fn collect(&mut self) {
        for (who, person) in self.people.iter_mut().enumerate() {
            for (at, request) in person.requests.drain(..) {
                self.service.send(who, at, request);
            }
        }
    }
}
