//! Plays a sequence in a room, and holds what comes of it against the model, after every operation.

use core::cell::RefCell;
use core::time::Duration;

use crate::room::{Dice, FOUNDER, Person, Room, RoomConfig, Way};
use subrosa::{Call, CallConfig, CallError, Event, ParticipantId, Time};

use super::op::{Command, Op, Server, Somebody};
use super::reference::{Model, State};

const NAMES: [&str; 12] =
    [FOUNDER, "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Joe", "Kim", "Lea"];
/// Long enough for everybody who is silent to be removed, and for all that waits to be done.
const SETTLES: Duration = Duration::from_secs(400);
/// And so many times ten seconds more.
const TRIES: usize = 10;

pub struct Play {
    pub room: Room,
    model: Model,
    /// Whom the operation hit.
    hit: RefCell<Vec<String>>,
}

impl Play {
    pub fn new(seed: u64, dice: &mut Dice) -> Self {
        Self { room: Room::new(seed, config(dice)), model: Model::default(), hit: RefCell::default() }
    }

    /// Does one operation; says what is wrong afterwards.
    pub fn perform(&mut self, op: &Op) -> Result<(), String> {
        self.go(op)?;
        self.check()
    }

    /// Returns whom operations hit since this was asked last, in the order in which they name them.
    pub fn hit(&self) -> String {
        self.hit.take().join(", ")
    }

