//! The call: what an app touches. A sans-I/O state machine on top of the MLS group.
//!
//! One contract: after every input (a command, a message, a timeout) drain [`Call::poll_output`] until it says
//! [`Output::Timeout`]. The rules R1 to R25 that the comments cite are listed in `SECURITY.md`.

mod commits;
mod epochs;
mod error;
mod guest;
mod invite;
mod judge;
mod knock;
mod lobby;
mod log;
mod message;
mod policy;
mod profile;
mod roster;

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::crypto::Random;
use crate::crypto::hpke::KeyPair;
use crate::group::{EngineError, Group, Joined};
use crate::id::{CallId, Epoch, ParticipantId};
use crate::keyring::{
    EpochKeys, ExportError, ExportedKey, HoldLimits, KeyRing, Opener, Sealer, TooManyTracks,
};
use crate::time::Time;
use crate::track::TrackKind;

pub use error::{CallError, CreateError, HandleError};
pub use guest::{Admission, Guest, HostAnswer, JoinError};
pub use invite::{Invite, InviteError};
pub use judge::Violation;
pub use lobby::KnockFault;
pub use message::{EndReason, Event, Knock, Lane, Message, Output, SkipReason};
pub use policy::{CallConfig, ConfigError};
pub use profile::{Kind, MAX_NAME_LEN, NameError, Profile};
pub use roster::{Cause, Member, Roster};

use commits::{InFlight, Pace, Wanted};
use epochs::{Change, Epochs, NotTaken};
use knock::Answer;
use lobby::Lobby;
use policy::Policy;

/// How often the call wants to be called although nothing is due: held frames age by its time.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// No log gets that long; and counting on from here never overflows.
const MAX_POSITION: u64 = 1 << 62;
/// RFC 9605 §5.2.
const BASE_KEY_LABEL: &str = "SFrame 1.0 Base Key";

/// One participant's side of one encrypted group call.
///
/// Neither `Clone` nor serialisable, on purpose (R15): a copy would seal different frames with the same keys and counters.
/// A process that restarts joins again. Dropping it wipes its keys, also those that sealers and openers use.
pub struct Call {
    id: CallId,
    group: Group,
    policy: Policy,
    /// Of the newest epoch.
    roster: Roster,
    /// Signature keys that were on the roster once and may not come back (R3).
    departed: BTreeSet<Vec<u8>>,
    /// The log position that is processed next.
    next: u64,
    ring: KeyRing,
    epochs: Epochs,
    pace: Pace,
    /// Of hosts who hold the lobby's private key; by now the founder alone (R12 hands it on).
    lobby: Option<Lobby>,
    wanted: Wanted,
    in_flight: Option<InFlight>,
    /// No own entry goes out before: the engine failed to build one, or garbage beats ours to its place.
    not_before: Time,
    /// Own entries in a row whose positions were taken by entries that mean nothing.
    lost_to_garbage: u32,
    /// When the first self-removal of this epoch was read.
    leave_seen_at: Option<Time>,
    outputs: VecDeque<Output>,
    /// Answers to guests who were let in, still to be sealed: the Welcome of a large call is large, and each guest gets it
    /// under a key of his own, so they are made one at a time.
    admissions: VecDeque<lobby::Admitted>,
    ended: Option<EndReason>,
    now: Time,
}

impl Call {
    /// Founds a call; the founder is its first participant and its host.
    ///
    /// # Errors
    /// [`CreateError::Config`] if the configuration is not possible.
    pub fn create(
        profile: &Profile,
        config: &CallConfig,
        random: Random,
        now: Time,
    ) -> Result<Self, CreateError> {
        let no_randomness = |_| EngineError("no randomness");
        let lobby = KeyPair::generate(&random).map_err(no_randomness)?;
        let id = CallId(random.bytes().map_err(no_randomness)?);
        let secret = random.secret().map_err(no_randomness)?;
        let invite = Invite { call: id, number: 0, secret, lobby_key: lobby.public };
        let mut policy = Policy::new(config, [0; 32], &invite)?;
        let group = Group::create(random, id, profile.to_credential(), |founder| {
            policy.hosts = vec![*founder];
            policy.encode()
        })?;
        let call = Self::start(id, group, policy, Cause::Founded, BTreeSet::new(), 0, now)
            .ok_or(EngineError("founding the group"))?;
        Ok(Self { lobby: Some(Lobby::new(lobby.private)), ..call.opened(now)? })
    }

    fn joined(id: CallId, joined: Joined, departed: BTreeSet<Vec<u8>>, now: Time) -> Option<Self> {
        let policy = Policy::decode(&joined.group.policy()?)?;
        let by = roster::participant_id(id, &joined.admitted_by);
        let next = joined.position.checked_add(1).filter(|next| *next < MAX_POSITION)?;
        Self::start(id, joined.group, policy, Cause::Joined { by }, departed, next, now)?.opened(now).ok()
    }

