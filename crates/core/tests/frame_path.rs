//! A call's frames: no key and counter twice, no frame opened twice, and what is refused leaves no trace.

mod common;

use std::collections::HashSet;
use std::sync::Barrier;

use bytes::BytesMut;
use common::room::{FRAME, Room, open, seal};
use common::{SUITES, assert_hides, header, with_bit_turned};
use data_encoding::BASE64URL_NOPAD;
use subrosa::danger::{self, ExportedKey};
use subrosa::sframe::{CipherSuite, Header, HeaderError, KeyId, MAX_HEADER_LEN, StaticSealer, UniqueKey};
use subrosa::{
    Codec, ExportError, FrameError, FrameFault, Metadata, Opener, Opening, Sealer, TooManyTracks, TrackKind,
};

const ANN: usize = 0;
const BOB: usize = 1;

fn two() -> Room {
    Room::with_guests(CipherSuite::Aes128GcmSha256, &["Bob"])
}

fn refusal(opener: &mut Opener, frame: &[u8]) -> FrameError {
    opener.open(FRAME, &mut BytesMut::from(frame)).expect_err("it is refused")
}

fn fault(opener: &mut Opener, frame: &[u8]) -> FrameFault {
    refusal(opener, frame).reason
}

/// Every (key id, counter) that was seen. R15: none twice.
#[derive(Default)]
struct Seen {
    pairs: HashSet<(KeyId, u64)>,
    kids: HashSet<KeyId>,
}

impl Seen {
    /// A sealer's frames; the sealer's KID must be a new one.
    fn frames(&mut self, frames: impl IntoIterator<Item = BytesMut>) {
        let mut kids = HashSet::new();
        for frame in frames {
            let header = header(&frame);
            assert!(self.pairs.insert((header.kid, header.counter)), "{header:?} twice");
            kids.insert(header.kid);
        }
        for kid in kids {
            assert!(self.kids.insert(kid), "{kid} twice");
        }
    }
}

fn some(sealer: &mut Sealer) -> Vec<BytesMut> {
    (0..20).map(|_| seal(sealer, b"frame")).collect()
}

fn some_exported(key: UniqueKey) -> Vec<BytesMut> {
    let mut sealer = StaticSealer::new(key);
    let seal = |_| {
        let mut frame = BytesMut::new();
        sealer.seal(b"", b"frame", &mut frame).expect("it seals");
        frame
    };
    (0..20).map(seal).collect()
}

fn export(room: &Room) -> ExportedKey {
    danger::export_sealing_key(&room.calls[ANN], TrackKind::Camera).expect("a track")
}

#[test]
fn what_was_sealed_opens_at_the_other_end_as_whose_it_is() {
    for &suite in SUITES {
        let room = Room::with_guests(suite, &["Bob", "Carl"]);
        for who in 0..3 {
            let mut sealer = room.camera(who);
            let mut openers: Vec<_> = (0..3).filter(|other| *other != who).map(|o| room.opener(o)).collect();
            for counter in 0..10 {
                let frame = seal(&mut sealer, b"a picture");
                for opener in &mut openers {
                    let mut frame = frame.clone();
                    let opened = open(opener, &mut frame);
                    assert_eq!(&frame[..], b"a picture");
                    assert_eq!((opened.sender, opened.track), (room.calls[who].me(), sealer.track()));
                    assert_eq!((opened.epoch, opened.counter), (room.calls[who].epoch(), counter));
                }
            }
        }
    }
}

#[test]
fn in_place_and_appended_frames_open_alike() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    for len in [0, 1, 100, 20_000] {
        let payload = vec![7; len];
        let mut frame = BytesMut::from(&[&[0; MAX_HEADER_LEN][..], &payload].concat()[..]);
        sealer.seal_in_place(FRAME, &mut frame).expect("it seals");
        for mut frame in [frame, seal(&mut sealer, &payload)] {
            open(&mut opener, &mut frame);
            assert_eq!(&frame[..], payload);
        }
    }
}

/// The target of short frames: at most 21 bytes with up to 16 participants, microphone and camera.
#[test]
fn a_sealed_frame_is_at_most_21_bytes_longer() {
    let guests = ["B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P"];
    let room = Room::with_guests(CipherSuite::Aes128GcmSha256, &guests);
    let mut longest = 0;
    for call in &room.calls {
        for kind in [TrackKind::Microphone, TrackKind::Camera] {
            let mut sealer = call.sealer(kind).expect("a track");
            longest = (0..300).map(|_| seal(&mut sealer, b"").len()).max().max(Some(longest)).unwrap_or(0);
        }
    }
    assert!((1 + 2 + 2 + 16 - 1..=21).contains(&longest), "{longest}");
}

