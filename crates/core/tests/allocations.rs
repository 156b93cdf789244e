//! Sealing and opening allocate nothing per frame, once buffers have their size and keys are derived.

mod common;

use allocation_counter::measure;
use bytes::BytesMut;
use common::SUITES;
use subrosa::sframe::{KeyId, MAX_HEADER_LEN, MAX_TAG_LEN, StaticOpener, StaticSealer, UniqueKey};

const SIZES: [usize; 7] = [20, 100, 160, 1200, 1201, 5000, 10_000];
const FRAMES: usize = 200;
const LARGEST_FRAME: usize = MAX_HEADER_LEN + 10_000 + MAX_TAG_LEN;

/// What one frame goes through; the buffer is the same for all.
type Seal<'a> = dyn FnMut(&[u8], &mut BytesMut) + 'a;
type SealInPlace<'a> = dyn FnMut(&mut BytesMut) + 'a;
type Open<'a> = dyn FnMut(&mut BytesMut) + 'a;

/// Takes frames of all sizes through a way to seal and a way to open, with one buffer, and holds what was allocated.
fn hold_that_nothing_is_allocated(
    seal: &mut Seal<'_>,
    seal_in_place: &mut SealInPlace<'_>,
    open: &mut Open<'_>,
) {
    let payload = vec![0x2a; 10_000];
    let mut buffer = BytesMut::with_capacity(LARGEST_FRAME);
    let mut frame = |len: usize, in_place: bool| {
        buffer.clear();
        buffer.reserve(LARGEST_FRAME); // moves back to the buffer's start; the room is there
        if in_place {
            buffer.extend_from_slice(&[0; MAX_HEADER_LEN]);
            buffer.extend_from_slice(&payload[..len]);
            seal_in_place(&mut buffer);
        } else {
            seal(&payload[..len], &mut buffer);
        }
        open(&mut buffer);
        assert_eq!(buffer[..], payload[..len]);
    };
    frame(20, false); // the first frame of a track has its key derived
    frame(20, true);
    for in_place in [false, true] {
        let taken = measure(|| SIZES.iter().for_each(|len| (0..FRAMES).for_each(|_| frame(*len, in_place))));
        assert_eq!((taken.count_total, taken.bytes_total), (0, 0), "in place: {in_place}");
    }
}

#[test]
fn the_counter_counts() {
    let taken = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((taken.count_total, taken.bytes_total), (1, 100));
}

#[test]
fn standalone_frames_allocate_nothing() {
    for &suite in SUITES {
        let sealer = |kid| StaticSealer::new(UniqueKey::assume_unique(suite, KeyId(kid), &[1; 16]));
        let (mut appending, mut in_place, mut opener) = (sealer(1), sealer(2), StaticOpener::new(suite));
        opener.add_key(KeyId(1), &[1; 16]);
        opener.add_key(KeyId(2), &[1; 16]);
        hold_that_nothing_is_allocated(
            &mut |payload, out| appending.seal(b"metadata", payload, out).expect("it seals"),
            &mut |frame| in_place.seal_in_place(b"metadata", frame).expect("it seals"),
            &mut |frame| _ = opener.open(b"metadata", frame).expect("it opens"),
        );
    }
}

#[cfg(feature = "mls")]
#[test]
fn frames_of_a_call_allocate_nothing() {
    use common::room::{FRAME, Room};
    use subrosa::Opening;
    for &suite in SUITES {
        let room = Room::with_guests(suite, &["Bob"]);
        let (mut appending, mut in_place, mut opener) = (room.camera(0), room.camera(0), room.opener(1));
        let metadata = FRAME.with(b"bytes that stay clear");
        hold_that_nothing_is_allocated(
            &mut |payload, out| _ = appending.seal(metadata, payload, out).expect("it seals"),
            &mut |frame| _ = in_place.seal_in_place(metadata, frame).expect("it seals"),
            &mut |frame| assert!(matches!(opener.open(metadata, frame), Ok(Opening::Opened(_)))),
        );
    }
}

/// Garbage is refused without allocating, too: nobody can make a receiver work by sending it.
#[cfg(feature = "mls")]
#[test]
fn refused_frames_allocate_nothing() {
    use common::room::{FRAME, Room, open, seal};
    let room = Room::with_guests(SUITES[0], &["Bob"]);
    let (mut sealer, mut opener) = (room.camera(0), room.opener(1));
    let genuine = seal(&mut sealer, &[7; 1000]);
    open(&mut opener, &mut genuine.clone());
    let next = seal(&mut sealer, &[7; 1000]);
    let mut buffer = BytesMut::with_capacity(LARGEST_FRAME);
    let mut refuse = |frame: &[u8]| {
        buffer.clear();
        buffer.reserve(LARGEST_FRAME);
        buffer.extend_from_slice(frame);
        assert!(opener.open(FRAME, &mut buffer).is_err());
    };
    let forged = common::with_bit_turned(&next, 100);
    let closed = common::with_bit_turned(&next, 8); // the epoch before
    let taken = measure(|| {
        for _ in 0..FRAMES {
            [&genuine[..], &forged, &closed, &next[..10], b""].into_iter().for_each(&mut refuse);
        }
    });
    assert_eq!((taken.count_total, taken.bytes_total), (0, 0));
}
