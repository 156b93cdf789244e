//! Whole connections: a track is sealed and cut, a server does what it likes with the packets, a receiver opens what it may.

use std::time::Duration;

use bytes::Bytes;
use rtc_rtp::codec::vp8::{Vp8Packet, Vp8Payloader};
use rtc_rtp::packetizer::{Depacketizer, Payloader};
use subrosa::{Codec, FrameFault, Metadata, Opening, Sealer, TrackKind};
use subrosa_rtp::extension::{DescriptorReader, Layer, LayeredWriter, ScalabilityMode, WriteError};
use subrosa_rtp::{
    Assembled, ConnectionLimits, Form, IncomingError, IncomingStreams, Limits, MarkerBit, MediaFrame,
    OutgoingError, OutgoingStream, PayloadFormat, PushError, Reassembler, Received, ReceivedFrame, Refusal,
    RtpPayload,
};
use subrosa_testkit::media::{AudioClip, VideoClip, fixture_audio, fixture_video};
use subrosa_testkit::table::Table;

const MTU: usize = 1_200;
const VP8: u8 = 96;
const OPUS: u8 = 111;
const VP9: u8 = 98;
const VP8_PACKETS: u8 = 100;
const SSRC: u32 = 0x5B05_A001;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Numbers the packets of one stream.
struct Line {
    stream: OutgoingStream,
    payload_type: u8,
    sequence: u16,
}

impl Line {
    fn new(sealer: Sealer, codec: Codec, form: Form, payload_type: u8) -> Self {
        let stream = OutgoingStream::new(sealer, codec, form, MTU).expect("a usable MTU");
        Self { stream, payload_type, sequence: 65_500 }
    }

    fn send(&mut self, media: &[u8], timestamp: u32) -> Vec<RtpPayload> {
        self.send_frame(&MediaFrame::new(media, timestamp))
    }

    fn send_frame(&mut self, frame: &MediaFrame<'_>) -> Vec<RtpPayload> {
        let frame = self.stream.send(frame).expect("it may seal");
        let numbered = |packet: subrosa_rtp::OutgoingPacket| {
            self.sequence = self.sequence.wrapping_add(1);
            RtpPayload {
                sequence: self.sequence,
                timestamp: frame.timestamp,
                payload_type: self.payload_type,
                marker: packet.marker,
                payload: packet.payload,
            }
        };
        let announced = frame.packets.len();
        let packets: Vec<_> = frame.packets.map(numbered).collect();
        assert_eq!(packets.len(), announced);
        packets
    }
}

fn receiver(table: &Table, name: &str) -> IncomingStreams {
    receiver_within(table, name, ConnectionLimits::default())
}

fn receiver_within(table: &Table, name: &str, limits: ConnectionLimits) -> IncomingStreams {
    let mut streams = IncomingStreams::new(table.opener(name), limits);
    streams.set_format(VP8, PayloadFormat { codec: Codec::Vp8, form: Form::Frame });
    streams.set_format(VP9, PayloadFormat { codec: Codec::Vp9, form: Form::Frame });
    streams.set_format(OPUS, PayloadFormat { codec: Codec::Opus, form: Form::Frame });
    streams.set_format(VP8_PACKETS, PayloadFormat { codec: Codec::Vp8, form: Form::Packet });
    streams
}

fn drain(streams: &mut IncomingStreams) -> Vec<Received> {
    std::iter::from_fn(|| streams.poll()).collect()
}

fn push(streams: &mut IncomingStreams, ssrc: u32, packets: Vec<RtpPayload>) -> Vec<Received> {
    for packet in packets {
        streams.push(ssrc, packet, Duration::ZERO).expect("it is of use");
    }
    drain(streams)
}

fn frames(received: Vec<Received>) -> Vec<ReceivedFrame> {
    let frame = |it| match it {
        Received::Frame(frame) => frame,
        other => panic!("{other:?}"),
    };
    received.into_iter().map(frame).collect()
}

