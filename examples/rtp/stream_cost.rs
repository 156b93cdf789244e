//! What a 720p30 stream costs in CPU time with Subrosa and without, in one run.
//!
//! ```sh
//! cargo run --release -p subrosa-rtp-examples --example stream_cost [-- --rounds N]
//! ```
//!
//! One stream of 2 Mbit/s goes from one str0m to another over real UDP sockets on 127.0.0.1, SRTP and all, on one thread whose CPU time
//! is counted. The pictures are of the sizes that a real encoder gave them; encoding and decoding is not counted. Three ways, in turn:
//!
//! * in str0m's frame mode, as an app without Subrosa has it: str0m packetizes and puts together;
//! * in RTP mode with Subrosa's packets, but nothing sealed: what the other way of packetizing alone makes of it;
//! * with Subrosa.

use std::error::Error;
use std::hint::black_box;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use str0m::format::Codec as Format;
use str0m::media::{Direction, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use subrosa::{Codec, TrackKind};
use subrosa_rtp::{Assembled, Form, Limits, MarkerBit, Packetizer, Reassembler, RtpPayload};
use subrosa_str0m::{FrameReceiver, FrameSender, MTU_PAYLOAD, MediaFrame, Received, configure};
use subrosa_testkit::media::sizes_of_720p30;
use subrosa_testkit::room::Dice;
use subrosa_testkit::table::Table;

/// What is sent in a round: ten seconds.
const FRAMES: usize = 300;
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);
const TICKS: u32 = 90_000 / 30;
const LONGEST_DATAGRAM: usize = 2_048;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let rounds: usize = match (args.next().as_deref(), args.next()) {
        (Some("--rounds"), Some(rounds)) => rounds.parse()?,
        (None, None) => 15,
        _ => return Err("usage: stream_cost [--rounds N]".into()),
    };
    str0m::crypto::from_feature_flags().install_process_default();
    let clip = pictures();
    let table = Table::of(&["Ann", "Bob"]);
    let mut ways =
        [Line::new(Way::frame_mode())?, Line::new(Way::fragments())?, Line::new(Way::sealed(&table))?];
    let mut costs = [const { Vec::new() }; 3];
    // One round to warm up, then the ways take turns, so that whatever else the machine does meets all alike.
    for round in 0..=rounds {
        for (line, costs) in ways.iter_mut().zip(&mut costs) {
            let cost = line.carry(&clip)?;
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    println!("a stream of 720p30 at 2 Mbit/s, sending and receiving, {rounds} rounds of 10 s of it each\n");
    println!("| way | CPU time a second of media, median (least to most) | of a core | ratio |");
    println!("| --- | --- | --- | --- |");
    let base = median(&mut costs[0]);
    for (line, costs) in ways.iter().zip(&mut costs) {
        let middle = median(costs);
        let a_second = |cost: Duration| cost.as_secs_f64() * 1e6 / 10.0;
        println!(
            "| {} | {:.0} µs ({:.0} to {:.0}) | {:.3} % | {:.2} |",
            line.way.name(),
            a_second(middle),
            a_second(costs[0]),
            a_second(costs[costs.len() - 1]),
            a_second(middle) / 1e4,
            middle.as_secs_f64() / base.as_secs_f64(),
        );
    }
    Ok(())
}

/// Bytes like a codec's, of real sizes.
fn pictures() -> Vec<Bytes> {
    let mut dice = Dice::new(720, 30);
    let picture = |(len, keyframe): (usize, bool)| {
        let mut bytes = dice.bytes(len);
        bytes[0] = u8::from(!keyframe); // RFC 6386 §9.1
        bytes.into()
    };
    sizes_of_720p30().map(picture).take(FRAMES).collect()
}

fn median(costs: &mut [Duration]) -> Duration {
    costs.sort_unstable();
    costs[costs.len() / 2]
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How frames get into str0m and out of it.
enum Way {
    FrameMode {
        arrived: usize,
    },
    Fragments {
        packetizer: Packetizer,
        next: SeqNo,
        reassembler: Reassembler,
        start: Instant,
        arrived: usize,
    },
    Sealed {
        sender: Option<FrameSender>,
        sealer: Option<subrosa::Sealer>,
        receiver: FrameReceiver,
        arrived: usize,
    },
}

impl Way {
    fn frame_mode() -> Self {
        Self::FrameMode { arrived: 0 }
    }

    fn fragments() -> Self {
        Self::Fragments {
            packetizer: Packetizer::new(Form::Frame, MTU_PAYLOAD).expect("a usual MTU"),
            next: 1.into(),
            reassembler: Reassembler::new(Form::Frame, Limits::default()),
            start: Instant::now(),
            arrived: 0,
        }
    }

    fn sealed(table: &Table) -> Self {
        Self::Sealed {
            sender: None,
            sealer: Some(table.sealer("Ann", TrackKind::Camera)),
            receiver: FrameReceiver::new(table.opener("Bob"), Instant::now()),
            arrived: 0,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::FrameMode { .. } => "str0m's frame mode, without Subrosa",
            Self::Fragments { .. } => "RTP mode, Subrosa's packets, nothing sealed",
            Self::Sealed { .. } => "with Subrosa",
        }
    }

    fn config(&self) -> RtcConfig {
        let config = Rtc::builder().clear_codecs().enable_vp8(true);
        if matches!(self, Self::FrameMode { .. }) { config } else { configure(config) }
    }

    fn send(
        &mut self,
        rtc: &mut Rtc,
        mid: Mid,
        picture: &[u8],
        timestamp: u32,
        now: Instant,
    ) -> Result<(), Box<dyn Error>> {
        let pt = || {
            let params = rtc.codec_config().params();
            params.iter().find(|it| it.spec().codec == Format::Vp8).map(str0m::format::PayloadParams::pt)
        };
        match self {
            Self::FrameMode { .. } => {
                let pt = pt().ok_or("VP8 is on")?;
                let writer = rtc.writer(mid).ok_or("the media is there")?;
                writer.write(pt, now, MediaTime::from_90khz(timestamp.into()), picture)?;
            }
            Self::Fragments { packetizer, next, .. } => {
                let pt = pt().ok_or("VP8 is on")?;
                let mut direct = rtc.direct_api();
                let stream = direct.stream_tx_by_mid(mid, None).ok_or("the stream is there")?;
                for fragment in packetizer.packetize(picture, MarkerBit::OnLast)? {
                    let write = RtpWrite::new(pt, next.inc(), timestamp, now, &*fragment.payload);
                    let write = write.marker(fragment.marker).ext_vals(ExtensionValues::default());
                    stream.write_rtp(write.nackable(true));
                }
            }
            Self::Sealed { sender, sealer, .. } => {
                let sender = match sender {
                    Some(sender) => sender,
                    None => {
                        sender.insert(FrameSender::new(sealer.take().ok_or("made once")?, Codec::Vp8, mid))
                    }
                };
                sender.send(rtc, &MediaFrame::new(picture, timestamp), now)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, rtc: &Rtc, event: &Event, now: Instant) -> Result<(), Box<dyn Error>> {
        match (self, event) {
            (Self::FrameMode { arrived }, Event::MediaData(media)) => {
                black_box(&media.data);
                *arrived += 1;
            }
            (Self::Fragments { reassembler, start, arrived, .. }, Event::RtpPacket(packet)) => {
                let payload = RtpPayload {
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    payload_type: *packet.header.payload_type,
                    marker: packet.header.marker,
                    payload: Bytes::copy_from_slice(&packet.payload), // as the adapter
                };
                reassembler.push(payload, now.saturating_duration_since(*start))?;
                while let Some(Assembled::Frame(frame)) = reassembler.poll() {
                    black_box(&frame.data);
                    *arrived += 1;
                }
            }
            (Self::Sealed { receiver, arrived, .. }, event) => {
                receiver.handle_event(rtc, event, now)?;
                while let Some(Received::Frame(frame)) = receiver.poll() {
                    black_box(&frame.data);
                    *arrived += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn arrived(&self) -> usize {
        match self {
            Self::FrameMode { arrived } | Self::Fragments { arrived, .. } | Self::Sealed { arrived, .. } => {
                *arrived
            }
        }
    }
}

/// Two peers and their sockets.
struct Line {
    way: Way,
    peers: [Peer; 2],
    mid: Mid,
    now: Instant,
    timestamp: u32,
}

struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    timeout: Instant,
}

impl Line {
    /// Connects them.
    fn new(way: Way) -> Result<Self, Box<dyn Error>> {
        let now = Instant::now();
        let peer = || -> Result<Peer, Box<dyn Error>> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            let address = socket.local_addr()?;
            let mut rtc = way.config().build(now);
            rtc.add_local_candidate(Candidate::host(address, "udp")?);
            Ok(Peer { rtc, socket, address, timeout: now })
        };
        let mut peers = [peer()?, peer()?];
        let [ann, bob] = &mut peers;
        let mut changes = ann.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().ok_or("a media was added")?;
        let answer = bob.rtc.sdp_api().accept_offer(offer)?;
        ann.rtc.sdp_api().accept_answer(pending, answer)?;
        let mut line = Self { way, peers, mid, now, timestamp: 0 };
        for _ in 0..100 {
            if line.peers.iter().all(|peer| peer.rtc.is_connected()) {
                return Ok(line);
            }
            line.pass(Duration::from_millis(50))?;
        }
        Err("no connection".into())
    }

    /// Carries a round's frames; returns the CPU time that it took.
    fn carry(&mut self, clip: &[Bytes]) -> Result<Duration, Box<dyn Error>> {
        let before = self.way.arrived();
        let began = cpu_time();
        for picture in clip {
            self.timestamp = self.timestamp.wrapping_add(TICKS);
            self.way.send(&mut self.peers[0].rtc, self.mid, picture, self.timestamp, self.now)?;
            self.drive(0, None)?;
            self.pass(PERIOD)?;
        }
        self.pass(Duration::from_millis(500))?; // what the pacer still has
        let cost = cpu_time() - began;
        match self.way.arrived() - before {
            arrived if arrived == clip.len() => Ok(cost),
            arrived => Err(format!("{}: {arrived} of {} frames arrived", self.way.name(), clip.len()).into()),
        }
    }

    /// Lets simulated time pass. Datagrams take none.
    fn pass(&mut self, time: Duration) -> Result<(), Box<dyn Error>> {
        let end = self.now + time;
        loop {
            let (who, at) = if self.peers[0].timeout <= self.peers[1].timeout {
                (0, self.peers[0].timeout)
            } else {
                (1, self.peers[1].timeout)
            };
            if at > end {
                self.now = end;
                return Ok(());
            }
            self.now = self.now.max(at);
            self.drive(who, None)?;
        }
    }

    /// Gives a peer a datagram, or the time; carries what it sends, and so on until nothing is on the way.
    fn drive(&mut self, who: usize, datagram: Option<(SocketAddr, &[u8])>) -> Result<(), Box<dyn Error>> {
        let mut buffer = [0; LONGEST_DATAGRAM];
        let now = self.now;
        let rtc = &mut self.peers[who].rtc;
        match datagram {
            Some((source, bytes)) => {
                let receive = Receive::new(Protocol::Udp, source, self.peers[who].address, bytes)?;
                self.peers[who].rtc.handle_input(Input::Receive(now, receive))?;
            }
            None => rtc.handle_input(Input::Timeout(now))?,
        }
        loop {
            match self.peers[who].rtc.poll_output()? {
                Output::Timeout(at) => {
                    // Inputs take no time here, so what is due at once would be due for ever.
                    self.peers[who].timeout = at.max(now + Duration::from_micros(10));
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    self.peers[who].socket.send_to(&transmit.contents, transmit.destination)?;
                    let (len, source) = self.peers[1 - who].socket.recv_from(&mut buffer)?; // on one machine it is there
                    self.drive(1 - who, Some((source, &buffer[..len])))?;
                }
                Output::Event(event) => {
                    if who == 1 {
                        let Self { way, peers, .. } = self;
                        way.event(&peers[1].rtc, &event, now)?;
                    }
                }
            }
        }
    }
}
