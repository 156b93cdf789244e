//! What members say to each other beside the log (R20): who is there, who has which epoch.
//!
//! Not MLS application messages: those are blocked by pending proposals, and slow where past epochs are kept. A message is one
//! SFrame frame under a base key of its own:
//!
//! ```text
//! KID       = kind << (S + E) | leaf << E | epoch mod 2^E         AAD = "subrosa talk 1" | call id
//! plaintext = signature (64) | length of the body (4) | body | zeros, to a multiple of 128
//! signature = Ed25519 by the leaf's key over "subrosa talk 1" | call id | epoch | signature key | kind | counter | body
//! ```

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tls_codec::{DeserializeBytes, Serialize, TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

use super::roster::Member;
use crate::crypto::hash;
use crate::group::{EngineError, Group, signature_holds};
use crate::id::{CallId, Epoch, MailboxId, ParticipantId};
use crate::keyring::KidLayout;
use crate::sframe::{
    AadBuffer, Backend, CipherSuite, EncodedKid, FrameKey, Header, KeyId, open_in_place, seal_append,
};
use crate::track::TrackId;

const LABEL: &[u8] = b"subrosa talk 1";
/// Its own exporter label, so that no frame is ever a talk message or the other way round.
pub(in crate::call) const BASE_KEY_LABEL: &str = "Subrosa 1.0 Talk Base Key";
const SIGNATURE_LEN: usize = 64;
const BUCKET: usize = 128;
/// Bytes of the longest message: a handover with the hashes of 2,048 knocks takes half of it.
pub(super) const MAX_LEN: usize = 1 << 16;
const KINDS: usize = 7;

pub(in crate::call) type Challenge = [u8; 8];
/// The first bytes of a knock's hash.
pub(in crate::call) type KnockHash = [u8; 16];

/// What a message says. The kind's number is the context in the KID.
pub(super) enum Talk {
    Beat(Beat),
    Announcement(Announcement),
    /// This epoch's roster was taken: its frames can be opened from now on.
    Acknowledgement,
    Challenge(Challenge),
    Handover(Handover),
    /// Hosts to hosts: these knocks were answered.
    Settled(Vec<KnockHash>),
    /// R7: the sender cannot apply the commit at this log position, and will leave.
    Stranded(u64),
}

/// R21: a host is there.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(in crate::call) struct Beat {
    pub(in crate::call) number: u64,
    /// The log position that the host processes next.
    pub(in crate::call) next: u64,
    /// Of the epoch authenticator.
    pub(in crate::call) authenticator: [u8; 16],
    /// 1: the host holds the private key of the current lobby.
    pub(in crate::call) has_lobby_key: u8,
    /// 1: the host's own beats do not come back to him.
    pub(in crate::call) deaf: u8,
    pub(in crate::call) echoes: Vec<Challenge>,
}

/// R20: of the committing host, once.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Announcement {
    /// A bit for each leaf, lowest first: whether it acknowledged.
    pub(super) acknowledged: Vec<u8>,
}

/// R12: the lobby's private key, for one new host.
#[derive(Clone, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Handover {
    pub(super) to: [u8; 16],
    pub(super) invite_number: u32,
    /// HPKE to the recipient's contact key, the list below authenticated with it: all members can read a handover, and none shall send
    /// it on with another list.
    pub(super) encapsulated: [u8; 32],
    pub(super) sealed: Vec<u8>,
    /// Knocks that were answered under this invite.
    pub(super) settled: Vec<KnockHash>,
}

/// A message on the talk lane, or in a mailbox of the call, was not one to act on. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum TalkFault {
    /// Not a message of a call's talk.
    #[error("not a message of a call's talk")]
    Malformed,
    /// Of an epoch that is closed, or of another call.
    #[error("of an epoch that is closed")]
    EpochClosed,
    /// From a leaf that nobody sits at.
    #[error("from nobody who is in the call")]
    UnknownSender,
    /// Not from the member that it names, or damaged.
    #[error("not authentic")]
    Unauthentic,
    /// Seen before, or overtaken by a later one.
    #[error("a replay, or overtaken by a later one")]
    Replayed,
    /// Authentic, but not for its sender to say.
    #[error("not for its sender to say")]
    NotEntitled,
}

