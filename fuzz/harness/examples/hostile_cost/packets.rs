//! RTP packets that a server makes up.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Sealer, TrackKind};
use subrosa_fuzz_harness::pair::{METADATA, Pair};
use subrosa_rtp::{ConnectionLimits, Form, IncomingStreams, PayloadFormat, Received, RtpPayload};

use crate::row::{FLOOD, Report, Row, median, timed};

/// A whole frame in one packet, the first of a longer one, one that goes on with it: the descriptor's first byte.
const WHOLE: u8 = 0xC0;
const START: u8 = 0x80;
const MIDDLE: u8 = 0;

struct Media {
    streams: IncomingStreams,
    sealer: Sealer,
    _pair: Pair,
}

impl Media {
    fn new() -> Self {
        let pair = Pair::new();
        let mut streams = IncomingStreams::new(pair.ann.opener(), ConnectionLimits::default());
        streams.set_format(96, PayloadFormat { codec: Codec::Vp8, form: Form::Frame });
        Self { streams, sealer: pair.bob.sealer(TrackKind::Camera).expect("a track"), _pair: pair }
    }

    fn genuine(&mut self, len: usize) -> Bytes {
        let mut frame = BytesMut::from(&[WHOLE][..]);
        let mut sealed = BytesMut::new();
        self.sealer.seal(METADATA, &vec![7; len], &mut sealed).expect("he may");
        frame.extend_from_slice(&sealed);
        frame.freeze()
    }

    fn push(&mut self, ssrc: u32, sequence: u16, payload: Bytes, now: Duration) -> (Duration, &'static str) {
        let packet = RtpPayload { sequence, timestamp: 0, payload_type: 96, marker: false, payload };
        timed(|| {
            let pushed = self.streams.push(ssrc, packet, now);
            self.streams.handle_timeout(now);
            let mut answer = if pushed.is_ok() { "taken" } else { "refused" };
            while let Some(received) = self.streams.poll() {
                answer = match received {
                    Received::Frame(_) => "a frame",
                    _ => "a loss, or a fault, is told",
                };
            }
            answer
        })
    }

    /// A minute later, in a stream of its own.
    fn works(&mut self) -> bool {
        let now = Duration::from_secs(100);
        self.streams.handle_timeout(now);
        while self.streams.poll().is_some() {}
        let payload = self.genuine(100);
        self.push(1_000_000, 1, payload, now).1 == "a frame"
    }
}

fn packet(first: u8, byte: u8) -> Bytes {
    Bytes::from([vec![first], vec![byte; 1_199]].concat())
}

pub fn measure(report: &mut Report) {
    let mut media = Media::new();
    let own = median(1_000, |n| {
        let payload = media.genuine(1_150);
        media.push(5, n as u16, payload, Duration::from_millis(n as u64)).0
    });
    let row =
        |what, answer, bound| Row { what, who: "server", answer, bound, count: FLOOD, genuine: Some(own) };
    // Ten thousand come in a second.
    let at = |number: u32| Duration::from_micros(u64::from(number) * 100);

    let send = move |media: &mut Media, n: u32| media.push(5, n as u16, Bytes::new(), at(n));
    report.add(
        row("packet: empty, as servers probe with", "taken", "its length"),
        Media::new(),
        send,
        Media::works,
    );

    let send = move |media: &mut Media, n: u32| media.push(5, n as u16, packet(WHOLE, 0xFF), at(n));
    let no_frame =
        row("packet: what is in it is no frame", "a loss, or a fault, is told", "one frame's header");
    report.add(no_frame, Media::new(), send, Media::works);

    let mut media = Media::new();
    let mut forged = media.genuine(1_150).to_vec();
    *forged.last_mut().expect("a tag") ^= 1;
    let forged = Bytes::from(forged);
    let send = move |media: &mut Media, n: u32| media.push(5, n as u16, forged.clone(), at(n));
    let forged =
        row("packet: a forged frame", "a loss, or a fault, is told", "one key derivation, one AEAD call");
    report.add(forged, media, send, Media::works);

    let send = move |media: &mut Media, n: u32| media.push(n, 1, packet(START, 1), at(n));
    let streams = row(
        "packet: another SSRC each",
        "taken",
        "256 streams; a new one comes in place of a silent one, or not at all",
    );
    report.add(streams, Media::new(), send, Media::works);

    let send = move |media: &mut Media, n: u32| {
        media.push(5, n as u16, packet(if n == 0 { START } else { MIDDLE }, 1), at(n))
    };
    let endless = row("packet: fragments that never end", "taken", "2 MiB of a frame, 4 MiB of a stream");
    report.add(endless, Media::new(), send, Media::works);

    let send = move |media: &mut Media, n: u32| {
        media.push(5, (n as u16).wrapping_mul(20_011), packet(MIDDLE, 1), at(n))
    };
    let jumps = row("packet: far jumps of the sequence number", "taken", "one packet on probation");
    report.add(jumps, Media::new(), send, Media::works);
}
