//! The reassemblers of a connection, and the bounds over all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::IncomingError;
use crate::descriptor::Form;
use crate::reassembly::{Assembled, Limits, Reassembler, RtpPayload, Stats};

/// How much [`IncomingStreams`](super::IncomingStreams) keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of each stream.
    pub stream: Limits,
    /// SSRCs at a time; 0 counts as 1. When all are taken, one that was silent for [`idle`](Self::idle) makes room. Default: 256.
    pub max_streams: usize,
    /// Bytes of payload kept in all streams together; one packet may go beyond. Default: 32 MiB.
    pub max_bytes: usize,
    /// After which silence a stream may be forgotten. Default: 10 s.
    pub idle: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            stream: Limits::default(),
            max_streams: 256,
            max_bytes: 32 << 20,
            idle: Duration::from_secs(10),
        }
    }
}

#[derive(Debug)]
pub(super) struct Streams {
    limits: ConnectionLimits,
    /// By SSRC.
    streams: BTreeMap<u32, Stream>,
    /// Bytes kept in all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Stream {
    reassembler: Reassembler,
    last_packet: Duration,
}

impl Streams {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let limits = ConnectionLimits { max_streams: limits.max_streams.max(1), ..limits };
        Self { limits, streams: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn push(
        &mut self,
        ssrc: u32,
        form: Form,
        packet: RtpPayload,
        now: Duration,
    ) -> Result<(), IncomingError> {
        if self.bytes > self.limits.max_bytes {
            return Err(IncomingError::TooManyBytes);
        }
        let Some(stream) = self.streams.get_mut(&ssrc) else { return self.begin(ssrc, form, packet, now) };
        stream.last_packet = stream.last_packet.max(now);
        let result = counted(&mut self.bytes, stream, |reassembler| reassembler.push(packet, now));
        result.map_err(IncomingError::Packet)
    }

    /// Begins a stream with its first packet. One that is refused takes no place, and drives no other stream out.
    fn begin(
        &mut self,
        ssrc: u32,
        form: Form,
        packet: RtpPayload,
        now: Duration,
    ) -> Result<(), IncomingError> {
        let mut reassembler = Reassembler::new(form, self.limits.stream);
        reassembler.push(packet, now)?;
        self.make_room(now)?;
        self.bytes += reassembler.buffered_bytes();
        self.streams.insert(ssrc, Stream { reassembler, last_packet: now });
        Ok(())
    }

    pub(super) fn poll(&mut self, ssrc: u32) -> Option<Assembled> {
        let stream = self.streams.get_mut(&ssrc)?;
        counted(&mut self.bytes, stream, Reassembler::poll)
    }

    /// Returns the streams that had something to give up.
    pub(super) fn handle_timeout(&mut self, now: Duration) -> Vec<u32> {
        let due = |stream: &Stream| stream.reassembler.next_timeout().is_some_and(|at| at <= now);
        let mut changed = Vec::new();
        for (ssrc, stream) in self.streams.iter_mut().filter(|(_, stream)| due(stream)) {
            counted(&mut self.bytes, stream, |reassembler| reassembler.handle_timeout(now));
            changed.push(*ssrc);
        }
        changed
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.streams.values().filter_map(|stream| stream.reassembler.next_timeout()).min()
    }

    pub(super) fn stats(&self, ssrc: u32) -> Option<Stats> {
        self.streams.get(&ssrc).map(|stream| stream.reassembler.stats())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.bytes
    }

    fn make_room(&mut self, now: Duration) -> Result<(), IncomingError> {
        if self.streams.len() < self.limits.max_streams {
            return Ok(());
        }
        let quietest = self.streams.iter().min_by_key(|(_, stream)| stream.last_packet);
        let idle = |stream: &Stream| now.saturating_sub(stream.last_packet) >= self.limits.idle;
        let ssrc = quietest.filter(|(_, stream)| idle(stream)).map(|(ssrc, _)| *ssrc);
        let ssrc = ssrc.ok_or(IncomingError::TooManyStreams)?;
        if let Some(stream) = self.streams.remove(&ssrc) {
            self.bytes -= stream.reassembler.buffered_bytes();
        }
        Ok(())
    }
}

/// Does something with a stream and keeps the count of all bytes right.
fn counted<T>(bytes: &mut usize, stream: &mut Stream, act: impl FnOnce(&mut Reassembler) -> T) -> T {
    let before = stream.reassembler.buffered_bytes();
    let result = act(&mut stream.reassembler);
    *bytes = *bytes - before + stream.reassembler.buffered_bytes();
    result
}
