//! The call: what an app touches. A sans-I/O state machine on top of the MLS group.
//!
//! One contract: after every input (a command, a message, a timeout) drain [`Call::poll_output`] until it says
//! [`Output::Timeout`]. The rules R1 to R25 that the comments cite are listed in `SECURITY.md`.

mod code;
mod commands;
mod commits;
mod diagnostics;
mod door;
mod epochs;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod guest;
mod identity;
mod invite;
mod inviting;
mod judge;
mod knock;
mod lobby;
mod log;
mod message;
mod policy;
mod presence;
mod profile;
mod repair;
mod roster;
#[cfg(feature = "tampered")]
mod tampered;

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::crypto::Random;
use crate::crypto::hpke::KeyPair;
use crate::group::{EngineError, Group, Joined};
use crate::id::{CallId, Epoch, MailboxId, ParticipantId};
use crate::keyring::{
    EpochKeys, ExportError, ExportedKey, HoldLimits, KeyRing, Opener, Sealer, TooManyTracks,
};
use crate::sframe::Backend;
use crate::time::Time;
use crate::track::TrackKind;

pub use code::{CodeError, CodeInput, ReadCode, SafetyCode};
pub use diagnostics::{Diagnostics, ParticipantDiagnostics, Trouble, TroubleKind};
pub use error::{CallError, CreateError, HandleError};
pub use guest::{Admission, Guest, HostAnswer, JoinError};
pub use identity::{FreshKeys, MAX_PROOF_LEN};
pub use invite::{Invite, InviteError};
pub use judge::{Attempt, Violation};
pub use lobby::KnockFault;
pub use message::{EndReason, Event, Knock, Lane, Message, Output, SkipReason, Verdict, VouchRequest};
pub use policy::{CallConfig, ConfigError, PolicyChange};
pub use presence::TalkFault;
pub use profile::{Kind, MAX_NAME_LEN, NameError, Profile};
pub use roster::{Cause, Fingerprint, Member, Roster};

use commits::{InFlight, Pace, Wanted};
use diagnostics::Recorder;
use door::Retired;
use epochs::{Change, Epochs};
use identity::Contact;
use knock::Told;
use lobby::Lobby;
use policy::Policy;
pub(crate) use policy::Tags;
use presence::Presence;

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
    /// Of hosts who hold the lobby's private key (R12).
    lobby: Option<Lobby>,
    /// The private half of the contact key in the own leaf.
    contact: Contact,
    /// Lobbies of invites that were rotated, the latest last.
    retired: VecDeque<Retired>,
    /// Since when nobody is known to hold the lobby's key that this host should have.
    keyless_since: Option<Time>,
    presence: Presence,
    recorder: Recorder,
    /// Somebody who held the lobby's key is gone, or not trusted with it any more (R12).
    rotation_due_since: Option<Time>,
    /// R7: since when, and by whose commit, this member cannot follow.
    stranded: Option<Stranded>,
    wanted: Wanted,
    in_flight: Option<InFlight>,
    /// Hosts who may have been made by an own commit, for all that is known.
    offered: Option<Offered>,
    /// No own entry goes out before: the engine failed to build one, or garbage beats ours to its place.
    not_before: Time,
    /// Own entries in a row whose positions were taken by entries that mean nothing.
    lost_to_garbage: u32,
    /// When the first self-removal of this epoch was read.
    leave_seen_at: Option<Time>,
    /// When it is this member's turn to repair the tree, if nobody did anything before (R1).
    repair_at: Time,
    /// What the app knows that it has to read.
    told_mailboxes: Vec<MailboxId>,
    outputs: VecDeque<Output>,
    /// Answers to guests who were let in, still to be sealed: the Welcome of a large call is large, and each guest gets it
    /// under a key of his own, so they are made one at a time.
    admissions: VecDeque<lobby::Admitted>,
    ended: Option<EndReason>,
    now: Time,
}

/// R7: a commit that everybody else may have applied cannot be applied here.
#[derive(Clone, Copy)]
struct Stranded {
    by: ParticipantId,
    /// From then on nothing is sealed or opened.
    end_at: Time,
}

/// R21: an own commit that makes hosts was offered to the log. A server can append it and not show that, or show something else in its
/// place: then they could have acted as hosts from that moment on.
struct Offered {
    at: Time,
    epoch: Epoch,
    hosts: BTreeSet<ParticipantId>,
    /// This participant's clock may have stood still since.
    slept: bool,
}