impl Talk {
    pub(super) fn kind(&self) -> u32 {
        match self {
            Self::Beat(_) => 0,
            Self::Announcement(_) => 1,
            Self::Acknowledgement => 2,
            Self::Challenge(_) => 3,
            Self::Handover(_) => 4,
            Self::Settled(_) => 5,
            Self::Stranded(_) => 6,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let written = match self {
            Self::Beat(beat) => beat.tls_serialize_detached(),
            Self::Announcement(announcement) => announcement.tls_serialize_detached(),
            Self::Acknowledgement => Ok(Vec::new()),
            Self::Challenge(challenge) => challenge.tls_serialize_detached(),
            Self::Handover(handover) => handover.tls_serialize_detached(),
            Self::Settled(knocks) => knocks.tls_serialize_detached(),
            Self::Stranded(position) => position.tls_serialize_detached(),
        };
        written.expect("all fields are far below the length limits")
    }

    pub(super) fn decode(kind: u32, body: &[u8]) -> Option<Self> {
        fn exact<T: DeserializeBytes>(body: &[u8]) -> Option<T> {
            T::tls_deserialize_exact_bytes(body).ok()
        }
        match kind {
            0 => exact(body).map(Self::Beat),
            1 => exact(body).map(Self::Announcement),
            2 => body.is_empty().then_some(Self::Acknowledgement),
            3 => exact(body).map(Self::Challenge),
            4 => exact(body).map(Self::Handover),
            5 => exact(body).map(Self::Settled),
            6 => exact(body).map(Self::Stranded),
            _ => None,
        }
    }
}

/// What hosts alone have to read; members drop it without any work.
fn is_for_hosts(kind: u32) -> bool {
    matches!(kind, 2..=5)
}

/// Whoever sits at a leaf, and his signature key.
type Speaker = (ParticipantId, [u8; 32]);

/// The talk keys of one epoch.
pub(super) struct TalkKeys {
    call: CallId,
    epoch: Epoch,
    suite: CipherSuite,
    layout: KidLayout,
    own_leaf: u32,
    base_key: Zeroizing<Vec<u8>>,
    leaves: Box<[Option<Speaker>]>,
    /// How many of each kind were sealed.
    sealed: [u64; KINDS],
    /// The lowest counter that is news, for each leaf and kind that was heard.
    heard: BTreeMap<(usize, u32), u64>,
}

/// What opening needs to know of a message that is in clear.
pub(super) struct Outside {
    header: Header,
    header_len: usize,
}

impl Outside {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TalkFault> {
        if bytes.len() > MAX_LEN {
            return Err(TalkFault::Malformed);
        }
        let (header, header_len) = Header::decode(bytes).map_err(|_| TalkFault::Malformed)?;
        Ok(Self { header, header_len })
    }

    pub(super) fn low_bits(&self, epoch_bits: u32) -> u64 {
        self.header.kid.0 & ((1 << epoch_bits) - 1)
    }
}

impl TalkKeys {
    pub(super) fn new(
        call: CallId,
        group: &Group,
        suite: CipherSuite,
        epoch_bits: u32,
        members: &[Member],
    ) -> Result<Self, EngineError> {
        let width = members.iter().map(|member| member.leaf as usize + 1).max().unwrap_or(0);
        let mut by_leaf = vec![None; width].into_boxed_slice();
        for member in members {
            by_leaf[member.leaf as usize] = Some((member.id, member.signature_key));
        }
        Ok(Self {
            call,
            epoch: group.epoch(),
            // What members say is never under short tags, whatever the media is.
            suite: suite.with_full_tags(),
            layout: KidLayout::new(epoch_bits, width),
            own_leaf: group.own_leaf(),
            base_key: group.export(BASE_KEY_LABEL, suite.with_full_tags().key_len())?,
            leaves: by_leaf,
            sealed: [0; KINDS],
            heard: BTreeMap::new(),
        })
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn width(&self) -> usize {
        self.leaves.len()
    }

    pub(super) fn leaf_of(&self, id: ParticipantId) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf.is_some_and(|(there, _)| there == id))
    }

    pub(super) fn at(&self, leaf: usize) -> Option<ParticipantId> {
        self.leaves.get(leaf).copied().flatten().map(|(id, _)| id)
    }

    /// Where acknowledgements of this epoch go; its committer reads it.
    pub(super) fn acknowledgements(&self) -> MailboxId {
        MailboxId(*hash::derive(&self.base_key, "subrosa acknowledgements", &self.call.0))
    }

