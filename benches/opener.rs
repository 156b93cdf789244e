//! Opening the frames of 1, 50 and 1,000 senders, interleaved, beside the bare AEAD under as many keys.
//!
//! Keys and replay windows of 1,000 senders are some 2 MB, which do not fit the nearest caches; that the bare AEAD feels, too.
//! For ratios to be held against targets see `turns.rs`.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subrosa::fuzzing::Crowd;
use subrosa::sframe::{Backend, CipherSuite};
use subrosa::{Codec, Metadata, Opening};

const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
const AAD: [u8; 8] = [0x99, 1, 2, 3, 4, 5, 0, 2];
const BATCH: BatchSize = BatchSize::NumIterations(32);

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key(black_box([9; 12]))
}

/// Each in memory of its own, as they are in a call.
fn keys(senders: u32) -> impl Iterator<Item = Box<LessSafeKey>> {
    (0..senders).map(|sender| {
        let bytes = [sender.to_be_bytes(); 4].concat();
        Box::new(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &bytes).expect("the right length")))
    })
}

fn opener(c: &mut Criterion) {
    for senders in [1, 50, 1_000] {
        let crowd = Crowd::new(CipherSuite::default(), Backend::default(), senders);
        let mut sealers: Vec<_> = (1..=senders).map(|sender| crowd.sealer(sender)).collect();
        let mut opener = crowd.opener();
        // As in a call the keys that seal are other ones in memory: what sealed a moment ago would be in the nearest cache.
        let [sealing, opening] = [(); 2].map(|()| keys(senders).collect::<Vec<_>>());
        for size in [100, 1_200, 10_000] {
            let payload = vec![0x2a; size];
            let mut group = c.benchmark_group(format!("opener/{senders}/{size}"));
            group.throughput(Throughput::Elements(1));
            let mut turn = 0;
            let mut next = move || {
                turn = (turn + 1) % senders as usize;
                turn
            };
            group.bench_function("ring", |b| {
                // The key's place travels with the frame, as the KID does.
                let sealed = || {
                    let sender = next();
                    let mut frame = payload.clone();
                    sealing[sender]
                        .seal_in_place_append_tag(nonce(), Aad::from(&AAD), &mut frame)
                        .expect("it seals");
                    (sender, frame)
                };
                let routine = |(sender, frame): &mut (usize, Vec<u8>)| {
                    opening[*sender]
                        .open_in_place(nonce(), Aad::from(black_box(&AAD)), frame)
                        .expect("it opens")
                        .len()
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
            group.bench_function("subrosa", |b| {
                let sealed = || {
                    let mut frame = BytesMut::new();
                    sealers[next()].0.seal(METADATA, &payload, &mut frame).expect("it seals");
                    frame
                };
                let routine = |frame: &mut BytesMut| match opener.open(black_box(METADATA), frame) {
                    Ok(Opening::Opened(opened)) => opened,
                    other => panic!("{other:?}"),
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
        }
    }
}

criterion_group!(benches, opener);
criterion_main!(benches);
