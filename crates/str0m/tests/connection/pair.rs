//! Ann's and Bob's connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpApi;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RawPacket, RtpPacket};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use subrosa::{Codec, Sealed, TrackKind};
use subrosa_str0m::{
    FrameReceiver, FrameSender, Loss, MediaFrame, ReceiveError, Received, SendError, configure,
};
use subrosa_testkit::media::{
    AudioClip, VideoClip, VideoCodec, fixture_audio, fixture_video, fixture_video_av1, fixture_video_vp9,
};
use subrosa_testkit::table::Table;

/// How long a datagram travels.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

pub(crate) struct Pair {
    pub(crate) ann: Peer,
    pub(crate) bob: Peer,
    pub(crate) table: Table,
    pub(crate) now: Instant,
    /// In the order of their sending.
    wire: Vec<Datagram>,
    /// Which datagrams get lost.
    pub(crate) loses: Box<dyn FnMut(&Datagram) -> bool>,
    /// The length of the longest datagram that was sent.
    pub(crate) longest: usize,
}

pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    address: SocketAddr,
    timeout: Instant,
    pub(crate) senders: Vec<FrameSender>,
    pub(crate) receiver: FrameReceiver,
    /// What came out of the receiver.
    pub(crate) received: Vec<Received>,
    /// What it did not take.
    pub(crate) errors: Vec<ReceiveError>,
    /// What came out of str0m before.
    pub(crate) packets: Vec<RtpPacket>,
    /// What a server sees that ends SRTP: each RTP packet as it was before.
    pub(crate) sent: Vec<Vec<u8>>,
}

pub(crate) struct Datagram {
    at: Instant,
    pub(crate) to_bob: bool,
    bytes: Vec<u8>,
}

impl Datagram {
    /// Payload type and sequence number, if it is RTP.
    pub(crate) fn rtp(&self) -> Option<(u8, u16)> {
        let is_rtp = matches!(self.bytes[0], 128..192) && !matches!(self.bytes[1], 192..224); // RFC 7983, RFC 5761
        is_rtp.then(|| (self.bytes[1] & 0x7F, u16::from_be_bytes([self.bytes[2], self.bytes[3]])))
    }
}

/// No more than RTP mode and the extension.
pub(crate) fn plain(config: RtcConfig) -> RtcConfig {
    config
}

/// Something that is sent in one direction and no more.
pub(crate) fn one(kind: MediaKind) -> impl FnOnce(&mut SdpApi<'_>) -> Mid {
    move |sdp| sdp.add_media(kind, Direction::SendOnly, None, None, None)
}

