//! Whatever the network does, what comes out is what went in, in order, or is reported lost.

mod common;

use std::time::Duration;

use common::{Sender, drain, ms, run_out};
use proptest::{collection::vec, prelude::*};
use subrosa_rtp::{Assembled, Form, Limits, Reassembler, RtpPayload};

/// Packets are displaced by fewer places than this, a millisecond each: in all less than `max_wait`.
const WINDOW: usize = 64;

/// What becomes of one packet.
#[derive(Debug, Clone, Copy)]
struct Fate {
    lost: bool,
    /// How many places it comes late, and its copy if it has one.
    delay: usize,
    copy: Option<usize>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let copy = prop_oneof![8 => Just(None), 1 => (0..WINDOW).prop_map(Some)];
    (prop::bool::weighted(0.04), 0..WINDOW, copy).prop_map(|(lost, delay, copy)| Fate { lost, delay, copy })
}

/// Returns the packets in the order in which they come.
fn network(packets: &[RtpPayload], fates: &[Fate]) -> Vec<RtpPayload> {
    let mut arrivals = Vec::new();
    for ((place, packet), fate) in packets.iter().enumerate().zip(fates.iter().cycle()) {
        if !fate.lost {
            let delays = [Some(fate.delay), fate.copy];
            arrivals.extend(delays.into_iter().flatten().map(|delay| (place + delay, packet.clone())));
        }
    }
    arrivals.sort_by_key(|&(place, _)| place);
    arrivals.into_iter().map(|(_, packet)| packet).collect()
}

