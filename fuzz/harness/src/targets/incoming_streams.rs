//! A server sends what it likes beside a genuine stream: that one still comes out, whole and in order, nothing forged does, and what
//! is kept stays within its bounds.

use core::time::Duration;
use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Metadata, Sealer, Time, TrackKind};
use subrosa_rtp::{
    ConnectionLimits, Form, IncomingStreams, Limits, MediaFrame, OutgoingStream, PayloadFormat, Received,
    RtpPayload,
};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::Pair;

/// Layout: the packets of the server, and of Bob's other track, see `forged`. Before each of them comes a genuine one, and after them three.
pub const TARGET: Target = Target { name: "incoming_streams", run: |data| _ = run(data), seeds };

const GENUINE: u32 = 1_000;
const SOUND: u8 = 111;
const PICTURES: u8 = 96;
const PACKETS: u8 = 97;
const UNKNOWN: u8 = 50;
/// Sound lasts 20 ms.
const STEP: Duration = Duration::from_millis(20);
const MAX_PACKETS: usize = 200;
const MAX_STREAMS: usize = 6;
const MAX_BYTES: usize = 8_000;

struct State {
    pair: Pair,
    sender: OutgoingStream,
    /// Of a microphone, for pictures.
    odd: Sealer,
    now: Time,
}

thread_local!(static STATE: RefCell<State> = {
    let pair = Pair::new();
    let sealer = pair.bob.sealer(TrackKind::Microphone).expect("a track");
    let sender = OutgoingStream::new(sealer, Codec::Opus, Form::Frame, 1_200).expect("there is room");
    let odd = pair.bob.sealer(TrackKind::Microphone).expect("a track");
    RefCell::new(State { pair, sender, odd, now: Time::ZERO })
});

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    STATE.with_borrow_mut(|State { pair, sender, odd, now: time }| {
        let stream =
            Limits { max_packets: 32, max_bytes: 2_000, max_frame_bytes: 1_000, ..Limits::default() };
        let limits = ConnectionLimits {
            stream,
            max_streams: MAX_STREAMS,
            max_bytes: MAX_BYTES,
            idle: Duration::from_millis(300),
        };
        let mut incoming = IncomingStreams::new(pair.ann.opener(), limits);
        for (payload_type, codec, form) in [
            (SOUND, Codec::Opus, Form::Frame),
            (PICTURES, Codec::Vp8, Form::Frame),
            (PACKETS, Codec::H264, Form::Packet),
        ] {
            incoming.set_format(payload_type, PayloadFormat { codec, form });
        }
        let (mut now, mut number, mut sequences) = (Duration::ZERO, 0_u16, [0_u16; 8]);
        let mut speak = |incoming: &mut IncomingStreams, now: Duration| {
            let data = number.to_be_bytes();
            let frame = sender.send(&MediaFrame::new(&data, number.into())).expect("he may");
            let mut payload = Bytes::new();
            for packet in frame.packets {
                payload = packet.payload;
                let packet = RtpPayload {
                    sequence: number,
                    timestamp: number.into(),
                    payload_type: SOUND,
                    marker: false,
                    payload: payload.clone(),
                };
                incoming.push(GENUINE, packet, now).expect("a genuine packet");
            }
            let came = drain(incoming);
            assert_eq!(came, [data.to_vec()], "the genuine frame, and it alone");
            number += 1;
            payload
        };
        for _ in 0..MAX_PACKETS {
            now += STEP;
            incoming.handle_timeout(now);
            let genuine = speak(&mut incoming, now);
            if input.is_empty() {
                break;
            }
            let (ssrc, packet) = forged(&mut input, &genuine, odd, &mut sequences)?;
            let _ = incoming.push(ssrc, packet, now);
            assert_eq!(drain(&mut incoming), Vec::<Vec<u8>>::new(), "something of what the server made up");
            assert!(incoming.buffered_bytes() <= MAX_BYTES + 1_500);
            assert!(incoming.stats(ssrc).is_none_or(|stats| stats.received > 0));
            assert!(incoming.next_timeout().is_none_or(|at| at > now));
            assert!(incoming.held_frames() <= MAX_PACKETS, "what waits for an epoch that may come");
        }
        for _ in 0..3 {
            now += STEP;
            speak(&mut incoming, now);
        }
        if incoming.held_frames() > 0 {
            // R18: what claims to be of an epoch to come waits for five seconds of the call's time.
            *time = *time + Duration::from_secs(6);
            pair.pass(*time);
            assert_eq!(drain(&mut incoming), Vec::<Vec<u8>>::new(), "of an epoch that never came");
            assert_eq!(incoming.held_frames(), 0);
        }
        Ok(())
    })
}

