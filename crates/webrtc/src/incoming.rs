//! A connection's packets become frames: the part without tasks, sockets and clocks.

use std::time::Duration;

use rtc::rtp;
use subrosa::{Codec, Opener};
use subrosa_rtp::{ConnectionLimits, Form, IncomingStreams, PayloadFormat, Received, RtpPayload};

/// As [`IncomingStreams`], for the stack's packets. Every input is followed by calling [`poll`](Self::poll) until `None`.
#[derive(Debug)]
pub(crate) struct Incoming {
    streams: IncomingStreams,
    ignored: u64,
}

impl Incoming {
    pub(crate) fn new(opener: Opener, limits: ConnectionLimits) -> Self {
        Self { streams: IncomingStreams::new(opener, limits), ignored: 0 }
    }

    /// Says what a payload type carries, against whatever the tracks say.
    pub(crate) fn set_codec(&mut self, payload_type: u8, codec: Codec) {
        self.streams.set_format(payload_type, PayloadFormat { codec, form: Form::Frame });
    }

    /// Takes what a track says that a payload type carries. Said once it stays: a server that says otherwise later is not believed.
    pub(crate) fn learn_codec(&mut self, payload_type: u8, codec: Codec) {
        if self.streams.format(payload_type).is_none() {
            self.set_codec(payload_type, codec);
        }
    }

    pub(crate) fn handle_packet(&mut self, packet: rtp::Packet, now: Duration) {
        let rtp::Packet { header, payload } = packet;
        let packet = RtpPayload {
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            payload_type: header.payload_type,
            marker: header.marker,
            payload, // the stack has removed the padding
        };
        // Copies, late ones and what was not agreed on: ordinary events of a network, or a server's doing.
        self.ignored += u64::from(self.streams.push(header.ssrc, packet, now).is_err());
    }

    /// Gives up what was waited for long enough, if anything was.
    pub(crate) fn handle_timeout(&mut self, now: Duration) -> bool {
        let is_due = self.next_timeout().is_some_and(|at| at <= now);
        if is_due {
            self.streams.handle_timeout(now);
        }
        is_due
    }

    pub(crate) fn poll(&mut self) -> Option<Received> {
        self.streams.poll()
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        self.streams.next_timeout()
    }

    pub(crate) fn streams(&self) -> &IncomingStreams {
        &self.streams
    }

    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }
}

#[cfg(test)]
mod tests {
    use std::iter::from_fn;

    use bytes::Bytes;
    use subrosa_testkit::table::Table;

    use super::*;
    use crate::sender::tests::Camera;

    const NOW: Duration = Duration::ZERO;

    fn bob(table: &Table) -> Incoming {
        let mut incoming = Incoming::new(table.opener("Bob"), ConnectionLimits::default());
        incoming.learn_codec(96, Codec::Vp8);
        incoming
    }

    /// The frames that come out; anything else is a failure.
    fn frames(incoming: &mut Incoming) -> Vec<Vec<u8>> {
        let received = from_fn(|| incoming.poll());
        received
            .map(|received| match received {
                Received::Frame(frame) => frame.data.to_vec(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn reordered_and_repeated_packets_make_frames_in_order() {
        let table = Table::of(&["Ann", "Bob"]);
        let (mut ann, mut bob) = (Camera::of(&table), bob(&table));
        let sent = [vec![1; 3_000], vec![2; 10], vec![3; 2_000]];
        let mut packets: Vec<_> =
            sent.iter().zip(0..).flat_map(|(data, time)| ann.send(data, time)).collect();
        let first = packets.remove(0);
        packets.reverse();
        bob.handle_packet(first, NOW); // the stream begins where its first packet says
        for packet in packets {
            bob.handle_packet(packet.clone(), NOW);
            bob.handle_packet(packet, NOW);
        }
        assert_eq!(frames(&mut bob), sent);
        assert!(bob.ignored() > 0);
        assert_eq!(bob.next_timeout(), None);
    }

    #[test]
    fn probes_of_padding_alone_are_no_loss() {
        let table = Table::of(&["Ann", "Bob"]);
        let (mut ann, mut bob) = (Camera::of(&table), bob(&table));
        let before = ann.send(b"before", 0);
        let mut probe = ann.send(b"probe", 0).remove(0);
        probe.payload = Bytes::new(); // what the stack leaves of it
        let after = ann.send(b"after", 1);
        before.into_iter().chain([probe]).chain(after).for_each(|packet| bob.handle_packet(packet, NOW));
        assert_eq!(frames(&mut bob), [b"before".to_vec(), b"after".to_vec()]);
    }

    #[test]
    fn a_lost_packet_is_given_up_in_time() {
        let table = Table::of(&["Ann", "Bob"]);
        let (mut ann, mut bob) = (Camera::of(&table), bob(&table));
        let mut packets = ann.send(b"first", 0);
        ann.send(b"lost", 1);
        packets.extend(ann.send(b"last", 2));
        packets.into_iter().for_each(|packet| bob.handle_packet(packet, NOW));
        assert_eq!(frames(&mut bob), [b"first"]);

        let at = bob.next_timeout().expect("something is waited for");
        assert!(!bob.handle_timeout(at - Duration::from_millis(1)));
        assert!(bob.handle_timeout(at));
        assert!(matches!(bob.poll(), Some(Received::Lost { ssrc: 7, .. })));
        assert_eq!(frames(&mut bob), [b"last"]);
    }

    #[test]
    fn clear_frames_and_unknown_payload_types_never_come_out() {
        let table = Table::of(&["Ann", "Bob"]);
        let (mut ann, mut bob) = (Camera::of(&table), bob(&table));
        for (first, time) in (0..=u8::MAX).zip(0..) {
            let mut clear = ann.send(b"x", time).remove(0);
            let frame = [&[0xC0, first][..], b"a frame in clear, sent as whole SFrames are"].concat();
            clear.payload = Bytes::from(frame);
            bob.handle_packet(clear, NOW);
            let received = from_fn(|| bob.poll());
            assert_eq!(received.filter(|received| matches!(received, Received::Frame(_))).count(), 0);
        }

        let mut other = ann.send(b"y", 999).remove(0);
        other.header.payload_type = 100;
        bob.handle_packet(other, NOW);
        assert!(bob.poll().is_none());
        assert_eq!(bob.ignored(), 1);
    }

    #[test]
    fn what_a_payload_type_carries_is_learned_once_and_overruled_by_the_app_alone() {
        let table = Table::of(&["Ann", "Bob"]);
        let (mut ann, mut bob) = (Camera::of(&table), bob(&table));
        bob.learn_codec(96, Codec::Vp9);
        ann.send(b"one", 0).into_iter().for_each(|packet| bob.handle_packet(packet, NOW));
        assert_eq!(frames(&mut bob), [b"one"]);

        bob.set_codec(96, Codec::Vp9);
        ann.send(b"two", 1).into_iter().for_each(|packet| bob.handle_packet(packet, NOW));
        assert!(matches!(bob.poll(), Some(Received::Refused { .. })), "the codec is authenticated");
    }
}
