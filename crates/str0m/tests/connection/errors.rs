//! What is not sent, and whose fault it is. Nothing of it leaves, and no frame number is used up.

use str0m::format::FormatParams;
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::{Rtc, RtcConfig};
use subrosa::{Codec, SealError, TrackKind};
use subrosa_rtp::extension::ScalabilityMode;
use subrosa_str0m::{
    ConnectionLimits, FrameReceiver, FrameSender, IncomingError, MediaFrame, MtuTooSmall, ReceiveError,
    SendError,
};

use crate::pair::{Pair, one, plain};

const FRAME: MediaFrame<'_> = MediaFrame::new(b"a frame", 0);

#[test]
fn before_the_connection_is_up_nothing_is_sent() {
    let (mut pair, mid) = Pair::negotiated(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    assert_eq!(pair.send(sender, &FRAME), Err(SendError::NotConnected));
    pair.connect();
    assert_eq!(pair.send(sender, &FRAME).expect("now it is").counter, 0);
    pair.run_for(std::time::Duration::from_millis(100));
    assert_eq!(pair.bob.frames().len(), 1);
}

#[test]
fn a_codec_that_the_other_side_does_not_take_is_not_sent() {
    let (mut pair, mid) = Pair::connected(plain, |bob| bob.enable_av1(false), one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Av1, mid);
    let refused = pair.send(sender, &FRAME);
    assert_eq!(refused, Err(SendError::CodecNotNegotiated { mid, codec: Codec::Av1 }));
    assert!(pair.ann.sent.is_empty());
}

#[test]
fn a_media_that_is_not_there_is_the_apps_mistake() {
    let (mut pair, _) = Pair::connected(plain, plain, one(MediaKind::Video));
    let other = Mid::from("other");
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, other);
    assert_eq!(pair.send(sender, &FRAME), Err(SendError::NoMedia(other)));
}

#[test]
fn sound_does_not_go_where_pictures_do() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Microphone, Codec::Opus, mid);
    assert_eq!(pair.send(sender, &FRAME), Err(SendError::WrongKind { mid, codec: Codec::Opus }));
}

#[test]
fn a_media_that_only_receives_sends_nothing() {
    let (mut pair, mid) = Pair::connected(plain, plain, |sdp| {
        sdp.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None)
    });
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    assert_eq!(pair.send(sender, &FRAME), Err(SendError::NotSending(mid)));
}

#[test]
fn while_the_call_does_not_seal_nothing_is_sent() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sealer = pair.table.sealer("Bob", TrackKind::Camera);
    pair.ann.senders.push(FrameSender::new(sealer, Codec::Vp8, mid));
    pair.send(0, &FRAME).expect("he is in the call");
    let before = pair.ann.sent.len();
    pair.table.remove("Bob");
    assert!(pair.table.call("Bob").ended().is_some());
    assert_eq!(pair.send(0, &FRAME), Err(SendError::Seal(SealError::Ended)));
    assert_eq!(pair.ann.sent.len(), before);
}

#[test]
fn a_payload_type_that_carries_nothing_known_is_refused() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    pair.send(sender, &FRAME).expect("all is in order");
    pair.run_for(std::time::Duration::from_millis(100));
    let mut packet = pair.bob.packets.pop().expect("it came");
    packet.header.payload_type = 100.into();
    let carries = pair.bob.receiver.streams().format(96).expect("learned from the negotiated codecs");
    assert_eq!(carries.codec, Codec::Vp8);
    for other in [97, 1] {
        packet.header.payload_type = other.into();
        let refused = pair.bob.receiver.handle_rtp(&pair.bob.rtc, &packet, pair.now);
        assert_eq!(refused, Err(IncomingError::UnknownPayloadType(other)));
    }
}

#[test]
fn frame_mode_is_the_apps_mistake() {
    let frame_mode = |config: RtcConfig| config.set_rtp_mode(false);
    let (mut pair, mid) = Pair::connected(plain, frame_mode, one(MediaKind::Audio));
    let sender = pair.add_sender(TrackKind::Microphone, Codec::Opus, mid);
    pair.send(sender, &FRAME).expect("all is in order");
    pair.run_for(std::time::Duration::from_millis(100));
    assert_eq!(pair.bob.errors, [ReceiveError::NotRtpMode]);
    assert!(pair.bob.received.is_empty());
}

#[test]
fn a_payload_is_never_longer_than_str0m_can_send() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sealer = pair.table.sealer("Ann", TrackKind::Camera);
    let sender = FrameSender::with_mtu_payload(sealer, Codec::Vp8, mid, usize::MAX).expect("enough");
    pair.ann.senders.push(sender.layers(ScalabilityMode::L3T3_KEY));
    let data = vec![7; 20_000];
    pair.send(0, &MediaFrame::new(&data, 0).keyframe(true)).expect("all is in order");
    pair.run_for(std::time::Duration::from_millis(500));
    assert_eq!(pair.bob.frames()[0].data, data);
}

#[test]
fn what_a_payload_type_carries_is_what_str0m_says_now() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    pair.send(sender, &FRAME).expect("all is in order");
    pair.run_for(std::time::Duration::from_millis(100));
    let packet = pair.bob.packets.pop().expect("it came");

    // Before 96 was negotiated, str0m had it for another codec, and gave out packets of it: somebody sent one.
    let mut before = plain(Rtc::builder().clear_codecs());
    before.codec_config().add_config(
        96.into(),
        None,
        str0m::format::Codec::Vp9,
        Frequency::NINETY_KHZ,
        None,
        FormatParams::default(),
    );
    let (before, bob) = (before.build(pair.now), &mut pair.bob);
    let mut receiver = FrameReceiver::new(pair.table.opener("Bob"), pair.now);
    let carries = |receiver: &FrameReceiver| receiver.streams().format(96).map(|format| format.codec);
    receiver.handle_rtp(&before, &packet, pair.now).expect("the first");
    assert_eq!(carries(&receiver), Some(Codec::Vp9));
    receiver.handle_rtp(&bob.rtc, &packet, pair.now).ok();
    assert_eq!(carries(&receiver), Some(Codec::Vp8));
}

#[test]
fn a_limit_of_time_that_never_comes_is_none() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    pair.send(sender, &FRAME).expect("all is in order");
    pair.run_for(std::time::Duration::from_millis(100));
    let mut packet = pair.bob.packets.pop().expect("it came");

    let mut limits = ConnectionLimits::default();
    limits.stream.max_wait = std::time::Duration::MAX;
    let mut receiver = FrameReceiver::with_limits(pair.table.opener("Bob"), pair.now, limits);
    receiver.handle_rtp(&pair.bob.rtc, &packet, pair.now).expect("the first");
    packet.header.sequence_number += 2;
    receiver.handle_rtp(&pair.bob.rtc, &packet, pair.now).expect("it overtook another");
    while receiver.poll().is_some() {}
    assert_eq!(receiver.next_timeout(), None);
}

#[test]
fn a_payload_holds_something() {
    let (pair, mid) = Pair::negotiated(plain, plain, one(MediaKind::Video));
    let sealer = pair.table.sealer("Ann", TrackKind::Camera);
    let made = FrameSender::with_mtu_payload(sealer, Codec::Vp8, mid, 1).map(|_| ());
    assert_eq!(made, Err(MtuTooSmall { mtu_payload: 1 }));
}
