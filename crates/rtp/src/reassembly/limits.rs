//! The bounds of a reassembler, and its counters.

use std::time::Duration;

/// How much a [`Reassembler`](crate::Reassembler) keeps, and how long it waits for what is missing.
///
/// When `max_packets` or `max_bytes` is reached, the oldest gap is given up as though its time were over; a
/// packet is only refused if a complete frame is ready and was not polled. So the packets kept are at most one
/// more than `max_packets` (and one on probation after a jump of the sequence numbers), and the bytes kept are
/// at most `max_bytes` and these packets' own.
///
/// The bytes counted are those of the payloads. A [`Bytes`](bytes::Bytes) that is a slice keeps its whole buffer
/// alive: a caller that receives into large shared buffers pays for those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Packets kept, and the longest gap in sequence numbers that counts as loss rather than as a jump: between 1
    /// and 16,384; values outside are taken as the nearer of the two. Default: 1,024, a second of video at
    /// 10 Mbit/s.
    pub max_packets: usize,
    /// Bytes of payload kept; 0 counts as 1. Default: 4 MiB.
    pub max_bytes: usize,
    /// Bytes in one sealed frame; a larger frame is dropped as soon as it is known to be. Default: 2 MiB, several
    /// times a 4K keyframe.
    pub max_frame_bytes: usize,
    /// How long a missing packet is waited for once a later one has come. Default: 200 ms, enough for one
    /// retransmission on most paths, and about as late as conversation bears.
    pub max_wait: Duration,
    /// How long an unfinished frame is kept when nothing at all comes after it: no packet is known to be missing,
    /// the sender may only be slow. Default: 1 s.
    pub max_stall: Duration,
}

impl Limits {
    /// Half of half of the sequence numbers: "ahead" and "behind" stay far apart.
    const MOST_PACKETS: usize = 1 << 14;

    pub(super) fn clamped(self) -> Self {
        Self {
            max_packets: self.max_packets.clamp(1, Self::MOST_PACKETS),
            max_bytes: self.max_bytes.max(1),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packets: 1_024,
            max_bytes: 4 << 20,
            max_frame_bytes: 2 << 20,
            max_wait: Duration::from_millis(200),
            max_stall: Duration::from_secs(1),
        }
    }
}

/// What a [`Reassembler`](crate::Reassembler) has seen since it was made.
///
/// Each received packet ends in exactly one of `delivered`, `duplicates`, `late`, `malformed`, `padding`,
/// `dropped_over_limit`, `stray` and `discarded`, or is still waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Packets pushed, whatever became of them.
    pub received: u64,
    /// Packets given out as part of a frame.
    pub delivered: u64,
    /// Packets refused as another with their sequence number was waiting.
    pub duplicates: u64,
    /// Packets refused as the stream was given out, or given up, beyond them.
    pub late: u64,
    /// Packets refused as they had no content.
    pub malformed: u64,
    /// Packets of nothing but padding.
    pub padding: u64,
    /// Packets refused, or dropped with their frame, because of a limit on packets or bytes.
    pub dropped_over_limit: u64,
    /// Packets far from the rest of the stream that nothing followed.
    pub stray: u64,
    /// Packets dropped as no complete frame could be made of them.
    pub discarded: u64,
    /// Of these, packets whose T bit was not that of the stream: somebody on the way changed it, or the sender is not what was
    /// agreed on.
    pub wrong_form: u64,
    /// Sequence numbers that were given up.
    pub lost_packets: u64,
    /// Frames given out.
    pub frames: u64,
    /// Frames whose beginning came, but not the rest, or not in agreement.
    pub incomplete_frames: u64,
    /// Of these, frames whose fragments disagreed in timestamp or payload type.
    pub mismatched: u64,
    /// Jumps of the sequence numbers that were followed.
    pub restarts: u64,
}
