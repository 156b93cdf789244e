//! Receiving: the packets of one RTP stream become sealed frames again.

mod limits;
mod output;
mod packet;
mod sequence;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::BytesMut;

pub use self::{
    limits::{Limits, Stats},
    output::{Assembled, Loss, SealedFrame},
    packet::{PushError, RtpPayload},
};
use self::{
    packet::{Content, Held},
    sequence::{Sequences, neighbours},
};
use crate::descriptor::Form;

/// A stream in which nothing new came for this long may start anew even a little behind where it was.
const QUIET: Duration = Duration::from_secs(1);

/// Puts the sealed frames of one RTP stream (one SSRC) together.
///
/// The stream's [`Form`] was agreed when it was set up and is pinned: whoever flips a T bit on the way makes a packet
/// that is dropped, not a frame that is read as something else.
///
/// # The contract
///
/// Every input, [`push`](Self::push) or [`handle_timeout`](Self::handle_timeout), is followed by calling
/// [`poll`](Self::poll) until it returns `None`; [`next_timeout`](Self::next_timeout) then says when to call
/// `handle_timeout` if no packet comes before. Time is a [`Duration`] since an origin of the caller's choice; a
/// time before an earlier one counts as the earlier one.
///
/// # What comes out
///
/// * Frames come in the order of their sequence numbers, each once and whole. A frame whose predecessors are all
///   given out is given out by the `push` that completes it; nothing waits unless a packet is missing.
/// * A missing packet is waited for until [`Limits::max_wait`] after the first packet that came behind it. Then
///   what cannot be completed is dropped, and [`Assembled::Lost`] says so at that place in the order, before any
///   later frame.
/// * A frame is a run of consecutive sequence numbers from an S bit to the next E bit with no other S bit
///   between, of one payload type and timestamp. The marker bit plays no part. Packets of padding alone
///   are passed over.
///
/// # Where a stream begins
///
/// If the first packet begins a frame, the stream begins there, and what it overtook is late. If it does not,
/// earlier packets are waited for as for any missing one, up to `max_wait`. Who knows the first sequence number
/// says so with [`starting_at`](Self::starting_at) and loses nothing to reordering at the start.
///
/// When the sequence numbers jump by more than a gap ([`Limits::max_packets`] ahead, 3,000 behind and before all that
/// is waited for, or after a second of silence back to numbers that never came), one packet is kept on probation;
/// once a second one near it follows, the stream goes on from there and reports the break. One stray packet changes
/// nothing.
///
/// ```
/// # use std::time::Duration;
/// # use bytes::Bytes;
/// # use subrosa_rtp::{Assembled, Form, Limits, Reassembler, RtpPayload};
/// let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
/// let packet = |sequence, payload: &'static [u8]| RtpPayload {
///     sequence,
///     timestamp: 0,
///     payload_type: 111,
///     marker: false,
///     payload: Bytes::from_static(payload),
/// };
/// let now = Duration::ZERO;
/// reassembler.push(packet(7, b"\xC0one"), now)?;
/// assert!(matches!(reassembler.poll(), Some(Assembled::Frame(frame)) if frame.data[..] == *b"one"));
///
/// // Packet 8 is missing: what came behind it waits, but not for ever.
/// reassembler.push(packet(9, b"\xC0three"), now)?;
/// assert_eq!(reassembler.poll(), None);
/// let deadline = reassembler.next_timeout().expect("something is missing");
/// reassembler.handle_timeout(deadline);
/// assert!(matches!(reassembler.poll(), Some(Assembled::Lost(loss)) if loss.missing_packets == 1));
/// assert!(matches!(reassembler.poll(), Some(Assembled::Frame(frame)) if frame.data[..] == *b"three"));
/// # Ok::<(), subrosa_rtp::PushError>(())
/// ```
#[derive(Debug)]
pub struct Reassembler {
    form: Form,
    limits: Limits,
    stats: Stats,
    sequences: Sequences,
    /// The latest time told.
    now: Duration,
    /// When a packet was last taken into `packets`.
    last_taken: Option<Duration>,
    /// When the first packet came, as long as the stream may still turn out to begin before it.
    joining: Option<Duration>,
    /// All before this is given out or given up; every key of `packets` is at or beyond it.
    cursor: u64,
    /// Gaps before this are not waited for: the stream started anew here.
    restart: u64,
    packets: BTreeMap<u64, Held>,
    /// Of `packets`, those that were ahead of all others when they came, and when: the first of them behind a gap is what came first
    /// behind it. Some of them may be over.
    ahead: VecDeque<(u64, Duration)>,
    /// Bytes of content in `packets`.
    bytes: usize,
    /// The unfinished frame that begins at `cursor`, as far as it is there without a gap.
    head: Option<Head>,
    /// The first missing packet that holds others up, and since when it is known to be missing.
    gap: Option<(u64, Duration)>,
    /// A packet far from the rest, with its sequence number: stray, or the first after a jump.
    probation: Option<(u16, Held)>,
    /// What was given up just before `cursor` and not yet reported.
    loss: Option<Loss>,
    state: State,
}

