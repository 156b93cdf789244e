//! Joining: a guest knocks, waits, and becomes a participant by accepting the host's answer.

use core::fmt;

use bytes::Bytes;
use thiserror::Error;

use super::Call;
use super::identity::{Contact, FreshKeys, MAX_PROOF_LEN};
use super::invite::Invite;
use super::knock::{self, Answer, AnswerKey, Told};
use super::message::{Lane, Message};
use super::policy::{Policy, Tags};
use super::profile::Profile;
use super::roster::{Fingerprint, participant_id};
use crate::crypto::Random;
use crate::group::{EngineError, Expected, JoinFault, Joiner};
use crate::id::{CallId, MailboxId, ParticipantId};
use crate::time::Time;

/// Somebody with an invite who waits to be let in. Accepting the answer consumes it.
pub struct Guest {
    pub(super) joiner: Joiner,
    contact: Contact,
    invite: Invite,
    pub(super) answer: AnswerKey,
}

/// What a host answered to a knock. Authentic: only a host can have made it (R11).
pub enum HostAnswer {
    /// Let in: hand it to [`Guest::accept`].
    Admitted(Admission),
    /// Turned away.
    Denied,
    /// The invite was rotated: ask for the new link, and knock with that.
    LinkExpired,
    /// The call is over: its last host has left.
    CallOver,
}

/// A host's "come in", checked to be from a holder of the lobby key, but not yet acted on.
pub struct Admission {
    welcome: Vec<u8>,
    told: Told,
}

