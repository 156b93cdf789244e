//! What the server sees: Janus' own `rtp_forward`, recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use etherparse::PacketBuilder;
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use rtc::rtp;
use rtc::shared::marshal::Unmarshal;
use subrosa::sframe::Header;
use subrosa_rtp::{Assembled, Form, Limits, Reassembler, RtpPayload};

use subrosa_rtp_examples::failure::{Context, Failure};

/// After the last packet, when the tap is to end. Janus forwards a packet when it has it, not later.
const QUIET: Duration = Duration::from_millis(300);
/// What the system grants may be less; the thread does nothing but read.
const BUFFER: usize = 4 << 20;
const LONGEST_DATAGRAM: usize = 2048;
const TTL: u8 = 64;

/// A socket to which the server forwards one feed, and a thread that reads it.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Vec<Tapped>>>,
}

#[derive(Debug)]
struct Tapped {
    at: Duration,
    from: SocketAddr,
    packet: Vec<u8>,
}

/// All that was forwarded of one feed.
#[derive(Debug)]
pub(crate) struct Recording {
    address: SocketAddr,
    packets: Vec<Tapped>,
}

impl Tap {
    pub(crate) fn open() -> Result<Self, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).or_input("the tap's socket")?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER).or_input("the tap's socket")?;
        socket.set_read_timeout(Some(QUIET)).or_input("the tap's socket")?;
        let address = socket.local_addr().or_input("the tap's socket")?;
        let ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ending);
        let thread = std::thread::Builder::new().name("tap".to_owned()).spawn(move || record(&socket, &ends));
        Ok(Self { address, ending, thread: thread.or_input("the tap's thread")? })
    }

    /// Ends it when nothing comes any more.
    pub(crate) fn finish(self) -> Result<Recording, Failure> {
        self.ending.store(true, Ordering::Relaxed);
        let packets = self.thread.join().map_err(|_| Failure::Broken("the tap panicked".to_owned()))?;
        Ok(Recording { address: self.address, packets: packets.or_broken("the tap")? })
    }
}

fn record(socket: &UdpSocket, ending: &AtomicBool) -> io::Result<Vec<Tapped>> {
    let mut packets = Vec::new();
    let mut buffer = [0; LONGEST_DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                packets.push(Tapped { at, from, packet: buffer[..len].to_vec() });
            }
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(error);
            }
            Err(_) if ending.load(Ordering::Relaxed) => return Ok(packets),
            Err(_) => {}
        }
    }
}

impl Recording {
    /// RTP packets with their headers, as they were forwarded.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        self.packets.iter().map(|tapped| &*tapped.packet)
    }

    /// The SFrame headers of all sealed frames that are whole in it, by SSRC and in the order of the stream. They are in clear.
    pub(crate) fn frames(&self) -> Result<BTreeMap<u32, Vec<Header>>, Failure> {
        let mut streams = BTreeMap::new();
        for packet in self.packets() {
            let packet = rtp::Packet::unmarshal(&mut &*packet).or_broken("a tapped packet is not RTP")?;
            if packet.payload.is_empty() {
                continue; // a probe: padding alone
            }
            let header = packet.header;
            let stream = streams.entry(header.ssrc);
            let (reassembler, frames) =
                stream.or_insert_with(|| (Reassembler::new(Form::Frame, Limits::default()), Vec::new()));
            let payload = RtpPayload {
                sequence: header.sequence_number,
                timestamp: header.timestamp,
                payload_type: header.payload_type,
                marker: header.marker,
                payload: packet.payload,
            };
            // A copy is of no use, and harmless: the frame counts once. The clock stands still: nothing is given up.
            reassembler.push(payload, Duration::ZERO).unwrap_or_default();
            while let Some(assembled) = reassembler.poll() {
                if let Assembled::Frame(frame) = assembled {
                    let (header, _) = Header::decode(&frame.data).or_broken("a tapped frame is no SFrame")?;
                    frames.push(header);
                }
            }
        }
        Ok(streams.into_iter().map(|(ssrc, (_, frames))| (ssrc, frames)).collect())
    }

    /// Writes it down for Wireshark.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let SocketAddr::V4(to) = self.address else { unreachable!("it was bound to 127.0.0.1") };
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let file = File::create(path).or_input(path.display())?;
        let mut pcap = PcapWriter::with_header(BufWriter::new(file), header).or_input(path.display())?;
        let mut frame = Vec::new();
        for Tapped { at, from, packet } in &self.packets {
            let SocketAddr::V4(from) = from else { continue };
            // The loopback interface has no MAC addresses.
            let headers = PacketBuilder::ethernet2([0; 6], [0; 6])
                .ipv4(from.ip().octets(), to.ip().octets(), TTL)
                .udp(from.port(), to.port());
            frame.clear();
            headers.write(&mut frame, packet).or_broken("a packet of the tap")?;
            let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            pcap.write_packet(&PcapPacket::new(*at, len, &frame)).or_input(path.display())?;
        }
        pcap.into_writer().flush().or_input(path.display())
    }
}
