//! Frames: sealed at a steady rate, carried by a media server that sees ciphertext, opened by whoever can.

use core::time::Duration;
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use subrosa::sframe::Header;
use subrosa::{
    Codec, Epoch, FrameError, FrameFault, HeldId, Metadata, Opened, Opening, ParticipantId, Sealed, Time,
    TrackKind,
};

use super::Room;
use super::config::Way;
use super::dice::Dice;
use super::ledger::Promise;
use super::queue::{Happening, Seated};
use super::seat::{Attending, Stage};

const SOUND: Metadata<'static> = Metadata::frame(Codec::Opus);
/// About what Opus takes for 20 ms of speech at 16 kbit/s.
const PAYLOAD_LEN: usize = 40;
/// Frames that the media server keeps, to play them again.
const KEPT: usize = 256;

/// A sealed frame, and the truth about it, which nobody in the room is told.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) id: ParticipantId,
    pub(super) epoch: Epoch,
    /// The epoch's number in the ledger.
    pub(super) in_ledger: usize,
    pub(super) kid: u64,
    pub(super) counter: u64,
    pub(super) sealed_at: Time,
    pub(super) bytes: Bytes,
}

/// A frame that waits in an opener for its epoch, and since when on its receiver's clock.
pub(super) struct Waiting {
    pub(super) frame: Rc<Frame>,
    pub(super) since: Time,
    pub(super) is_again: bool,
}

/// What a receiver hears of one sender.
#[derive(Default)]
pub(super) struct Hearing {
    /// When a frame of each epoch opened first, on the receiver's clock.
    pub(super) first: BTreeMap<Epoch, Time>,
    /// When the first frame of a gap was sealed, and the last one.
    gap: Option<(Time, Time)>,
}

impl Hearing {
    pub(super) fn forget(&mut self, epoch: Epoch) {
        self.first.remove(&epoch);
    }

    pub(super) fn is_over(&self) -> bool {
        self.first.is_empty()
    }

    fn lost(&mut self, sealed_at: Time) {
        let (from, to) = self.gap.unwrap_or((sealed_at, sealed_at));
        self.gap = Some((from.min(sealed_at), to.max(sealed_at)));
    }

    /// A frame opened: returns how long the gap was that it ends, if it ends one.
    fn heard(&mut self, sealed_at: Time) -> Option<Duration> {
        let (from, to) = self.gap?;
        (sealed_at > to).then(|| {
            self.gap = None;
            sealed_at - from
        })
    }
}

fn payload(number: u64) -> [u8; PAYLOAD_LEN] {
    let mut payload = [0x5a; PAYLOAD_LEN];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload
}

impl Room {
    /// Gives a member a microphone, or another one: its track gets a context of its own (R15). `false` if all of them were used up
    /// in this epoch; then he has none until the next try.
    pub fn new_microphone(&mut self, name: &str) -> bool {
        let who = self.who(name);
        let Some(attending) = self.seats[who].attending_mut() else { return false };
        attending.microphone = None;
        attending.microphone = attending.call.sealer(TrackKind::Microphone).ok();
        attending.microphone.is_some()
    }

    /// Switches a member's microphone on or off; it is on at first.
    pub fn speaks(&mut self, name: &str, speaks: bool) {
        let who = self.who(name);
        self.seats[who].has_microphone = speaks;
    }

    /// A member's microphone is due.
    pub(super) fn speak(&mut self, at: Seated) {
        let Some(every) = self.config.frames_every.filter(|_| self.is_there(at)) else { return };
        self.queue.push(self.now + every, Happening::Speak(at));
        if self.seats[at.who].has_microphone {
            self.seal_frame(at.who);
        }
    }

    fn seal_frame(&mut self, who: usize) {
        let number = self.next_frame;
        let Some(attending) = self.seats[who].attending_mut() else { return };
        if attending.call.ended().is_some() {
            return; // the app has hung up
        }
        let Some(microphone) = &mut attending.microphone else { return };
        let mut sealed = BytesMut::with_capacity(PAYLOAD_LEN + 34);
        let (epoch, counter) = match microphone.seal(SOUND, &payload(number), &mut sealed) {
            Ok(Sealed { epoch, counter }) => (epoch, counter),
            Err(error) => {
                self.tally.unsealed += 1;
                return self.check_unsealed(who, &error.to_string());
            }
        };
        self.next_frame += 1;
        self.tally.sealed += 1;
        let header = Header::decode(&sealed).expect("it was sealed a moment ago").0;
        let Some(in_ledger) = self.check_sealed(who, epoch, header.kid.0, counter) else { return };
        let Some(id) = self.seats[who].attending().map(|attending| attending.id) else { return };
        let frame = Rc::new(Frame {
            number,
            id,
            epoch,
            in_ledger,
            kid: header.kid.0,
            counter,
            sealed_at: self.now,
            bytes: sealed.freeze(),
        });
        self.send_frame(who, &frame);
        self.kept_frames.push_back(frame);
        if self.kept_frames.len() > KEPT {
            self.kept_frames.pop_front();
        }
    }