fn refusals(received: &[Received]) -> Vec<Refusal> {
    let refusal = |it: &Received| match it {
        Received::Refused { refusal, .. } => *refusal,
        other => panic!("{other:?}"),
    };
    received.iter().map(refusal).collect()
}

#[test]
fn a_picture_and_a_sound_arrive_as_they_were_and_say_whose_they_are() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut microphone =
        Line::new(table.sealer("Ann", TrackKind::Microphone), Codec::Opus, Form::Frame, OPUS);
    let mut bob = receiver(&table, "Bob");
    let video = VideoClip::parse(fixture_video()).expect("a clip");
    for (number, frame) in (0..).zip(&video.frames) {
        let packets = camera.send(&frame.data, number * 3_000);
        assert!(packets.iter().all(|packet| packet.payload.len() <= MTU));
        let (last, others) = packets.split_last().expect("at least one");
        assert!(last.marker && others.iter().all(|packet| !packet.marker));
        let frames = frames(push(&mut bob, SSRC, packets));
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].data, frame.data);
        assert_eq!((frames[0].from.sender, frames[0].timestamp), (table.id("Ann"), number * 3_000));
        assert_eq!(frames[0].from.track, camera.stream.track());
    }
    let audio = AudioClip::parse(fixture_audio()).expect("a clip");
    for (number, packet) in (0..).zip(&audio.packets) {
        let packets = microphone.send(&packet.data, number * 960);
        assert!(!packets[0].marker, "it does not begin a talk spurt");
        let frames = frames(push(&mut bob, SSRC + 1, packets));
        assert_eq!(frames[0].data, packet.data);
        assert_eq!(frames[0].from.track.kind(), TrackKind::Microphone);
    }
    let spurt = MediaFrame::new(&audio.packets[0].data, 0).marker(MarkerBit::OnLast);
    assert!(microphone.send_frame(&spurt)[0].marker, "who knows that it does says so");
}

#[test]
fn in_the_per_packet_form_a_codecs_own_packets_travel_each_by_itself() {
    let table = Table::of(&["Ann", "Bob"]);
    let sealer = table.sealer("Ann", TrackKind::Camera);
    let mut camera = Line::new(sealer, Codec::Vp8, Form::Packet, VP8_PACKETS);
    let mut bob = receiver(&table, "Bob");
    // With picture ids, as this depacketizer refuses payloads of less than four bytes.
    let mut payloader = Vp8Payloader::default();
    payloader.enable_picture_id = true;
    let mut depacketizer = Vp8Packet::default();
    let room = camera.stream.media_payload();
    for frame in VideoClip::parse(fixture_video()).expect("a clip").frames {
        let payloads = payloader.payload(room, &frame.data).expect("VP8");
        let mut opened = Vec::new();
        for payload in payloads {
            let packets = camera.send(&payload, 0);
            assert_eq!(packets.len(), 1, "nothing has to be cut");
            assert_eq!(packets[0].payload[0], 0xE0);
            let frames = frames(push(&mut bob, SSRC, packets));
            assert_eq!((frames.len(), frames[0].form), (1, Form::Packet));
            let media = depacketizer.depacketize(&frames[0].data.clone().freeze()).expect("VP8");
            opened.extend_from_slice(&media);
        }
        assert_eq!(opened, frame.data);
    }
}

#[test]
fn a_payload_too_long_for_a_packet_is_cut_in_the_per_packet_form_too() {
    let table = Table::of(&["Ann", "Bob"]);
    let sealer = table.sealer("Ann", TrackKind::Camera);
    let mut camera = Line::new(sealer, Codec::Vp8, Form::Packet, VP8_PACKETS);
    let media = vec![0xA5; 3 * MTU];
    let packets = camera.send(&media, 0);
    let descriptors: Vec<_> = packets.iter().map(|packet| packet.payload[0]).collect();
    assert_eq!(descriptors, [0xA0, 0x20, 0x20, 0x60]);
    let frames = frames(push(&mut receiver(&table, "Bob"), SSRC, packets));
    assert_eq!(frames[0].data, media);
}