    fn go(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Pass(time) => self.room.pass(*time),
            Op::Do(by, command) => {
                if let Some(by) = self.name(*by) {
                    self.command(&by, *command)?;
                }
            }
            Op::AllHosts(commands) => {
                let hosts = self.names(|person| person.try_call().is_some_and(Call::is_host));
                for (host, command) in hosts.iter().zip(commands.iter().cycle()) {
                    self.command(host, *command)?;
                }
            }
            Op::Knock(who) => self.knock(*who),
            Op::KnockMany(first, count) => {
                (*first..first + count).for_each(|n| self.knock(Somebody::Anybody(n)))
            }
            Op::Rejoin(who) => {
                // Whoever is in the call and follows it has no reason to.
                let name = self.name(*who).filter(|name| self.has_reason_to_rejoin(name));
                name.iter().for_each(|name| self.room.rejoin(name));
            }
            Op::Door(who, door) => self.each(*who, |room, name| room.door(name, *door)),
            Op::Crash(who) => self.each_but_the_last(*who, Room::crash),
            Op::CrashMute(who) => self.each_but_the_last(*who, Room::crash_mute),
            Op::CrashAt(who, append) => {
                self.each_but_the_last(*who, |room, name| room.crash_at(name, *append))
            }
            Op::Partition(first, count, from) => {
                let first = self.name(*first);
                let at = NAMES.iter().position(|name| Some(*name) == first.as_deref()).unwrap_or(0);
                let group = NAMES.iter().cycle().skip(at).take(*count as usize).copied();
                let group = group.filter(|name| self.is_known(name)).collect::<Vec<_>>();
                self.room.partition(&group, *from);
            }
            Op::Heal => {
                let all = self.names(|_| true);
                self.room.heal(&all.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Op::Lag(who, lag) => self.each(*who, |room, name| room.lag(name, *lag)),
            Op::Betray(who, treason) => {
                self.each_but_the_last(*who, |room, name| room.betray(name, *treason))
            }
            Op::Forge(who) => self.forge(*who),
            Op::SpoilPath(who, of_256) => {
                self.each_but_the_last(*who, |room, name| _ = room.spoil_path(name, *of_256));
            }
            Op::NewMicrophone(who) => self.each(*who, |room, name| _ = room.new_microphone(name)),
            Op::Server(server) => self.server(server),
        }
        Ok(())
    }

    fn knock(&mut self, who: Somebody) {
        let Some(name) = self.name(who) else { return };
        let is_busy = |person: Person<'_>| person.is_in() || person.is_waiting();
        if self.room.invite().is_some() && !(self.is_known(&name) && is_busy(self.room.person(&name))) {
            self.room.knock(&name);
        }
    }

    fn has_reason_to_rejoin(&self, name: &str) -> bool {
        let person = |name| self.room.person(name);
        let is_lost =
            |person: Person<'_>| person.is_cut_off() || person.is_stranded() || person.ended().is_some();
        self.is_known(name) && (is_lost(person(name)) || !person(name).is_honest() && self.is_out(name))
    }

    /// Whether the others have removed somebody who does not want to know.
    fn is_out(&self, name: &str) -> bool {
        let id = self.room.person(name).try_call().map(Call::me);
        let newest = self.room.epochs().last();
        id.zip(newest).is_some_and(|(id, newest)| !newest.has(id))
    }

    fn forge(&mut self, by: Somebody) {
        let Some(by) = self.name(by).filter(|by| !self.is_last_host(by)) else { return };
        let Some(guest) = self.names(|person| person.is_waiting()).first().cloned() else { return };
        self.room.forge_admission(&by, &guest);
    }

    fn server(&mut self, server: &Server) {
        let name = |who: &Somebody| self.name(*who);
        match server {
            Server::Withholds(from) => {
                name(from).iter().for_each(|from| self.room.server().withholds_log(from))
            }
            Server::Gives(to) => name(to).iter().for_each(|to| self.room.server().gives_log(to)),
            Server::GivesSome(to, entries) => {
                name(to).iter().for_each(|to| self.room.server().gives_entries(to, *entries))
            }
            Server::Mutes(whom, to) => {
                let (whom, to) = (name(whom), to.as_ref().and_then(name));
                whom.iter().for_each(|whom| self.room.server().mutes(whom, to.as_deref()));
            }
            Server::Paces(to, every) => {
                name(to).iter().for_each(|to| self.room.server().paces_talk(to, *every))
            }
            Server::GarbageBefore(entries) => self.room.server().puts_garbage_before(*entries),
            Server::Writes(count, old_ones) => self.room.server().writes(*count, *old_ones),
            Server::Splits(mask) => {
                let half = self.names(|_| true);
                let half = half
                    .iter()
                    .enumerate()
                    .filter(|(n, _)| mask >> n & 1 == 1)
                    .map(|(_, name)| name.as_str());
                let half = half.collect::<Vec<_>>();
                let is_split = self.room.people().any(|person| person.log() == 1);
                if !is_split && !half.is_empty() {
                    self.room.server().splits(&half);
                }
            }
            Server::GoesDown => self.room.server().goes_down(),
            Server::Worsens(way) => self.room.server().worsens(way.clone()),
            Server::ReplaysTalk(count) => self.room.server().replays_talk(*count),
            Server::ReplaysMail(count) => self.room.server().replays_mail(*count),
            Server::ReplaysFrames(count) => self.room.server().replays_frames(*count),
            Server::Behaves => self.room.server().behaves(),
        }
    }

    /// Somebody wants something of his call. The model says whether he may; what he may not, changes nothing.
    fn command(&mut self, by: &str, command: Command) -> Result<(), String> {
        self.model.follow(self.room.epochs())?;
        if matches!(command, Command::Leave)
            && self.is_last_host(by)
            && !self.hit.borrow().len().is_multiple_of(16)
        {
            return Ok(()); // mostly
        }
        let person = self.room.person(by);
        let (call, knocks) = (person.call(), person.knocks().map(|knock| knock.id).collect::<Vec<_>>());
        let guest =
            |number: u64| knocks.get(number as usize % knocks.len().max(1)).copied().unwrap_or(call.me());
        let id =
            |who: Somebody| self.name(who).and_then(|name| self.room.person(&name).try_call().map(Call::me));
        let whom = |who: Somebody| id(who).unwrap_or(call.me());
        let (me, is_free) = (call.me(), call.ended().is_none() && !person.is_stranded());
        let state = self.room.epoch_of(by).map(|number| self.model.state(number).clone());
        let before = (call.epoch(), call.log_position());
        let wanted = Wanted::new(command, guest, whom, &knocks);
        let done = self.room.act(by, |call, now| wanted.say(call, now));
        let call = self.room.person(by).try_call();
        let after = call.map_or(before, |call| (call.epoch(), call.log_position()));
        let Some(state) = state.filter(|_| is_free) else { return Ok(()) };
        if done.is_err() && before != after {
            return Err(format!("{by}: {command:?} was refused and changed something"));
        }
        match (refusal(&state, me, &wanted), done) {
            (Some(expected), Err(error)) if expected.contains(&error) => Ok(()),
            (Some(expected), done) => {
                Err(format!("{by}: {command:?} should be refused as one of {expected:?}, but is {done:?}"))
            }
            (None, Ok(())) => Ok(()),
            (None, Err(error)) if may_be_refused(&state, &wanted, error) => Ok(()),
            (None, Err(error)) => Err(format!("{by}: {command:?} is allowed, and refused: {error}")),
        }
    }

    // Who is meant.

    fn is_known(&self, name: &str) -> bool {
        self.room.people().any(|person| person.name() == name)
    }

    fn names(&self, is: impl Fn(Person<'_>) -> bool) -> Vec<String> {
        self.room.people().filter(|person| is(*person)).map(|person| person.name().to_owned()).collect()
    }

    fn name(&self, who: Somebody) -> Option<String> {
        let pick = |names: Vec<String>, number: u64| {
            let at = number as usize % names.len().max(1);
            names.into_iter().nth(at)
        };
        let name = match who {
            Somebody::Anybody(number) => Some(NAMES[number as usize % NAMES.len()].to_owned()),
            Somebody::Member(number) => pick(self.names(|person| person.is_in()), number),
            Somebody::Host(number) => {
                pick(self.names(|person| person.is_in() && person.call().is_host()), number)
            }
        };
        self.hit.borrow_mut().extend(name.clone());
        name
    }

    fn each(&mut self, who: Somebody, act: impl FnOnce(&mut Room, &str)) {
        if let Some(name) = self.name(who).filter(|name| self.is_known(name)) {
            act(&mut self.room, &name);
        }
    }

    fn each_but_the_last(&mut self, who: Somebody, act: impl FnOnce(&mut Room, &str)) {
        if let Some(name) = self.name(who).filter(|name| !self.is_last_host(name)) {
            act(&mut self.room, &name);
        }
    }

    /// Whether somebody is all that keeps the call alive. A dead call has no more stories to tell, so he is spared.
    fn is_last_host(&self, name: &str) -> bool {
        let leads = |person: Person<'_>| {
            let is_able = !person.is_stranded() && !person.is_cut_off();
            person.is_in()
                && person.is_honest()
                && is_able
                && !is_leaving(person)
                && person.call().can_admit()
        };
        self.names(leads) == [name]
    }

    /// Whether the call is over for good: no host is left in it who means no harm.
    pub fn is_dead(&self) -> bool {
        !self.room.people().any(|p| p.is_in() && p.is_honest() && !p.is_stranded() && p.call().is_host())
    }

    // What has to hold.

    fn check(&mut self) -> Result<(), String> {
        if let Some(broken) = self.room.broken().first() {
            return Err(broken.to_string());
        }
        if let Some((id, why)) = self.room.wrongly_ended().first() {
            return Err(format!("the call ended without reason for {id:?}: {why:?}"));
        }
        self.model.follow(self.room.epochs())?;
        self.same_place_same_call()?;
        self.memory_is_bounded()
    }

    /// R4: honest members who have read the same log are in the same call, or have said that they are out.
    fn same_place_same_call(&self) -> Result<(), String> {
        let followers =
            self.room.people().filter(|person| person.is_in() && person.is_honest() && !person.is_stranded());
        let mut at = std::collections::BTreeMap::new();
        for person in followers {
            let Some(place) = self.room.place_of(person.name()) else { continue };
            let first = *at.entry(place).or_insert(person);
            let [one, other] = [first, person].map(|person| person.call());
            let ids = |call: &Call| call.roster().members.iter().map(|member| member.id).collect::<Vec<_>>();
            let same = one.epoch() == other.epoch() && ids(one) == ids(other) && one.code() == other.code();
            if !same {
                return Err(format!(
                    "{} and {} are at {place:?} and not in the same call",
                    first.name(),
                    person.name()
                ));
            }
        }
        Ok(())
    }

    /// What others can fill has its bounds (R18).
    fn memory_is_bounded(&self) -> Result<(), String> {
        for call in self.room.people().filter_map(|person| person.try_call()) {
            let diagnostics = call.diagnostics();
            let is_bounded = diagnostics.held_frames <= 16_384
                && diagnostics.held_bytes <= 8 << 20
                && diagnostics.participants.len() <= call.roster().members.len();
            if !is_bounded {
                return Err(format!("no bound: {diagnostics:?}"));
            }
        }
        Ok(())
    }

    /// Everything is made good again: after a while all who are in the call and mean no harm must be able to speak to each
    /// other, and nobody else be on the roster but those who do mean harm.
    pub fn settles(&mut self) -> Result<(), String> {
        self.room.server().behaves();
        self.go(&Op::Heal)?;
        for name in self.names(|_| true) {
            self.room.lag(&name, Duration::ZERO);
        }
        self.room.pass(SETTLES);
        self.model.follow(self.room.epochs())?;
        // Where talk is lost somebody may be cut off for a moment at any time.
        for _ in 0..TRIES {
            if (0..2).all(|log| self.has_settled(log).is_ok()) {
                break;
            }
            self.room.pass(Duration::from_secs(10));
            self.model.follow(self.room.epochs())?;
        }
        self.check()?;
        self.room.check();
        (0..2).try_for_each(|log| self.has_settled(log))
    }

    fn has_settled(&self, log: usize) -> Result<(), String> {
        let honest = self.room.people().filter(|person| {
            person.is_in() && person.is_honest() && !person.is_stranded() && person.log() == log
        });
        let honest = honest.collect::<Vec<_>>();
        let Some(newest) = honest.iter().map(|person| person.call()).max_by_key(|call| call.epoch()) else {
            return Ok(());
        };
        // Without a host who means no harm, and to stay, the call stands still (R22).
        let leads =
            |p: &&Person<'_>| p.call().is_host() && p.call().epoch() == newest.epoch() && !is_leaving(**p);
        let is_led = honest.iter().any(|person| leads(&person));
        if !is_led {
            return Ok(());
        }
        // R12: whoever held the lobby's key once and should not any more has an invite that is worth nothing.
        let rotates = |p: &&Person<'_>| leads(p) && p.call().can_admit();
        let state = honest.iter().find(rotates).and_then(|person| self.room.epoch_of(person.name()));
        if state.is_some_and(|number| self.model.state(number).owes_rotation) {
            return Err(
                "a host who held the lobby's key is gone, and the invite is still the same".to_owned()
            );
        }
        let ids = honest.iter().map(|person| person.id()).collect::<Vec<_>>();
        let is_alone = self.room.people().all(|person| person.log() == log || !person.is_in());
        for member in newest.roster().members.iter().filter(|member| is_alone && !ids.contains(&member.id)) {
            let owner = self.room.people().find(|person| person.ids().contains(&member.id));
            let is_villain = owner.is_some_and(|owner| !owner.is_honest() && owner.try_call().is_some());
            if !is_villain {
                let name = owner.map_or("?", |owner| owner.name());
                return Err(format!(
                    "{name} is still on the roster of epoch {} and not there",
                    newest.epoch()
                ));
            }
        }
        for person in honest.iter().filter(|person| newest.roster().member(person.id()).is_some()) {
            if person.call().epoch() != newest.epoch() {
                return Err(format!("{} is not in the newest epoch {}", person.name(), newest.epoch()));
            }
            if is_alone && (person.is_cut_off() || !person.can_speak()) {
                return Err(format!("{} is in the call and cannot speak", person.name()));
            }
        }
        Ok(())
    }

    /// Whoever is in the call, for a look at how much memory he takes.
    pub fn in_call(&self) -> Vec<String> {
        self.names(|person| person.is_in())
    }
}

/// Whether somebody has asked to leave and is still there.
fn is_leaving(person: Person<'_>) -> bool {
    let me = person.try_call().map(Call::me);
    let since = person.events().rev().take_while(|(_, event)| !matches!(event, Event::Roster(_)));
    since.into_iter().any(|(_, event)| matches!(event, Event::Leaving(id) if Some(*id) == me))
}

/// A command, with those whom it is about.
struct Wanted {
    command: Command,
    about: Vec<ParticipantId>,
}

impl Wanted {
    fn new(
        command: Command,
        guest: impl Fn(u64) -> ParticipantId,
        whom: impl Fn(Somebody) -> ParticipantId,
        knocks: &[ParticipantId],
    ) -> Self {
        let about = match command {
            Command::AdmitOne(number) | Command::Deny(number) => vec![guest(number)],
            Command::AdmitAll => knocks.to_vec(),
            Command::Remove(who)
            | Command::MakeHost(who)
            | Command::MakeModerator(who)
            | Command::UnmakeHost(who) => vec![whom(who)],
            Command::RemoveTwo(one, other) => vec![whom(one), whom(other)],
            _ => Vec::new(),
        };
        Self { command, about }
    }

