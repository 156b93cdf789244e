//! What can break the promises of a call when it is used wrongly. Nothing here is needed by an ordinary app.

use crate::call::{Admission, Call, CallConfig, CreateError, FreshKeys, Guest, JoinError, Profile, Tags};
use crate::crypto::Random;
use crate::group::EngineError;
use crate::keyring::ExportError;
use crate::time::Time;
use crate::track::TrackKind;

pub use crate::keyring::ExportedKey;

/// Makes all randomness of a participant follow from a seed, so that a test or a simulation can be repeated byte for byte.
///
/// Whoever knows the seed knows every key. Two participants with one seed have the same keys, and what one participant seals to
/// the same key in the same context is sealed with the same randomness.
pub fn seeded_random(seed: [u8; 32]) -> Random {
    Random::seeded(seed)
}

/// Exports the sealing key of one new track, for media code in another address space.
///
/// The key leaves the library's care: it is used by one sealer, once, and wiped there. It is good for the epoch under which
/// the call seals now; after each [`Event::Switched`](crate::Event::Switched) another is needed. R15: the context is
/// surrendered, so no [`Sealer`](crate::Sealer) and no other export ever gets the same key.
///
/// A `Sealer` stops by itself; this key does not. Stop using it at [`Event::CutOff`](crate::Event::CutOff),
/// [`Event::HostSilent`](crate::Event::HostSilent) and [`Event::Ended`](crate::Event::Ended), and whenever
/// [`Call::sealing_epoch`](crate::Call::sealing_epoch) is not its epoch any more: a removal ends an epoch at the switch deadline, also
/// if its roster was not taken.
///
/// # Errors
/// [`ExportError`] if nothing may be sealed now, or the epoch's tracks of this kind are used up.
pub fn export_sealing_key(call: &Call, kind: TrackKind) -> Result<ExportedKey, ExportError> {
    call.export_sealing(kind)
}

/// Founds a call whose frames have tags shorter than 16 bytes, if the configuration says so: [`Call::create`], which refuses that.
///
/// See [`CipherSuite`](crate::CipherSuite) for how often a forged frame is then taken for genuine. Guests have to agree, each with
/// [`accept_short_tags`]. What members say beside the media keeps full tags.
///
/// # Errors
/// As [`Call::create`].
pub fn create_with_short_tags(
    profile: &Profile,
    config: &CallConfig,
    random: Random,
    now: Time,
) -> Result<Call, CreateError> {
    let keys = FreshKeys::generate(&random).map_err(|_| EngineError("no randomness"))?;
    Call::found(profile, keys, &[], config, Tags::Any, random, now)
}

/// Joins a call even if its frames have tags shorter than 16 bytes: [`Guest::accept`], which refuses that. Also for who knocks again.
///
/// # Errors
/// As [`Guest::accept`].
pub fn accept_short_tags(guest: Guest, admission: Admission, now: Time) -> Result<Call, JoinError> {
    guest.enter(admission, Tags::Any, now)
}

/// What a participant with a tampered client could send, to show that the others ignore it. Whoever writes his own client can do
/// the same; nothing here gives him more than he has.
#[cfg(feature = "tampered")]
pub mod tampered {
    use crate::call::{Call, Guest, Message};
    use crate::group::EngineError;
    use crate::id::ParticipantId;

    /// Makes a commit that lets a guest in, whether or not this participant may, with the guest's help: he hands over what others
    /// learn from his knock. To be appended to the log. The honest participants skip it and name its maker
    /// ([`Violation::NotAHost`](crate::Violation::NotAHost), R1).
    ///
    /// # Errors
    /// [`EngineError`] if the engine will not make it.
    pub fn admit(call: &mut Call, guest: &Guest) -> Result<Message, EngineError> {
        call.forge_admission(guest)
    }

    /// Makes a commit that changes nothing but the keys, and that some participants cannot apply: where `spoils` says so of a public
    /// key (X25519, of a leaf or of a node above it), the secret that is sealed to it is a wrong one. To be appended to the log. Made
    /// by a host it strands them ([`Event::Stranded`](crate::Event::Stranded), R7), and leaves its maker behind, who cannot read
    /// it himself; made by anybody else it is skipped by all.
    ///
    /// # Errors
    /// [`EngineError`] if the engine will not make it.
    pub fn spoil_path(
        call: &mut Call,
        spoils: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Result<Message, EngineError> {
        call.forge_path(Box::new(spoils))
    }

    /// Makes a host's beat in somebody else's name, with a number of choice (higher than before, as a later one's is). To be said in the
    /// talk lane. Every member has the key that talk is sealed under, but only his own signature key, so the others refuse it
    /// ([`TalkFault::Unauthentic`](crate::TalkFault::Unauthentic), R20). `None` if nobody of that name is on the roster, or
    /// the call has ended.
    pub fn beat(call: &mut Call, of: ParticipantId, number: u64) -> Option<Message> {
        call.forge_beat(of, number)
    }
}
