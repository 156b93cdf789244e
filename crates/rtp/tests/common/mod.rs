//! A sender that numbers its packets, and a receiver that keeps the contract.
#![allow(dead_code)] // each test file uses a part of it

use std::time::Duration;

use bytes::Bytes;
use subrosa_rtp::{
    Assembled, Form, Loss, MarkerBit, Packetizer, PushError, Reassembler, RtpPayload, SealedFrame,
};

pub(crate) const VIDEO: u8 = 96;

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A packet of one fragment, its bytes given literally: the first is the descriptor.
pub(crate) fn packet(sequence: u16, payload: &[u8]) -> RtpPayload {
    RtpPayload {
        sequence,
        timestamp: 0,
        payload_type: VIDEO,
        marker: false,
        payload: Bytes::copy_from_slice(payload),
    }
}

/// Sends frames with consecutive sequence numbers, 3,000 timestamp units apart.
pub(crate) struct Sender {
    packetizer: Packetizer,
    sequence: u16,
    timestamp: u32,
}

impl Sender {
    pub(crate) fn new(first_sequence: u16, mtu: usize) -> Self {
        let packetizer = Packetizer::new(Form::Frame, mtu).expect("a usable MTU");
        Self { packetizer, sequence: first_sequence, timestamp: 0 }
    }

    pub(crate) fn send(&mut self, sealed: &[u8]) -> Vec<RtpPayload> {
        let fragments = self.packetizer.packetize(sealed, MarkerBit::OnLast).expect("not empty");
        self.timestamp = self.timestamp.wrapping_add(3_000);
        fragments
            .map(|fragment| {
                let packet = RtpPayload {
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    payload_type: VIDEO,
                    marker: fragment.marker,
                    payload: fragment.payload,
                };
                self.sequence = self.sequence.wrapping_add(1);
                packet
            })
            .collect()
    }
}

pub(crate) fn drain(reassembler: &mut Reassembler) -> Vec<Assembled> {
    std::iter::from_fn(|| reassembler.poll()).collect()
}

/// Pushes one packet that is expected to be taken, then drains.
pub(crate) fn push(reassembler: &mut Reassembler, packet: RtpPayload, now: Duration) -> Vec<Assembled> {
    assert_eq!(reassembler.push(packet, now), Ok(()));
    drain(reassembler)
}

/// Pushes one packet that is expected to be refused, and that must change nothing.
pub(crate) fn refused(reassembler: &mut Reassembler, packet: RtpPayload, now: Duration) -> PushError {
    let before = (reassembler.buffered_packets(), reassembler.buffered_bytes(), reassembler.next_timeout());
    let error = reassembler.push(packet, now).expect_err("the packet is refused");
    let after = (reassembler.buffered_packets(), reassembler.buffered_bytes(), reassembler.next_timeout());
    assert_eq!(after, before);
    assert_eq!(drain(reassembler), []);
    error
}

/// Lets time pass until nothing is waited for, as a caller's timer would.
pub(crate) fn run_out(reassembler: &mut Reassembler) -> Vec<Assembled> {
    let mut out = drain(reassembler);
    while let Some(deadline) = reassembler.next_timeout() {
        reassembler.handle_timeout(deadline);
        out.extend(drain(reassembler));
    }
    out
}

pub(crate) fn frames(out: &[Assembled]) -> Vec<&SealedFrame> {
    out.iter()
        .filter_map(|assembled| match assembled {
            Assembled::Frame(frame) => Some(frame),
            Assembled::Lost(_) => None,
        })
        .collect()
}

/// The content of the frames alone.
pub(crate) fn data(out: &[Assembled]) -> Vec<&[u8]> {
    frames(out).into_iter().map(|frame| &frame.data[..]).collect()
}

pub(crate) fn losses(out: &[Assembled]) -> Vec<Loss> {
    out.iter()
        .filter_map(|assembled| match assembled {
            Assembled::Lost(loss) => Some(*loss),
            Assembled::Frame(_) => None,
        })
        .collect()
}
