//! Keyframe requests reach the encoder, whoever asks.

use std::time::Duration;

use str0m::media::{KeyframeRequestKind, MediaKind};
use str0m::rtp::Ssrc;
use subrosa::{Codec, TrackKind};
use subrosa_rtp::extension::{ScalabilityMode, WriteError};
use subrosa_str0m::{FrameSender, MediaFrame, NoSuchStream, SendError};

use crate::pair::{LATENCY, Pair, one, plain};

/// One frame was sent and came; returns its SSRC.
fn flowing() -> (Pair, u32) {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sender = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    assert!(!pair.ann.senders[sender].take_keyframe_request(), "an encoder begins with one");
    pair.send(sender, &MediaFrame::new(b"a keyframe", 0)).expect("all is in order");
    pair.run_for(LATENCY * 2);
    let ssrc = pair.bob.frames().first().expect("it came").ssrc;
    (pair, ssrc)
}

#[test]
fn a_receiver_that_lost_something_asks_for_a_keyframe_and_the_encoder_hears_it_once() {
    let (mut pair, ssrc) = flowing();
    for _ in 0..2 {
        pair.bob.receiver.request_keyframe(&mut pair.bob.rtc, ssrc).expect("it is received");
        pair.run_for(Duration::from_millis(500));
    }
    assert!(pair.ann.senders[0].take_keyframe_request());
    assert!(!pair.ann.senders[0].take_keyframe_request());
}

#[test]
fn a_frame_that_no_descriptor_can_describe_makes_the_sender_ask_for_a_keyframe() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sealer = pair.table.sealer("Ann", TrackKind::Camera);
    pair.ann.senders.push(FrameSender::new(sealer, Codec::Vp9, mid).layers(ScalabilityMode::L3T3_KEY));
    let frame = MediaFrame::new(b"the lowest layer", 0);
    assert_eq!(pair.send(0, &frame), Err(SendError::Layer(WriteError::KeyframeNeeded)));
    assert!(pair.ann.senders[0].take_keyframe_request());

    // The line became slow, and the encoder leaves the higher layers out. Nobody misses anything, so nobody else asks.
    pair.send(0, &frame.keyframe(true)).expect("all is in order");
    let failed = (0..1_000).find_map(|_| pair.send(0, &frame).err());
    assert_eq!(failed, Some(SendError::Layer(WriteError::ChainTooLong)));
    assert!(pair.ann.senders[0].take_keyframe_request());
    pair.send(0, &frame.keyframe(true)).expect("all is in order");
    pair.send(0, &frame).expect("all is in order");
    assert!(!pair.ann.senders[0].take_keyframe_request());
}

#[test]
fn a_full_intra_request_is_heard_as_well() {
    let (mut pair, ssrc) = flowing();
    let mut direct = pair.bob.rtc.direct_api();
    let stream = direct.stream_rx(&Ssrc::from(ssrc)).expect("it is received");
    stream.request_keyframe(KeyframeRequestKind::Fir);
    pair.run_for(Duration::from_millis(500));
    assert!(pair.ann.senders[0].take_keyframe_request());
    assert!(!pair.ann.senders[0].take_keyframe_request());
}

#[test]
fn the_call_asks_for_a_keyframe_of_some_tracks() {
    let (mut pair, _) = flowing();
    pair.ann.senders[0].keyframe_needed(&[]);
    assert!(!pair.ann.senders[0].take_keyframe_request());

    pair.table.admit("Cas");
    let tracks = pair.table.keyframes_needed("Ann");
    pair.ann.senders[0].keyframe_needed(&tracks);
    pair.ann.senders[0].keyframe_needed(&tracks);
    assert!(pair.ann.senders[0].take_keyframe_request());

    pair.ann.senders[0].request_keyframe();
    assert!(pair.ann.senders[0].take_keyframe_request());
}

#[test]
fn nobody_is_asked_for_a_keyframe_of_an_unknown_stream() {
    let (mut pair, ssrc) = flowing();
    let other = ssrc.wrapping_add(1);
    let asked = pair.bob.receiver.request_keyframe(&mut pair.bob.rtc, other);
    assert_eq!(asked, Err(NoSuchStream(other)));
}
