//! What a receiver sees when the network does what networks do.

mod common;

use common::{Sender, VIDEO, data, drain, frames, losses, ms, packet, push, refused, run_out};
use subrosa_rtp::{Assembled, Form, Limits, PushError, Reassembler, RtpPayload};

fn reassembler() -> Reassembler {
    Reassembler::new(Form::Frame, Limits::default())
}

#[test]
fn a_frame_is_given_out_by_the_packet_that_completes_it() {
    let mut reassembler = reassembler();
    let [a, b, c] = <[_; 3]>::try_from(Sender::new(500, 5).send(b"ciphertext")).expect("three packets");

    assert_eq!(push(&mut reassembler, a, ms(0)), []);
    assert_eq!(push(&mut reassembler, b, ms(1)), []);
    let out = push(&mut reassembler, c, ms(2));

    let [frame] = frames(&out)[..] else { panic!("one frame: {out:?}") };
    assert_eq!(frame.data[..], *b"ciphertext");
    assert_eq!((frame.timestamp, frame.payload_type, frame.marker), (3_000, VIDEO, true));
    assert_eq!((frame.first_sequence as u16, frame.last_sequence as u16), (500, 502));
    assert_eq!(frame.form, Form::Frame);
    assert_eq!(reassembler.next_timeout(), None);
    assert_eq!(reassembler.buffered_bytes(), 0);
}

#[test]
fn packets_and_frames_may_come_in_any_order_and_leave_in_theirs() {
    let mut sender = Sender::new(1_000, 5);
    let mut packets = sender.send(b"first frame");
    packets.extend(sender.send(b"second frame"));
    packets.extend(sender.send(b"3"));
    packets.reverse();

    let mut reassembler = Reassembler::starting_at(1_000, Form::Frame, Limits::default());
    let mut out = Vec::new();
    for packet in packets {
        assert_eq!(out, [], "nothing comes before the first packet does");
        out = push(&mut reassembler, packet, ms(0));
    }
    assert_eq!(data(&out), [&b"first frame"[..], b"second frame", b"3"]);
    assert_eq!(out.len(), 3, "and nothing was lost");
}

#[test]
fn sequence_numbers_wrap_and_extended_ones_do_not() {
    let mut sender = Sender::new(65_533, 3);
    let mut reassembler = reassembler();
    let mut seen = Vec::new();
    for sealed in [b"abcd", b"efgh", b"ijkl"] {
        for packet in sender.send(sealed) {
            let out = push(&mut reassembler, packet, ms(0));
            seen.extend(frames(&out).iter().map(|frame| frame.first_sequence));
        }
    }
    let first = seen[0];
    assert_eq!(first as u16, 65_533);
    assert_eq!(seen, [first, first + 2, first + 4]);
    assert_eq!(seen[2] as u16, 1);
}

#[test]
fn the_stream_wraps_many_times_without_losing_its_place() {
    let mut sender = Sender::new(7, 100);
    let mut reassembler = reassembler();
    for number in 0..200_000_u32 {
        for packet in sender.send(&number.to_be_bytes()) {
            assert_eq!(data(&push(&mut reassembler, packet, ms(number.into()))), [number.to_be_bytes()]);
        }
    }
    assert_eq!(reassembler.stats().restarts, 0);
}