#[test]
fn a_server_may_rewrite_what_servers_rewrite() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    bob.set_format(45, PayloadFormat { codec: Codec::Vp8, form: Form::Frame }); // as the server and Bob agreed
    for (number, frame) in (0..).zip(VideoClip::parse(fixture_video()).expect("a clip").frames) {
        let mut packets = camera.send(&frame.data, number * 3_000);
        for packet in &mut packets {
            packet.sequence = packet.sequence.wrapping_add(40_000);
            packet.timestamp = packet.timestamp.wrapping_mul(7);
            packet.payload_type = 45;
            packet.marker = !packet.marker;
        }
        let frames = frames(push(&mut bob, !SSRC, packets));
        assert_eq!((frames.len(), &frames[0].data[..]), (1, &frame.data[..]));
    }
}

#[test]
fn a_server_is_told_what_it_cannot_see() {
    let table = Table::of(&["Ann", "Bob"]);
    let stream = OutgoingStream::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, MTU);
    let mut stream = stream.expect("a usable MTU").with_layers(ScalabilityMode::L1T2);
    let layer = |temporal_id| Layer { spatial_id: 0, temporal_id };
    let upper = MediaFrame::new(&[1; 50], 0).layer(layer(1));
    assert_eq!(stream.send(&upper).err(), Some(OutgoingError::Layer(WriteError::KeyframeNeeded)));

    let mut server = DescriptorReader::new();
    let keyframe = MediaFrame::new(&[1; 3_000], 0).keyframe(true);
    let mut seen = Vec::new();
    for frame in [keyframe, upper, MediaFrame::new(&[1; 1_500], 0)] {
        for packet in stream.send(&frame).expect("it may seal").packets {
            let read = server.read(&packet.descriptor.expect("there is one")).expect("it is in order");
            let base =
                server.structure().and_then(|it| it.decode_target(layer(0), u32::MAX)).expect("a target");
            seen.push((read.start_of_frame, read.end_of_frame, read.is_keyframe(), read.needed_for(base)));
        }
    }
    let expected = [
        (true, false, true, true),
        (false, false, true, true),
        (false, true, true, true),
        (true, true, false, false),
        (true, false, false, true),
        (false, true, false, true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_frame_that_is_described_by_hand_is_not_described_by_its_layer() {
    let table = Table::of(&["Ann", "Bob"]);
    let stream = OutgoingStream::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, MTU);
    let mut stream = stream.expect("a usable MTU").with_layers(ScalabilityMode::L1T1);
    let mut writer = LayeredWriter::new(ScalabilityMode::L1T2);
    let mut server = DescriptorReader::new();
    for (temporal_id, time) in [(0, 0), (1, 1), (0, 2)] {
        let layer = Layer { spatial_id: 0, temporal_id };
        let header = writer.next_frame(layer, time == 0).expect("of the mode");
        let frame = MediaFrame::new(&[1; 50], time).described_by(&header);
        let mut packets = stream.send(&frame).expect("it may seal").packets;
        let descriptor = packets.next().and_then(|packet| packet.descriptor).expect("there is one");
        assert_eq!(server.read(&descriptor).expect("it is in order").temporal_id, temporal_id);
    }
}

#[test]
fn a_server_that_has_one_thing_read_as_another_gets_nothing_delivered() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    let mut packets = camera.send(b"a picture", 0);
    packets[0].payload_type = VP9; // another codec
    let refused = push(&mut bob, SSRC, packets);
    assert!(
        matches!(refusals(&refused)[0], Refusal::Frame(error) if error.reason == FrameFault::Unauthentic)
    );

    let mut packets = camera.send(b"a picture", 0);
    packets[0].payload_type = VP8_PACKETS; // another form, and the T bit as well
    let mut payload = packets[0].payload.to_vec();
    payload[0] |= 0x20;
    packets[0].payload = payload.into();
    let refused = push(&mut bob, SSRC + 1, packets);
    assert!(
        matches!(refusals(&refused)[0], Refusal::Frame(error) if error.reason == FrameFault::Unauthentic)
    );

    let mut packets = camera.send(b"a picture", 0);
    packets[0].payload_type = 127; // never agreed on
    let refused = bob.push(SSRC, packets.remove(0), Duration::ZERO);
    assert_eq!(refused, Err(IncomingError::UnknownPayloadType(127)));
}