/// A guest could not join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The message is not an answer to this knock. Only a host can make one: this is somebody else's, and changes nothing.
    #[error("not an answer of a host to this knock")]
    NotAnAnswer,
    /// The host's answer is not one to accept (R11).
    #[error("the answer is not acceptable: {0}")]
    Refused(#[from] JoinFault),
    /// The proof is longer than [`MAX_PROOF_LEN`] bytes.
    #[error("the proof is longer than 2048 bytes")]
    ProofTooLong,
    /// The engine failed on our side.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Guest {
    /// Makes a fresh key package, used nowhere else, and seals it to the hosts with name and kind (R10).
    ///
    /// The message goes into [`Invite::lobby_mailbox`]; the answer comes out of [`answer_mailbox`](Self::answer_mailbox).
    ///
    /// # Errors
    /// [`JoinError::Engine`] if there is no randomness, or the invite's lobby key is not a key.
    pub fn knock(invite: Invite, profile: &Profile, random: Random) -> Result<(Self, Message), JoinError> {
        let keys = FreshKeys::generate(&random).map_err(|_| EngineError("no randomness"))?;
        Self::knock_with(invite, profile, keys, &[], random)
    }

    /// Knocks with keys that were made before, and with a proof for the hosts' verifier: a certificate or a token over the
    /// [signature key](FreshKeys::signature_key).
    ///
    /// # Errors
    /// As [`knock`](Self::knock); [`JoinError::ProofTooLong`].
    pub fn knock_with(
        invite: Invite,
        profile: &Profile,
        keys: FreshKeys,
        proof: &[u8],
        random: Random,
    ) -> Result<(Self, Message), JoinError> {
        if proof.len() > MAX_PROOF_LEN {
            return Err(JoinError::ProofTooLong);
        }
        let credential = keys.credential(profile, proof);
        let joiner = Joiner::new(random, keys.signer, credential)?;
        let (knock, answer) = knock::seal(&invite, &joiner.key_package()?, joiner.random())
            .map_err(|_| EngineError("sealing the knock"))?;
        let message = Message { lane: Lane::Mailbox(invite.lobby_mailbox()), payload: Bytes::from(knock) };
        Ok((Self { joiner, contact: Contact(keys.contact.private), invite, answer }, message))
    }

    /// Returns the call that the invite is for.
    pub fn call(&self) -> CallId {
        self.invite.call()
    }

    /// Returns the name that this participation will have, and that hosts see beside the knock.
    pub fn id(&self) -> ParticipantId {
        participant_id(self.invite.call(), &self.joiner.signature_key())
    }

    /// Returns the fingerprint of this participation's signature key, as hosts see it beside the knock.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.joiner.signature_key())
    }

    /// Returns the mailbox into which a host puts the answer.
    pub fn answer_mailbox(&self) -> MailboxId {
        self.invite.answer_mailbox(self.answer.knock())
    }

    /// Gives up waiting: the message tells the hosts, who need not show this guest any more. It goes where the knock went. (Whom a host is
    /// letting in at that very moment comes onto the roster, and is removed again when he does not show up, R13.)
    pub fn withdraw(self) -> Message {
        let payload = Bytes::copy_from_slice(self.answer.withdrawal());
        Message { lane: Lane::Mailbox(self.invite.lobby_mailbox()), payload }
    }

    /// Opens a message from the answer mailbox.
    ///
    /// # Errors
    /// [`JoinError::NotAnAnswer`] for whatever was not made by a host for this knock; the guest goes on waiting.
    pub fn open_answer(&self, message: &[u8]) -> Result<HostAnswer, JoinError> {
        match self.answer.open(message).map_err(|_| JoinError::NotAnAnswer)? {
            Answer::Denied => Ok(HostAnswer::Denied),
            Answer::LinkExpired => Ok(HostAnswer::LinkExpired),
            Answer::CallOver => Ok(HostAnswer::CallOver),
            Answer::Admitted { welcome, told } => Ok(HostAnswer::Admitted(Admission { welcome, told })),
        }
    }

    /// Joins the call. The log is then read from [`Call::log_position`] on.
    ///
    /// # Errors
    /// [`JoinError::Refused`] unless the group is the link's call, bound to the link's secret and to nothing else, made by a
    /// host of its policy, and with the leaf that this guest sent (R11). The guest is used up; to try again, knock again.
    pub fn accept(self, admission: Admission, now: Time) -> Result<Call, JoinError> {
        self.enter(admission, Tags::Full, now)
    }

    pub(crate) fn enter(self, admission: Admission, tags: Tags, now: Time) -> Result<Call, JoinError> {
        let (psk, psk_id) = (self.invite.psk(), self.invite.psk_id());
        let expected = Expected { call: self.invite.call(), psk_id: &psk_id, psk: &psk[..] };
        let invite = &self.invite;
        let judge = |policy: &[u8], key: &[u8]| {
            let unknown = Policy::has_unknown_suite(policy);
            let fault = if unknown { JoinFault::UnknownSuite } else { JoinFault::NotByHost };
            let policy = Policy::decode(policy).ok_or(fault)?;
            // The policy's invite must be the link's too: it is what the next guest will be admitted by.
            if !policy.is_host(key) || policy.invite(invite.call()) != *invite {
                return Err(JoinFault::NotByHost);
            }
            tags.allow(policy.suite()).then_some(()).ok_or(JoinFault::ShortTags)
        };
        let joined = self.joiner.join(&admission.welcome, &expected, judge)?;
        Call::joined(self.invite.call(), joined, self.contact, admission.told, now)
            .ok_or(JoinError::Refused(JoinFault::NotACall))
    }
}

#[cfg(any(test, feature = "tampered"))]
impl Guest {
    pub(super) fn key_package(&self) -> Result<Vec<u8>, EngineError> {
        self.joiner.key_package()
    }
}

#[cfg(test)]
impl Guest {
    /// A guest with a tampered client.
    pub(super) fn forge(invite: Invite, contact: Contact, joiner: Joiner) -> (Self, Message) {
        let key_package = joiner.key_package().expect("it was made");
        let (knock, answer) = knock::seal(&invite, &key_package, joiner.random()).expect("a good lobby key");
        let message = Message { lane: Lane::Mailbox(invite.lobby_mailbox()), payload: Bytes::from(knock) };
        (Self { joiner, contact, invite, answer }, message)
    }

    pub(super) fn key_package_for_tests(&self) -> Vec<u8> {
        self.key_package().expect("it was made before")
    }

    pub(super) fn psk_id_for_tests(&self) -> Vec<u8> {
        self.invite.psk_id()
    }
}

#[cfg(test)]
impl Admission {
    pub(super) fn for_tests(welcome: Vec<u8>) -> Self {
        Self { welcome, told: Told::default() }
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").field("call", &self.call()).field("id", &self.id()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

impl fmt::Debug for HostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admitted(_) => "Admitted",
            Self::Denied => "Denied",
            Self::LinkExpired => "LinkExpired",
            Self::CallOver => "CallOver",
        })
    }
}