#[test]
fn a_missing_packet_is_waited_for_then_reported_in_its_place() {
    let mut sender = Sender::new(10, 5);
    let whole = sender.send(b"before");
    let mut broken = sender.send(b"broken frame");
    let after = sender.send(b"after");
    let missing = broken.remove(1);

    let mut reassembler = reassembler();
    for packet in whole {
        let _ = push(&mut reassembler, packet, ms(0));
    }
    for (packet, at) in broken.into_iter().chain(after).zip(100..) {
        assert_eq!(push(&mut reassembler, packet, ms(at)), []);
    }
    // 12 came at 100 ms, 14 at 101 ms: since then 13 is known to be missing.
    assert_eq!(reassembler.next_timeout(), Some(ms(301)));
    reassembler.handle_timeout(ms(300));
    assert_eq!(drain(&mut reassembler), []);
    reassembler.handle_timeout(ms(301));
    let out = drain(&mut reassembler);

    let [Assembled::Lost(loss), Assembled::Frame(frame)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(loss.first_sequence as u16, 12);
    assert_eq!((loss.missing_packets, loss.discarded_packets, loss.restarted), (1, 2, false));
    assert_eq!(frame.data[..], *b"after");
    assert_eq!(refused(&mut reassembler, missing, ms(302)), PushError::Late);

    let stats = reassembler.stats();
    assert_eq!((stats.lost_packets, stats.discarded, stats.incomplete_frames, stats.late), (1, 2, 1, 1));
    assert_eq!((stats.frames, stats.delivered), (2, 4));
}

#[test]
fn a_retransmission_in_time_completes_all_that_waited() {
    let mut sender = Sender::new(10, 100);
    let mut packets: Vec<_> =
        [b"a", b"b", b"c", b"d"].iter().flat_map(|sealed| sender.send(*sealed)).collect();
    let retransmitted = packets.remove(1);

    let mut reassembler = reassembler();
    let mut out = Vec::new();
    for packet in packets {
        out.extend(push(&mut reassembler, packet, ms(0)));
    }
    assert_eq!(data(&out), [b"a"]);
    out.extend(push(&mut reassembler, retransmitted, ms(199)));
    assert_eq!(data(&out), [b"a", b"b", b"c", b"d"]);
    assert_eq!(out.len(), 4, "no loss was reported");
}

#[test]
fn several_gaps_do_not_add_up_their_waiting() {
    let mut reassembler = reassembler();
    for sequence in [0_u16, 2, 4, 6] {
        let _ = push(&mut reassembler, packet(sequence, b"\xC0x"), ms(sequence.into()));
    }
    for deadline in [202, 204, 206] {
        assert_eq!(reassembler.next_timeout(), Some(ms(deadline)));
        reassembler.handle_timeout(ms(deadline));
        let out = drain(&mut reassembler);
        assert_eq!((losses(&out).len(), frames(&out).len()), (1, 1));
    }
    assert_eq!(reassembler.next_timeout(), None);
}

#[test]
fn what_is_lost_without_a_frame_between_is_one_loss() {
    let mut reassembler = reassembler();
    // Missing are 2 to 4, and 6: nothing of what came between makes a frame.
    let _ = push(&mut reassembler, packet(1, b"\x80begun"), ms(0));
    let _ = push(&mut reassembler, packet(5, b"\x00middle"), ms(0));
    let _ = push(&mut reassembler, packet(7, b"\x40end"), ms(0));
    let _ = push(&mut reassembler, packet(8, b"\xC0whole"), ms(0));
    reassembler.handle_timeout(ms(200));
    let out = drain(&mut reassembler);
    let [Assembled::Lost(loss), Assembled::Frame(frame)] = &out[..] else { panic!("{out:?}") };
    assert_eq!((loss.first_sequence as u16, loss.missing_packets, loss.discarded_packets), (1, 4, 3));
    assert_eq!(frame.data[..], *b"whole");
    assert_eq!(reassembler.stats().lost_packets, 4);
}

#[test]
fn copies_are_refused_whether_the_first_is_waiting_or_gone() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\x80first"), ms(0));
    assert_eq!(refused(&mut reassembler, packet(1, b"\x80again"), ms(0)), PushError::Duplicate);
    assert_eq!(data(&push(&mut reassembler, packet(2, b"\x40 and last"), ms(0))), [b"first and last"]);
    assert_eq!(refused(&mut reassembler, packet(2, b"\x40 and last"), ms(0)), PushError::Late);
    assert_eq!((reassembler.stats().duplicates, reassembler.stats().late), (1, 1));
}

