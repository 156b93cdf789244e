//! Who is there: talk among members, liveness of hosts and members, acknowledgements of epochs (R7, R12, R13, R20 to R22).

mod acks;
mod duties;
#[cfg(any(test, feature = "tampered"))]
mod forge;
mod freshness;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod standing;
mod talk;
mod watch;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::commits::Wanted;
use super::epochs::Announced;
use super::message::{EndReason, Lane};
use super::roster::{self, Cause};
use super::{Call, CallError, HandleError, Offered};
use crate::crypto::hash;
use crate::group::EngineError;
use crate::id::{Epoch, MailboxId, ParticipantId};
use crate::time::Time;

use acks::Acks;
use freshness::Freshness;
use standing::Standing;
use talk::{Announcement, Outside, Talk, TalkKeys};
use watch::{Limits, Watch};

pub use talk::TalkFault;
pub(super) use talk::{Beat, KnockHash};

/// Messages of an epoch that is not reached yet, which wait for it; the oldest go first.
const MAX_AHEAD: usize = 64;
/// A longer one is not kept: only handovers are, and those come again.
const MAX_AHEAD_LEN: usize = 4096;
/// Challenges go to everybody's talk lane: not more than ten a second in the whole call, in the long run.
const CHALLENGE_SPACING: Duration = Duration::from_millis(100);
/// A new host's first beat echoes the challenges of this much time, and what it takes everybody to speak.
const FIRST_BEAT_AFTER: Duration = Duration::from_secs(1);
/// When many have reason to speak at once, they spread it over this much time for each of them.
const SPREAD: Duration = Duration::from_millis(10);

/// The talk of an epoch, and until when it is listened to.
struct Line {
    keys: TalkKeys,
    committer: Option<ParticipantId>,
    close_at: Time,
}

/// What a call knows of who is there.
pub(super) struct Presence {
    lines: BTreeMap<Epoch, Line>,
    ahead: VecDeque<Bytes>,
    /// When something came last that could be of an epoch that is not reached yet.
    ahead_at: Option<Time>,
    freshness: Freshness,
    watch: Watch,
    acks: Acks,
    standing: Standing,
    hosting: bool,
    /// Which hosts said that they hold the lobby's key.
    keyholders: BTreeMap<ParticipantId, bool>,
    /// How often hosts have said that they lack it, and when it was last handed to them.
    keyless: BTreeMap<ParticipantId, (u32, Time)>,
    /// Who said in this epoch that he cannot follow.
    stranded: BTreeSet<ParticipantId>,
    /// 0 to 1: this member's place when many would speak at once; drawn by lot, so that a seed repeats it.
    place: f64,
}

impl Presence {
    pub(super) fn new(lot: [u8; 4]) -> Self {
        Self {
            lines: BTreeMap::new(),
            ahead: VecDeque::new(),
            ahead_at: None,
            freshness: Freshness::default(),
            watch: Watch::default(),
            acks: Acks::default(),
            standing: Standing::Connected,
            hosting: false,
            keyholders: BTreeMap::new(),
            keyless: BTreeMap::new(),
            stranded: BTreeSet::new(),
            place: f64::from(u32::from_be_bytes(lot)) / f64::from(u32::MAX),
        }
    }

    pub(super) fn mailboxes(&self) -> impl Iterator<Item = MailboxId> {
        self.acks.mailboxes()
    }

    pub(super) fn reads(&self, mailbox: MailboxId) -> bool {
        self.acks.reads(mailbox)
    }

    pub(super) fn is_connected(&self) -> bool {
        self.standing == Standing::Connected
    }

    /// Says whether somebody has said that he cannot follow (R7).
    pub(super) fn is_stranded(&self, id: ParticipantId) -> bool {
        self.stranded.contains(&id)
    }

    /// Says whether a host has said that he holds the lobby's key.
    pub(super) fn holds_lobby_key(&self, host: ParticipantId) -> bool {
        self.keyholders.get(&host) == Some(&true)
    }

    /// Says whether any other host has said so.
    pub(super) fn somebody_holds_lobby_key(&self) -> bool {
        self.keyholders.values().any(|holds| *holds)
    }

    /// Wipes the talk keys.
    pub(super) fn end(&mut self) {
        self.lines.clear();
        self.ahead.clear();
        self.acks.clear();
    }
}