    fn send_frame(&mut self, from: usize, frame: &Rc<Frame>) {
        let record = &self.ledger.epochs[frame.in_ledger];
        let is_cut = self.seats[from].is_cut_from_media;
        let Self { seats, dice, queue, tally, config, now, .. } = self;
        let mut traitors = Vec::new();
        for (who, seat) in seats.iter().enumerate().filter(|(who, _)| *who != from) {
            let in_call = seat.attending().filter(|attending| attending.call.ended().is_none());
            let Some(attending) = in_call else { continue };
            if seat.treason.is_some() {
                traitors.push(who);
                continue;
            }
            let is_meant = record.has(attending.id);
            tally.sent += u64::from(is_meant);
            let arrivals = match is_cut || seat.is_cut_from_media {
                true => [None, None],
                false => arrivals(dice, &config.media, seat.media_latency, false),
            };
            tally.lost_by_network += u64::from(is_meant && arrivals == [None, None]);
            for (again, delay) in arrivals.into_iter().flatten().enumerate() {
                queue.push(*now + delay, Happening::Frame(seat.seated(who), Rc::clone(frame), again > 0));
            }
        }
        // Whoever means harm has the server's help: he gets everything, at once.
        for who in traitors {
            self.hear(who, frame, false);
        }
        self.hear_as_stranger(frame);
    }

    /// The media server sends the last frames once more, to everybody.
    pub(super) fn replay_frames(&mut self, count: usize) {
        let skipped = self.kept_frames.len().saturating_sub(count);
        let frames = self.kept_frames.iter().skip(skipped).cloned().collect::<Vec<_>>();
        for (who, frame) in (0..self.seats.len()).flat_map(|who| frames.iter().map(move |frame| (who, frame)))
        {
            if self.seats[who].attending().is_some() {
                self.hear(who, frame, true);
            }
        }
    }

    /// A frame reaches a member; `is_again` if it is not the first to do so.
    pub(super) fn frame_arrives(&mut self, at: Seated, frame: &Rc<Frame>, is_again: bool) {
        let is_meant = !is_again && self.is_meant(at.who, frame);
        if !self.is_there(at) || self.seats[at.who].is_cut_from_media {
            self.tally.lost_by_network += u64::from(is_meant);
            return;
        }
        self.hear(at.who, frame, is_again);
    }

    fn is_meant(&self, who: usize, frame: &Frame) -> bool {
        let id = self.seats[who].attending().map(|attending| attending.id);
        id.is_some_and(|id| self.ledger.epochs[frame.in_ledger].has(id))
    }

    fn hear(&mut self, who: usize, frame: &Rc<Frame>, is_again: bool) {
        let mut bytes = core::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.extend_from_slice(&frame.bytes);
        let now = self.seats[who].clock.reads(self.now);
        if let Stage::In(attending) = &mut self.seats[who].stage {
            match attending.opener.open(SOUND, &mut bytes) {
                Ok(Opening::Opened(opened)) => self.opened(who, frame, opened, &bytes, None),
                Ok(Opening::Held(id)) => {
                    attending.held.insert(id, Waiting { frame: Rc::clone(frame), since: now, is_again });
                }
                Err(error) => self.refused(who, frame, error, now, is_again, None),
            }
        }
        self.scratch = bytes;
    }

    /// Takes out of an opener what was held and is not any more.
    pub(super) fn release_held(&mut self, who: usize) {
        let now = self.seats[who].clock.reads(self.now);
        loop {
            let Some(attending) = self.seats[who].attending_mut() else { return };
            let Some(released) = attending.opener.released() else { return };
            let Some(waiting) = attending.held.remove(&released.id) else {
                self.broke(who, Promise::Works, format!("{:?} comes out twice", released.id));
                continue;
            };
            let Waiting { frame, since, is_again } = waiting;
            match released.outcome {
                Ok(opened) => self.opened(who, &frame, opened, &released.payload, Some(now - since)),
                Err(error) => self.refused(who, &frame, error, since, is_again, Some(released.id)),
            }
        }
    }

