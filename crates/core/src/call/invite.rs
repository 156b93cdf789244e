//! The invite: what a link carries in its fragment (R9).

use core::fmt;

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::hash;
use crate::id::{CallId, MailboxId};

const VERSION: u8 = 1;
/// version (1) | call id (16) | number (4, big endian) | secret (32) | lobby public key (32)
const LEN: usize = 1 + 16 + 4 + 32 + 32;

/// A text is not an invite.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum InviteError {
    /// Not base64url of the right length: cut off, or something else.
    #[error("not an invite: what stands behind the # is missing, damaged or cut off")]
    Damaged,
    /// Made by a version of Subrosa that this one does not understand.
    #[error("an invite of another version")]
    Version,
}

/// What lets somebody knock at a call: call id, a 32-byte secret and the hosts' lobby key.
///
/// It travels in the fragment of a link, which browsers do not send to servers. Whoever has it can knock, and nothing more:
/// a host has to admit him. Secret material: `Debug` shows the call id only, and the secret is zeroized on drop.
#[derive(Clone)]
pub struct Invite {
    pub(super) call: CallId,
    /// Which invite of the call: rises when it is rotated.
    pub(super) number: u32,
    pub(super) secret: Zeroizing<[u8; 32]>,
    pub(super) lobby_key: [u8; 32],
}

/// In the same time whatever is different in the secret.
impl PartialEq for Invite {
    fn eq(&self, other: &Self) -> bool {
        let shown = |invite: &Self| (invite.call, invite.number, invite.lobby_key);
        shown(self) == shown(other) && bool::from(self.secret[..].ct_eq(&other.secret[..]))
    }
}

impl Eq for Invite {}

impl Invite {
    /// Returns the call that it invites to.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Returns `base#fragment`, the link to send to guests.
    pub fn to_link(&self, base: &str) -> Zeroizing<String> {
        Zeroizing::new(format!("{base}#{}", *self.to_fragment()))
    }

    /// Returns the fragment alone: 114 characters of base64url.
    pub fn to_fragment(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.call.0);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.secret[..]);
        bytes.extend_from_slice(&self.lobby_key);
        Zeroizing::new(BASE64URL_NOPAD.encode(&bytes))
    }

    /// Reads a link, or a fragment alone.
    ///
    /// # Errors
    /// [`InviteError`] if the text is something else.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        let fragment = text.trim().rsplit('#').next().unwrap_or_default();
        if fragment.len() > 4 * BASE64URL_NOPAD.encode_len(LEN) {
            return Err(InviteError::Damaged);
        }
        let bytes = BASE64URL_NOPAD.decode(fragment.as_bytes()).map_err(|_| InviteError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        let field = |from: usize, len: usize| bytes.get(from..from + len).ok_or(InviteError::Damaged);
        match bytes.first() {
            Some(&VERSION) if bytes.len() == LEN => {}
            Some(&VERSION) | None => return Err(InviteError::Damaged),
            Some(_) => return Err(InviteError::Version),
        }
        Ok(Self {
            call: CallId(field(1, 16)?.try_into().map_err(|_| InviteError::Damaged)?),
            number: u32::from_be_bytes(field(17, 4)?.try_into().map_err(|_| InviteError::Damaged)?),
            secret: Zeroizing::new(field(21, 32)?.try_into().map_err(|_| InviteError::Damaged)?),
            lobby_key: field(53, 32)?.try_into().map_err(|_| InviteError::Damaged)?,
        })
    }

    /// Returns the mailbox into which guests knock, and which hosts read.
    pub fn lobby_mailbox(&self) -> MailboxId {
        MailboxId(*hash::derive(&self.secret[..], "subrosa lobby mailbox", &self.context()))
    }

    /// The mailbox for the answer to one knock. The server sees both, but cannot tell from the name which knock it answers.
    pub(super) fn answer_mailbox(&self, knock: &[u8; 32]) -> MailboxId {
        MailboxId(*hash::derive(&self.secret[..], "subrosa answer mailbox", knock))
    }

    /// The MLS PSK that every Add must carry (R2).
    pub(super) fn psk(&self) -> Zeroizing<[u8; 32]> {
        hash::derive(&self.secret[..], "subrosa invite psk", &self.context())
    }

    pub(super) fn psk_id(&self) -> Vec<u8> {
        self.context()
    }

    /// The HPKE PSK of knocks (R10).
    pub(super) fn knock_psk(&self) -> Zeroizing<[u8; 32]> {
        hash::derive(&self.secret[..], "subrosa knock psk", &self.context())
    }

    /// Call id and invite number.
    pub(super) fn context(&self) -> Vec<u8> {
        [&self.call.0[..], &self.number.to_be_bytes()].concat()
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("call", &self.call)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite() -> Invite {
        Invite { call: CallId([3; 16]), number: 9, secret: Zeroizing::new([7; 32]), lobby_key: [5; 32] }
    }

    #[test]
    fn a_link_comes_back_as_it_was() {
        let link = invite().to_link("https://meet.example/room");
        assert_eq!(Invite::parse(&link), Ok(invite()));
        assert_eq!(Invite::parse(&invite().to_fragment()), Ok(invite()));
    }

    #[test]
    fn what_is_not_an_invite_is_refused() {
        let fragment = invite().to_fragment();
        assert_eq!(Invite::parse(&fragment[..fragment.len() - 1]), Err(InviteError::Damaged));
        assert_eq!(Invite::parse(&fragment.replace('A', "!")), Err(InviteError::Damaged));
        assert_eq!(Invite::parse(""), Err(InviteError::Damaged));
        let other = format!("Ag{}", &fragment[2..]); // version 2
        assert_eq!(Invite::parse(&other), Err(InviteError::Version));
        assert_eq!(Invite::parse(&format!("{other}AAAA")), Err(InviteError::Version), "of whatever length");
    }

    #[test]
    fn each_derived_name_and_key_has_its_own_label() {
        let invite = invite();
        let (lobby, answer) = (invite.lobby_mailbox().0, invite.answer_mailbox(&[0; 32]).0);
        assert_ne!(lobby, answer);
        assert_ne!(*invite.psk(), *invite.knock_psk());
        assert!(!invite.psk().starts_with(&lobby));
    }

    #[test]
    fn an_invite_keeps_its_secret_out_of_logs() {
        assert_eq!(
            format!("{:?}", invite()),
            format!("Invite {{ call: {:?}, number: 9, .. }}", CallId([3; 16]))
        );
    }
}