#[test]
fn fragments_that_disagree_make_no_frame() {
    let first = packet(1, b"\x80one");
    let last = packet(2, b"\x40two");
    let disagreeing =
        [RtpPayload { timestamp: 1, ..last.clone() }, RtpPayload { payload_type: VIDEO + 1, ..last.clone() }];
    for last in disagreeing {
        let mut reassembler = reassembler();
        let _ = push(&mut reassembler, first.clone(), ms(0));
        let out = push(&mut reassembler, last, ms(0));
        assert_eq!(data(&out), [b""; 0]);
        assert_eq!(losses(&out)[0].discarded_packets, 2);
        assert_eq!(reassembler.stats().mismatched, 1);
        // The next frame is none the worse for it, and does not wait.
        assert_eq!(data(&push(&mut reassembler, packet(3, b"\xC0next"), ms(0))), [b"next"]);
    }
}

#[test]
fn a_new_beginning_ends_an_unfinished_frame() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\x80never finished"), ms(0));
    let _ = push(&mut reassembler, packet(2, b"\x00at all"), ms(0));
    let out = push(&mut reassembler, packet(3, b"\xC0whole"), ms(0));
    assert_eq!(losses(&out)[0].discarded_packets, 2);
    assert_eq!(data(&out), [b"whole"]);
}

#[test]
fn a_flipped_t_bit_makes_no_frame_and_nothing_waits_for_it() {
    for place in 0..3 {
        let mut reassembler = Reassembler::starting_at(1, Form::Frame, Limits::default());
        let descriptors = [0x80, 0x00, 0x40].map(|byte: u8| [byte, 0xAA]);
        for (sequence, mut payload) in (1..).zip(descriptors) {
            if usize::from(sequence) == place + 1 {
                payload[0] ^= 0x20;
            }
            let out = push(&mut reassembler, packet(sequence, &payload), ms(0));
            assert_eq!(data(&out), [b""; 0]);
        }
        assert_eq!(data(&push(&mut reassembler, packet(4, b"\xC0next"), ms(0))), [b"next"]);
        let stats = reassembler.stats();
        assert_eq!((stats.wrong_form, stats.discarded, stats.lost_packets), (1, 3, 0));
    }
}

#[test]
fn the_per_packet_form_is_put_together_alike() {
    let mut reassembler = Reassembler::new(Form::Packet, Limits::default());
    let _ = push(&mut reassembler, packet(1, b"\xA0per "), ms(0));
    let _ = push(&mut reassembler, packet(2, b"\x20pack"), ms(0));
    let out = push(&mut reassembler, packet(3, b"\x7Fet"), ms(0)); // reserved bits set
    assert_eq!(data(&out), [b"per packet"]);
    assert_eq!(frames(&out)[0].form, Form::Packet);
}

#[test]
fn padding_takes_its_place_and_is_passed_over() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\xC0one"), ms(0));
    let _ = push(&mut reassembler, packet(2, b""), ms(0));
    let _ = push(&mut reassembler, packet(3, b"\x80tw"), ms(0));
    let _ = push(&mut reassembler, packet(4, b""), ms(0));
    assert_eq!((reassembler.buffered_packets(), reassembler.buffered_bytes()), (2, 2));
    let out = push(&mut reassembler, packet(5, b"\x40o"), ms(0));
    assert_eq!(data(&out), [b"two"]);
    assert_eq!(out.len(), 1, "padding is no loss");
    assert_eq!(reassembler.stats().padding, 2);
}

#[test]
fn a_descriptor_without_content_is_malformed() {
    let mut reassembler = reassembler();
    assert_eq!(refused(&mut reassembler, packet(1, b"\xC0"), ms(0)), PushError::Malformed);
    assert_eq!(reassembler.stats().malformed, 1);
}

#[test]
fn joining_in_the_middle_of_a_frame_does_not_wait_for_ever() {
    let mut reassembler = reassembler();
    assert_eq!(push(&mut reassembler, packet(20, b"\x00middle"), ms(50)), []);
    assert_eq!(push(&mut reassembler, packet(21, b"\x40end"), ms(60)), []);
    assert_eq!(push(&mut reassembler, packet(22, b"\xC0whole"), ms(70)), []);
    assert_eq!(reassembler.next_timeout(), Some(ms(250)));
    let out = run_out(&mut reassembler);
    assert_eq!(losses(&out)[0].discarded_packets, 2);
    assert_eq!(losses(&out)[0].missing_packets, 0);
    assert_eq!(data(&out), [b"whole"]);
}

