//! What an app tells a call to do. A refused command changes nothing.

use super::commits::Wanted;
use super::epochs::NotTaken;
use super::lobby::{Vouching, Waiting};
use super::message::{Event, Message, Verdict};
use super::policy::{self, CallConfig};
use super::{Call, CallError, Guest, JoinError, Member, Profile};
use crate::crypto::Random;
use crate::group::EngineError;
use crate::id::{Epoch, ParticipantId};
use crate::time::Time;

impl Call {
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
        self.acknowledge(epoch);
        self.tick();
        Ok(())
    }

    // The waiting room.

    /// Lets guests in, all in one commit (a host who may admit).
    ///
    /// # Errors
    /// [`CallError::MayNotAdmit`], [`CallError::NoLobby`], [`CallError::Locked`], [`CallError::NotWaiting`], [`CallError::NotVouched`],
    /// [`CallError::Full`], and as [`lock`](Self::lock); then nobody is let in.
    pub fn admit(&mut self, guests: &[ParticipantId], now: Time) -> Result<(), CallError> {
        self.admitting()?;
        let lobby = self.lobby.as_ref().ok_or(CallError::NoLobby)?;
        if self.policy.is_locked() && self.wanted.lock != Some(false) {
            return Err(CallError::Locked);
        }
        if guests.iter().any(|guest| lobby.waiting(*guest).is_none()) {
            return Err(CallError::NotWaiting);
        }
        if !guests.iter().all(|guest| lobby.may_be_admitted(*guest)) {
            return Err(CallError::NotVouched);
        }
        let mut admit = self.wanted.admit.clone();
        admit.extend(guests);
        if self.roster.members.len() + admit.len() > self.policy.max_participants as usize {
            return Err(CallError::Full);
        }
        if !self.answer_fits(&admit) {
            return Err(CallError::Full);
        }
        self.wanted.admit = admit;
        self.after_command(now)
    }

    /// Turns a guest away; he learns it, and that it was a host (a host who may admit).
    ///
    /// # Errors
    /// [`CallError::MayNotAdmit`], [`CallError::NoLobby`], [`CallError::NotWaiting`], [`CallError::BeingAdmitted`],
    /// [`CallError::Engine`] without randomness, and as [`lock`](Self::lock).
    pub fn deny(&mut self, guest: ParticipantId, now: Time) -> Result<(), CallError> {
        self.admitting()?;
        if self.in_flight.as_ref().is_some_and(|own| own.admits(guest)) {
            return Err(CallError::BeingAdmitted);
        }
        let lobby = self.lobby.as_ref().ok_or(CallError::NoLobby)?;
        lobby.waiting(guest).ok_or(CallError::NotWaiting)?;
        self.set_time(now);
        self.turn_away(guest)?;
        self.after_command(now)
    }

    /// Answers [`Event::Vouch`]. Whoever is refused is turned away.
    ///
    /// # Errors
    /// [`CallError::NotWaiting`] if nothing was asked about this guest, and as [`deny`](Self::deny).
    pub fn vouch(&mut self, guest: ParticipantId, verdict: Verdict, now: Time) -> Result<(), CallError> {
        self.admitting()?;
        let lobby = self.lobby.as_mut().ok_or(CallError::NoLobby)?;
        let asked = |waiting: &Waiting| waiting.vouching == Vouching::Asked;
        if !lobby.waiting(guest).is_some_and(asked) {
            return Err(CallError::NotWaiting);
        }
        match verdict {
            Verdict::Refused => self.deny(guest, now),
            Verdict::Vouched(name) => {
                if let Some(knock) = lobby.vouched(guest, name) {
                    self.event(Event::Knock(knock));
                }
                self.after_command(now)
            }
        }
    }

    // Who is in, and who may do what.

    /// Removes participants (host).
    ///
    /// # Errors
    /// [`CallError::NotOnRoster`], [`CallError::Yourself`], and as [`lock`](Self::lock); then nobody is removed.
    pub fn remove(&mut self, participants: &[ParticipantId], now: Time) -> Result<(), CallError> {
        self.hosting()?;
        self.check_others(participants)?;
        self.wanted.remove.extend(participants);
        self.after_command(now)
    }

    /// Makes a participant a host: he may admit, remove, lock, make hosts. For that he gets the lobby's private key (R12). (A host
    /// who may admit.)
    ///
    /// # Errors
    /// [`CallError::MayNotAdmit`], [`CallError::NotOnRoster`], [`CallError::Yourself`], [`CallError::TooManyHosts`], and as
    /// [`lock`](Self::lock).
    pub fn make_host(&mut self, participant: ParticipantId, now: Time) -> Result<(), CallError> {
        self.admitting()?;
        self.want_host(participant, true, now)
    }

    /// Makes a participant a moderator: a host who may do everything but let guests in. (Host.)
    ///
    /// # Errors
    /// As [`make_host`](Self::make_host); [`CallError::LastWhoMayAdmit`].
    pub fn make_moderator(&mut self, participant: ParticipantId, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        self.want_host(participant, false, now)
    }

    fn want_host(&mut self, participant: ParticipantId, may_admit: bool, now: Time) -> Result<(), CallError> {
        self.check_others(&[participant])?;
        let is_last = |m: &Member| m.may_admit && m.id == participant;
        if !may_admit && self.roster.members.iter().filter(|m| m.may_admit).all(is_last) {
            return Err(CallError::LastWhoMayAdmit);
        }
        let hosts = self.roster.members.iter().filter(|member| member.is_host).count();
        if hosts + self.wanted.make_host.len() >= policy::MAX_HOSTS {
            return Err(CallError::TooManyHosts);
        }
        self.wanted.unmake_host.remove(&participant);
        self.wanted.make_host.insert(participant, may_admit);
        self.after_command(now)
    }

    /// Makes a host an ordinary participant, perhaps oneself (host). If he held the lobby's key, the invite is rotated after it (R12).
    ///
    /// # Errors
    /// [`CallError::NotAHost`], [`CallError::LastHost`], [`CallError::LastWhoMayAdmit`], [`CallError::NotOnRoster`], and as
    /// [`lock`](Self::lock).
    pub fn unmake_host(&mut self, participant: ParticipantId, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        let member = self.roster.member(participant).ok_or(CallError::NotOnRoster)?;
        if !member.is_host {
            return Err(CallError::NotAHost);
        }
        let leaving = self.group.logged_leaves();
        let stays = |id: ParticipantId, leaf: u32| {
            id != participant && !self.wanted.unmake_host.contains(&id) && !leaving.contains(&leaf)
        };
        if !self.roster.members.iter().any(|m| m.is_host && stays(m.id, m.leaf)) {
            return Err(CallError::LastHost); // R3
        }
        if member.may_admit && !self.roster.members.iter().any(|m| m.may_admit && stays(m.id, m.leaf)) {
            return Err(CallError::LastWhoMayAdmit);
        }
        self.wanted.make_host.remove(&participant);
        self.wanted.unmake_host.insert(participant);
        self.after_command(now)
    }

    /// Locks the call: nobody can be added, whoever admits him (host). Guests may go on knocking, and wait.
    ///
    /// # Errors
    /// What every host's command says where it has to: [`CallError::NotHost`], [`CallError::Leaving`], [`CallError::Stranded`] (R7),
    /// [`CallError::Starved`], [`CallError::Ended`].
    pub fn lock(&mut self, now: Time) -> Result<(), CallError> {
        self.set_lock(true, now)
    }

    /// Unlocks the call (host).
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn unlock(&mut self, now: Time) -> Result<(), CallError> {
        self.set_lock(false, now)
    }

    fn set_lock(&mut self, locked: bool, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        self.wanted.lock = Some(locked);
        self.after_command(now)
    }

    /// Changes the configuration, but for suite and E, which are fixed (host). With fewer participants allowed than there are, all stay and
    /// nobody more comes in.
    ///
    /// # Errors
    /// [`CallError::Config`] if it contradicts itself, or changes suite or E; and as [`lock`](Self::lock).
    pub fn set_config(&mut self, config: &CallConfig, now: Time) -> Result<(), CallError> {
        self.hosting()?;
        if (config.suite, u32::from(config.epoch_bits)) != (self.policy.suite(), self.policy.epoch_bits()) {
            return Err(CallError::Config(policy::ConfigError::Fixed)); // R8
        }
        // As the policy will have it: in whole milliseconds.
        let config = self.policy.clone().with_config(config)?.config();
        self.wanted.config = Some(config);
        self.after_command(now)
    }

    /// Replaces the invite by a new one (a host who may admit): old links stop working, and whoever waits with one is told so. The new
    /// one is there with [`Event::InviteRotated`] (R12).
    ///
    /// # Errors
    /// [`CallError::MayNotAdmit`], and as [`lock`](Self::lock).
    pub fn rotate_invite(&mut self, now: Time) -> Result<(), CallError> {
        self.admitting()?;
        self.wanted.rotate = true;
        self.after_command(now)
    }

    /// Leaves the call: asks to be taken off the roster, which a host does. Until then the keys remain; with the commit they go,
    /// also for media that is still under way. What this host still wanted done is not done any more. When the last host leaves,
    /// the call ends for all (R3). Saying it again changes nothing.
    ///
    /// # Errors
    /// [`CallError::Ended`]; [`CallError::Stranded`] and [`CallError::Starved`], where all that is left is to drop the call.
    pub fn leave(&mut self, now: Time) -> Result<(), CallError> {
        self.living()?;
        self.speaking()?;
        self.wanted = Wanted { leave: true, ..Wanted::default() };
        self.after_command(now)
    }

    /// Knocks again at this call, under the same name, with fresh keys: for whoever is stranded (R7), was removed while he was away, or
    /// whose engine failed. Uses up this side of the call, and wipes it. A proof would be for the old keys, so there is none: where guests
    /// are vouched for, knock with [`Guest::knock_with`] instead.
    ///
    /// It knocks with the last invite that this side knows. If that was rotated since, the answer is
    /// [`LinkExpired`](super::HostAnswer::LinkExpired): ask for the new link.
    ///
    /// # Errors
    /// [`JoinError::Engine`] if there is no randomness, or the own name is not known any more.
    pub fn rejoin(self, random: Random) -> Result<(Guest, Message), JoinError> {
        let me = self.roster.me().ok_or(EngineError("the own leaf is gone"))?;
        let profile = Profile::new(&me.name, me.kind).map_err(|_| EngineError("the own name"))?;
        Guest::knock(self.invite(), &profile, random)
    }

    pub(super) fn living(&self) -> Result<(), CallError> {
        self.ended.map_or(Ok(()), |_| Err(CallError::Ended))
    }

    /// Says whether anything of one's own can still come into the log.
    fn speaking(&self) -> Result<(), CallError> {
        if self.stranded.is_some() {
            return Err(CallError::Stranded);
        }
        if self.group.may_send() { Ok(()) } else { Err(CallError::Starved) }
    }

    fn hosting(&self) -> Result<(), CallError> {
        self.living()?;
        self.speaking()?;
        if !self.is_host() {
            return Err(CallError::NotHost); // R1
        }
        if self.wanted.leave { Err(CallError::Leaving) } else { Ok(()) }
    }

    fn admitting(&self) -> Result<(), CallError> {
        self.hosting()?;
        let may = self.policy.may_admit(&self.group.own_signature_key());
        if may { Ok(()) } else { Err(CallError::MayNotAdmit) }
    }

    fn check_others(&self, participants: &[ParticipantId]) -> Result<(), CallError> {
        participants.iter().try_for_each(|id| match self.roster.member(*id) {
            None => Err(CallError::NotOnRoster),
            Some(member) if member.is_me => Err(CallError::Yourself),
            Some(_) => Ok(()),
        })
    }

    pub(super) fn after_command(&mut self, now: Time) -> Result<(), CallError> {
        self.set_time(now);
        self.tick();
        self.pursue();
        Ok(())
    }
}