#[test]
fn a_frame_that_waited_is_of_the_form_in_which_it_came() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    assert_eq!(push(&mut bob, SSRC, camera.send(b"first", 0)).len(), 1);
    let _lost = camera.send(b"second", 0);
    assert!(push(&mut bob, SSRC, camera.send(b"third", 0)).is_empty());
    // What the payload type carries is agreed on anew. For packets of the stream that is too late.
    bob.set_format(VP8, PayloadFormat { codec: Codec::Vp8, form: Form::Packet });
    bob.handle_timeout(ms(200));
    let out = drain(&mut bob);
    assert!(matches!(&out[1], Received::Frame(frame) if frame.form == Form::Frame), "{out:?}");
}

#[test]
fn frames_are_routed_by_who_sealed_them_not_by_the_stream_they_come_in() {
    let table = Table::of(&["Ann", "Bob", "Cid"]);
    let mut anns = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bobs = Line::new(table.sealer("Bob", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut cid = receiver(&table, "Cid");
    // The server puts both into one stream, renumbered.
    let mut senders = Vec::new();
    for number in 0..10_u16 {
        let line = if number % 2 == 0 { &mut anns } else { &mut bobs };
        let mut packet = line.send(b"a picture", 7).remove(0);
        packet.sequence = number;
        senders.extend(frames(push(&mut cid, SSRC, vec![packet])).iter().map(|frame| frame.from.sender));
    }
    assert_eq!(senders, [table.id("Ann"), table.id("Bob")].repeat(5));
}

#[test]
fn a_frame_sent_twice_is_delivered_once() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    let packets = camera.send(b"a picture", 0);
    assert_eq!(push(&mut bob, SSRC, packets.clone()).len(), 1);
    let again = push(&mut bob, SSRC + 1, packets);
    assert!(matches!(refusals(&again)[0], Refusal::Frame(error) if error.reason == FrameFault::Replayed));
}

#[test]
fn sound_on_a_cameras_track_is_refused() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Opus, Form::Frame, OPUS);
    let refused = push(&mut receiver(&table, "Bob"), SSRC, camera.send(b"a sound", 0));
    let refusal = refusals(&refused)[0];
    assert!(matches!(refusal, Refusal::WrongKind { codec: Codec::Opus, .. }), "{refusal:?}");
    assert_eq!(refusal.to_string(), "Opus on a track of kind Camera");
}