    fn metadata(&self) -> [&[u8]; 2] {
        [LABEL, &self.call.0]
    }

    fn signed(&self, key: &[u8; 32], kind: u32, counter: u64, body: &[u8]) -> Vec<u8> {
        let (epoch, counter) = (self.epoch.0.to_be_bytes(), counter.to_be_bytes());
        [LABEL, &self.call.0, &epoch, key, &kind.to_be_bytes(), &counter, body].concat()
    }

    /// Seals a message; each under a key and counter of its own.
    pub(super) fn seal(&mut self, group: &Group, talk: &Talk) -> Bytes {
        self.seal_content(group, talk.kind(), &talk.encode())
            .expect("a message is far below the cipher's limit")
    }

    pub(super) fn seal_content(&mut self, group: &Group, kind: u32, body: &[u8]) -> Option<Bytes> {
        let sealed = self.sealed.get_mut(kind as usize)?;
        let counter = *sealed;
        *sealed += 1;
        let signature = group.sign(&self.signed(&group.own_signature_key(), kind, counter, body));
        let len = u32::try_from(body.len()).ok()?.to_be_bytes();
        let mut plain = [&signature[..], &len, body].concat();
        plain.resize(plain.len().next_multiple_of(BUCKET), 0);
        let kid = self.layout.kid(self.epoch, self.own_leaf, TrackId::from_context(kind));
        let key = FrameKey::derive(self.suite, Backend::default(), kid, &self.base_key);
        let mut out = BytesMut::new();
        let kid = EncodedKid::of(KeyId(kid));
        seal_append(&key, &kid, counter, self.metadata(), &mut AadBuffer::new(), &plain, &mut out).ok()?;
        Some(out.freeze())
    }

    /// Opens a message; `None` if it is not for this participant.
    pub(super) fn open(
        &mut self,
        outside: &Outside,
        bytes: &[u8],
        is_host: bool,
    ) -> Result<Option<(ParticipantId, Talk)>, TalkFault> {
        let (kid, counter) = (outside.header.kid.0, outside.header.counter);
        let (leaf, track) = self.layout.split(kid).ok_or(TalkFault::Malformed)?;
        let kind = track.context();
        if kind as usize >= KINDS {
            return Err(TalkFault::Malformed);
        }
        let (sender, public) = self.leaves.get(leaf).copied().flatten().ok_or(TalkFault::UnknownSender)?;
        if leaf == self.own_leaf as usize || (is_for_hosts(kind) && !is_host) {
            return Ok(None);
        }
        if self.heard.get(&(leaf, kind)).is_some_and(|next| counter < *next) {
            return Err(TalkFault::Replayed);
        }
        let key = FrameKey::derive(self.suite, Backend::default(), kid, &self.base_key);
        let mut plain = BytesMut::from(bytes);
        open_in_place(&key, counter, outside.header_len, self.metadata(), &mut AadBuffer::new(), &mut plain)
            .map_err(|_| TalkFault::Unauthentic)?;
        let (signature, rest) = plain.split_at_checked(SIGNATURE_LEN).ok_or(TalkFault::Malformed)?;
        let (len, rest) = rest.split_first_chunk().ok_or(TalkFault::Malformed)?;
        let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| TalkFault::Malformed)?;
        let (body, padding) = rest.split_at_checked(len).ok_or(TalkFault::Malformed)?;
        // Members have the key of the cipher too, so the signature says who of them it was.
        if !signature_holds(&public, &self.signed(&public, kind, counter, body), signature) {
            return Err(TalkFault::Unauthentic);
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(TalkFault::Malformed);
        }
        let talk = Talk::decode(kind, body).ok_or(TalkFault::Malformed)?;
        self.heard.insert((leaf, kind), counter.saturating_add(1));
        Ok(Some((sender, talk)))
    }
}

#[cfg(any(test, feature = "tampered"))]
impl TalkKeys {
    /// A member has the key of every leaf's cipher, and nobody's signature key but his own.
    pub(super) fn seal_as(&mut self, leaf: u32, counter: u64, group: &Group, talk: &Talk) -> Bytes {
        let kind = talk.kind() as usize;
        let own = core::mem::replace(&mut self.own_leaf, leaf);
        let sealed = core::mem::replace(&mut self.sealed[kind], counter);
        let bytes = self.seal(group, talk);
        (self.own_leaf, self.sealed[kind]) = (own, sealed);
        bytes
    }
}