impl Call {
    /// A new epoch: who is there now, with new talk keys. The keys of older ones stay for as long as their frames.
    ///
    /// Whoever is a host in it could have acted as one since `since`, which is before it was known here if it is an own commit.
    pub(super) fn begin_presence(&mut self, close_older_at: Time, since: Time) -> Result<(), EngineError> {
        let (call, now) = (self.id, self.now);
        let (suite, bits) = (self.policy.suite(), self.policy.epoch_bits());
        let keys = TalkKeys::new(call, &self.group, suite, bits, &self.roster.members)?;
        let (epoch, acknowledgements, width) = (keys.epoch(), keys.acknowledgements(), keys.width());
        let committer = match self.roster.cause {
            Cause::Founded => None,
            Cause::Joined { by } | Cause::Commit { by, .. } => Some(by),
        };
        let (spread, limits, interval) = (self.spread(), self.limits(), self.challenge_interval());
        let (settling, to_new_hosts) = (self.settling(), spread.min(self.policy.heartbeat() / 2));
        let presence = &mut self.presence;
        presence.lines.values_mut().for_each(|line| line.close_at = line.close_at.min(close_older_at));
        // An epoch takes the place of the one with its low bits (RFC 9605 §5.2), however many a host makes.
        let span = 1 << self.policy.epoch_bits();
        presence.lines.retain(|old, _| old.0 + span > epoch.0);
        presence.lines.insert(epoch, Line { keys, committer, close_at: Time::NEVER });

        let others = self.roster.members.iter().filter(|member| !member.is_me);
        let others = others.map(|member| (member.id, member.is_host)).collect::<Vec<_>>();
        let hosts = others.iter().filter(|(_, is_host)| *is_host).map(|(id, _)| *id).collect::<Vec<_>>();
        let within = to_new_hosts.mul_f64(presence.place);
        let times = [self.policy.heartbeat(), self.policy.liveness_window()];
        presence.freshness.begin_epoch(epoch, &hosts, [since, now], times, [within, interval]);
        presence.keyholders.retain(|id, _| hosts.contains(id));
        let hosting = self.roster.me().is_some_and(|me| me.is_host);
        let roster_me = self.roster.me().map(|me| me.id);
        match (presence.hosting, hosting) {
            // A little later, so that those who have just learnt it can have challenged him by then; a founder is alone.
            (false, true) => {
                presence.watch.stand_up(now, if others.is_empty() { now } else { now + settling })
            }
            (true, false) => {
                presence.watch.stand_down();
                presence.acks.clear();
                // What he wanted as a host is not to come back with the next time that he is one.
                self.wanted = Wanted { leave: self.wanted.leave, ..Wanted::default() };
            }
            _ => {}
        }
        presence.hosting = hosting;
        if hosting {
            let newcomers = match &self.roster.cause {
                Cause::Commit { admitted, .. } => admitted.as_slice(),
                _ => &[],
            };
            let is_own = committer == roster_me;
            presence.watch.begin_epoch(&others, |id| newcomers.contains(&id), is_own, limits, now);
            let roster = &self.roster;
            presence.acks.retain(|id| roster.member(id).is_some());
            if is_own {
                let deadlines = [self.policy.switch_deadline(), self.policy.newcomer_window()];
                let others = others.iter().map(|(id, _)| (*id, newcomers.contains(id)));
                presence.acks.begin(epoch, acknowledgements, others, width, now, deadlines);
            } else {
                self.recorder.acknowledged_elsewhere();
            }
        }
        let roster = &self.roster;
        self.presence.stranded.retain(|id| roster.member(*id).is_some());
        self.presence.keyless.retain(|id, _| roster.member(*id).is_some());
        Ok(())
    }

    /// Takes in what came before its epoch did.
    pub(super) fn hear_what_was_early(&mut self) {
        for bytes in core::mem::take(&mut self.presence.ahead) {
            let _ = self.handle_talk(&bytes);
        }
    }

