//! What refusing a bad frame costs a receiver, beside opening a good one.
//!
//! Target: a frame with an unknown key, or with a counter that came already, at most 100 ns.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use subrosa::sframe::{Header, HeaderError, KeyId, MAX_HEADER_LEN};
use subrosa::{Codec, FrameFault, Metadata, Opening, TrackKind};
use subrosa_testkit::table::Table;

const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
const PAYLOAD: [u8; 1_200] = [0x2a; 1_200];
const BATCH: BatchSize = BatchSize::NumIterations(32);

fn frame_with(kid: u64, counter: u64) -> BytesMut {
    let mut header = [0; MAX_HEADER_LEN];
    let len = Header { kid: KeyId(kid), counter }.encode(&mut header);
    let mut frame = BytesMut::from(&header[..len]);
    frame.extend_from_slice(&PAYLOAD);
    frame
}

fn hostile(c: &mut Criterion) {
    let table = Table::of(&["Ann", "Bob", "Cid"]);
    let (mut sealer, mut opener) = (table.sealer("Bob", TrackKind::Camera), table.opener("Ann"));
    let mut group = c.benchmark_group("hostile");
    let mut sealed = || {
        let mut frame = BytesMut::new();
        sealer.seal(METADATA, &PAYLOAD, &mut frame).expect("it seals");
        frame
    };
    let first = sealed();
    assert!(matches!(opener.open(METADATA, &mut first.clone()), Ok(Opening::Opened(_))));
    let (Header { kid: KeyId(kid), .. }, _) = Header::decode(&first).expect("it has one");

    group.bench_function("good frame", |b| {
        let routine = |frame: &mut BytesMut| opener.open(black_box(METADATA), frame).is_ok();
        b.iter_batched_ref(&mut sealed, routine, BATCH);
    });
    // The frame, and what has to come of it: a benchmark of the wrong refusal would be quick, too.
    let mut damaged = sealed();
    damaged[100] ^= 1;
    let cases = [
        ("no header", BytesMut::from(&[0x99, 1][..]), FrameFault::Malformed(HeaderError::Truncated)),
        // In this call: 4 bits of epoch, 2 bits of leaf (Ann 0, Bob 1, Cid 2, nobody 3), then the context.
        ("unknown sender", frame_with(kid | 3 << 4, 9), FrameFault::UnknownSender),
        ("unknown track", frame_with(64 << 6 | kid & 0x3f, 9), FrameFault::UnknownTrack),
        (
            "closed epoch",
            frame_with(kid & !0xf | (kid & 0xf).wrapping_sub(3) & 0xf, 9),
            FrameFault::EpochClosed,
        ),
        ("replayed", first, FrameFault::Replayed),
        ("reflected", frame_with(kid & !(3 << 4), 9), FrameFault::Reflected),
        ("damaged", damaged, FrameFault::Unauthentic),
        ("forged, of a track not heard yet", frame_with(kid | 5 << 6, 9), FrameFault::Unauthentic),
    ];
    for (what, frame, fault) in cases {
        let refused = opener.open(METADATA, &mut frame.clone()).expect_err("it is bad").reason;
        assert_eq!(refused, fault, "{what}");
        group.bench_function(what, |b| {
            let routine = |frame: &mut BytesMut| opener.open(black_box(METADATA), frame).is_err();
            b.iter_batched_ref(|| frame.clone(), routine, BATCH);
        });
    }
}

criterion_group!(benches, hostile);
criterion_main!(benches);