#[test]
fn frames_that_overtake_their_key_come_out_when_the_epoch_opens() {
    let mut table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    table.is_deaf("Bob");
    table.admit("Cid");
    for number in 0..5_u8 {
        let received = push(&mut bob, SSRC, camera.send(&[number; 50], u32::from(number)));
        assert!(received.is_empty(), "{received:?}");
    }
    assert_eq!(bob.held_frames(), 5);
    table.hears("Bob");
    // The next one comes before anybody looked: it does not overtake them.
    let released = frames(push(&mut bob, SSRC, camera.send(&[5; 50], 5)));
    let order: Vec<_> = released.iter().map(|frame| (frame.data[0], frame.timestamp)).collect();
    assert_eq!(order, [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(bob.held_frames(), 0);
}

#[test]
fn a_lost_packet_is_reported_in_its_place_and_costs_its_frame_alone() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let mut bob = receiver(&table, "Bob");
    assert_eq!(push(&mut bob, SSRC, camera.send(&[1; 3_000], 0)).len(), 1);
    let mut packets = camera.send(&[2; 3_000], 1);
    packets.remove(1);
    assert!(push(&mut bob, SSRC, packets).is_empty());
    assert!(push(&mut bob, SSRC, camera.send(&[3; 3_000], 2)).is_empty(), "it waits for what is missing");
    let due = bob.next_timeout().expect("something is missing");
    bob.handle_timeout(due);
    let out = drain(&mut bob);
    assert!(matches!(out[0], Received::Lost { ssrc: SSRC, loss } if loss.missing_packets == 1));
    assert!(matches!(&out[1], Received::Frame(frame) if frame.data[..] == [3; 3_000]));
    assert_eq!((out.len(), bob.next_timeout(), bob.buffered_bytes()), (2, None, 0));
}

#[test]
fn however_many_streams_a_server_makes_up_few_are_kept() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut bob = receiver(&table, "Bob");
    let garbage = |sequence| RtpPayload {
        sequence,
        timestamp: 0,
        payload_type: VP8,
        marker: false,
        payload: Bytes::from_static(&[0x80; 1_000]),
    };
    let mut refused = 0;
    for ssrc in 0..4_000 {
        refused +=
            u32::from(bob.push(ssrc, garbage(ssrc as u16), ms(1)) == Err(IncomingError::TooManyStreams));
        assert!(drain(&mut bob).is_empty());
    }
    assert_eq!(refused, 4_000 - 256);
    assert_eq!(bob.buffered_bytes(), 256 * 999);
    // They fall silent; then there is room again, and what the one that makes room had kept is gone.
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let packet = camera.send(b"a picture", 0).remove(0);
    assert_eq!(bob.push(SSRC, packet.clone(), ms(10_000)), Err(IncomingError::TooManyStreams));
    bob.push(SSRC, packet, ms(10_001)).expect("room was made");
    assert_eq!(frames(drain(&mut bob))[0].data[..], *b"a picture");
    assert!(bob.stats(0).is_none() && bob.stats(SSRC).is_some());
    assert_eq!(bob.buffered_bytes(), 255 * 999);
}

#[test]
fn a_stream_that_goes_on_is_not_forgotten_for_a_new_one() {
    let table = Table::of(&["Ann", "Bob"]);
    let limits = ConnectionLimits { max_streams: 2, ..ConnectionLimits::default() };
    let mut bob = receiver_within(&table, "Bob", limits);
    let packet = |sequence| RtpPayload {
        sequence,
        timestamp: 0,
        payload_type: VP8,
        marker: false,
        payload: Bytes::new(), // padding
    };
    let (old, silent, new, another) = (1, 2, 3, 4);
    for (ssrc, sequence, now) in [(old, 0, 0), (silent, 0, 1), (old, 1, 9_000), (old, 2, 8_000)] {
        bob.push(ssrc, packet(sequence), ms(now)).expect("it is of use");
    }
    bob.push(new, packet(0), ms(18_500)).expect("one was silent");
    assert!(bob.stats(silent).is_none() && bob.stats(old).is_some());
    assert_eq!(bob.push(another, packet(0), ms(18_999)), Err(IncomingError::TooManyStreams));
}

#[test]
fn a_limit_of_no_streams_still_lets_one_through() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let limits = ConnectionLimits { max_streams: 0, ..ConnectionLimits::default() };
    let mut bob = receiver_within(&table, "Bob", limits);
    assert_eq!(frames(push(&mut bob, SSRC, camera.send(b"a picture", 0))).len(), 1);
    let other = bob.push(SSRC + 1, camera.send(b"a picture", 0).remove(0), Duration::ZERO);
    assert_eq!(other, Err(IncomingError::TooManyStreams));
}