/// R15.
#[test]
fn a_sealer_that_is_dropped_and_made_again_never_repeats_a_counter() {
    let (mut seen, room) = (Seen::default(), two());
    for _ in 0..16 {
        seen.frames(some(&mut room.camera(ANN)));
    }
    assert_eq!(room.calls[ANN].sealer(TrackKind::Camera).err(), Some(TooManyTracks));
    assert_eq!(seen.kids.len(), 16);
}

/// R15.
#[test]
fn keys_exported_twice_are_two_keys() {
    let (mut seen, room) = (Seen::default(), two());
    let mut live = room.camera(ANN);
    for _ in 0..7 {
        let key = export(&room);
        let kid = key.kid();
        let frames = some_exported(key.into_key());
        assert!(frames.iter().all(|frame| header(frame).kid == kid));
        seen.frames(frames);
        seen.frames(some(&mut room.camera(ANN)));
    }
    seen.frames(some(&mut live));
    seen.frames(some_exported(export(&room).into_key()));
    let exhausted = danger::export_sealing_key(&room.calls[ANN], TrackKind::Camera).err();
    assert_eq!(exhausted, Some(ExportError::Tracks(TooManyTracks)));
    assert_eq!(seen.kids.len(), 16);
}

#[test]
fn sealers_of_all_tracks_and_participants_have_keys_of_their_own() {
    let (mut seen, room) = (Seen::default(), two());
    for call in &room.calls {
        let sealers = TrackKind::ALL.iter().flat_map(|kind| (0..16).map(|_| call.sealer(*kind)));
        let mut sealers: Vec<_> = sealers.map(|sealer| sealer.expect("a track")).collect();
        sealers.iter_mut().for_each(|sealer| seen.frames(some(sealer)));
    }
    assert_eq!(seen.kids.len(), 128);
}

/// R15: with the epoch comes another key, so counters start anew; within an epoch they never do.
#[test]
fn the_next_epoch_brings_new_keys_to_the_same_sealers() {
    let (mut seen, mut room) = (Seen::default(), two());
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    for guest in ["Carl", "Dora", "Emil"] {
        let frames = some(&mut sealer);
        assert_eq!(header(&frames[0]).counter, 0);
        frames.iter().for_each(|frame| _ = open(&mut opener, &mut frame.clone()));
        seen.frames(frames);
        room.admit(&[guest]);
        room.settle();
    }
}

#[test]
fn an_exported_key_seals_frames_that_the_call_opens() {
    for &suite in SUITES {
        let room = Room::with_guests(suite, &["Bob"]);
        let mut opener = room.opener(BOB);
        let (plain, carried) = (export(&room), export(&room));
        let bytes = carried.into_bytes();
        let carried = ExportedKey::from_bytes(&bytes).expect("it is what was written");
        for key in [plain, carried] {
            let kid = key.kid();
            let mut sealer = StaticSealer::new(key.into_key());
            let mut frame = BytesMut::new();
            sealer.seal(b"clear", b"from a worker", &mut frame).expect("it seals");
            assert_eq!(header(&frame).kid, kid);
            let Ok(Opening::Opened(opened)) = opener.open(Metadata::raw(b"clear"), &mut frame) else {
                panic!("it does not open");
            };
            assert_eq!((opened.sender, opened.track.kind()), (room.calls[ANN].me(), TrackKind::Camera));
            assert_eq!(&frame[..], b"from a worker");
        }
        for len in 0..bytes.len() {
            assert!(ExportedKey::from_bytes(&bytes[..len]).is_none(), "{len} bytes");
        }
        assert!(ExportedKey::from_bytes(&[&bytes[..], &[0]].concat()).is_none());
        for other in SUITES.iter().filter(|other| other.key_len() != suite.key_len()) {
            let mut other_suite = bytes.clone();
            other_suite[..2].copy_from_slice(&other.id().to_be_bytes());
            assert!(ExportedKey::from_bytes(&other_suite).is_none(), "the key's length is another suite's");
        }
    }
}

/// R17: all openers of a call share what was opened.
#[test]
fn two_openers_fed_with_one_stream_open_no_frame_twice() {
    let room = two();
    let mut sealer = room.camera(ANN);
    let mut openers = [room.opener(BOB), room.opener(BOB)];
    for turn in 0..2000 {
        let frame = seal(&mut sealer, b"once");
        open(&mut openers[turn % 2], &mut frame.clone());
        assert_eq!(fault(&mut openers[(turn + 1) % 2], &frame), FrameFault::Replayed);
        assert_eq!(fault(&mut openers[turn % 2], &frame), FrameFault::Replayed);
    }
}