    fn opened(
        &mut self,
        who: usize,
        frame: &Frame,
        opened: Opened,
        bytes: &[u8],
        held_for: Option<Duration>,
    ) {
        if self.check_opened(who, frame, opened, bytes) {
            let tally = &mut self.tally;
            let seat = &mut self.seats[who];
            let (now, is_honest) = (seat.clock.reads(self.now), seat.is_honest());
            let Stage::In(attending) = &mut seat.stage else { return };
            if !is_honest {
                tally.opened_by_traitors += 1;
                self.last_opened_by_traitors = self.last_opened_by_traitors.max(Some(frame.sealed_at));
                return;
            }
            tally.opened += 1;
            if let Some(time) = held_for {
                tally.held += 1;
                tally.longest_held = tally.longest_held.max(time);
            }
            let hearing = attending.hearing.entry(frame.id).or_default();
            hearing.first.entry(frame.epoch).or_insert(now);
            if let Some(gap) = hearing.heard(frame.sealed_at) {
                let worst = self.gaps.entry(attending.id).or_default();
                *worst = gap.max(*worst);
            }
        }
    }

    /// A frame did not open. `arrived` is on the receiver's clock.
    fn refused(
        &mut self,
        who: usize,
        frame: &Frame,
        error: FrameError,
        arrived: Time,
        is_again: bool,
        held: Option<HeldId>,
    ) {
        let bits = self.epoch_bits;
        let seat = &self.seats[who];
        let Stage::In(attending) = &seat.stage else { return };
        if is_again || !seat.is_honest() || !self.ledger.epochs[frame.in_ledger].has(attending.id) {
            return;
        }
        if attending.has_opened(frame) {
            return; // a double, and the other one opened
        }
        if matches!(error.reason, FrameFault::Paused | FrameFault::Ended) {
            let is_right = attending.is_cut_off() || attending.call.ended().is_some();
            self.tally.not_listening += 1;
            if !is_right {
                self.broke(who, Promise::NotSilentOtherwise, format!("does not open: {}", error.reason));
            }
            return;
        }
        let is_owed = attending.was_promised(frame, arrived, bits)
            || held.is_none() && attending.should_hold(frame, bits);
        *if is_owed { &mut self.tally.lost_in_guarantee } else { &mut self.tally.lost_outside } += 1;
        if is_owed {
            let how = format!(
                "frame {} of {:?} under epoch {}, sealed at {:?}: {}",
                frame.number,
                frame.id,
                frame.epoch,
                frame.sealed_at.elapsed(),
                error.reason
            );
            self.broke(who, Promise::NothingLost, how);
        }
        if let Some(attending) = self.seats[who].attending_mut() {
            attending.hearing.entry(frame.id).or_default().lost(frame.sealed_at);
        }
    }

    /// Nothing was sealed: there must be a reason.
    fn check_unsealed(&mut self, who: usize, why: &str) {
        let seat = &self.seats[who];
        let now = seat.clock.reads(self.now);
        let Some(attending) = seat.attending().filter(|_| seat.is_honest()) else { return };
        if !attending.is_cut_off() && attending.can_seal(now, self.epoch_bits) {
            self.broke(who, Promise::NotSilentOtherwise, format!("cannot seal: {why}"));
        }
    }

    /// What was sealed must be under an epoch that the sender has taken, the newest that he should be under, and with a counter
    /// that was not used before. Returns the epoch's number in the ledger.
    fn check_sealed(&mut self, who: usize, epoch: Epoch, kid: u64, counter: u64) -> Option<usize> {
        let seat = &self.seats[who];
        let attending = seat.attending()?;
        let own = attending.epochs.get(&epoch).filter(|own| own.taken_at.is_some());
        let Some(number) = own.map(|own| own.number) else {
            self.broke(who, Promise::RosterFirst, format!("seals under epoch {epoch}, not taken"));
            return None;
        };
        let (now, is_honest) = (seat.clock.reads(self.now), seat.is_honest());
        let overdue = attending.overdue(epoch, now);
        let left_behind = self.left_behind(who, number, epoch);
        let is_cut_off = attending.is_cut_off();
        if !self.ledger.sealed(number, kid, counter) {
            let how = format!("seals twice under epoch {epoch}, KID {kid:#x}, counter {counter}");
            self.broke(who, Promise::OneUse, how);
        }
        if let Some(newer) = overdue.filter(|_| is_honest) {
            let how = format!("seals under epoch {epoch}, should under {newer}");
            self.broke(who, Promise::SwitchesInTime, how);
        }
        if is_cut_off && is_honest {
            self.broke(who, Promise::SilentWhenCutOff, format!("seals under epoch {epoch}"));
        }
        if let Some(late) = left_behind.filter(|_| is_honest) {
            let how = format!("seals under epoch {epoch}, which a host left {late:?} ago");
            self.broke(who, Promise::NotLeftBehind, how);
        }
        Some(number)
    }