#[test]
fn reordering_at_the_very_start_loses_nothing_once_the_beginning_comes() {
    let mut packets = Sender::new(2, 3).send(b"beginning");
    packets.rotate_left(3); // the last fragments overtake the first
    packets.swap(0, 1);
    let mut reassembler = reassembler();
    let mut out = Vec::new();
    for packet in packets {
        out.extend(push(&mut reassembler, packet, ms(0)));
    }
    assert_eq!(data(&out), [b"beginning"]);
    assert_eq!(out.len(), 1);
}

#[test]
fn who_knows_the_first_number_also_knows_that_the_first_frame_is_missing() {
    let mut reassembler = Reassembler::starting_at(65_535, Form::Frame, Limits::default());
    assert_eq!(push(&mut reassembler, packet(0, b"\xC0second"), ms(0)), []);
    let out = push(&mut reassembler, packet(65_535, b"\xC0first"), ms(5));
    assert_eq!(data(&out), [&b"first"[..], b"second"]);
}

#[test]
fn a_slow_sender_is_not_a_loss() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\x80sl"), ms(0));
    // Nothing came behind it, so nothing is known to be missing: more than `max_wait` is granted.
    assert_eq!(push(&mut reassembler, packet(2, b"\x00o"), ms(900)), []);
    assert_eq!(data(&push(&mut reassembler, packet(3, b"\x40w"), ms(1_800))), [b"slow"]);
}

#[test]
fn a_frame_that_never_ends_is_given_up() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\x80begun"), ms(100));
    assert_eq!(reassembler.next_timeout(), Some(ms(1_100)));
    let out = run_out(&mut reassembler);
    assert_eq!(losses(&out)[0].discarded_packets, 1);
    assert_eq!(reassembler.buffered_packets(), 0);
    // Its end, should it still come, is of no use, and is said to be.
    let out = push(&mut reassembler, packet(2, b"\x40end"), ms(1_200));
    assert_eq!(losses(&out)[0].discarded_packets, 1);
    assert_eq!(data(&push(&mut reassembler, packet(3, b"\xC0next"), ms(1_200))), [b"next"]);
}

#[test]
fn a_restart_anywhere_is_followed_at_the_second_packet() {
    for jump in [5_000_u16, 20_000, 32_768, 50_000, 60_000] {
        let mut reassembler = reassembler();
        let before = push(&mut reassembler, packet(1_000, b"\xC0old"), ms(0));
        let again = 1_000_u16.wrapping_add(jump);
        assert_eq!(push(&mut reassembler, packet(again, b"\xC0new"), ms(10)), []);
        let out = push(&mut reassembler, packet(again.wrapping_add(1), b"\xC0newer"), ms(20));

        let [Assembled::Lost(loss), Assembled::Frame(new), Assembled::Frame(newer)] = &out[..] else {
            panic!("after a jump of {jump}: {out:?}")
        };
        assert!(loss.restarted);
        assert_eq!(loss.missing_packets, 0, "how many is unknown");
        assert_eq!((&new.data[..], &newer.data[..]), (&b"new"[..], &b"newer"[..]));
        assert!(new.first_sequence > frames(&before)[0].first_sequence);
        assert_eq!(reassembler.stats().restarts, 1);
    }
}

#[test]
fn what_was_complete_before_a_restart_still_comes_out_before_it() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(1, b"\xC0one"), ms(0));
    let _ = push(&mut reassembler, packet(3, b"\xC0three"), ms(0));
    let _ = push(&mut reassembler, packet(4, b"\x80fo"), ms(0));
    let _ = push(&mut reassembler, packet(30_001, b"\x40w"), ms(0)); // reordered at the jump
    let out = push(&mut reassembler, packet(30_000, b"\x80ne"), ms(0));
    assert_eq!(data(&out), [&b"three"[..], b"new"]);
    assert_eq!(frames(&out)[1].first_sequence as u16, 30_000);
    let [gap, jump] = losses(&out)[..] else { panic!("{out:?}") };
    assert_eq!((gap.missing_packets, gap.restarted), (1, false));
    assert_eq!((jump.discarded_packets, jump.restarted), (1, true));
}

