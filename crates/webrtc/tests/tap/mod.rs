//! What a server in between sees of a connection: RTP behind SRTP. It can lose some of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use bytes::Bytes;
use rtc::interceptor::{Interceptor, Packet, Registry, Slot, StreamInfo, TaggedPacket};
use rtc::rtp;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;

#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lose_every: usize,
    passed: usize,
    payloads: Vec<Bytes>,
    extensions: Vec<Bytes>,
    lost: BTreeSet<(u32, u16)>,
    first_ssrc: Option<u32>,
    other_ssrc: bool,
}

impl Tap {
    /// Loses one in so many packets, each once.
    pub(crate) fn losing_every(packets: usize) -> Self {
        Self(Arc::new(Mutex::new(State { lose_every: packets, ..State::default() })))
    }

    pub(crate) fn register(&self, registry: Registry) -> Registry {
        let tap = Interceptors { tap: self.clone(), reads: VecDeque::new(), writes: VecDeque::new() };
        registry.with(Slot::from(500), tap)
    }

    pub(crate) fn payloads(&self) -> Vec<Bytes> {
        self.state().payloads.clone()
    }

    /// All header extensions, of whatever kind.
    pub(crate) fn extensions(&self) -> Vec<Bytes> {
        self.state().extensions.clone()
    }

    pub(crate) fn lost(&self) -> usize {
        self.state().lost.len()
    }

    pub(crate) fn repaired_on_other_ssrc(&self) -> bool {
        self.state().other_ssrc
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics under the lock")
    }
}

impl State {
    /// Whether the packet gets through.
    fn see(&mut self, packet: &rtp::Packet) -> bool {
        self.payloads.push(packet.payload.clone());
        let header = &packet.header;
        self.extensions.extend(header.extensions.iter().map(|extension| extension.payload.clone()));
        self.other_ssrc |= *self.first_ssrc.get_or_insert(header.ssrc) != header.ssrc;
        self.passed += 1;
        let is_lost = self.lose_every > 0
            && self.passed.is_multiple_of(self.lose_every)
            && self.first_ssrc == Some(header.ssrc);
        !is_lost || !self.lost.insert((header.ssrc, header.sequence_number))
    }
}

struct Interceptors {
    tap: Tap,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Interceptors {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        let passes = match &packet.message.packet {
            Packet::Rtp(rtp) => self.tap.state().see(rtp),
            _ => true,
        };
        if passes {
            self.reads.push_back(packet);
        }
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Interceptors {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
