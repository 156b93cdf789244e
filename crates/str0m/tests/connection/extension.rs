//! The dependency descriptor goes along, in clear, for servers.

use bytes::Bytes;
use str0m::media::MediaKind;
use str0m::rtp::{Extension, ExtensionValues, RtpWrite};
use str0m::{Rtc, RtcConfig};
use subrosa_rtp::extension::{DescriptorReader, Layer, ScalabilityMode, WriteError};
use subrosa_str0m::{DependencyDescriptor, FrameSender, MediaFrame, SendError, configure};

use crate::pair::{Clip, Pair, one, plain};

/// Writes packets with these descriptors as an SFU does that forwards, and returns those that came.
fn cross(pair: &mut Pair, mid: str0m::media::Mid, descriptors: &[Bytes]) -> Vec<Option<Bytes>> {
    let pt = pair.ann.rtc.media(mid).expect("negotiated").remote_pts()[0];
    let mut direct = pair.ann.rtc.direct_api();
    let stream = direct.stream_tx_by_mid(mid, None).expect("negotiated");
    for (descriptor, sequence) in descriptors.iter().zip(1_u64..) {
        let mut values = ExtensionValues::default();
        DependencyDescriptor(descriptor.clone()).set(&mut values);
        stream.write_rtp(RtpWrite::new(pt, sequence.into(), 0, pair.now, &b"\xC0x"[..]).ext_vals(values));
    }
    pair.flush();
    pair.run_for(std::time::Duration::from_millis(100));
    let packets = pair.bob.packets.iter();
    packets.map(|packet| DependencyDescriptor::of(&packet.header.ext_vals).map(|it| it.0.clone())).collect()
}

#[test]
fn a_descriptor_crosses_whatever_its_length() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sent = [1, 3, 16, 17, 100, 255].map(|length| Bytes::from(vec![0xA5; length]));
    let came = cross(&mut pair, mid, &sent);
    assert_eq!(came, sent.map(Some));
}

#[test]
fn frames_of_a_sender_with_layers_say_theirs_in_each_packet() {
    let clip = Clip::vp8().take(8);
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let sealer = pair.table.sealer("Ann", clip.kind().1);
    let sender = FrameSender::new(sealer, clip.codec, mid).layers(ScalabilityMode::L1T3);
    pair.ann.senders.push(sender);
    let first = MediaFrame::new(&clip.frames[0], clip.timestamp(0));
    assert_eq!(pair.send(0, &first), Err(SendError::Layer(WriteError::KeyframeNeeded)));
    for (number, temporal_id) in [0, 2, 1, 2, 0, 2, 1, 2].into_iter().enumerate() {
        let frame = MediaFrame::new(&clip.frames[number], clip.timestamp(number));
        let frame = frame.keyframe(number == 0).layer(Layer { spatial_id: 0, temporal_id });
        pair.send(0, &frame).expect("all is in order");
        pair.run_for(clip.period);
    }
    pair.run_for(std::time::Duration::from_millis(100));

    assert!(pair.bob.frames().iter().map(|frame| &frame.data).eq(&clip.frames));
    let mut reader = DescriptorReader::new();
    let (mut layers, mut open) = (Vec::new(), false);
    for packet in &pair.bob.packets {
        let bytes = DependencyDescriptor::of(&packet.header.ext_vals).expect("each packet has it");
        let described = reader.read(&bytes.0).expect("what was written");
        assert_eq!(described.start_of_frame, !open);
        assert_eq!(described.end_of_frame, packet.header.marker);
        open = !described.end_of_frame;
        if described.start_of_frame {
            layers.push(described.temporal_id);
        }
    }
    assert_eq!(layers, [0, 2, 1, 2, 0, 2, 1, 2]);
    assert!(pair.bob.packets.len() > 10, "the keyframe has several packets");
    assert!(pair.longest <= str0m::DATAGRAM_MTU_TARGET, "a datagram of {} bytes", pair.longest);
}

#[test]
fn what_no_extension_can_hold_is_left_out_and_the_packet_sent() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let came = cross(&mut pair, mid, &[Bytes::new(), Bytes::from(vec![1; 256])]);
    assert_eq!(came, [None, None]);
}

#[test]
fn sound_has_no_descriptor() {
    for (kind, id) in [(MediaKind::Video, Some(12)), (MediaKind::Audio, None)] {
        let (pair, mid) = Pair::negotiated(plain, plain, one(kind));
        let agreed = pair.bob.rtc.media(mid).expect("negotiated").remote_extmap();
        assert_eq!(agreed.id_of(DependencyDescriptor::extension()), id);
    }
}

#[test]
fn an_app_that_uses_its_id_moves_it() {
    let custom = |_| configure(RtcConfig::new().set_extension(12, Extension::PlayoutDelay));
    let (mut pair, mid) = Pair::connected(custom, plain, one(MediaKind::Video));
    let sent = [Bytes::from_static(b"\x80\0\x01")];
    assert_eq!(cross(&mut pair, mid, &sent), sent.map(Some));
    let agreed = pair.bob.rtc.media(mid).expect("negotiated").remote_extmap();
    assert_eq!(agreed.id_of(DependencyDescriptor::extension()), Some(14));
}

#[test]
fn nothing_of_the_defaults_is_overwritten() {
    let mut config = configure(configure(Rtc::builder())); // twice is once
    let mut defaults = RtcConfig::new();
    let default = defaults.extension_map();
    assert!(default.iter().all(|(id, extension)| config.extension_map().lookup(id) == Some(extension)));
    assert_eq!(config.extension_map().iter().count(), default.iter().count() + 1);
}