fn drain(incoming: &mut IncomingStreams) -> Vec<Vec<u8>> {
    let mut came = Vec::new();
    while let Some(received) = incoming.poll() {
        if let Received::Frame(frame) = received {
            assert!(frame.ssrc == GENUINE && frame.codec == Codec::Opus && frame.form == Form::Frame);
            came.push(frame.data.to_vec());
        }
    }
    came
}

/// A packet of the server: bits 0 to 2 its stream, 3 and 4 its payload type, 5 whether it begins anew (1 byte); how far on its sequence
/// number is (1); its length (1); so many bytes of [`Hostile`], made of the payload that Bob just sent. Or, if
/// bits 5 to 7 say 6, a picture that Bob sealed for a microphone's track (R16).
fn forged(
    input: &mut Unstructured<'_>,
    genuine: &[u8],
    odd: &mut Sealer,
    sequences: &mut [u16; 8],
) -> Result<(u32, RtpPayload)> {
    let [which, step, len]: [u8; 3] = input.arbitrary()?;
    let stream = which & 7;
    let sequence = &mut sequences[usize::from(stream)];
    *sequence = match which >> 5 {
        7 => u16::from(step) << 8,
        _ => sequence.wrapping_add_signed(i16::from(step as i8)),
    };
    let len = usize::from(len).min(input.len());
    let mut bytes = Unstructured::new(input.bytes(len)?);
    let payload = Hostile::read(&mut bytes).unwrap_or(Hostile::Raw(Vec::new())).bytes(genuine);
    if which >> 5 == 6 {
        let mut payload = BytesMut::from(&[0xC0][..]);
        odd.seal(Metadata::frame(Codec::Vp8), &[7; 9], &mut payload).expect("he may");
        let packet = RtpPayload {
            sequence: *sequence,
            timestamp: 0,
            payload_type: PICTURES,
            marker: false,
            payload: payload.freeze(),
        };
        return Ok((u32::from(stream), packet));
    }
    let payload_type = [SOUND, PICTURES, PACKETS, UNKNOWN][usize::from(which >> 3 & 3)];
    let packet = RtpPayload {
        sequence: *sequence,
        timestamp: 0,
        payload_type,
        marker: false,
        payload: Bytes::from(payload),
    };
    Ok((u32::from(stream), packet))
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let raw =
        |which: u8, step: u8, bytes: &[u8]| [&[which, step, bytes.len() as u8 + 1, 0][..], bytes].concat();
    let copied = |which: u8| vec![which, 1, 3, 1, 0, 0];
    let changed = |which: u8, at: u8| vec![which, 1, 6, 1, 1, at, 0, 1, 0];
    let whole = |bytes: &[u8]| [&[0xC0], bytes].concat();
    vec![
        ("replayed".to_owned(), (0..4).flat_map(|_| copied(0)).collect()),
        ("changed".to_owned(), (0..30).flat_map(|at| changed(1, at)).collect()),
        ("streams".to_owned(), (0..8).flat_map(|stream| raw(stream, 1, &whole(&[0; 40]))).collect()),
        ("unfinished".to_owned(), (0..40).flat_map(|_| raw(8, 1, &[0x80; 60])).collect()),
        (
            "of-other-epochs".to_owned(),
            (0..16).flat_map(|low| raw(8, 1, &[&[0xC0, 0x90, 3, low][..], &[0; 30]].concat())).collect(),
        ),
        (
            "too-much".to_owned(),
            (0..45).flat_map(|n| raw(8 | (n % 5), 1, &[&[0x80][..], &[1; 220]].concat())).collect(),
        ),
        ("of-another-kind".to_owned(), [0xC7, 1, 0].repeat(4)),
        ("gaps".to_owned(), (0..20).flat_map(|_| raw(17, 3, &whole(&[1; 20]))).collect()),
        ("jumps".to_owned(), (0..9).flat_map(|n| raw(0xE0, n * 30, &whole(&[1; 20]))).collect()),
    ]
}
