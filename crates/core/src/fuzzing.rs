//! Entry points for fuzzers (feature `fuzzing`): decoders that lie behind encryption, and what a hostile member or link holder can seal;
//! for benchmarks, the frame path of a large call without the call.
//!
//! **Not part of the interface**: no promise of [SemVer](https://semver.org) covers it, and no app needs it. Each entry point lives next to
//! the code that it enters, and panics when what must hold does not.

use bytes::Bytes;

use crate::call::{Call, Guest, Invite, Lane, Message};
use crate::crypto::Random;

pub use crate::call::fuzzing::{answer_body, credential, policy, talk};
pub use crate::group::fuzzing::commit_content;
pub use crate::keyring::crowd::Crowd;
pub use crate::keyring::fuzzing::key_ring;

/// A knock with any content, by somebody who has the link.
pub fn knock(invite: &Invite, content: &[u8], random: &Random) -> Option<Message> {
    let payload = Bytes::from(crate::call::fuzzing::seal_knock(invite, content, random)?);
    Some(Message { lane: Lane::Mailbox(invite.lobby_mailbox()), payload })
}

/// The content of a guest's own knock: his key package.
pub fn knock_content(guest: &Guest) -> Vec<u8> {
    guest.content_for_fuzzing()
}

/// An answer with any content, by somebody who has the lobby's private key.
pub fn answer(guest: &Guest, content: &[u8]) -> Vec<u8> {
    guest.answer_key_for_fuzzing().seal_content(content)
}

/// The content of an answer.
pub fn answer_content(guest: &Guest, answer: &[u8]) -> Option<Vec<u8>> {
    guest.answer_key_for_fuzzing().open_content(answer)
}

/// A message of talk of any kind and content, by a member in his own name, in the newest epoch.
pub fn say(call: &mut Call, kind: u32, content: &[u8]) -> Option<Bytes> {
    call.say_anything(kind, content)
}

/// A log entry with any content, by a member in his own name.
pub fn entry(call: &Call, content: &[u8]) -> Vec<u8> {
    call.enter_anything(content)
}