    /// Takes in a message of the talk lane, or of a mailbox for acknowledgements.
    pub(super) fn handle_talk(&mut self, bytes: &Bytes) -> Result<(), HandleError> {
        let heard = self.try_handle_talk(bytes);
        // What comes from an epoch that is closed here is from somebody who is behind, mostly: that is no trouble.
        let is_trouble = heard.is_err_and(|fault| fault != TalkFault::EpochClosed);
        if is_trouble {
            self.recorder.refused_talk();
        }
        heard.map_err(HandleError::Talk)
    }

    fn try_handle_talk(&mut self, bytes: &Bytes) -> Result<(), TalkFault> {
        let (cadence, is_host) = (self.policy.heartbeat(), self.presence.hosting);
        if is_host && self.presence.watch.own_came_back(beat_hash(bytes), self.now, cadence) {
            return Ok(());
        }
        let outside = Outside::read(bytes)?;
        let bits = self.policy.epoch_bits();
        let (low, newest) = (outside.low_bits(bits), self.epoch());
        let mask = (1 << bits) - 1;
        let ahead_by = low.wrapping_sub(newest.0) & mask;
        let is_ahead = (1..=1 << (bits - 1)).contains(&ahead_by);
        let line = self.presence.lines.iter_mut().rev().find(|(epoch, _)| epoch.0 & mask == low);
        let Some((epoch, line)) = line else {
            return if is_ahead { self.hold_talk(bytes) } else { Err(TalkFault::EpochClosed) };
        };
        let (epoch, committer) = (*epoch, line.committer);
        match line.keys.open(&outside, bytes, is_host) {
            Ok(None) => Ok(()),
            Ok(Some((from, talk))) => {
                let leaf = line.keys.leaf_of(from).unwrap_or_default();
                self.heard(epoch, committer, from, leaf, talk)
            }
            // An old epoch may have the low bits of one that is not reached yet (as R18 has it for frames).
            Err(_) if is_ahead && epoch != newest => self.hold_talk(bytes),
            Err(fault) => Err(fault),
        }
    }

    fn hold_talk(&mut self, bytes: &Bytes) -> Result<(), TalkFault> {
        self.presence.ahead_at = Some(self.now);
        let ahead = &mut self.presence.ahead;
        if bytes.len() <= MAX_AHEAD_LEN {
            if ahead.len() == MAX_AHEAD {
                ahead.pop_front();
            }
            ahead.push_back(bytes.clone());
        }
        Ok(())
    }

    /// Somebody on the roster of `epoch` said something, authentically.
    fn heard(
        &mut self,
        epoch: Epoch,
        committer: Option<ParticipantId>,
        from: ParticipantId,
        leaf: usize,
        talk: Talk,
    ) -> Result<(), TalkFault> {
        let now = self.now;
        let member = self.roster.member(from);
        let (is_host, may_admit) = member.map_or((false, false), |m| (m.is_host, m.may_admit));
        let is_fresh_beat = match &talk {
            Talk::Beat(beat) if is_host => {
                let times = [self.policy.heartbeat(), self.policy.liveness_window()];
                let is_news = self.presence.freshness.beat(from, epoch, beat, now, times);
                // Who beats and keeps nobody going is as good as gone, so hosts remove him too.
                is_news && beat.deaf == 0 && self.presence.freshness.is_fresh(from, now)
            }
            _ => false,
        };
        self.presence.watch.heard(from, is_fresh_beat, now);
        // Whoever speaks in a later epoch of this log is in no other.
        if self.offered.as_ref().is_some_and(|offered| offered.epoch < epoch) {
            Offered::retain(&mut self.offered, |id| id != from);
        }
        if member.is_some() {
            let is_beat = matches!(talk, Talk::Beat(_));
            self.recorder.heard_in(from, epoch, self.roster.epoch, is_beat);
        }
        match talk {
            Talk::Beat(_) if !is_host => return Err(TalkFault::NotEntitled),
            Talk::Beat(beat) => {
                let has_key = beat.has_lobby_key == 1;
                self.presence.keyholders.insert(from, has_key);
                if may_admit && !has_key {
                    self.hand_over_if_ours_to_do(from);
                } else {
                    self.presence.keyless.remove(&from);
                }
            }
            // R20: nobody but the committer.
            Talk::Announcement(_) if committer != Some(from) || !is_host => {
                return Err(TalkFault::NotEntitled);
            }
            Talk::Announcement(announcement) => {
                self.note_who_is_there(epoch, announcement.acknowledged.as_slice());
                self.announced(epoch);
            }
            Talk::Acknowledgement => {
                self.presence.watch.acknowledged(from, now);
                self.presence.acks.acknowledged(epoch, from, leaf);
            }
            Talk::Challenge(challenge) => self.presence.watch.challenged_by(from, challenge),
            Talk::Handover(_) if !may_admit => return Err(TalkFault::NotEntitled),
            Talk::Handover(handover) => self.handed_over(&handover),
            Talk::Settled(_) if !may_admit => return Err(TalkFault::NotEntitled),
            Talk::Settled(knocks) => self.knocks_settled(&knocks),
            Talk::Stranded(position) => self.somebody_is_stranded(from, position),
        }
        Ok(())
    }

