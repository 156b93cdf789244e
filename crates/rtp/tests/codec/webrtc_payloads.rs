//! Through the payloaders and depacketizers that webrtc-rs uses.

use bytes::{Bytes, BytesMut};
use rtc_rtp::codec::av1::{Av1Depacketizer, Av1Payloader};
use rtc_rtp::codec::h264::{H264Packet, H264Payloader};
use rtc_rtp::codec::h265::{H265Packet, H265Payload, HevcPayloader};
use rtc_rtp::codec::opus::{OpusPacket, OpusPayloader};
use rtc_rtp::codec::vp8::{Vp8Packet, Vp8Payloader};
use rtc_rtp::codec::vp9::{Vp9Packet, Vp9Payloader};
use rtc_rtp::packetizer::{Depacketizer, Payloader};
use subrosa::Codec;

use crate::clips::{self, frames};
use crate::pair::Pair;

const MTU: usize = 1_200;

fn payloader(codec: Codec) -> Box<dyn Payloader> {
    match codec {
        Codec::Opus => Box::new(OpusPayloader),
        Codec::Vp8 => Box::new(Vp8Payloader::default()),
        Codec::Vp9 => Box::new(Vp9Payloader::default()),
        Codec::H264 => Box::new(H264Payloader::default()),
        Codec::H265 => Box::new(HevcPayloader),
        Codec::Av1 => Box::new(Av1Payloader::default()),
        other => panic!("no payloader of {other:?}"),
    }
}

/// Makes a frame of its packets.
fn depacketize(codec: Codec, packets: &[Bytes]) -> BytesMut {
    if codec == Codec::H265 {
        return depacketize_h265(packets);
    }
    let mut depacketizer: Box<dyn Depacketizer> = match codec {
        Codec::Opus => Box::new(OpusPacket),
        Codec::Vp8 => Box::new(Vp8Packet::default()),
        Codec::Vp9 => Box::new(Vp9Packet::default()),
        Codec::H264 => Box::new(H264Packet::default()),
        Codec::Av1 => Box::new(Av1Depacketizer::new()),
        other => panic!("no depacketizer of {other:?}"),
    };
    let mut frame = BytesMut::new();
    for packet in packets {
        frame.extend_from_slice(&depacketizer.depacketize(packet).unwrap());
    }
    frame
}

/// This depacketizer parses a packet and makes no NAL units of it; webrtc-rs leaves that to the application.
fn depacketize_h265(packets: &[Bytes]) -> BytesMut {
    let mut frame = BytesMut::new();
    let mut nal = |parts: &[&[u8]]| {
        frame.extend_from_slice(&[0, 0, 0, 1]);
        parts.iter().for_each(|part| frame.extend_from_slice(part));
    };
    let mut fragments = BytesMut::new();
    for packet in packets {
        let mut depacketizer = H265Packet::default();
        depacketizer.depacketize(packet).unwrap();
        match depacketizer.payload() {
            H265Payload::H265SingleNALUnitPacket(single) => {
                nal(&[&single.payload_header().0.to_be_bytes(), &single.payload()]);
            }
            H265Payload::H265AggregationPacket(aggregate) => {
                nal(&[&aggregate.first_unit().unwrap().nal_unit()]);
                aggregate.other_units().iter().for_each(|unit| nal(&[&unit.nal_unit()]));
            }
            H265Payload::H265FragmentationUnitPacket(fragment) => {
                fragments.extend_from_slice(&fragment.payload());
                if fragment.fu_header().e() {
                    let layer_and_tid = fragment.payload_header().0 & 0x01ff;
                    let header = u16::from(fragment.fu_header().fu_type()) << 9 | layer_and_tid;
                    nal(&[&header.to_be_bytes(), &fragments.split()]);
                }
            }
            other => panic!("{other:?}: no such packet was made"),
        }
    }
    frame
}

#[test]
fn every_frame_comes_through_identical() {
    for codec in clips::ALL {
        let mut pair = Pair::new();
        let mut payloader = payloader(codec);
        let frames = frames(codec);
        let (mut packets_sent, mut added, mut opened) = (0, Vec::new(), Vec::new());
        for (number, frame) in frames.iter().enumerate() {
            let sealed = pair.seal(codec, &frame.data).unwrap().freeze();
            added.push(sealed.len() - frame.data.len());
            let packets = payloader.payload(MTU, &sealed).unwrap();
            assert!(packets.iter().all(|packet| packet.len() <= MTU));
            packets_sent += packets.len();
            let received = depacketize(codec, &packets);
            opened.push(pair.open(codec, &received).unwrap().to_vec());
            assert_eq!(opened[number], frame.data, "{codec:?}, frame {number}");
        }
        clips::keep("rtc-rtp", codec, &opened);
        added.sort_unstable();
        let (median, max) = (added[added.len() / 2], added[added.len() - 1]);
        println!(
            "{codec:?}: {} of {} frames in {packets_sent} packets; bytes added: {} least, {median} median, {max} most",
            frames.len(),
            frames.len(),
            added[0]
        );
    }
}

#[test]
fn every_length_comes_through_identical() {
    // Around the lengths at which a packet is full, and at which sizes take another byte.
    for codec in [Codec::H264, Codec::H265, Codec::Av1, Codec::Vp8, Codec::Vp9] {
        let mut pair = Pair::new();
        let mut payloader = payloader(codec);
        let clip = frames(codec);
        for original in [&clip[0].data, &clip[1].data] {
            // The headers are those of a real frame; the codecs do not tell where the rest of it ends.
            let start = match codec {
                Codec::Av1 => Bytes::from_static(&[0x12, 0, 0x30]), // a frame without a size
                _ => original.slice(..200.min(original.len())),
            };
            for len in (0..160).chain(900..1_300).chain(2_250..2_400).chain(16_300..16_400) {
                let mut frame = start.to_vec();
                frame.resize(start.len() + len, 0xa5);
                let sealed = pair.seal(codec, &frame).unwrap().freeze();
                let packets = payloader.payload(MTU, &sealed).unwrap();
                // rtc-rtp 0.21 refuses a VP8 packet of fewer than 4 bytes, whatever is in it, and loses the frame.
                if codec == Codec::Vp8 && packets.iter().any(|packet| packet.len() < 4) {
                    continue;
                }
                let received = depacketize(codec, &packets);
                assert_eq!(pair.open(codec, &received).unwrap(), frame, "{codec:?}, {len}");
            }
        }
    }
}