    fn start(
        id: CallId,
        group: Group,
        policy: Policy,
        cause: Cause,
        departed: BTreeSet<Vec<u8>>,
        next: u64,
        now: Time,
    ) -> Option<Self> {
        let (leaves, own) = (group.leaves(), group.own_leaf());
        let roster = roster::build(id, group.epoch(), cause, &leaves, own, &policy, None)?;
        let ring = KeyRing::new(policy.epoch_bits(), HoldLimits::default());
        Some(Self {
            id,
            group,
            policy,
            roster,
            departed,
            next,
            ring,
            epochs: Epochs::default(),
            pace: Pace::default(),
            lobby: None,
            wanted: Wanted::default(),
            in_flight: None,
            not_before: Time::ZERO,
            lost_to_garbage: 0,
            leave_seen_at: None,
            outputs: VecDeque::new(),
            admissions: VecDeque::new(),
            ended: None,
            now,
        })
    }

    /// Begins the first epoch, which has nothing to wait for.
    fn opened(mut self, now: Time) -> Result<Self, EngineError> {
        let invite = self.invite();
        self.group.store_psk(&invite.psk_id(), &invite.psk()[..])?;
        self.set_time(now);
        let first = Change { switch_at: now, close_older_at: Time::NEVER, newcomers: false, removals: false };
        self.begin_epoch(first)?;
        Ok(self)
    }

    /// Exports the keys of the group's new epoch and announces its roster. Both come from the same tree (R14).
    fn begin_epoch(&mut self, change: Change) -> Result<(), EngineError> {
        let suite = self.policy.suite();
        let keys = EpochKeys::new(
            self.group.epoch(),
            suite,
            self.policy.epoch_bits(),
            self.group.own_leaf(),
            self.roster.by_leaf(),
            self.group.export(BASE_KEY_LABEL, suite.key_len())?,
        );
        self.epochs.begin(keys, change);
        self.pace.epoch_began(self.now, self.policy.epoch_bits());
        self.event(Event::Roster(self.roster.clone()));
        Ok(())
    }

    // What there is to know.

    /// Returns the call's id.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// Returns the newest epoch, whose roster may still have to be taken.
    pub fn epoch(&self) -> Epoch {
        self.roster.epoch
    }

    /// Returns the roster of the newest epoch.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Returns this participant's own name in the call.
    pub fn me(&self) -> ParticipantId {
        roster::participant_id(self.id, &self.group.own_signature_key())
    }

    /// Returns whether this participant is a host.
    pub fn is_host(&self) -> bool {
        self.policy.is_host(&self.group.own_signature_key())
    }

    /// Returns the current invite; every participant has it. Send it as a link.
    pub fn invite(&self) -> Invite {
        self.policy.invite(self.id)
    }

    /// Returns the log position to read next. A newcomer starts here, on the host's word and not on the server's (R6).
    pub fn log_position(&self) -> u64 {
        self.next
    }

    /// Returns the epoch under which sealers seal now; `None` before the first roster was taken and after the end.
    pub fn sealing_epoch(&self) -> Option<Epoch> {
        self.ring.sealing_epoch()
    }

    /// Returns why the call is over for this participant, if it is.
    pub fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    // Media.

    /// Makes the sealer of a new outgoing track. It may be made before the first roster was taken, and moved to any thread.
    ///
    /// # Errors
    /// [`TooManyTracks`]: 16 of a kind in one epoch, dropped ones included (R15).
    pub fn sealer(&self, kind: TrackKind) -> Result<Sealer, TooManyTracks> {
        self.ring.sealer(kind)
    }

    /// Makes an opener; one for each thread that receives.
    pub fn opener(&self) -> Opener {
        self.ring.opener()
    }

    pub(crate) fn export_sealing(&self, kind: TrackKind) -> Result<ExportedKey, ExportError> {
        self.ring.export_sealing(kind)
    }

    // Commands.

    /// Says that an epoch's roster was taken by the app: shown, or whatever it does with it. Only now are the epoch's
    /// frames sealed and opened (R14).
    ///
    /// # Errors
    /// [`CallError::RosterNotShown`] before its event came out of `poll_output`, [`CallError::EpochGone`] after its time,
    /// [`CallError::Ended`].
    pub fn roster_taken(&mut self, epoch: Epoch, now: Time) -> Result<(), CallError> {
        self.living()?;
        self.set_time(now);
        match self.epochs.take(epoch, &self.ring) {
            Ok(false) => return Ok(()),
            Ok(true) => self.event(Event::EpochOpened(epoch)),
            Err(NotTaken::NotShown) => return Err(CallError::RosterNotShown),
            Err(NotTaken::Gone) => return Err(CallError::EpochGone),
        }
        self.tick();
        Ok(())
    }

