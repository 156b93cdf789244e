//! Layers are tracks: each has a sender with a sealer of its own.

use str0m::change::SdpApi;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use subrosa::{Codec, TrackKind};
use subrosa_str0m::{FrameSender, MediaFrame, SendError};

use crate::pair::{Clip, Pair, plain};

const RIDS: [&str; 3] = ["l", "m", "h"];

pub(crate) fn layers(sdp: &mut SdpApi<'_>) -> Mid {
    let mut simulcast = Simulcast::new();
    RIDS.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
    sdp.add_media(MediaKind::Video, Direction::SendOnly, None, None, Some(simulcast))
}

#[test]
fn three_layers_arrive_as_three_tracks() {
    let (mut pair, mid) = Pair::connected(plain, plain, layers);
    for rid in RIDS {
        let sealer = pair.table.sealer("Ann", TrackKind::Camera);
        pair.ann.senders.push(FrameSender::new(sealer, Codec::Vp8, mid).rid(Rid::from(rid)));
    }
    // The same picture in three sizes: three stretches of one clip do as well.
    let clip = Clip::vp8();
    let frame = |layer: usize, number: usize| &clip.frames[layer * 90 + number];
    for number in 0..90 {
        for layer in 0..3 {
            let media = MediaFrame::new(frame(layer, number), clip.timestamp(number));
            pair.send(layer, &media).expect("all is in order");
        }
        pair.run_for(clip.period);
    }
    pair.run_for(clip.period * 30);

    assert_eq!(pair.bob.losses(), []);
    for (layer, rid) in RIDS.into_iter().enumerate() {
        let track = pair.ann.senders[layer].track();
        let frames = pair.bob.frames();
        let frames = frames.iter().filter(|frame| frame.from.track == track).collect::<Vec<_>>();
        assert_eq!(frames.len(), 90, "of {track:?}");
        assert!((0..90).all(|number| frames[number].data == frame(layer, number)));
        // The layer is also what a server takes it for.
        let ssrc = frames[0].ssrc;
        let packet = pair.bob.packets.iter().find(|packet| *packet.header.ssrc == ssrc).expect("its packets");
        assert_eq!(packet.header.ext_vals.rid, Some(Rid::from(rid)));
    }
}

#[test]
fn a_keyframe_request_for_one_layer_reaches_its_sender_alone() {
    let (mut pair, mid) = Pair::connected(plain, plain, layers);
    for (layer, rid) in RIDS.into_iter().enumerate() {
        let sealer = pair.table.sealer("Ann", TrackKind::Camera);
        pair.ann.senders.push(FrameSender::new(sealer, Codec::Vp8, mid).rid(Rid::from(rid)));
        pair.send(layer, &MediaFrame::new(b"a keyframe", 0)).expect("all is in order");
    }
    pair.run_for(std::time::Duration::from_millis(100));
    let middle = pair.ann.senders[1].track();
    let frames = pair.bob.frames();
    let ssrc = frames.iter().find(|frame| frame.from.track == middle).expect("it came").ssrc;
    pair.bob.receiver.request_keyframe(&mut pair.bob.rtc, ssrc).expect("it is received");
    pair.run_for(std::time::Duration::from_millis(500));
    let asked = pair.ann.senders.iter_mut().map(FrameSender::take_keyframe_request).collect::<Vec<_>>();
    assert_eq!(asked, [false, true, false]);
}

#[test]
fn a_sender_without_a_layer_does_not_send_into_some_layer() {
    let (mut pair, mid) = Pair::connected(plain, plain, layers);
    let none = pair.add_sender(TrackKind::Camera, Codec::Vp8, mid);
    let sealer = pair.table.sealer("Ann", TrackKind::Camera);
    pair.ann.senders.push(FrameSender::new(sealer, Codec::Vp8, mid).rid("x".into()));
    let frame = MediaFrame::new(b"a frame", 0);
    assert_eq!(pair.send(none, &frame), Err(SendError::NoStream { mid, rid: None }));
    let refused = pair.send(none + 1, &frame).expect_err("there is no such layer");
    assert_eq!(refused, SendError::NoStream { mid, rid: Some("x".into()) });
    assert_eq!(refused.to_string(), format!("media {mid} has no stream to send with rid x"));
    assert!(pair.ann.sent.is_empty());
}
