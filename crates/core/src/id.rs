//! Names of calls, mailboxes, participants and epochs.

use core::fmt;

/// Names one call: 16 random bytes, the MLS group id.
///
/// The delivery service sees it; it says nothing about who is in the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub [u8; 16]);

/// Names one mailbox: 16 bytes derived from the invite's secret (R9), so only invite holders know it beforehand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub [u8; 16]);

/// Names one participation in one call: the same for all members, gone for good when the participant leaves (R14).
///
/// The first 16 bytes of a hash of call id and signature key. A signature key joins a call at most once (R3), so unlike
/// a leaf index this name is never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(pub [u8; 16]);

/// Numbers the MLS epochs of a call: 0 at its creation, one more with every commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! shown_as_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    )*};
}
shown_as_hex!(CallId, MailboxId, ParticipantId);