    /// Lets guests in, all in one commit (host).
    ///
    /// # Errors
    /// [`CallError::NotHost`], [`CallError::NoLobby`], [`CallError::NotWaiting`], [`CallError::Full`], [`CallError::Ended`]; then
    /// nobody is let in.
    pub fn admit(&mut self, guests: &[ParticipantId], now: Time) -> Result<(), CallError> {
        self.hosting()?;
        let lobby = self.lobby.as_ref().ok_or(CallError::NoLobby)?;
        if guests.iter().any(|guest| lobby.waiting(*guest).is_none()) {
            return Err(CallError::NotWaiting);
        }
        let mut admit = self.wanted.admit.clone();
        admit.extend(guests);
        if self.roster.members.len() + admit.len() > self.policy.max_participants as usize {
            return Err(CallError::Full);
        }
        self.wanted.admit = admit;
        self.after_command(now)
    }

    /// Turns a guest away; he learns it, and that it was a host (host).
    ///
    /// # Errors
    /// [`CallError::NotHost`], [`CallError::NoLobby`], [`CallError::NotWaiting`], [`CallError::BeingAdmitted`],
    /// [`CallError::Ended`], [`CallError::Engine`] without randomness.
    pub fn deny(&mut self, guest: ParticipantId, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        if self.in_flight.as_ref().is_some_and(|own| own.admits(guest)) {
            return Err(CallError::BeingAdmitted);
        }
        let lobby = self.lobby.as_mut().ok_or(CallError::NoLobby)?;
        let waiting = lobby.waiting(guest).ok_or(CallError::NotWaiting)?;
        let nonce = knock::nonce(self.group.random()).map_err(|_| EngineError("no randomness"))?;
        let sealed = waiting.answer.seal(&Answer::Denied, nonce);
        let lane = Lane::Mailbox(waiting.mailbox);
        lobby.take(guest);
        self.wanted.admit.remove(&guest);
        self.send(lane, Bytes::from(sealed));
        self.after_command(now)
    }

    /// Removes participants (host).
    ///
    /// # Errors
    /// [`CallError::NotHost`], [`CallError::NotOnRoster`], [`CallError::Yourself`], [`CallError::Ended`]; then nobody is removed.
    pub fn remove(&mut self, participants: &[ParticipantId], now: Time) -> Result<(), CallError> {
        self.hosting()?;
        self.check_others(participants)?;
        self.wanted.remove.extend(participants);
        self.after_command(now)
    }

    /// Makes a participant a host: he may remove others, make hosts and commit departures (host).
    ///
    /// Admitting guests takes the lobby's private key, which a new host does not get yet.
    ///
    /// # Errors
    /// [`CallError::NotHost`], [`CallError::NotOnRoster`], [`CallError::Yourself`], [`CallError::TooManyHosts`],
    /// [`CallError::Ended`].
    pub fn make_host(&mut self, participant: ParticipantId, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        self.check_others(&[participant])?;
        let hosts = self.roster.members.iter().filter(|member| member.is_host).count();
        if hosts + self.wanted.make_host.len() >= policy::MAX_HOSTS {
            return Err(CallError::TooManyHosts);
        }
        self.wanted.make_host.insert(participant);
        self.after_command(now)
    }

    /// Leaves the call: asks to be taken off the roster, which a host does. Until then the keys remain; with the commit they go,
    /// also for media that is still under way. What this host still wanted done is not done any more. When the last host leaves,
    /// the call ends for all (R3).
    ///
    /// # Errors
    /// [`CallError::Ended`].
    pub fn leave(&mut self, now: Time) -> Result<(), CallError> {
        self.living()?;
        self.wanted = Wanted { leave: true, ..Wanted::default() };
        self.after_command(now)
    }

    fn living(&self) -> Result<(), CallError> {
        self.ended.map_or(Ok(()), |_| Err(CallError::Ended))
    }

    fn hosting(&self) -> Result<(), CallError> {
        self.living()?;
        if !self.is_host() {
            return Err(CallError::NotHost); // R1
        }
        if self.wanted.leave { Err(CallError::Leaving) } else { Ok(()) }
    }

    fn check_others(&self, participants: &[ParticipantId]) -> Result<(), CallError> {
        participants.iter().try_for_each(|id| match self.roster.member(*id) {
            None => Err(CallError::NotOnRoster),
            Some(member) if member.is_me => Err(CallError::Yourself),
            Some(_) => Ok(()),
        })
    }

