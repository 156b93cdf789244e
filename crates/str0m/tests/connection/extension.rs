//! The dependency descriptor goes along, in clear, for servers.

use bytes::Bytes;
use str0m::media::MediaKind;
use str0m::rtp::{Extension, ExtensionValues, RtpWrite};
use str0m::{Rtc, RtcConfig};
use subrosa_str0m::{DependencyDescriptor, configure};

use crate::pair::{Pair, one, plain};

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
fn what_no_extension_can_hold_is_left_out_and_the_packet_sent() {
    let (mut pair, mid) = Pair::connected(plain, plain, one(MediaKind::Video));
    let came = cross(&mut pair, mid, &[Bytes::new(), Bytes::from(vec![1; 256])]);
    assert_eq!(came, [None, None]);
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