fn assert_accounted(reassembler: &Reassembler) {
    let stats = reassembler.stats();
    let ended = stats.delivered
        + stats.duplicates
        + stats.late
        + stats.malformed
        + stats.padding
        + stats.dropped_over_limit
        + stats.stray
        + stats.discarded;
    assert_eq!(stats.received, ended + reassembler.buffered_packets() as u64, "{stats:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_complete_frame_comes_out_once_identical_and_in_order(
        sizes in vec(1_usize..4_000, 1..60),
        mtu in 20_usize..1_400,
        first_sequence in any::<u16>(),
        fates in vec(fate(), 1..1_000),
        lossless in any::<bool>(),
    ) {
        let mut fates = fates;
        if lossless {
            fates.iter_mut().for_each(|fate| fate.lost = false);
        }
        let mut sender = Sender::new(first_sequence, mtu);
        let mut packets = Vec::new();
        let mut expected = Vec::new(); // each frame, or `None` in place of one that lost a packet
        for (number, &size) in sizes.iter().enumerate() {
            let sealed: Vec<u8> = (0..size).map(|i| (i * 31 + number * 7) as u8).collect();
            let sent = sender.send(&sealed);
            let places = packets.len()..packets.len() + sent.len();
            let complete = places.into_iter().all(|place| !fates[place % fates.len()].lost);
            expected.push(complete.then_some(sealed));
            packets.extend(sent);
        }

        let limits = Limits::default();
        let mut reassembler = Reassembler::starting_at(first_sequence, Form::Frame, limits);
        let mut out = Vec::new();
        let arrivals = network(&packets, &fates);
        for (now, packet) in (0..).map(Duration::from_millis).zip(arrivals) {
            let _ = reassembler.push(packet, now); // copies are refused
            out.extend(drain(&mut reassembler));
            prop_assert!(reassembler.buffered_packets() <= limits.max_packets + 2);
            prop_assert!(reassembler.buffered_bytes() <= limits.max_bytes + 2 * mtu);
        }
        out.extend(run_out(&mut reassembler));

        // Where frames are missing, and only there, a loss is reported; of frames lost whole at the end nobody hears.
        let mut expected_places = expected;
        expected_places.dedup_by(|a, b| a.is_none() && b.is_none());
        let mut places: Vec<_> = out
            .iter()
            .map(|assembled| match assembled {
                Assembled::Frame(frame) => Some(frame.data.to_vec()),
                Assembled::Lost(_) => None,
            })
            .collect();
        places.dedup_by(|a, b| a.is_none() && b.is_none());
        if expected_places.last() == Some(&None) && places.last() != Some(&None) {
            expected_places.pop();
        }
        prop_assert_eq!(places, expected_places);
        if lossless {
            prop_assert_eq!(reassembler.stats().lost_packets, 0);
        }
        prop_assert_eq!(reassembler.buffered_packets(), 0);
        prop_assert_eq!(reassembler.buffered_bytes(), 0);
        assert_accounted(&reassembler);
    }

    #[test]
    fn arbitrary_packets_never_panic_nor_escape_the_limits(
        packets in vec(
            (any::<u16>(), 0_u16..50, any::<bool>(), 0_u32..2, vec(any::<u8>(), 0..8), 0_u64..300),
            0..400,
        ),
        max_packets in 0_usize..20,
        max_bytes in 0_usize..60,
        max_frame_bytes in 0_usize..30,
        polled in any::<bool>(),
    ) {
        let limits = Limits { max_packets, max_bytes, max_frame_bytes, ..Limits::default() };
        let mut reassembler = Reassembler::new(Form::Frame, limits);
        let mut now = 0;
        let mut last = None;
        for (anywhere, nearby, near, timestamp, payload, wait) in packets {
            now += wait;
            let sequence = if near { nearby } else { anywhere };
            let payload = payload.into();
            let packet = RtpPayload { sequence, timestamp, payload_type: 96, marker: false, payload };
            let _ = reassembler.push(packet, ms(now)); // most are refused
            prop_assert!(reassembler.buffered_packets() <= max_packets.max(1) + 2);
            prop_assert!(reassembler.buffered_bytes() <= max_bytes.max(1) + 3 * 8);
            assert_accounted(&reassembler);
            if !polled {
                continue;
            }
            for assembled in drain(&mut reassembler) {
                if let Assembled::Frame(frame) = assembled {
                    prop_assert!(frame.data.len() <= max_frame_bytes);
                    prop_assert!(!frame.data.is_empty());
                    prop_assert!(Some(frame.first_sequence) > last, "the order never goes back");
                    last = Some(frame.last_sequence);
                }
            }
            prop_assert!(reassembler.next_timeout().is_none_or(|deadline| deadline > ms(now)));
        }
        // Time alone empties it.
        let _ = run_out(&mut reassembler);
        prop_assert!(reassembler.buffered_packets() <= 1, "but for one on probation");
        assert_accounted(&reassembler);
    }
}

#[test]
fn a_flood_of_garbage_leaves_memory_bounded_and_the_stream_alive() {
    let limits = Limits::default();
    let mut reassembler = Reassembler::new(Form::Frame, limits);
    // xorshift: the same garbage on every run.
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for number in 0..100_000_u64 {
        let word = next();
        let payload = vec![next() as u8; (word >> 32) as usize % 1_400];
        let packet = RtpPayload {
            sequence: word as u16,
            timestamp: (word >> 16) as u32 % 4,
            payload_type: 96,
            marker: false,
            payload: payload.into(),
        };
        let _ = reassembler.push(packet, Duration::from_micros(number * 10));
        let _ = drain(&mut reassembler);
        assert!(reassembler.buffered_packets() <= limits.max_packets + 2);
        assert!(reassembler.buffered_bytes() <= limits.max_bytes + 2 * 1_400);
    }
    assert_accounted(&reassembler);

    let mut sender = Sender::new(12_345, 1_200);
    let mut received = 0;
    for number in 0..100_u64 {
        for packet in sender.send(&[0x5A; 3_000]) {
            let _ = reassembler.push(packet, ms(1_000 + number * 33));
            let out = drain(&mut reassembler);
            received +=
                out.iter().filter(|a| matches!(a, Assembled::Frame(f) if f.data.len() == 3_000)).count();
        }
    }
    assert!(received >= 60, "the stream lives on within a second or so: {received} of 100");
}