    fn after_command(&mut self, now: Time) -> Result<(), CallError> {
        self.set_time(now);
        self.tick();
        self.pursue();
        Ok(())
    }

    // Inputs and outputs.

    /// Takes in a message from the delivery service.
    ///
    /// Everybody reads the log, from [`log_position`](Self::log_position) on, and hands in what stands at each position, one's own
    /// entries included: that is how a call learns that its commit won (R6), and until then it sends it again now and then. An
    /// entry handed in again is ignored. Hosts also read [`Invite::lobby_mailbox`].
    ///
    /// # Errors
    /// [`HandleError`] says whose fault it is; only `Ended` and `Engine` mean that the call is over. `Knock`: anybody can post
    /// garbage into a lobby; note it and go on. `Gap`: read from `expected`. `UnknownMailbox`: drop the message. Log entries that
    /// mean nothing or are not allowed are no errors but [`Event::Skipped`], since all members skip them.
    pub fn handle_message(&mut self, message: &Message, now: Time) -> Result<(), HandleError> {
        if self.ended.is_some() {
            return Err(HandleError::Ended);
        }
        self.set_time(now);
        self.tick();
        match message.lane {
            Lane::Log { position } => self.handle_entry(position, &message.payload)?,
            Lane::Mailbox(mailbox) => {
                if mailbox != self.invite().lobby_mailbox() || self.lobby.is_none() {
                    return Err(HandleError::UnknownMailbox);
                }
                self.handle_knock(&message.payload)?;
            }
        }
        self.tick();
        self.pursue();
        Ok(())
    }

    fn handle_knock(&mut self, knock: &[u8]) -> Result<(), HandleError> {
        let invite = self.invite();
        let Some(lobby) = &mut self.lobby else { return Err(HandleError::UnknownMailbox) };
        let (roster, departed, call) = (&self.roster, &self.departed, self.id);
        let known =
            |key: &[u8]| departed.contains(key) || roster.member(roster::participant_id(call, key)).is_some();
        let knock = lobby.knock(&invite, &self.group, known, knock)?;
        self.event(Event::Knock(knock));
        Ok(())
    }

    /// Does what is due at `now`: must be called at the moment that [`Output::Timeout`] named, at least once a second.
    ///
    /// Without it sealers do not switch, so that a removed participant goes on reading; and old keys are not wiped.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.ended.is_some() {
            return;
        }
        self.set_time(now);
        if let Some(own) = self.in_flight.as_mut().and_then(|own| own.due_again(now)) {
            self.send(own.lane, own.payload);
        }
        self.tick();
        self.pursue();
    }

    /// Returns the next thing that the call wants; to be called after every input until it is [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            if let Output::Event(Event::Roster(roster)) = &output {
                self.epochs.mark_shown(roster.epoch);
            }
            return output;
        }
        match self.admissions.pop_front() {
            Some(admission) => Output::Send(admission.seal()),
            None => Output::Timeout(self.next_deadline()),
        }
    }

    fn next_deadline(&self) -> Time {
        if self.ended.is_some() {
            return Time::NEVER;
        }
        let resend = self.in_flight.as_ref().map_or(Time::NEVER, InFlight::resend_at);
        self.epochs.next_deadline().min(resend).min(self.next_launch_at()).min(self.now + HOUSEKEEPING)
    }

    fn tick(&mut self) {
        let (now, outputs) = (self.now, &mut self.outputs);
        self.epochs.tick(now, &self.ring, |event| outputs.push_back(Output::Event(event)));
    }

    fn set_time(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.ring.set_time(self.now);
    }

    fn end(&mut self, reason: EndReason) {
        self.ended = Some(reason);
        self.epochs.end();
        self.ring.end();
        self.wanted = Wanted::default();
        self.in_flight = None;
        self.lobby = None;
        self.admissions.clear();
        self.group.wipe();
        self.event(Event::Ended(reason));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn send(&mut self, lane: Lane, payload: Bytes) {
        self.outputs.push_back(Output::Send(Message { lane, payload }));
    }

    /// Hashes all that a refused input must not change, for tests.
    #[cfg(test)]
    fn digest(&self) -> [u8; 32] {
        let numbers = [self.roster.epoch.0, self.departed.len() as u64].map(u64::to_be_bytes).concat();
        let leaving = format!("{:?}", self.group.logged_leaves());
        let parts = [&self.group.digest(), &self.policy.encode()[..], &numbers, leaving.as_bytes()];
        crate::crypto::hash::labelled("call", &parts)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("epoch", &self.roster.epoch)
            .field("members", &self.roster.members.len())
            .field("next", &self.next)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
