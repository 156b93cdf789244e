//! The intruder at the end: every captured frame, under every key that he can guess.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use rtc_rtp::Packet;
use rtc_shared::marshal::Unmarshal;
use subrosa::Codec;
use subrosa::sframe::{CipherSuite, Header, KeyId, StaticOpener, StaticSealer, UniqueKey};
use subrosa_rtp::{Assembled, Form, Limits, Reassembler, RtpPayload};

use crate::failure::{Context, Failure};
use crate::media::Media;

const SUITES: [CipherSuite; 2] = [CipherSuite::Aes128GcmSha256, CipherSuite::Aes256GcmSha512];

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    pub(crate) frames_tried: u64,
    pub(crate) frames_opened: u64,
}

/// Openers with guessed base keys.
struct Guesser {
    openers: Vec<(StaticOpener, Vec<u8>)>,
}

impl Guesser {
    fn new(secrets: &[[u8; 32]]) -> Self {
        let keys = |suite: CipherSuite| secrets.iter().map(move |secret| secret[..suite.key_len()].to_vec());
        let openers =
            SUITES.into_iter().flat_map(|suite| keys(suite).map(move |key| (StaticOpener::new(suite), key)));
        Self { openers: openers.collect() }
    }

    fn opens(&mut self, codec: Codec, frame: &[u8]) -> bool {
        let Ok((Header { kid, .. }, _)) = Header::decode(frame) else { return false };
        let metadata = [0, codec as u8]; // a whole frame of this codec
        let mut copy = BytesMut::new();
        self.openers.iter_mut().any(|(opener, key)| {
            opener.add_key(kid, key);
            copy.clear();
            copy.extend_from_slice(frame);
            opener.open(&metadata, &mut copy).is_ok()
        })
    }
}

/// Tries all frames that the server received, except those from `own`.
pub(crate) fn run(
    capture: &Path,
    server: SocketAddr,
    own: SocketAddr,
    secrets: &[[u8; 32]],
    media: &Media,
) -> Result<Trial, Failure> {
    self_check(secrets)?;
    let mut guesser = Guesser::new(secrets);
    let mut trial = Trial::default();
    let mut streams: HashMap<u32, Reassembler> = HashMap::new();
    let file = File::open(capture).or_broken("the capture")?;
    let mut reader = PcapReader::new(BufReader::new(file)).or_broken("the capture")?;
    while let Some(captured) = reader.next_packet() {
        let captured = captured.or_broken("the capture")?;
        let Some(payload) = received_by(server, own, &captured.data) else { continue };
        let Ok(Packet { header, payload }) = Packet::unmarshal(&mut payload.as_ref()) else { continue };
        let Some(medium) = media.by_payload_type(header.payload_type).filter(|_| header.version == 2) else {
            continue;
        };
        let stream =
            streams.entry(header.ssrc).or_insert_with(|| Reassembler::new(Form::Frame, Limits::default()));
        let packet = RtpPayload {
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            payload_type: header.payload_type,
            marker: header.marker,
            payload,
        };
        stream.push(packet, captured.timestamp).unwrap_or_default();
        while let Some(assembled) = stream.poll() {
            let Assembled::Frame(frame) = assembled else { continue };
            trial.frames_tried += 1;
            trial.frames_opened += u64::from(guesser.opens(medium.codec, &frame.data));
        }
    }
    Ok(trial)
}

/// The content of a datagram that somebody else than `own` sent to the server.
fn received_by(server: SocketAddr, own: SocketAddr, captured: &[u8]) -> Option<Bytes> {
    let sliced = SlicedPacket::from_ethernet(captured).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (sliced.net, sliced.transport) else {
        return None;
    };
    let from = SocketAddr::from((ip.header().source_addr(), udp.source_port()));
    let to = SocketAddr::from((ip.header().destination_addr(), udp.destination_port()));
    (to == server && from != own).then(|| Bytes::copy_from_slice(udp.payload()))
}

/// Checks that a frame opens where a guess is right: otherwise the intruder would only seem to try.
fn self_check(secrets: &[[u8; 32]]) -> Result<(), Failure> {
    let right = secrets.last().ok_or(Failure::Broken("the intruder has no guess".to_owned()))?;
    for suite in SUITES {
        let key = UniqueKey::assume_unique(suite, KeyId(0x35), &right[..suite.key_len()]);
        let mut frame = BytesMut::new();
        let metadata = [0, Codec::Opus as u8];
        StaticSealer::new(key).seal(&metadata, b"a frame", &mut frame).or_broken("sealing a frame")?;
        if !Guesser::new(secrets).opens(Codec::Opus, &frame) {
            return Err(Failure::Broken(
                "the intruder could open nothing even with the right key".to_owned(),
            ));
        }
    }
    Ok(())
}