/// What all fragments of a frame agree in, and how far it got.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// The sequence number that continues it.
    next: u64,
    /// Bytes of content before `next`.
    len: usize,
    timestamp: u32,
    payload_type: u8,
}

/// What is at the front of the stream.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing is kept.
    Idle,
    /// Packets are kept that cannot be given out yet.
    Waiting(Wait),
    /// The frame from `cursor` to `last` is complete.
    Ready { head: Head, last: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Wait {
    on: On,
    /// The sequence number at which it does not go on.
    at: u64,
    deadline: Duration,
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum On {
    /// The beginning of the frame in whose middle the stream was joined.
    Beginning,
    /// A packet that later ones overtook.
    Missing,
    /// The rest of a frame that nothing overtook.
    Rest,
}

/// Why packets are dropped.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// No frame can be made of them (any more).
    NoUse,
    OverLimit,
}

impl Reassembler {
    /// Makes a reassembler for a stream of which nothing is known yet.
    pub fn new(form: Form, limits: Limits) -> Self {
        let limits = limits.clamped();
        Self {
            form,
            sequences: Sequences::new(limits.max_packets),
            limits,
            stats: Stats::default(),
            now: Duration::ZERO,
            last_taken: None,
            joining: None,
            cursor: 0,
            restart: 0,
            packets: BTreeMap::new(),
            ahead: VecDeque::new(),
            bytes: 0,
            head: None,
            gap: None,
            probation: None,
            loss: None,
            state: State::Idle,
        }
    }

    /// Makes a reassembler for a stream whose first packet has, or had, this sequence number.
    pub fn starting_at(first_sequence: u16, form: Form, limits: Limits) -> Self {
        let mut new = Self::new(form, limits);
        new.cursor = new.sequences.begin(first_sequence);
        new
    }

    /// Takes a packet that came at `now`.
    ///
    /// # Errors
    ///
    /// [`PushError`] if the packet was of no use; what came before is as it was.
    pub fn push(&mut self, packet: RtpPayload, now: Duration) -> Result<(), PushError> {
        self.now = self.now.max(now);
        self.stats.received += 1;
        let result = self.admit(packet);
        match result {
            Ok(()) => {}
            Err(PushError::Malformed) => self.stats.malformed += 1,
            Err(PushError::Duplicate) => self.stats.duplicates += 1,
            Err(PushError::Late) => self.stats.late += 1,
            Err(PushError::OverLimit) => self.stats.dropped_over_limit += 1,
        }
        self.settle();
        result
    }

    /// Gives up what was waited for long enough at `now`.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.settle();
    }

    /// Returns the next frame or loss, or `None` if there is nothing to do but wait for packets or time.
    pub fn poll(&mut self) -> Option<Assembled> {
        // Whatever is in `loss` came before the frame that is ready.
        if let Some(loss) = self.loss.take() {
            return Some(Assembled::Lost(loss));
        }
        let State::Ready { head, last } = self.state else { return None };
        let frame = self.take_frame(head, last);
        self.state = State::Idle;
        self.settle();
        Some(Assembled::Frame(frame))
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), or `None` if nothing is waited for.
    pub fn next_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Waiting(wait) => Some(wait.deadline),
            State::Idle | State::Ready { .. } => None,
        }
    }

    /// Returns what its frames are: what the stream was set up for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns how many packets are kept.
    pub fn buffered_packets(&self) -> usize {
        self.packets.len() + usize::from(self.probation.is_some())
    }

    /// Returns how many bytes of sealed content are kept.
    pub fn buffered_bytes(&self) -> usize {
        self.bytes + self.probation.as_ref().map_or(0, |(_, held)| held.len())
    }

    fn is_full(&self) -> bool {
        self.packets.len() >= self.limits.max_packets || self.bytes >= self.limits.max_bytes
    }
}