#[test]
fn all_streams_together_keep_so_many_bytes_and_no_more() {
    let table = Table::of(&["Ann", "Bob"]);
    let limits = ConnectionLimits {
        max_bytes: 50 * 999,
        stream: Limits { max_wait: ms(200), ..Limits::default() },
        ..ConnectionLimits::default()
    };
    let mut bob = receiver_within(&table, "Bob", limits);
    let fragment = |sequence| RtpPayload {
        sequence,
        timestamp: 0,
        payload_type: VP8,
        marker: false,
        payload: Bytes::from_static(&[0x00; 1_000]), // the middle of a frame that never began
    };
    let mut last = Ok(());
    for number in 0..2_000_u32 {
        last = bob.push(number % 20, fragment((number / 20) as u16), ms(1));
        assert!(drain(&mut bob).is_empty());
        assert!(bob.buffered_bytes() <= 51 * 999);
    }
    assert_eq!(last, Err(IncomingError::TooManyBytes));
    assert_eq!(bob.buffered_bytes(), 51 * 999, "one packet may go beyond");
    bob.handle_timeout(ms(1_500));
    let _ = drain(&mut bob);
    assert_eq!(bob.buffered_bytes(), 0, "time alone empties it");
}

#[test]
fn media_stays_out_of_logs() {
    let table = Table::of(&["Ann", "Bob"]);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let received = push(&mut receiver(&table, "Bob"), SSRC, camera.send(&[173; 40], 0));
    let shown = format!("{received:?}");
    assert!(shown.contains("len: 40") && !shown.contains("173, 173"), "{shown}");
    assert!(!format!("{:?}", camera.stream).contains("173, 173"));

    let shown = format!("{:?}", MediaFrame::new(&[173; 40], 0).keyframe(true));
    assert!(shown.contains("len: 40") && !shown.contains("173, 173"), "{shown}");
    // Openers open a sealed frame where it stands.
    let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
    let packet = camera.send(&[173; 40], 0).remove(0);
    reassembler.push(packet, ms(0)).expect("the first");
    let mut assembled = reassembler.poll();
    if let Some(Assembled::Frame(frame)) = &mut assembled {
        let opened = table.opener("Bob").open(Metadata::frame(Codec::Vp8), &mut frame.data);
        assert!(matches!(opened, Ok(Opening::Opened(_))));
    }
    let shown = format!("{assembled:?}");
    assert!(shown.contains("len: 40") && !shown.contains("173, 173"), "{shown}");
}

#[test]
fn a_packet_that_is_refused_takes_no_streams_place() {
    let table = Table::of(&["Ann", "Bob"]);
    let limits = ConnectionLimits { max_streams: 1, ..ConnectionLimits::default() };
    let mut bob = receiver_within(&table, "Bob", limits);
    let mut camera = Line::new(table.sealer("Ann", TrackKind::Camera), Codec::Vp8, Form::Frame, VP8);
    let refused = || RtpPayload {
        sequence: 0,
        timestamp: 0,
        payload_type: VP8,
        marker: false,
        payload: Bytes::from_static(&[0xC0]),
    };
    let malformed = Err(IncomingError::Packet(PushError::Malformed));
    assert_eq!(bob.push(1, refused(), ms(0)), malformed);
    assert_eq!(frames(push(&mut bob, SSRC, camera.send(b"one", 0))).len(), 1);
    // Nor does it drive out a stream that is silent.
    assert_eq!(bob.push(2, refused(), limits.idle), malformed);
    assert!(bob.stats(SSRC).is_some() && bob.stats(2).is_none());
}

#[test]
fn who_says_nothing_of_limits_gets_those_of_the_documentation() {
    let stream = Limits {
        max_packets: 1_024,
        max_bytes: 4 * 1024 * 1024,
        max_frame_bytes: 2 * 1024 * 1024,
        max_wait: ms(200),
        max_stall: ms(1_000),
    };
    let connection =
        ConnectionLimits { stream, max_streams: 256, max_bytes: 32 * 1024 * 1024, idle: ms(10_000) };
    assert_eq!(ConnectionLimits::default(), connection);
}