    /// Holds an opened frame against what was sealed. Says whether it is to be counted.
    fn check_opened(&mut self, who: usize, frame: &Frame, opened: Opened, bytes: &[u8]) -> bool {
        let seat = &mut self.seats[who];
        let (is_honest, now) = (seat.is_honest(), seat.clock.reads(self.now));
        let Some(attending) = seat.attending_mut() else { return false };
        let id = attending.id;
        // Of what is due at this very moment either may come first.
        let just_now = Time::since_origin(now.elapsed().saturating_sub(Duration::from_micros(1)));
        let is_open = !is_honest || !attending.has_expired(frame.epoch, just_now);
        let truth = (frame.id, frame.epoch, frame.counter);
        let is_unchanged =
            (opened.sender, opened.epoch, opened.counter) == truth && bytes == payload(frame.number);
        let is_taken = attending.epochs.get(&frame.epoch).is_some_and(|own| own.taken_at.is_some());
        let is_listening = !is_honest || !attending.is_cut_off();
        let is_first = attending.note_opened(frame);
        let is_on_roster = self.ledger.epochs[frame.in_ledger].has(id);
        let about = |what: &str| {
            format!("{what}: frame {} of {:?} under epoch {}", frame.number, frame.id, frame.epoch)
        };
        for (holds, promise, what) in [
            (is_unchanged, Promise::Unchanged, "opens something else than was sealed"),
            (is_taken, Promise::RosterFirst, "opens before the roster was taken"),
            (is_open, Promise::ClosesInTime, "opens although its epoch's time is over"),
            (is_first, Promise::OpensOnce, "opens again"),
            (is_listening, Promise::SilentWhenCutOff, "opens"),
            (is_on_roster, Promise::RosterIsAll, "opens without being on the roster"),
        ] {
            if !holds {
                self.broke(who, promise, about(what));
            }
        }
        is_first
    }

    fn hear_as_stranger(&mut self, frame: &Frame) {
        let Some(stranger) = &mut self.stranger else { return };
        let mut bytes = BytesMut::from(&frame.bytes[..]);
        self.tally.tried_by_stranger += 1;
        if let Ok(Opening::Opened(_)) = stranger.opener.open(SOUND, &mut bytes) {
            let how = format!("a stranger opens frame {} of epoch {}", frame.number, frame.epoch);
            self.ledger.broken.push(super::Broken {
                at: self.now,
                name: "the stranger".to_owned(),
                promise: Promise::RosterIsAll,
                how,
            });
        }
    }
}

impl Attending {
    /// Whether the call has said that it is cut off, and says so still: what came before that is over comes out of it later.
    fn is_cut_off(&self) -> bool {
        self.paused_since.is_some() && self.call.is_cut_off()
    }

    fn has_opened(&self, frame: &Frame) -> bool {
        self.opened.get((frame.number / 64) as usize).is_some_and(|word| word >> (frame.number % 64) & 1 == 1)
    }

    /// Notes that a frame opened; says whether it is the first time.
    fn note_opened(&mut self, frame: &Frame) -> bool {
        let is_first = !self.has_opened(frame);
        let word = (frame.number / 64) as usize;
        if self.opened.len() <= word {
            self.opened.resize(word + 1, 0);
        }
        self.opened[word] |= 1 << (frame.number % 64);
        is_first
    }
}

/// When a message arrives, if it does: perhaps never, perhaps twice.
pub(super) fn arrivals(
    dice: &mut Dice,
    way: &Way,
    latency: Duration,
    is_reliable: bool,
) -> [Option<Duration>; 2] {
    if !is_reliable && dice.chance(way.loss) {
        return [None, None];
    }
    let is_doubled = dice.chance(way.doubled);
    let mut delay = || latency + dice.between(Duration::ZERO, way.jitter);
    let first = delay();
    [Some(first), is_doubled.then(delay)]
}
