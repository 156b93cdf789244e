//! Frames a second on one thread and on two, each with a track of its own: tracks share nothing, so it should be twice as many.
//!
//! What is timed is a fixed number of frames on each thread, so the two times are to be the same. Target: two threads do at
//! least 1.9 times the work of one, that is, take at most 1.05 times as long for twice as much.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use subrosa::sframe::{CipherSuite, MAX_HEADER_LEN, MAX_TAG_LEN};
use subrosa::{Codec, Metadata, Sealer, TrackKind};

mod common;
use common::sealer_and_opener;

const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);

fn seal_many(sealer: &mut Sealer, size: usize, frames: u64) {
    let mut frame = BytesMut::with_capacity(MAX_HEADER_LEN + size + MAX_TAG_LEN);
    for _ in 0..frames {
        frame.clear();
        frame.resize(MAX_HEADER_LEN + size, 0x2a);
        _ = sealer.seal_in_place(black_box(METADATA), &mut frame).expect("it seals");
        frame = black_box(frame);
        if frame.capacity() < MAX_HEADER_LEN + size + MAX_TAG_LEN {
            frame.reserve(MAX_HEADER_LEN + size + MAX_TAG_LEN); // takes back what sealing cut off at the front
        }
    }
}

fn threads(c: &mut Criterion) {
    let (camera, _, [_ann, bob]) = sealer_and_opener(CipherSuite::default());
    let mut sealers = [camera, bob.sealer(TrackKind::Microphone).expect("a track")];
    for size in [100, 1_200, 10_000] {
        let mut group = c.benchmark_group(format!("threads/{size}"));
        for threads in [1, 2] {
            group.throughput(Throughput::Elements(threads as u64));
            group.bench_function(threads.to_string(), |b| {
                b.iter_custom(|frames| {
                    // The slowest thread's time; that of starting threads is not in it.
                    let start = Barrier::new(threads);
                    std::thread::scope(|scope| {
                        let work = sealers.iter_mut().take(threads).map(|sealer| {
                            let start = &start;
                            scope.spawn(move || {
                                start.wait();
                                let began = Instant::now();
                                seal_many(sealer, size, frames);
                                began.elapsed()
                            })
                        });
                        let work: Vec<_> = work.collect();
                        let times = work.into_iter().map(|thread| thread.join().expect("it ends"));
                        times.max().unwrap_or(Duration::ZERO)
                    })
                });
            });
        }
    }
}

criterion_group!(benches, threads);
criterion_main!(benches);
