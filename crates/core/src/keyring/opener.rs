//! Opening the frames of everybody else in the call.

use core::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use super::epoch::Context;
use super::error::{FrameError, FrameFault};
use super::held::{Due, Queue, Readiness};
use super::{EpochKeys, Found, Shared, Table};
use crate::id::{Epoch, ParticipantId};
use crate::sframe::{AadBuffer, FrameKey, Header, HeaderError, OpenError, open_in_place};
use crate::track::{Metadata, TrackId};

/// How many held frames one call of [`Opener::released`] tries whose epoch may have come.
const TRIED_AT_ONCE: usize = 16;

/// An authentic frame: who sent it, on which track. Receivers route by this, never by SSRC, MID or payload type (R16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Who sealed the frame, as a member of the call. (Any member can forge in another's name; see SECURITY.md.)
    pub sender: ParticipantId,
    /// Which of the sender's tracks it belongs to.
    pub track: TrackId,
    /// The epoch under which it was sealed.
    pub epoch: Epoch,
    /// The frame's number on this track in this epoch, from 0.
    pub counter: u64,
}

/// What became of a frame that was not refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Opening {
    /// It is open: the buffer holds the payload.
    Opened(Opened),
    /// It belongs to an epoch that this participant has not reached yet. It was copied and comes back, opened, from
    /// [`Opener::released`] (R18).
    Held(HeldId),
}

/// Numbers the held frames of one opener, so that the caller can keep what he knows of them (a timestamp, a codec).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HeldId(pub u64);

/// A frame that was held, after its epoch came or its time was over.
pub struct Released {
    /// Which one, as [`Opening::Held`] said.
    pub id: HeldId,
    /// The frame's fate.
    pub outcome: Result<Opened, FrameError>,
    /// The payload, if it is open.
    pub payload: BytesMut,
}

/// Opens the frames of a call; lives on a media thread and follows the call's epochs by itself.
///
/// Make one for each thread: all openers of a call share their replay windows, so no frame opens twice (R17).
#[repr(align(128))] // as a sealer
pub struct Opener {
    shared: Arc<Shared>,
    aad: AadBuffer,
    held: Queue,
    spare: BytesMut,
}