    fn say(&self, call: &mut Call, now: Time) -> Result<(), CallError> {
        let first = || self.about.first().copied().unwrap_or(call.me());
        match self.command {
            Command::AdmitOne(_) | Command::AdmitAll => call.admit(&self.about, now),
            Command::Deny(_) => call.deny(first(), now),
            Command::Remove(_) | Command::RemoveTwo(..) => call.remove(&self.about, now),
            Command::Leave => call.leave(now),
            Command::MakeHost(_) => call.make_host(first(), now),
            Command::MakeModerator(_) => call.make_moderator(first(), now),
            Command::UnmakeHost(_) => call.unmake_host(first(), now),
            Command::Lock => call.lock(now),
            Command::Unlock => call.unlock(now),
            Command::SetConfig(number) => call.set_config(&other_config(call.config(), number), now),
            Command::RotateInvite => call.rotate_invite(now),
            Command::GoOn => call.go_on_without_host(now),
        }
    }
}

/// Returns as what a command must be refused, going by what the model knows; `None` if it may be carried out, or be refused for
/// reasons of its own.
fn refusal(state: &State, me: ParticipantId, wanted: &Wanted) -> Option<Vec<CallError>> {
    use CallError::{Leaving, MayNotAdmit, NotAHost, NotHost, NotOnRoster, Yourself};
    if matches!(wanted.command, Command::Leave | Command::GoOn) {
        return None; // for everybody
    }
    if !state.hosts.contains(&me) {
        return Some(vec![NotHost]);
    }
    let takes_admitter = matches!(
        wanted.command,
        Command::AdmitOne(_)
            | Command::AdmitAll
            | Command::Deny(_)
            | Command::MakeHost(_)
            | Command::RotateInvite
    );
    if takes_admitter && !state.admitters.contains(&me) {
        return Some(vec![MayNotAdmit, Leaving]);
    }
    let is_about_members = matches!(
        wanted.command,
        Command::Remove(_) | Command::RemoveTwo(..) | Command::MakeHost(_) | Command::MakeModerator(_)
    );
    if is_about_members && wanted.about.iter().any(|id| *id == me || !state.members.contains(id)) {
        return Some(vec![Yourself, NotOnRoster, Leaving]);
    }
    if matches!(wanted.command, Command::UnmakeHost(_))
        && !wanted.about.iter().all(|id| state.hosts.contains(id))
    {
        return Some(vec![NotAHost, NotOnRoster, Leaving]);
    }
    None
}

/// Whether what the model allows may be refused all the same: it knows nothing of guests who wait, nor of what is under way.
fn may_be_refused(state: &State, wanted: &Wanted, error: CallError) -> bool {
    use CallError::{
        BeingAdmitted, Config, Full, HostsThere, LastHost, LastWhoMayAdmit, Leaving, Locked, NoLobby,
        NotWaiting, TooManyHosts,
    };
    match (wanted.command, error) {
        (Command::Leave, _) => false,
        (Command::GoOn, _) => error == HostsThere,
        (_, Leaving) => true,
        (Command::AdmitOne(_) | Command::AdmitAll, Locked) => state.is_locked,
        (Command::AdmitOne(_) | Command::AdmitAll, NoLobby | NotWaiting | Full) => true,
        (Command::Deny(_), NoLobby | NotWaiting | BeingAdmitted) => true,
        (Command::MakeHost(_) | Command::MakeModerator(_), TooManyHosts) => true,
        (Command::UnmakeHost(_), LastHost) => true,
        (Command::UnmakeHost(_) | Command::MakeModerator(_), LastWhoMayAdmit) => true,
        (Command::SetConfig(_), Config(_)) => true,
        _ => false,
    }
}

/// A room of one of many kinds.
fn config(dice: &mut Dice) -> RoomConfig {
    let millis = Duration::from_millis;
    let mut way = |most: u64, jitter: u64, loss: u64| Way {
        latency: millis(1)..=millis(1 + dice.below(most)),
        jitter: millis(dice.below(jitter)),
        loss: dice.below(loss) as f64 / 1000.0,
        doubled: dice.below(50) as f64 / 1000.0,
    };
    let (handshake, mut media) = (way(300, 500, 60), way(200, 300, 60));
    if dice.chance(0.1) {
        media.jitter = millis(dice.below(3_000));
    }
    let call = CallConfig { epoch_bits: 3 + dice.below(2) as u8, ..CallConfig::default() };
    RoomConfig {
        call: if dice.chance(0.3) { other_config(call, dice.below(6)) } else { call },
        handshake,
        late_entries: (dice.below(50) as f64 / 1000.0, millis(dice.below(4_000))),
        media,
        // Now and then so often that frames overtake each other.
        frames_every: Some(millis(match dice.below(100) {
            0 => 20, // so that what waits for its key reaches its bounds
            1..=10 => 100,
            _ => 300 + dice.below(900),
        })),
        rosters_take: match dice.below(10) {
            0..=4 => millis(0)..=millis(0),
            5..=7 => millis(0)..=millis(1_500),
            _ => millis(0)..=millis(6_000),
        },
        rosters_in_order: dice.chance(0.7),
        crooked_clocks_ppm: if dice.chance(0.5) { 0 } else { 10_000 },
        ..RoomConfig::default()
    }
}

/// A configuration that differs, some of them not possible.
fn other_config(config: CallConfig, number: u64) -> CallConfig {
    let seconds = Duration::from_secs;
    match number {
        0 => CallConfig { max_participants: 6, ..config },
        1 => CallConfig { switch_deadline: Duration::from_millis(300), retention: seconds(20), ..config },
        2 => CallConfig { heartbeat: seconds(4), liveness_window: seconds(20), ..config },
        3 => CallConfig { removal_retention: seconds(3), silence_limit: seconds(60), ..config },
        4 => CallConfig { epoch_bits: config.epoch_bits + 1, ..config },
        _ => CallConfig::default(),
    }
}