    fn announced(&mut self, epoch: Epoch) {
        if self.epochs.announce(epoch) == Announced::News {
            self.tick_epochs();
        }
    }

    /// An announcement says who has taken its epoch: so much others know of them too.
    fn note_who_is_there(&mut self, epoch: Epoch, acknowledged: &[u8]) {
        let Some(line) = self.presence.lines.get(&epoch) else { return };
        let has = |leaf: usize| acknowledged.get(leaf / 8).is_some_and(|byte| byte >> (leaf % 8) & 1 == 1);
        let there = (0..line.keys.width()).filter(|leaf| has(*leaf)).filter_map(|leaf| line.keys.at(leaf));
        for id in there.filter(|id| self.roster.member(*id).is_some_and(|member| !member.is_me)) {
            self.recorder.heard_in(id, epoch, self.roster.epoch, false);
        }
    }

    /// Tells the committing host that this epoch's frames can be opened here (R20).
    pub(super) fn acknowledge(&mut self, epoch: Epoch) {
        let me = self.me();
        // A member who repaired the tree waits for nobody: senders go over at the deadline.
        let is_host = |id: ParticipantId| self.roster.member(id).is_some_and(|member| member.is_host);
        let nobody_asks =
            self.presence.lines.get(&epoch).and_then(|line| line.committer).is_none_or(|id| !is_host(id));
        if nobody_asks {
            return;
        }
        let Some(line) = self.presence.lines.get_mut(&epoch) else { return };
        if line.committer.is_none_or(|committer| committer == me) || self.stranded.is_some() {
            return;
        }
        let bytes = line.keys.seal(&self.group, &Talk::Acknowledgement);
        let mailbox = line.keys.acknowledgements();
        self.send(Lane::Mailbox(mailbox), bytes);
    }

    /// Says something to all, in the newest epoch.
    fn say(&mut self, talk: &Talk) -> Option<Bytes> {
        self.say_in(self.epoch(), talk)
    }

    fn say_in(&mut self, epoch: Epoch, talk: &Talk) -> Option<Bytes> {
        let line = self.presence.lines.get_mut(&epoch)?;
        let bytes = line.keys.seal(&self.group, talk);
        self.send(Lane::Talk, bytes.clone());
        Some(bytes)
    }

    /// Does what is due.
    pub(super) fn tick_presence(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let now = self.now;
        self.presence.lines.retain(|_, line| line.close_at > now);
        self.stand();
        if self.stranded.is_none() {
            for acks::Due { epoch, acknowledged, missing } in self.presence.acks.due(now) {
                for id in missing.into_iter().filter(|_| epoch == self.roster.epoch) {
                    self.recorder.has_not_acknowledged(id, epoch);
                }
                let announcement = Announcement { acknowledged };
                self.say_in(epoch, &Talk::Announcement(announcement));
                self.announced(epoch);
            }
            self.beat_if_due();
            self.challenge_if_due();
            self.do_duties();
        }
        // Whoever asked to leave cannot commit that himself, and waits no longer than for anything else of a host.
        if self.gone_at() <= now {
            self.end(EndReason::Left);
        }
    }

    /// When a participant whose wish to leave stands in the log goes, although no host has committed it.
    fn gone_at(&self) -> Time {
        let is_logged = self.group.logged_leaves().contains(&self.group.own_leaf());
        let seen = self.leave_seen_at.filter(|_| is_logged);
        seen.map_or(Time::NEVER, |seen| seen + self.policy.liveness_window())
    }