/// The way in.
impl Reassembler {
    fn admit(&mut self, packet: RtpPayload) -> Result<(), PushError> {
        let sequence = packet.sequence;
        let held = Held::parse(packet, self.form, self.now)?;
        if self.is_full() {
            // Never while waiting: `settle` gives gaps up until there is room.
            return Err(PushError::OverLimit);
        }
        if !self.sequences.begun() {
            self.cursor = self.sequences.begin(sequence);
            self.joining = Some(self.now);
        }
        let Some(at) = self.sequences.locate(sequence, self.cursor) else {
            return self.try_restart(sequence, held);
        };
        if at < self.cursor && self.joining.is_none() {
            // A copy of what came before is no new start, however late: retransmissions come in twos.
            let may_be_new = self.is_quiet() && !self.sequences.has_seen(at);
            return if may_be_new { self.try_restart(sequence, held) } else { Err(PushError::Late) };
        }
        if self.packets.contains_key(&at) {
            return Err(PushError::Duplicate);
        }
        self.cursor = self.cursor.min(at);
        self.insert(at, held);
        // A stream that goes on where it was did not jump.
        self.stats.stray += u64::from(self.probation.take().is_some());
        Ok(())
    }

    /// Keeps one packet from elsewhere; follows the stream there if it is the second one.
    fn try_restart(&mut self, sequence: u16, held: Held) -> Result<(), PushError> {
        let Some((earlier, first)) = self.probation.take() else {
            self.probation = Some((sequence, held));
            return Ok(());
        };
        match neighbours(earlier, sequence) {
            Some(0) => {
                self.probation = Some((earlier, first));
                return Err(PushError::Duplicate);
            }
            Some(distance) => {
                self.stats.restarts += 1;
                self.restart = self.sequences.restart_at(if distance < 0 { sequence } else { earlier });
                let apart = u64::from(distance.unsigned_abs());
                let (lower, upper) = if distance < 0 { (held, first) } else { (first, held) };
                self.insert(self.restart, lower);
                self.insert(self.restart + apart, upper);
            }
            None => {
                self.stats.stray += 1;
                self.probation = Some((sequence, held));
            }
        }
        Ok(())
    }

    fn insert(&mut self, at: u64, held: Held) {
        self.bytes += held.len();
        if self.ahead.back().is_none_or(|(last, _)| *last < at) {
            self.ahead.push_back((at, held.arrived));
        }
        self.packets.insert(at, held);
        self.sequences.saw(at);
        self.last_taken = Some(self.now);
    }

    fn is_quiet(&self) -> bool {
        self.last_taken.is_some_and(|taken| self.now.saturating_sub(taken) >= QUIET)
    }
}

/// The way out: after each input the front of the stream is looked at anew.
impl Reassembler {
    /// Drops what is of no use and gives up what is overdue, until a frame is ready or something is waited for.
    fn settle(&mut self) {
        if matches!(self.state, State::Ready { .. }) {
            return;
        }
        loop {
            self.state = self.look();
            let State::Waiting(wait) = self.state else { return };
            if self.now >= wait.deadline || wait.at < self.restart {
                self.give_up(wait, Why::NoUse);
            } else if self.is_full() {
                self.give_up(wait, Why::OverLimit);
            } else {
                return;
            }
        }
    }

    /// Says what is at the front, after dropping all that can never be part of a frame.
    fn look(&mut self) -> State {
        if let Some(since) = self.joining {
            match self.packets.get(&self.cursor).map(|held| &held.content) {
                None => return State::Idle,
                Some(Content::Fragment(descriptor, _)) if !descriptor.first => {
                    let deadline = since.saturating_add(self.limits.max_wait);
                    return State::Waiting(Wait { on: On::Beginning, at: self.cursor, deadline });
                }
                Some(_) => self.joining = None,
            }
        }
        loop {
            let at = self.head.map_or(self.cursor, |head| head.next);
            let Some(held) = self.packets.get(&at) else { return self.wait_for(at) };
            let (descriptor, content) = match &held.content {
                Content::Fragment(descriptor, content) => (descriptor, content),
                Content::Padding => {
                    self.pass_padding(at);
                    continue;
                }
                Content::Foreign => {
                    self.stats.wrong_form += 1;
                    self.drop_before(at + 1, Why::NoUse);
                    continue;
                }
            };
            let descriptor = *descriptor;
            let alone = Head {
                next: at + 1,
                len: content.len(),
                timestamp: held.timestamp,
                payload_type: held.payload_type,
            };
            match self.head {
                None if !descriptor.first => self.drop_before(at + 1, Why::NoUse),
                // Section 5.2, step 3: the smallest run counts, so an S bit always begins anew.
                Some(_) if descriptor.first => self.drop_before(at, Why::NoUse),
                // Section 5.2, steps 6 and 7: what disagrees is dropped, here up to the next S bit.
                Some(head) if !head.agrees_with(alone) => {
                    self.stats.mismatched += 1;
                    self.drop_before(at, Why::NoUse);
                }
                head => {
                    let head = Head { len: head.map_or(0, |head| head.len) + alone.len, ..alone };
                    self.head = Some(head);
                    if head.len > self.limits.max_frame_bytes {
                        self.drop_before(at + 1, Why::OverLimit);
                    } else if descriptor.last {
                        return State::Ready { head, last: at };
                    }
                }
            }
        }
    }