impl Offered {
    /// Goes on with those of whom it is still not known.
    fn retain(offered: &mut Option<Self>, is_open: impl Fn(ParticipantId) -> bool) {
        offered.take_if(|offered| {
            offered.hosts.retain(|id| is_open(*id));
            offered.hosts.is_empty()
        });
    }
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
        let keys = FreshKeys::generate(&random).map_err(|_| EngineError("no randomness"))?;
        Self::create_with(profile, keys, &[], config, random, now)
    }

    /// Founds a call with keys that were made before, and with a proof for the verifiers of others' apps.
    ///
    /// # Errors
    /// As [`create`](Self::create); [`CreateError::ProofTooLong`].
    pub fn create_with(
        profile: &Profile,
        keys: FreshKeys,
        proof: &[u8],
        config: &CallConfig,
        random: Random,
        now: Time,
    ) -> Result<Self, CreateError> {
        Self::found(profile, keys, proof, config, Tags::Full, random, now)
    }

    pub(crate) fn found(
        profile: &Profile,
        keys: FreshKeys,
        proof: &[u8],
        config: &CallConfig,
        tags: Tags,
        random: Random,
        now: Time,
    ) -> Result<Self, CreateError> {
        if proof.len() > MAX_PROOF_LEN {
            return Err(CreateError::ProofTooLong);
        }
        if !tags.allow(config.suite) {
            return Err(ConfigError::ShortTags.into());
        }
        let no_randomness = |_| EngineError("no randomness");
        let lobby = KeyPair::generate(&random).map_err(no_randomness)?;
        let id = CallId(random.bytes().map_err(no_randomness)?);
        let secret = random.secret().map_err(no_randomness)?;
        let invite = Invite { call: id, number: 0, secret, lobby_key: lobby.public };
        let policy = Policy::new(config, keys.signature_key(), &invite)?;
        let credential = keys.credential(profile, proof);
        let group = Group::create(random, id, keys.signer, credential, policy.encode())?;
        let contact = Contact(keys.contact.private);
        let call = Self::start(id, group, contact, policy, Cause::Founded, BTreeSet::new(), 0, now)
            .ok_or(EngineError("founding the group"))?;
        Ok(Self { lobby: Some(Lobby::new(lobby.private, [])), ..call }.opened(now)?)
    }

    fn joined(id: CallId, joined: Joined, contact: Contact, told: Told, now: Time) -> Option<Self> {
        let policy = Policy::decode(&joined.group.policy()?)?;
        let by = roster::participant_id(id, &joined.admitted_by);
        let next = joined.position.checked_add(1).filter(|next| *next < MAX_POSITION)?;
        let departed = told.departed.into_iter().map(Vec::from).collect();
        let mut call =
            Self::start(id, joined.group, contact, policy, Cause::Joined { by }, departed, next, now)?;
        call.roster.tell(&told.came);
        call.opened(now).ok()
    }

    #[expect(clippy::too_many_arguments, reason = "private, and each is of another type")]
    fn start(
        id: CallId,
        group: Group,
        contact: Contact,
        policy: Policy,
        cause: Cause,
        departed: BTreeSet<Vec<u8>>,
        next: u64,
        now: Time,
    ) -> Option<Self> {
        let (leaves, own) = (group.leaves(), group.own_leaf());
        let roster = roster::build(id, group.epoch(), cause, &leaves, own, &policy, None)?;
        let ring = KeyRing::new(policy.suite(), policy.epoch_bits(), HoldLimits::default());
        let lot = group.random().bytes().ok()?;
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
            contact,
            retired: VecDeque::new(),
            keyless_since: None,
            presence: Presence::new(lot),
            recorder: Recorder::default(),
            rotation_due_since: None,
            stranded: None,
            wanted: Wanted::default(),
            in_flight: None,
            offered: None,
            not_before: Time::ZERO,
            lost_to_garbage: 0,
            leave_seen_at: None,
            repair_at: Time::NEVER,
            told_mailboxes: Vec::new(),
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
        let first = Change {
            switch_at: now,
            close_older_at: Time::NEVER,
            newcomers: false,
            removals: false,
            since: self.now,
        };
        self.begin_epoch(first)?;
        self.tick();
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
        self.epochs.begin(keys, change, self.policy.epoch_bits());
        self.pace.epoch_began(self.now, self.policy.epoch_bits());
        self.plan_repair();
        self.event(Event::Roster(self.roster.clone()));
        let roster = &self.roster;
        self.recorder.members(|id| roster.member(id).is_some());
        self.begin_presence(change.close_older_at, change.since)
    }

    /// Chooses whose AES-GCM seals and opens, from the next key on that is derived: all of them, if it is said before the first roster
    /// is taken. A choice of this participant alone, as all backends make the same bytes.
    pub fn set_backend(&mut self, backend: Backend) {
        self.ring.set_backend(backend);
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

    /// Returns whether this participant may admit guests, and holds what that takes.
    pub fn can_admit(&self) -> bool {
        self.policy.may_admit(&self.group.own_signature_key()) && self.lobby.is_some()
    }

    /// Returns whether the call is locked: nobody can be added.
    pub fn is_locked(&self) -> bool {
        self.policy.is_locked()
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> CallConfig {
        self.policy.config()
    }

    /// Returns the mailboxes to read now, beside the log and the talk lane; [`Event::Mailboxes`] says when they change. One that
    /// is not named any more can be closed.
    pub fn mailboxes(&self) -> Vec<MailboxId> {
        if self.ended.is_some() {
            return Vec::new();
        }
        self.lobby_mailboxes().chain(self.presence.mailboxes()).collect()
    }

    /// Returns what the safety code of this epoch is computed from. All who are in the call, and nobody else, have the same; it
    /// changes with every epoch (R23).
    pub fn code(&self) -> CodeInput {
        CodeInput::of_call(self.id, self.epoch(), &self.group.authenticator())
    }

    /// Returns what the code of this participant and another one is computed from; it stays the same for as long as both are in
    /// the call (R23). `None` if nobody else with this id is on the roster.
    pub fn pair_code(&self, with: ParticipantId) -> Option<CodeInput> {
        let leaves = self.group.leaves();
        let leaf = |member: &Member| leaves.iter().find(|leaf| leaf.index == member.leaf);
        let other = leaf(self.roster.member(with).filter(|member| !member.is_me)?)?;
        let me = leaf(self.roster.me()?)?;
        let [me, other] = [me, other].map(|leaf| (&leaf.signature_key[..], &leaf.credential[..]));
        Some(CodeInput::of_pair(self.id, me, other))
    }

    /// Returns what went wrong so far, in numbers, by participant and reason.
    pub fn diagnostics(&self) -> Diagnostics {
        self.recorder.snapshot(self.ring.held())
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

    // Inputs and outputs.

    /// Takes in a message from the delivery service.
    ///
    /// Everybody reads the log, from [`log_position`](Self::log_position) on, and hands in what stands at each position, one's own
    /// entries included: that is how a call learns that its commit won (R6), and until then it sends it again now and then. An
    /// entry handed in again is ignored. Everybody listens to the talk lane, also to what he said himself. And everybody reads the
    /// [`mailboxes`](Self::mailboxes), of which most participants have none.
    ///
    /// # Errors
    /// [`HandleError`] says whose fault it is; only `Ended` and `Engine` mean that the call is over. `Knock`, `Talk`: anybody can
    /// post garbage; note it and go on. `Gap`: read from `expected`. `UnknownMailbox`: drop the message. Log entries that mean
    /// nothing or are not allowed are no errors but [`Event::Skipped`], since all members skip them.
    pub fn handle_message(&mut self, message: &Message, now: Time) -> Result<(), HandleError> {
        if self.ended.is_some() {
            return Err(HandleError::Ended);
        }
        self.set_time(now);
        self.tick();
        match message.lane {
            _ if self.ended.is_some() => return Err(HandleError::Ended),
            Lane::Log { position } => self.handle_entry(position, &message.payload)?,
            Lane::Talk => self.handle_talk(&message.payload)?,
            Lane::Mailbox(mailbox) if self.presence.reads(mailbox) => self.handle_talk(&message.payload)?,
            Lane::Mailbox(mailbox) => self.handle_lobby(mailbox, &message.payload)?,
        }
        self.tick();
        self.pursue();
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
        let stranded = self.stranded.map_or(Time::NEVER, |stranded| stranded.end_at);
        [self.epochs.next_deadline(), resend, stranded, self.next_launch_at(), self.next_presence_at()]
            .into_iter()
            .fold(self.now + HOUSEKEEPING, Time::min)
    }

    fn tick(&mut self) {
        if let Some(stranded) = self.stranded.filter(|stranded| stranded.end_at <= self.now) {
            return self.end(EndReason::Stranded { by: stranded.by });
        }
        self.tick_epochs();
        self.tick_lobby();
        self.tick_presence();
        if self.ended.is_some() {
            return;
        }
        if let Some(survey) = self.ring.survey(&self.recorder.watched()) {
            self.recorder.survey(survey, self.now);
            // A frame of an old epoch can name somebody who has left.
            let roster = &self.roster;
            self.recorder.members(|id| roster.member(id).is_some());
        }
        for trouble in self.recorder.due(self.now) {
            self.event(Event::Trouble(trouble));
        }
        let mailboxes = self.mailboxes();
        if self.told_mailboxes != mailboxes {
            self.told_mailboxes = mailboxes;
            self.event(Event::Mailboxes);
        }
    }

    fn tick_epochs(&mut self) {
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
        self.retired.clear();
        self.presence.end();
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
