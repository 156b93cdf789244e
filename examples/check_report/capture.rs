//! The server's packets, as `server.pcap` has them: put together to sealed frames, of which only the headers can be read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use subrosa::sframe::Header;
use subrosa_rtp::Descriptor;

use super::{Result, ensure};

/// As the example has them.
pub(crate) const VIDEO: u8 = 96;
pub(crate) const AUDIO: u8 = 111;
/// What a participant says before and after his media.
const JOIN: &[u8] = &[0];
const PART: &[u8] = &[1];
/// RFC 3550 §5.1: version 2; no packet has padding, an extension or a CSRC.
const PLAIN_RTP: u8 = 0x80;
/// AES-GCM (RFC 9605 §4.5).
const TAG: usize = 16;
/// `CallConfig::default().epoch_bits`: a key id ends with the epoch. The story has fewer than 2^4 epochs.
const EPOCH_MASK: u64 = 15;

/// A sealed frame.
pub(crate) struct Frame {
    /// When its last packet was handled.
    pub(crate) at: Duration,
    pub(crate) epoch: u64,
    /// Bytes, without header and tag.
    pub(crate) len: usize,
    /// Bytes of header and tag.
    pub(crate) overhead: usize,
    pub(crate) packets: u64,
}

/// One track.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) payload_type: u8,
    pub(crate) frames: Vec<Frame>,
    pub(crate) packets: u64,
    /// Packets that are missing, by their sequence numbers.
    pub(crate) gaps: u64,
    /// RTP timestamp, and when it was handled, of the first and the last packet.
    pub(crate) span: Option<[(u32, Duration); 2]>,
    next_sequence: Option<u16>,
    /// A frame whose end is yet to come: its bytes and packets.
    begun: Option<(Vec<u8>, u64)>,
}

/// All packets, by the other side's port and SSRC.
#[derive(Default)]
pub(crate) struct Capture {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// UDP payloads.
    pub(crate) bytes: u64,
    pub(crate) from: BTreeMap<(u16, u32), Stream>,
    pub(crate) to: BTreeMap<(u16, u32), Stream>,
    pub(crate) joined: BTreeSet<u16>,
    pub(crate) parted: BTreeSet<u16>,
}

/// A datagram, to or from the server.
pub(crate) struct Datagram {
    pub(crate) at: Duration,
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) payload: Vec<u8>,
}

/// All datagrams of a capture, in their order.
pub(crate) fn datagrams(path: &Path, mut take: impl FnMut(Datagram, &[u8]) -> Result<()>) -> Result<()> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = PcapReader::new(BufReader::new(file))?;
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        let sliced = SlicedPacket::from_ethernet(&packet.data)?;
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (sliced.net, sliced.transport)
        else {
            return Err("a packet is not UDP".into());
        };
        let addresses = [ip.header().source_addr(), ip.header().destination_addr()];
        ensure(addresses == [Ipv4Addr::LOCALHOST; 2], "a packet of another machine")?;
        let (from, to) = (udp.source_port(), udp.destination_port());
        take(Datagram { at: packet.timestamp, from, to, payload: udp.payload().to_vec() }, &packet.data)?;
    }
    Ok(())
}

impl Capture {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut capture = Self::default();
        // The first packet is somebody's who joins.
        let mut server = None;
        let mut last = Vec::new();
        datagrams(path, |datagram, _| {
            let server = *server.get_or_insert(datagram.to);
            capture.bytes += datagram.payload.len() as u64;
            if datagram.to == server {
                capture.received += 1;
                capture.take(&datagram)?;
                last = datagram.payload;
            } else {
                capture.sent += 1;
                ensure(datagram.from == server, "a packet that is neither to the server nor from it")?;
                ensure(datagram.payload == last, "the server sent something else than it had received")?;
                track(&mut capture.to, datagram.to, &datagram)?;
            }
            Ok(())
        })?;
        Ok(capture)
    }

    fn take(&mut self, datagram: &Datagram) -> Result<()> {
        match datagram.payload.as_slice() {
            JOIN => _ = self.joined.insert(datagram.from),
            PART => _ = self.parted.insert(datagram.from),
            _ => track(&mut self.from, datagram.from, datagram)?,
        }
        Ok(())
    }

    /// The tracks that came from a port.
    pub(crate) fn tracks_from(&self, port: u16) -> impl Iterator<Item = (u32, &Stream)> {
        self.from.range((port, 0)..=(port, u32::MAX)).map(|((_, ssrc), stream)| (*ssrc, stream))
    }

    /// The tracks that went to a port.
    pub(crate) fn tracks_to(&self, port: u16) -> impl Iterator<Item = (u32, &Stream)> {
        self.to.range((port, 0)..=(port, u32::MAX)).map(|((_, ssrc), stream)| (*ssrc, stream))
    }

    /// Whose each track is.
    pub(crate) fn owners(&self) -> Result<BTreeMap<u32, u16>> {
        let owners = self.from.keys().map(|(port, ssrc)| (*ssrc, *port)).collect::<BTreeMap<_, _>>();
        ensure(owners.len() == self.from.len(), "two have one SSRC")?;
        Ok(owners)
    }
}

fn track(streams: &mut BTreeMap<(u16, u32), Stream>, port: u16, datagram: &Datagram) -> Result<()> {
    let [first, kind, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3, payload @ ..] = datagram.payload.as_slice()
    else {
        return if datagram.payload == JOIN { Ok(()) } else { Err("a packet that is no RTP".into()) };
    };
    ensure(*first == PLAIN_RTP, "a packet that is no RTP, or has a longer header than it should")?;
    let stream = streams.entry((port, u32::from_be_bytes([*i0, *i1, *i2, *i3]))).or_default();
    stream.payload_type = kind & 0x7F;
    let here = (u32::from_be_bytes([*t0, *t1, *t2, *t3]), datagram.at);
    stream.span = Some([stream.span.map_or(here, |[first, _]| first), here]);
    stream.packet(u16::from_be_bytes([*s0, *s1]), payload, datagram.at)
}

impl Stream {
    fn packet(&mut self, sequence: u16, payload: &[u8], at: Duration) -> Result<()> {
        let missing = self.next_sequence.map_or(0, |next| sequence.wrapping_sub(next));
        if missing > 0 {
            self.gaps += u64::from(missing);
            self.begun = None;
        }
        self.next_sequence = Some(sequence.wrapping_add(1));
        self.packets += 1;
        let (descriptor, fragment) = payload.split_first().ok_or("an empty RTP packet")?;
        let descriptor = Descriptor::parse(*descriptor);
        if descriptor.first {
            self.begun = Some((Vec::new(), 0));
        }
        let Some((mut frame, packets)) = self.begun.take() else { return Ok(()) }; // its beginning is missing
        frame.extend_from_slice(fragment);
        if !descriptor.last {
            self.begun = Some((frame, packets + 1));
            return Ok(());
        }
        let (Header { kid, .. }, header) = Header::decode(&frame)?;
        let overhead = header + TAG;
        let len = frame.len().checked_sub(overhead).ok_or("a frame that is too short")?;
        self.frames.push(Frame { at, epoch: kid.0 & EPOCH_MASK, len, overhead, packets: packets + 1 });
        Ok(())
    }
}