#[test]
fn one_stray_packet_does_not_move_the_stream() {
    let mut reassembler = reassembler();
    for sequence in 0..1_000_u16 {
        if sequence % 10 == 5 {
            let stray = 20_000 + 20 * sequence; // far from the stream and from each other
            let _ = push(&mut reassembler, packet(stray, b"\xC0stray"), ms(sequence.into()));
            assert_eq!(reassembler.push(packet(stray, b"\xC0stray"), ms(0)), Err(PushError::Duplicate));
        }
        let out = push(&mut reassembler, packet(sequence, b"\xC0x"), ms(sequence.into()));
        assert_eq!(data(&out), [b"x"]);
    }
    assert_eq!((reassembler.stats().stray, reassembler.stats().restarts), (100, 0));
}

#[test]
fn copies_that_come_after_a_silence_are_no_new_start() {
    let mut reassembler = reassembler();
    for sequence in 100..120 {
        assert_eq!(data(&push(&mut reassembler, packet(sequence, b"\xC0frame"), ms(0))).len(), 1);
    }
    for sequence in [103, 104, 105, 119] {
        assert_eq!(refused(&mut reassembler, packet(sequence, b"\xC0frame"), ms(2_000)), PushError::Late);
    }
    assert_eq!(data(&push(&mut reassembler, packet(120, b"\xC0next"), ms(2_000))), [b"next"]);
    assert_eq!(reassembler.stats().restarts, 0);
}

#[test]
fn a_restart_a_little_behind_is_followed_after_a_silence() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(2_000, b"\xC0old"), ms(5_000));
    assert_eq!(refused(&mut reassembler, packet(1_536, b"\xC0late"), ms(5_999)), PushError::Late);
    assert_eq!(push(&mut reassembler, packet(1_536, b"\xC0new"), ms(6_000)), []);
    let out = push(&mut reassembler, packet(1_537, b"\xC0newer"), ms(6_020));
    assert_eq!(data(&out), [&b"new"[..], b"newer"]);
    assert!(losses(&out)[0].restarted);
}

#[test]
fn a_full_reassembler_gives_up_the_oldest_gap_and_goes_on() {
    let limits = Limits { max_packets: 16, ..Limits::default() };
    let mut reassembler = Reassembler::new(Form::Frame, limits);
    let _ = push(&mut reassembler, packet(0, b"\xC0x"), ms(0));
    let mut out = Vec::new();
    for sequence in 2..=17 {
        assert_eq!(out, []);
        out = push(&mut reassembler, packet(sequence, b"\xC0x"), ms(0));
    }
    assert_eq!(losses(&out)[0].missing_packets, 1);
    assert_eq!(frames(&out).len(), 16, "what waited behind the gap is not lost");
    assert_eq!(frames(&push(&mut reassembler, packet(18, b"\xC0x"), ms(0))).len(), 1);
    assert_eq!(reassembler.stats().dropped_over_limit, 0);
}

#[test]
fn a_frame_of_more_packets_than_are_kept_is_dropped() {
    let mut reassembler = Reassembler::new(Form::Frame, Limits { max_packets: 16, ..Limits::default() });
    let mut sender = Sender::new(0, 2);
    let mut out = Vec::new();
    for packet in sender.send(&[1; 40]).into_iter().chain(sender.send(b"next")) {
        out.extend(push(&mut reassembler, packet, ms(0)));
        assert!(reassembler.buffered_packets() <= 16);
    }
    assert_eq!(data(&out), [b"next"]);
    assert_eq!(losses(&out).iter().map(|loss| loss.discarded_packets).sum::<u64>(), 40);
    assert_eq!(reassembler.stats().incomplete_frames, 1);
}