    fn wait_for(&mut self, at: u64) -> State {
        if self.gap.is_none_or(|(known, _)| known != at) {
            // Known to be missing since the first packet behind it came.
            // In all this costs each packet one step, however many gaps there are.
            while self.ahead.front().is_some_and(|(ahead, _)| *ahead < at) {
                self.ahead.pop_front();
            }
            self.gap = self.ahead.front().map(|(_, since)| (at, *since));
        }
        let (on, since, limit) = match (self.gap, self.last_taken) {
            (Some((_, since)), _) => (On::Missing, since, self.limits.max_wait),
            (None, Some(since)) if self.head.is_some() => (On::Rest, since, self.limits.max_stall),
            (None, _) => return State::Idle,
        };
        State::Waiting(Wait { on, at, deadline: since.saturating_add(limit) })
    }

    fn pass_padding(&mut self, at: u64) {
        if let Some(head) = &mut self.head {
            head.next = at + 1; // goes with its frame
        } else {
            self.packets.remove(&at);
            self.stats.padding += 1;
            self.cursor = at + 1;
        }
    }

    fn give_up(&mut self, wait: Wait, why: Why) {
        match wait.on {
            On::Beginning => self.joining = None,
            On::Rest => self.drop_before(wait.at, why),
            On::Missing => {
                let next = self.packets.range(wait.at..).next().map_or(wait.at, |(&next, _)| next);
                let loss = self.loss.get_or_insert(Loss::at(self.cursor));
                if wait.at < self.restart && self.restart <= next {
                    loss.restarted = true;
                } else {
                    loss.missing_packets += next - wait.at;
                    self.stats.lost_packets += next - wait.at;
                }
                self.drop_before(next, why);
            }
        }
    }

    /// Moves the cursor to `end` and drops what is before.
    fn drop_before(&mut self, end: u64, why: Why) {
        let loss = self.loss.get_or_insert(Loss::at(self.cursor));
        while let Some(entry) = self.packets.first_entry()
            && *entry.key() < end
        {
            let held = entry.remove();
            self.bytes -= held.len();
            if matches!(held.content, Content::Padding) {
                self.stats.padding += 1;
                continue;
            }
            loss.discarded_packets += 1;
            match why {
                Why::NoUse => self.stats.discarded += 1,
                Why::OverLimit => self.stats.dropped_over_limit += 1,
            }
        }
        self.stats.incomplete_frames += u64::from(self.head.take().is_some());
        self.cursor = end;
    }

    fn take_frame(&mut self, head: Head, last: u64) -> SealedFrame {
        let mut frame = SealedFrame {
            timestamp: head.timestamp,
            payload_type: head.payload_type,
            marker: false,
            form: self.form,
            first_sequence: self.cursor,
            last_sequence: last,
            data: BytesMut::with_capacity(head.len),
        };
        while let Some(entry) = self.packets.first_entry()
            && *entry.key() <= last
        {
            let held = entry.remove();
            self.bytes -= held.len();
            let Content::Fragment(_, content) = held.content else {
                self.stats.padding += 1;
                continue;
            };
            self.stats.delivered += 1;
            frame.data.extend_from_slice(&content);
            frame.marker = held.marker; // that of the last one stays
        }
        self.stats.frames += 1;
        self.head = None;
        self.cursor = last + 1;
        frame
    }
}

impl Head {
    fn agrees_with(self, other: Self) -> bool {
        self.timestamp == other.timestamp && self.payload_type == other.payload_type
    }
}
