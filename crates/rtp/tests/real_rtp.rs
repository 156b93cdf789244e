//! The payloads travel inside the RTP packets of a real RTP stack.

mod common;

use bytes::Bytes;
use common::{data, drain, losses, ms};
use rtc_rtp::{Header, Packet};
use rtc_shared::marshal::{Marshal, Unmarshal};
use subrosa_rtp::{Form, Limits, MarkerBit, Packetizer, Reassembler, RtpPayload};

const RTP_HEADER: usize = 12;
const MTU: usize = 1_200;

/// Returns the datagrams of some frames, as a sender would put them on the network.
fn datagrams(frames: &[Vec<u8>], payload_type: u8, marker: MarkerBit) -> Vec<Bytes> {
    let packetizer = Packetizer::new(Form::Frame, MTU - RTP_HEADER).expect("a usable MTU");
    let mut datagrams = Vec::new();
    for (number, sealed) in frames.iter().enumerate() {
        for fragment in packetizer.packetize(sealed, marker).expect("not empty") {
            let header = Header {
                version: 2,
                payload_type,
                sequence_number: 65_530_u16.wrapping_add(datagrams.len() as u16),
                timestamp: number as u32 * 3_000,
                ssrc: 0x5B05_A001,
                marker: fragment.marker,
                ..Header::default()
            };
            let packet = Packet { header, payload: fragment.payload };
            datagrams.push(packet.marshal().expect("a valid packet").freeze());
        }
    }
    datagrams
}

fn received(mut datagram: Bytes) -> RtpPayload {
    let Packet { header, payload } = Packet::unmarshal(&mut datagram).expect("a valid packet");
    RtpPayload {
        sequence: header.sequence_number,
        timestamp: header.timestamp,
        payload_type: header.payload_type,
        marker: header.marker,
        payload,
    }
}

#[test]
fn video_frames_survive_the_journey_out_of_order() {
    let sealed: Vec<Vec<u8>> = [20_000, 900, 1_187, 1_188, 3_333]
        .iter()
        .map(|&len| (0..len).map(|i| (i % 251) as u8).collect())
        .collect();
    let mut datagrams = datagrams(&sealed, 96, MarkerBit::OnLast);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= MTU));
    for chunk in datagrams.chunks_mut(5) {
        chunk.reverse();
    }

    let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
    let mut out = Vec::new();
    for datagram in datagrams {
        assert_eq!(reassembler.push(received(datagram), ms(0)), Ok(()));
        out.extend(drain(&mut reassembler));
    }
    assert_eq!(data(&out), sealed);
    assert_eq!(losses(&out), []);
}

#[test]
fn audio_frames_are_one_packet_each_and_need_no_marker() {
    let sealed: Vec<Vec<u8>> = (60..100).map(|len| vec![len as u8; len]).collect();
    let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
    for (datagram, sealed) in datagrams(&sealed, 111, MarkerBit::Never).into_iter().zip(&sealed) {
        let packet = received(datagram);
        assert!(!packet.marker);
        assert_eq!(packet.payload[0], 0xC0);
        assert_eq!(reassembler.push(packet, ms(0)), Ok(()));
        assert_eq!(data(&drain(&mut reassembler)), [sealed]);
    }
}

#[test]
fn a_packet_of_rtp_padding_alone_is_no_loss() {
    let sealed = vec![vec![1; 100], vec![2; 100]];
    let mut datagrams = datagrams(&sealed, 96, MarkerBit::OnLast);
    // Between the two goes a probe: the P bit set, four bytes of padding, and the sequence number in between.
    let mut second = datagrams.pop().expect("two frames").to_vec();
    let mut probe = second[..RTP_HEADER].to_vec();
    probe[0] |= 0x20;
    probe.extend([0, 0, 0, 4]);
    second[3] += 1;
    datagrams.extend([probe.into(), second.into()]);

    let mut reassembler = Reassembler::new(Form::Frame, Limits::default());
    let mut out = Vec::new();
    for datagram in datagrams {
        assert_eq!(reassembler.push(received(datagram), ms(0)), Ok(()));
        out.extend(drain(&mut reassembler));
    }
    assert_eq!(data(&out), sealed);
    assert_eq!(out.len(), 2);
    assert_eq!(reassembler.stats().padding, 1);
}
