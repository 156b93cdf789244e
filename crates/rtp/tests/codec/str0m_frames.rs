//! Through two instances of str0m in its frame mode, which packetizes and depacketizes the frames; no sockets, and time is a number.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::format::{CodecExtra, Vp9PacketizerMode};
use str0m::media::{Direction, MediaData, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use subrosa::Codec;

use crate::clips::{self, Frame, frames};
use crate::pair::Pair;

/// One end, and what is on its way to it.
struct End {
    rtc: Rtc,
    address: SocketAddr,
    inbox: VecDeque<Vec<u8>>,
    received: Vec<MediaData>,
    is_connected: bool,
}

impl End {
    fn new(config: RtcConfig, port: u16, now: Instant) -> Self {
        let mut rtc = config.build(now);
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self { rtc, address, inbox: VecDeque::new(), received: vec![], is_connected: false }
    }

    /// Takes what has come, then drains the outputs until `Timeout`.
    fn step(&mut self, peer: &mut Self, now: Instant) {
        for datagram in std::mem::take(&mut self.inbox) {
            let receive = Receive::new(Protocol::Udp, peer.address, self.address, &datagram).unwrap();
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            self.drain(peer);
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain(peer);
    }

    fn drain(&mut self, peer: &mut Self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => peer.inbox.push_back(transmit.contents.to_vec()),
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(Event::MediaData(media)) => self.received.push(media),
                Output::Event(_) => {}
            }
        }
    }
}

/// Two ends that have one track of one codec between them.
struct Session {
    sender: End,
    receiver: End,
    mid: Mid,
    now: Instant,
}

impl Session {
    fn connect(codec: Codec, vp9: Vp9PacketizerMode) -> Self {
        let now = Instant::now();
        let config = || {
            let config = Rtc::builder().clear_codecs().set_vp9_packetizer_mode(vp9);
            match codec {
                Codec::Opus => config.enable_opus(true, false),
                Codec::Vp8 => config.enable_vp8(true),
                Codec::Vp9 => config.enable_vp9(true),
                Codec::H264 => config.enable_h264(true),
                Codec::H265 => config.enable_h265(true),
                Codec::Av1 => config.enable_av1(true),
                other => panic!("str0m does not know {other:?}"),
            }
        };
        let (mut sender, mut receiver) = (End::new(config(), 1_000, now), End::new(config(), 2_000, now));
        let kind = if codec == Codec::Opus { MediaKind::Audio } else { MediaKind::Video };
        let mut changes = sender.rtc.sdp_api();
        let mid = changes.add_media(kind, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().unwrap();
        let answer = receiver.rtc.sdp_api().accept_offer(offer).unwrap();
        sender.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let mut session = Self { sender, receiver, mid, now };
        for _ in 0..2_000 {
            if session.sender.is_connected && session.receiver.is_connected {
                return session;
            }
            session.advance(Duration::from_millis(5));
        }
        panic!("no connection in 10 s");
    }

    /// Lets time pass, a millisecond at a time.
    fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.sender.step(&mut self.receiver, self.now);
            self.receiver.step(&mut self.sender, self.now);
            if self.now >= end {
                return;
            }
            self.now += Duration::from_millis(1);
        }
    }

    fn write(&mut self, at: Duration, data: &[u8]) {
        let writer = self.sender.rtc.writer(self.mid).unwrap();
        let pt = writer.payload_params().next().unwrap().pt();
        writer.write(pt, self.now, MediaTime::from(at), data).unwrap();
    }
}

/// Sends a clip, and compares what comes out; returns the frames that came, and which the stack takes for key frames.
fn send(codec: Codec, vp9: Vp9PacketizerMode, frames: &[Frame]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let mut pair = Pair::new();
    let mut session = Session::connect(codec, vp9);
    let mut last = Duration::ZERO;
    for frame in frames {
        session.advance(frame.at - last);
        last = frame.at;
        let sealed = pair.seal(codec, &frame.data).unwrap();
        session.write(frame.at, &sealed);
    }
    session.advance(Duration::from_secs(1));

    let received = std::mem::take(&mut session.receiver.received);
    let (mut opened, mut keyframes) = (Vec::new(), Vec::new());
    for (number, (frame, media)) in frames.iter().zip(&received).enumerate() {
        opened.push(pair.open(codec, &media.data).unwrap().to_vec());
        assert_eq!(opened[number], frame.data, "{codec:?}, frame {number}");
        if is_keyframe(&media.codec_extra) {
            keyframes.push(number);
        }
    }
    assert_eq!(received.len(), frames.len(), "{codec:?}");
    (opened, keyframes)
}

fn is_keyframe(extra: &CodecExtra) -> bool {
    match extra {
        CodecExtra::Vp8(extra) => extra.is_keyframe,
        CodecExtra::Vp9(extra) => extra.is_keyframe,
        CodecExtra::H264(extra) => extra.is_keyframe,
        CodecExtra::H265(extra) => extra.is_keyframe,
        CodecExtra::Av1(extra) => extra.is_keyframe,
        _ => false,
    }
}

fn numbers(frames: &[Frame]) -> Vec<usize> {
    (0..).zip(frames).filter(|(_, frame)| frame.is_keyframe).map(|(number, _)| number).collect()
}

#[test]
fn every_frame_comes_through_identical_and_key_frames_are_known_by_the_copies() {
    for codec in clips::ALL {
        let frames = frames(codec);
        let (opened, keyframes) = send(codec, Vp9PacketizerMode::NonFlexible, &frames);
        clips::keep("str0m", codec, &opened);
        println!("{codec:?}: {} of {} frames, key frames {keyframes:?}", opened.len(), frames.len());
        assert_eq!(keyframes, numbers(&frames), "{codec:?}");
    }
}

#[test]
fn so_do_vp9_frames_in_flexible_mode() {
    // In which str0m marks all frames as key frames.
    let (received, _) = send(Codec::Vp9, Vp9PacketizerMode::Flexible, &frames(Codec::Vp9));
    println!("VP9 in flexible mode: {} frames", received.len());
}

#[test]
fn so_do_frames_of_every_length() {
    // Around the lengths at which a packet is full, and at which sizes take another byte.
    for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1] {
        let start = match codec {
            Codec::Av1 => vec![0x12, 0, 0x30], // a frame without a size
            _ => frames(codec)[1].data[..100].to_vec(),
        };
        let lengths = (start.len()..140).chain(960..1_200).chain(2_100..2_400);
        let frames: Vec<_> = (0..)
            .zip(lengths)
            .map(|(number, len)| {
                let mut data = start.clone();
                data.resize(len, 0xa5);
                Frame { data: data.into(), at: Duration::from_millis(5 * number), is_keyframe: false }
            })
            .collect();
        let (received, _) = send(codec, Vp9PacketizerMode::NonFlexible, &frames);
        println!("{codec:?}: {} of {} lengths", received.len(), frames.len());
    }
}