impl Pair {
    /// Both are in a call and have agreed on something, but no packet was sent yet.
    pub(crate) fn negotiated<R>(
        ann: impl FnOnce(RtcConfig) -> RtcConfig,
        bob: impl FnOnce(RtcConfig) -> RtcConfig,
        offer: impl FnOnce(&mut SdpApi<'_>) -> R,
    ) -> (Self, R) {
        str0m::crypto::from_feature_flags().install_process_default();
        let table = Table::of(&["Ann", "Bob"]);
        let now = Instant::now();
        let mut pair = Self {
            ann: Peer::new("Ann", ann, ([192, 0, 2, 1], 1_000).into(), &table, now),
            bob: Peer::new("Bob", bob, ([192, 0, 2, 2], 2_000).into(), &table, now),
            table,
            now,
            wire: Vec::new(),
            loses: Box::new(|_| false),
            longest: 0,
        };
        let result = pair.offer(offer);
        (pair, result)
    }

    /// As `negotiated`, and the connection is up.
    pub(crate) fn connected<R>(
        ann: impl FnOnce(RtcConfig) -> RtcConfig,
        bob: impl FnOnce(RtcConfig) -> RtcConfig,
        offer: impl FnOnce(&mut SdpApi<'_>) -> R,
    ) -> (Self, R) {
        let (mut pair, result) = Self::negotiated(ann, bob, offer);
        pair.connect();
        (pair, result)
    }

    pub(crate) fn connect(&mut self) {
        for _ in 0..100 {
            if self.ann.rtc.is_connected() && self.bob.rtc.is_connected() {
                return;
            }
            self.run_for(Duration::from_millis(50));
        }
        panic!("no connection");
    }

    /// Ann offers and Bob answers.
    pub(crate) fn offer<R>(&mut self, change: impl FnOnce(&mut SdpApi<'_>) -> R) -> R {
        let mut sdp = self.ann.rtc.sdp_api();
        let result = change(&mut sdp);
        let (offer, pending) = sdp.apply().expect("a change");
        let answer = self.bob.rtc.sdp_api().accept_offer(offer).expect("an offer");
        self.ann.rtc.sdp_api().accept_answer(pending, answer).expect("an answer");
        result
    }

    /// Ann gets a sender for a track of her own.
    pub(crate) fn add_sender(&mut self, kind: TrackKind, codec: Codec, mid: Mid) -> usize {
        self.ann.senders.push(FrameSender::new(self.table.sealer("Ann", kind), codec, mid));
        self.ann.senders.len() - 1
    }

    /// Ann sends a frame with one of her senders.
    pub(crate) fn send(&mut self, sender: usize, frame: &MediaFrame<'_>) -> Result<Sealed, SendError> {
        let sent = self.ann.senders[sender].send(&mut self.ann.rtc, frame, self.now);
        self.flush();
        sent
    }

    /// Ann's `Rtc` looks at what was written to it.
    pub(crate) fn flush(&mut self) {
        self.ann.drive(None, self.now, true, &mut self.wire);
    }

    /// Ann sends a whole clip in its own time, and then nothing for a second.
    pub(crate) fn send_clip(&mut self, sender: usize, clip: &Clip) {
        for (number, data) in clip.frames.iter().enumerate() {
            let timestamp = clip.timestamp(number);
            self.send(sender, &MediaFrame::new(data, timestamp)).expect("all is in order");
            self.run_for(clip.period);
        }
        self.run_for(Duration::from_secs(1));
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.wire.first().map(|datagram| datagram.at);
            let next = [Some(self.ann.next_timeout()), Some(self.bob.next_timeout()), next];
            let next = next.into_iter().flatten().min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
        self.table.wait(time);
    }

    fn step(&mut self) {
        let now = self.now;
        if self.wire.first().is_some_and(|datagram| datagram.at <= now) {
            let datagram = self.wire.remove(0);
            self.longest = self.longest.max(datagram.bytes.len());
            if (self.loses)(&datagram) {
                return;
            }
            let Self { ann, bob, wire, .. } = self;
            if datagram.to_bob {
                bob.drive(Some((ann.address, &datagram.bytes)), now, false, wire);
            } else {
                ann.drive(Some((bob.address, &datagram.bytes)), now, true, wire);
            }
        } else if self.ann.next_timeout() <= now {
            self.ann.drive(None, now, true, &mut self.wire);
        } else {
            self.bob.drive(None, now, false, &mut self.wire);
        }
    }
}

impl Peer {
    fn new(
        name: &str,
        config: impl FnOnce(RtcConfig) -> RtcConfig,
        address: SocketAddr,
        table: &Table,
        now: Instant,
    ) -> Self {
        let mut rtc = config(configure(Rtc::builder())).enable_raw_packets(true).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("an address"));
        Self {
            rtc,
            address,
            timeout: now,
            senders: Vec::new(),
            receiver: FrameReceiver::new(table.opener(name), now),
            received: Vec::new(),
            errors: Vec::new(),
            packets: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn next_timeout(&self) -> Instant {
        self.receiver.next_timeout().map_or(self.timeout, |at| at.min(self.timeout))
    }

    /// One input, and all outputs.
    fn drive(
        &mut self,
        datagram: Option<(SocketAddr, &[u8])>,
        now: Instant,
        to_bob: bool,
        wire: &mut Vec<Datagram>,
    ) {
        if let Some((source, bytes)) = datagram {
            let receive = Receive::new(Protocol::Udp, source, self.address, bytes).expect("a datagram");
            self.rtc.handle_input(Input::Receive(now, receive)).expect("a datagram");
            self.drain(now, to_bob, wire);
        }
        for _ in 0..1_000 {
            self.rtc.handle_input(Input::Timeout(now)).expect("time passes");
            self.drain(now, to_bob, wire);
            if self.timeout > now {
                break;
            }
        }
        self.receiver.handle_timeout(now);
        self.received.extend(std::iter::from_fn(|| self.receiver.poll()));
    }

    fn drain(&mut self, now: Instant, to_bob: bool, wire: &mut Vec<Datagram>) {
        loop {
            match self.rtc.poll_output().expect("nothing fails") {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                Output::Transmit(datagram) => {
                    wire.push(Datagram { at: now + LATENCY, to_bob, bytes: datagram.contents.to_vec() });
                }
                Output::Event(event) => self.handle_event(event, now),
            }
        }
    }

    fn handle_event(&mut self, event: Event, now: Instant) {
        self.senders.iter_mut().for_each(|sender| sender.handle_event(&event));
        self.errors.extend(self.receiver.handle_event(&self.rtc, &event, now).err());
        match event {
            Event::RtpPacket(packet) => self.packets.push(packet),
            Event::RawPacket(raw) => {
                if let RawPacket::RtpTx(_, bytes) = *raw {
                    self.sent.push(bytes);
                }
            }
            _ => {}
        }
    }

    /// The frames that came, in their order.
    pub(crate) fn frames(&self) -> Vec<&subrosa_str0m::ReceivedFrame> {
        self.received
            .iter()
            .filter_map(|received| match received {
                Received::Frame(frame) => Some(frame),
                _ => None,
            })
            .collect()
    }

    /// The losses that were reported. Nothing was refused beside them.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        assert_eq!(self.errors, []);
        assert!(!self.received.iter().any(|received| matches!(received, Received::Refused { .. })));
        self.received
            .iter()
            .filter_map(|received| match received {
                Received::Lost { loss, .. } => Some(*loss),
                _ => None,
            })
            .collect()
    }
}

/// Media as a sender takes it.
pub(crate) struct Clip {
    pub(crate) codec: Codec,
    pub(crate) frames: Vec<bytes::Bytes>,
    pub(crate) period: Duration,
    /// Of the media clock, in a period.
    ticks: u32,
}

impl Clip {
    pub(crate) fn vp8() -> Self {
        Self::video(fixture_video(), 30)
    }

    pub(crate) fn vp9() -> Self {
        Self::video(fixture_video_vp9(), 15)
    }

    pub(crate) fn av1() -> Self {
        Self::video(fixture_video_av1(), 15)
    }

    pub(crate) fn opus() -> Self {
        let clip = AudioClip::parse(fixture_audio()).expect("a clip");
        let frames = clip.packets.into_iter().map(|packet| packet.data).collect();
        Self { codec: Codec::Opus, frames, period: Duration::from_millis(20), ticks: 960 }
    }

    fn video(file: &[u8], per_second: u32) -> Self {
        let clip = VideoClip::parse(file).expect("a clip");
        let codec = match clip.format.codec {
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
        };
        let frames = clip.frames.into_iter().map(|frame| frame.data).collect();
        Self { codec, frames, period: Duration::from_secs(1) / per_second, ticks: 90_000 / per_second }
    }

    /// The first ones.
    pub(crate) fn take(mut self, count: usize) -> Self {
        self.frames.truncate(count);
        self
    }

    pub(crate) fn kind(&self) -> (MediaKind, TrackKind) {
        if self.codec.is_audio() {
            (MediaKind::Audio, TrackKind::Microphone)
        } else {
            (MediaKind::Video, TrackKind::Camera)
        }
    }

    pub(crate) fn timestamp(&self, number: usize) -> u32 {
        // Wraps on the way, as random starting points make it do in the field.
        (u32::MAX - 10 * self.ticks).wrapping_add(self.ticks.wrapping_mul(number as u32))
    }
}