/// R17, with the race for each track's first frame, where the key is derived and kept.
#[test]
fn two_threads_with_the_same_frames_open_each_exactly_once() {
    let room = two();
    let (one, two) = (room.opener(BOB), room.opener(BOB));
    let mut sealers: Vec<_> = TrackKind::ALL
        .iter()
        .flat_map(|kind| (0..16).map(|_| room.calls[ANN].sealer(*kind).expect("a track")))
        .collect();
    let streams: Vec<Vec<_>> =
        sealers.iter_mut().map(|sealer| (0..150).map(|_| seal(sealer, b"once")).collect()).collect();
    let start = Barrier::new(2);
    let run = |mut opener: Opener| {
        let mut opened = Vec::new();
        for stream in &streams {
            start.wait();
            for frame in stream {
                match opener.open(FRAME, &mut frame.clone()) {
                    Ok(Opening::Opened(frame)) => opened.push((frame.track, frame.counter)),
                    Ok(held) => panic!("{held:?}"),
                    Err(error) => assert_eq!(error.reason, FrameFault::Replayed),
                }
            }
        }
        opened
    };
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(two));
        (run(one), other.join().expect("the thread ends"))
    });
    let all: HashSet<_> = one.iter().chain(&two).collect();
    assert_eq!(all.len(), one.len() + two.len(), "some frame was opened twice");
    assert_eq!(all.len(), 64 * 150, "some frame was opened by neither");
}

/// R17: the window moves after authentication only.
#[test]
fn a_forged_frame_does_not_move_the_window() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    for first in [true, false] {
        // At first the key is not derived yet, then it is.
        let frame = seal(&mut sealer, b"genuine");
        for bit in 0..frame.len() * 8 {
            let forged = opener.open(FRAME, &mut with_bit_turned(&frame, bit));
            assert!(!matches!(forged, Ok(Opening::Opened(_))), "bit {bit}, first {first}");
        }
        // The highest counter there is: it would push all others out of the window.
        let kid_end = frame.len() - b"genuine".len() - 16;
        let mut far = BytesMut::from(&frame[..kid_end]);
        far[0] |= 0x0f;
        far.extend_from_slice(&[0xff; 8 + 7 + 16]);
        assert_eq!((header(&far).kid, header(&far).counter), (header(&frame).kid, u64::MAX));
        assert_eq!(fault(&mut opener, &far), FrameFault::Unauthentic);
        open(&mut opener, &mut frame.clone());
        assert_eq!(fault(&mut opener, &frame), FrameFault::Replayed);
    }
}

#[test]
fn a_frame_that_is_1_000_late_opens_and_one_from_long_ago_does_not() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let frames: Vec<_> = (0..3000).map(|_| seal(&mut sealer, b"")).collect();
    open(&mut opener, &mut frames[2999].clone());
    for frame in &frames[1999..2999] {
        open(&mut opener, &mut frame.clone());
    }
    for frame in &frames[..1000] {
        assert_eq!(fault(&mut opener, frame), FrameFault::Replayed);
    }
}

/// R16.
#[test]
fn another_codec_form_or_clear_part_does_not_open() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let sealed_as = Metadata::frame(Codec::Vp8).with(b"clear");
    let mut frame = BytesMut::new();
    sealer.seal(sealed_as, b"payload", &mut frame).expect("it seals");
    let codecs = [Codec::Opus, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];
    let others = codecs.map(|codec| Metadata::frame(codec).with(b"clear")).into_iter().chain([
        Metadata::packet(Codec::Vp8).with(b"clear"),
        Metadata::frame(Codec::Vp8),
        Metadata::frame(Codec::Vp8).with(b"clea"),
        Metadata::frame(Codec::Vp8).with(b"clear."),
        Metadata::raw(b"clear"),
        Metadata::raw(b""),
    ]);
    for other in others {
        let error = opener.open(other, &mut frame.clone()).expect_err("other metadata");
        assert_eq!(error.reason, FrameFault::Unauthentic, "{other:?}");
        assert_eq!(error.claimed, Some((room.calls[ANN].me(), sealer.track())));
    }
    assert!(opener.open(sealed_as, &mut frame).is_ok());
}

#[test]
fn a_frame_that_is_cut_off_is_refused_at_every_length() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let frame = seal(&mut sealer, b"payload");
    for len in 0..frame.len() {
        let expected = match len {
            _ if len < frame.len() - b"payload".len() => FrameFault::Malformed(HeaderError::Truncated),
            _ => FrameFault::Unauthentic,
        };
        assert_eq!(fault(&mut opener, &frame[..len]), expected, "{len} bytes");
    }
    open(&mut opener, &mut frame.clone());
}

/// RFC 9605 §4.4.1: a key is used to encrypt or to decrypt, never both.
#[test]
fn ones_own_frame_that_comes_back_is_refused() {
    let room = two();
    let mut sealer = room.camera(ANN);
    let frame = seal(&mut sealer, b"payload");
    let error = refusal(&mut room.opener(ANN), &frame);
    assert_eq!(error.reason, FrameFault::Reflected);
    assert_eq!(error.claimed, Some((room.calls[ANN].me(), sealer.track())));
}