#[test]
fn a_frame_of_more_bytes_than_allowed_is_dropped_and_its_neighbours_are_not() {
    let limits = Limits { max_frame_bytes: 100, ..Limits::default() };
    let mut reassembler = Reassembler::new(Form::Frame, limits);
    let mut sender = Sender::new(0, 31);
    let mut out = Vec::new();
    let (largest, too_large) = ([1; 100], [2; 101]);
    for sealed in [&largest[..], &too_large, &largest] {
        for packet in sender.send(sealed) {
            out.extend(push(&mut reassembler, packet, ms(0)));
        }
    }
    assert_eq!(data(&out), [&largest, &largest]);
    assert_eq!(losses(&out)[0].discarded_packets, 4);
    assert_eq!(reassembler.stats().dropped_over_limit, 4);
}

#[test]
fn a_caller_that_does_not_poll_is_told_to() {
    let mut reassembler = Reassembler::new(Form::Frame, Limits { max_bytes: 8, ..Limits::default() });
    for sequence in 0..4 {
        assert_eq!(reassembler.push(packet(sequence, b"\xC0xx"), ms(0)), Ok(()));
    }
    assert_eq!(reassembler.push(packet(4, b"\xC0xx"), ms(0)), Err(PushError::OverLimit));
    assert_eq!(drain(&mut reassembler).len(), 4);
    assert_eq!(push(&mut reassembler, packet(4, b"\xC0xx"), ms(0)).len(), 1);
    assert_eq!(reassembler.stats().dropped_over_limit, 1);
}

#[test]
fn limits_of_nothing_still_let_single_packets_through() {
    let mut reassembler =
        Reassembler::new(Form::Frame, Limits { max_packets: 0, max_bytes: 0, ..Limits::default() });
    for sequence in 0..10 {
        assert_eq!(data(&push(&mut reassembler, packet(sequence, b"\xC0x"), ms(0))), [b"x"]);
    }
}

#[test]
fn limits_of_nothing_let_no_frame_wait_for_its_rest() {
    let (packets, bytes) =
        (Limits { max_packets: 0, ..Limits::default() }, Limits { max_bytes: 0, ..Limits::default() });
    for limits in [packets, bytes] {
        let mut reassembler = Reassembler::new(Form::Frame, limits);
        assert_eq!(losses(&push(&mut reassembler, packet(0, b"\x80x"), ms(0))).len(), 1);
        assert_eq!(reassembler.stats().dropped_over_limit, 1);
    }
}

#[test]
fn however_much_may_be_kept_a_quarter_of_all_numbers_ahead_is_a_jump() {
    let limits = Limits { max_packets: usize::MAX, ..Limits::default() };
    for (ahead, is_waited_for) in [(16_384, true), (16_385, false)] {
        let mut reassembler = Reassembler::new(Form::Frame, limits);
        let _ = push(&mut reassembler, packet(0, b"\xC0x"), ms(0));
        assert_eq!(push(&mut reassembler, packet(ahead, b"\xC0y"), ms(0)), []);
        assert_eq!(reassembler.next_timeout().is_some(), is_waited_for);
    }
}

#[test]
fn a_clock_that_steps_back_is_taken_to_stand_still() {
    let mut reassembler = reassembler();
    let _ = push(&mut reassembler, packet(0, b"\xC0x"), ms(1_000));
    let _ = push(&mut reassembler, packet(2, b"\xC0x"), ms(10));
    assert_eq!(reassembler.next_timeout(), Some(ms(1_200)));
}

#[test]
fn many_gaps_cost_each_packet_no_more_than_few() {
    let limits = Limits { max_packets: 16_384, ..Limits::default() };
    let mut reassembler = Reassembler::new(Form::Frame, limits);
    let begun = std::time::Instant::now();
    let _ = push(&mut reassembler, packet(0, b"\x80x"), ms(0));
    for sequence in (2..16_000).step_by(2).chain((1..8_000).step_by(2)) {
        assert_eq!(push(&mut reassembler, packet(sequence, b"\x00x"), ms(0)), []);
    }
    reassembler.handle_timeout(ms(200));
    assert_eq!(losses(&drain(&mut reassembler)).len(), 1);
    // It was 50 times as long when each new gap was looked at with all behind it.
    assert!(begun.elapsed() < ms(3_000), "{:?}", begun.elapsed());
}