impl Opener {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, aad: AadBuffer::new(), held: Queue::default(), spare: BytesMut::new() }
    }

    /// Opens `frame` where it stands: it becomes the payload. A refused frame's bytes are spoilt.
    ///
    /// Allocates nothing in the steady state (the first frame of a sender's track in an epoch has its key derived). No
    /// failure changes what is accepted later; the work for a bad frame is bounded: at most one key derivation and one
    /// AEAD call, no trial decryption.
    ///
    /// # Errors
    /// [`FrameError`] says what is wrong and whom the frame claims to be from.
    pub fn open(&mut self, metadata: Metadata<'_>, frame: &mut BytesMut) -> Result<Opening, FrameError> {
        let Self { shared, aad, held, spare } = self;
        let table = shared.table.load();
        if let Some(reason) = table.refuses_all() {
            return Err(shared.faults.refuse(reason));
        }
        let parsed = shared.parse(frame).map_err(|reason| shared.faults.refuse(reason))?;
        let kid = parsed.kid();
        let keys = match table.find(kid) {
            Found::Known(keys) => keys,
            Found::Past => return Err(shared.faults.refuse(FrameFault::EpochClosed)),
            Found::Future => {
                let opening = held.hold(shared, table.epoch_bits, kid, &metadata, frame);
                return opening.map_err(|reason| shared.faults.refuse(reason));
            }
        };
        // R18: a retained old epoch can have the low bits of one that is not reached yet; the bytes are needed again then.
        let ambiguous = table.is_ambiguous(keys);
        if ambiguous {
            spare.clear();
            spare.extend_from_slice(frame);
        }
        let error = match shared.open_under(&table, (keys, ambiguous), parsed, metadata.parts(), aad, frame) {
            Ok(opened) => return Ok(Opening::Opened(opened)),
            Err(error) => error,
        };
        if ambiguous
            && error.reason != FrameFault::Replayed
            && let Ok(held) = held.hold(shared, table.epoch_bits, kid, &metadata, spare)
        {
            return Ok(held);
        }
        shared.faults.count(error.reason.into(), keys.seat_of(kid));
        Err(error)
    }

    /// Returns the next held frame whose epoch has come, or whose time is over; `None` if there is none.
    ///
    /// At most 16,384 frames and 8 MiB wait in all openers of a call together, 256 frames of one claimed track, each for at most
    /// 5 s, on the call's clock, which moves with the call's inputs.
    ///
    /// To be called until it says `None` after `Event::EpochOpened`, and now and then otherwise. One call tries a few frames at
    /// most, so a pile of forged ones never stalls the thread. While the call is cut off from its hosts (R21), those that are
    /// too old come and no others.
    pub fn released(&mut self) -> Option<Released> {
        if self.held.is_empty() {
            return None;
        }
        let Self { shared, aad, held: queue, spare } = self;
        let table = shared.table.load();
        let readiness = |kid| match (table.ended, table.paused) {
            (true, _) => Readiness::Ready,
            (false, true) => Readiness::NotYet,
            (false, false) => table.readiness(kid),
        };
        for _ in 0..TRIED_AT_ONCE {
            let (mut held, due) = queue.take(shared, readiness)?;
            let refuse = |reason| Err(shared.faults.refuse(reason));
            if due == Due::ToTry {
                spare.clear();
                spare.extend_from_slice(&held.frame);
            }
            let outcome = match (table.find(held.kid), shared.parse(&held.frame)) {
                _ if table.ended => refuse(FrameFault::Ended),
                _ if due == Due::TooOld => refuse(FrameFault::HeldTooLong),
                (Found::Known(keys), Ok(parsed)) => {
                    let ambiguous = table.is_ambiguous(keys);
                    match shared.open_under(
                        &table,
                        (keys, ambiguous),
                        parsed,
                        [&held.metadata, &[]],
                        aad,
                        &mut held.frame,
                    ) {
                        // R18: its low bits fit an epoch that is not reached yet, too.
                        Err(error) if due == Due::ToTry && error.reason != FrameFault::Replayed => {
                            held.frame.clear();
                            held.frame.extend_from_slice(spare);
                            queue.put_back(held);
                            continue;
                        }
                        outcome => outcome.inspect_err(|error| {
                            shared.faults.count(error.reason.into(), keys.seat_of(held.kid));
                        }),
                    }
                }
                (_, Err(reason)) => refuse(reason),
                (Found::Past | Found::Future, _) => refuse(FrameFault::EpochClosed),
            };
            return Some(Released { id: held.id, outcome, payload: core::mem::take(&mut held.frame) });
        }
        None
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl fmt::Debug for Released {
    /// Without the payload: media stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("id", &self.id)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Parsed {
    header: Header,
    header_len: usize,
}

impl Parsed {
    fn kid(self) -> u64 {
        self.header.kid.0
    }
}

impl Shared {
    #[inline(always)] // its result, returned through memory, was 14 of 165 ns of a frame of 100 bytes
    fn parse(&self, frame: &[u8]) -> Result<Parsed, FrameFault> {
        let (header, header_len) = Header::decode(frame).map_err(FrameFault::Malformed)?;
        if frame.len() < header_len + self.suite.tag_len() {
            return Err(FrameFault::Malformed(HeaderError::Truncated));
        }
        Ok(Parsed { header, header_len })
    }

    #[inline(always)]
    fn open_under(
        &self,
        table: &Table,
        (keys, ambiguous): (&EpochKeys, bool),
        parsed: Parsed,
        metadata: [&[u8]; 2],
        aad: &mut AadBuffer,
        frame: &mut BytesMut,
    ) -> Result<Opened, FrameError> {
        let (leaf, track) = keys.layout.split(parsed.kid()).ok_or(FrameFault::UnknownTrack.unclaimed())?;
        let nobody = FrameFault::UnknownSender.unclaimed();
        let seat = keys.seats().get(leaf).ok_or(nobody)?;
        let sender = seat.participant().ok_or(nobody)?;
        let fault = |reason| FrameError { reason, claimed: Some((sender, track)) };
        // RFC 9605 §4.4.1: a key is used to encrypt or to decrypt, never both.
        if leaf == keys.own_leaf as usize {
            return Err(fault(FrameFault::Reflected));
        }
        // R19: he went on to a newer epoch; what still comes under this one is late, or somebody else's work.
        if seat.is_closed(|| self.micros()) {
            return Err(fault(FrameFault::EpochClosed));
        }
        let counter = parsed.header.counter;
        let refused = |error| match error {
            OpenError::Replayed => fault(FrameFault::Replayed),
            _ => fault(FrameFault::Unauthentic),
        };
        let context = match keys.heard(leaf, track) {
            Some(context) => {
                // Where the epoch is not certain, neither is whose counter this is, before the key fits.
                if !ambiguous && !context.window.is_fresh(counter) {
                    return Err(fault(FrameFault::Replayed));
                }
                open_in_place(&context.key, counter, parsed.header_len, metadata, aad, frame)
                    .map_err(refused)?;
                context
            }
            None => {
                let opened = |key: &FrameKey| {
                    open_in_place(key, counter, parsed.header_len, metadata, aad, frame).map_err(refused)
                };
                self.first_of_a_track(table, keys, parsed.kid(), (sender, leaf, track), opened)?
            }
        };
        if !context.window.accept(counter) {
            return Err(fault(FrameFault::Replayed));
        }
        Ok(Opened { sender, track, epoch: keys.epoch, counter })
    }

    /// Derives the key of a track that is not heard yet, and keeps it if `opened` says that its frame is authentic.
    #[inline(never)] // a frame in millions: its locals are not to weigh on the others
    fn first_of_a_track<'k>(
        &self,
        table: &Table,
        keys: &'k EpochKeys,
        kid: u64,
        (sender, leaf, track): (ParticipantId, usize, TrackId),
        opened: impl FnOnce(&FrameKey) -> Result<(), FrameError>,
    ) -> Result<&'k Context, FrameError> {
        let key = keys.derive(kid, self.backend());
        opened(&key)?;
        // Only now, after authentication, is anything kept.
        if keys.is_first_heard(leaf) {
            table.close_older(keys.epoch, sender, leaf, self.closing_time());
        }
        let full = FrameError { reason: FrameFault::TooManyTracks, claimed: Some((sender, track)) };
        keys.keep(leaf, track, key).ok_or(full)
    }
}