    fn beat_if_due(&mut self) {
        let now = self.now;
        if !self.presence.hosting || self.presence.watch.beat_due_at() > now {
            return;
        }
        let (number, echoes) = self.presence.watch.take_beat(now, self.policy.heartbeat());
        let authenticator = hash::labelled("subrosa authenticator", &[&self.group.authenticator()]);
        let beat = Beat {
            number,
            next: self.next,
            authenticator: *authenticator.first_chunk().expect("32 bytes have 16 first ones"),
            has_lobby_key: self.lobby.is_some().into(),
            deaf: self.presence.watch.is_deaf(now, self.policy.heartbeat()).into(),
            echoes,
        };
        if let Some(bytes) = self.say(&Talk::Beat(beat)) {
            self.presence.watch.sent(beat_hash(&bytes));
        }
    }

    fn challenge_if_due(&mut self) {
        let now = self.now;
        if self.presence.freshness.challenge_due_at() > now {
            return;
        }
        let challenge = self.group.random().bytes().unwrap_or_default(); // without randomness none that counts, but no loop either
        let (cadence, later) = (self.policy.heartbeat(), self.challenge_interval());
        // A host echoes the latest: the shorter before his beat it was sent, the better it dates the beat. In a large call that
        // would be too much talk.
        let soon = (cadence / 4).max(self.spread()).min(cadence);
        // Not all at the same time, nor for ever at the same time before a host's beat.
        let about = |time: Duration| time.mul_f64(0.75 + 0.25 * f64::from(challenge[0]) / 255.0);
        let renewal = about(cadence.max(self.challenge_spacing()));
        self.presence.freshness.challenged(challenge, now, [soon, cadence, renewal, about(later)]);
        self.say(&Talk::Challenge(challenge));
    }

    /// Over how much time everybody spreads what all have reason to say.
    fn spread(&self) -> Duration {
        let members = u32::try_from(self.roster.members.len()).unwrap_or(u32::MAX);
        SPREAD.saturating_mul(members).min(self.policy.heartbeat())
    }

    /// How long after he became a host one beats first: by then those who know it have challenged him.
    fn settling(&self) -> Duration {
        let cadence = self.policy.heartbeat();
        (self.spread().min(cadence / 2) + FIRST_BEAT_AFTER).min(cadence)
    }

    /// How much time there is between two challenges of a member, if there are not to be too many in the whole call.
    fn challenge_spacing(&self) -> Duration {
        CHALLENGE_SPACING.saturating_mul(u32::try_from(self.roster.members.len()).unwrap_or(u32::MAX))
    }

    /// How often a member shows that he is there.
    fn challenge_interval(&self) -> Duration {
        (self.policy.silence_limit() / 3).max(self.challenge_spacing())
    }

    fn limits(&self) -> Limits {
        Limits {
            cadence: self.policy.heartbeat(),
            newcomer: self.policy.newcomer_window(),
            // Sooner than members fall silent for want of his beats (R21).
            host: self.policy.liveness_window() * 3 / 4,
            // Sooner still: members do not wait for his first beat any longer than for the last one of the hosts before him.
            new_host: (self.settling() + self.policy.heartbeat() * 5 / 4)
                .min(self.policy.liveness_window() * 3 / 4),
            member: self.policy.silence_limit().max(self.challenge_interval() * 3),
        }
    }

    pub(super) fn next_presence_at(&self) -> Time {
        let presence = &self.presence;
        let closing = presence.lines.values().map(|line| line.close_at).min().unwrap_or(Time::NEVER);
        let stale = presence.freshness.next_stale_at(self.now);
        if self.stranded.is_some() {
            return closing.min(stale);
        }
        let beat = if presence.hosting { presence.watch.beat_due_at() } else { Time::NEVER };
        [
            closing,
            stale,
            self.gone_at(),
            beat,
            presence.acks.next_due_at(self.now),
            presence.freshness.challenge_due_at(),
        ]
        .into_iter()
        .chain([self.next_duty_at()])
        .min()
        .unwrap_or(Time::NEVER)
    }
}

fn beat_hash(bytes: &[u8]) -> [u8; 32] {
    hash::labelled("subrosa own beat", &[bytes])
}