/// The key id's layout is RFC 9605 §5.2's; here E = 4, and S = 2 with three participants.
#[test]
fn a_frame_of_nobody_or_of_no_track_is_refused() {
    let room = Room::with_guests(CipherSuite::Aes128GcmSha256, &["Bob", "Carl"]);
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let genuine = header(&seal(&mut sealer, b"")).kid.0;
    let (leaf, epoch) = (genuine >> 4 & 3, genuine & 15);
    assert_eq!(
        (leaf, epoch, genuine >> 6),
        (0, room.calls[ANN].epoch().0, u64::from(sealer.track().context()))
    );
    let forge = |kid: u64| {
        let key = UniqueKey::assume_unique(CipherSuite::Aes128GcmSha256, KeyId(kid), &[1; 16]);
        let mut frame = BytesMut::new();
        StaticSealer::new(key).seal(b"", b"forged", &mut frame).expect("it seals");
        frame
    };
    assert_eq!(fault(&mut opener, &forge(3 << 4 | epoch)), FrameFault::UnknownSender);
    assert_eq!(fault(&mut opener, &forge(64 << 6 | epoch)), FrameFault::UnknownTrack);
    assert_eq!(fault(&mut opener, &forge(u64::MAX << 6 | epoch)), FrameFault::UnknownTrack);
    assert_eq!(fault(&mut opener, &forge(genuine)), FrameFault::Unauthentic);
    assert_eq!(fault(&mut opener, &forge(epoch.wrapping_sub(1) & 15)), FrameFault::EpochClosed);
    open(&mut opener, &mut seal(&mut sealer, b"genuine"));
}

/// Forged frames of an epoch that is not reached yet are held within limits, and cost the genuine ones nothing.
#[test]
fn a_flood_of_frames_from_the_future_does_not_stop_the_present() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let future = room.calls[ANN].epoch().0 + 1;
    let (mut held, mut refused) = (0, 0);
    for context in 0..80 {
        for _ in 0..300 {
            let mut head = [0; MAX_HEADER_LEN];
            let len = Header { kid: KeyId(context << 5 | future), counter: 0 }.encode(&mut head);
            let mut forged = BytesMut::from(&head[..len]);
            forged.extend_from_slice(&[0; 100]);
            match opener.open(FRAME, &mut forged) {
                Ok(Opening::Held(_)) => held += 1,
                Ok(opened) => panic!("{opened:?}"),
                Err(error) => {
                    assert_eq!(error.reason, FrameFault::HoldFull);
                    refused += 1;
                }
            }
        }
        open(&mut opener, &mut seal(&mut sealer, b"genuine"));
    }
    assert_eq!((held, held + refused), (16_384, 80 * 300));
    assert!(opener.released().is_none(), "nothing is ready");
}

#[test]
fn a_dropped_call_leaves_nothing_that_seals_or_opens() {
    let mut room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    let frame = seal(&mut sealer, b"before");
    room.calls.clear();
    assert_eq!(fault(&mut opener, &frame), FrameFault::Ended);
    assert!(sealer.seal(FRAME, b"after", &mut BytesMut::new()).is_err());
}

#[test]
fn debug_output_has_no_secret_in_it() {
    let room = two();
    let (mut sealer, mut opener) = (room.camera(ANN), room.opener(BOB));
    open(&mut opener, &mut seal(&mut sealer, b"payload"));
    let call = &room.calls[ANN];
    let (key, invite) = (export(&room), call.invite());

    // The invite's fragment: version, call id, number; then the secret. Of the exported key: suite, KID; then the secrets.
    let fragment = invite.to_fragment();
    let invite_secret = &BASE64URL_NOPAD.decode(fragment.as_bytes()).expect("base64url")[21..53];
    let same_key = {
        let bytes = key.into_bytes();
        ExportedKey::from_bytes(&bytes).map(|key| (key, bytes)).expect("it is what was written")
    };
    let (key, key_bytes) = same_key;
    let mut texts = vec![
        format!("{call:?} {call:#?} {:?}", call.roster()),
        format!("{sealer:?} {sealer:#?} {opener:?} {opener:#?}"),
        format!("{invite:?} {invite:#?} {key:?} {key:#?}"),
    ];
    let key = key.into_key();
    texts.push(format!("{key:?} {key:#?}"));
    for text in texts {
        assert_hides(&text, invite_secret);
        assert_hides(&text, &key_bytes[10..]);
        assert!(!text.contains(&fragment[30..40]));
        assert!(!text.contains("Ann") && !text.contains("Bob"), "names stay out of logs: {text}");
    }
}
