//! Frames a second on one thread and on two, each with a track of its own: tracks share nothing, so it should be twice as many.
//!
//! What is timed is a fixed number of frames on each thread, so the two times are to be the same. Target: two threads do at
//! least 1.9 times the work of one, that is, take at most 1.05 times as long for twice as much. Beside it the bare AEAD, which
//! says what the machine's two processors are to each other: two threads of one core share what they compute with. And sealers
//! outside of a call, which have no table of keys to look into: what that costs two threads and those do not pay.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use subrosa::sframe::{CipherSuite, KeyId, MAX_HEADER_LEN, MAX_TAG_LEN, StaticSealer, UniqueKey};
use subrosa::{Codec, Metadata, Sealer, TrackKind};
use subrosa_testkit::table::Table;

const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);

/// Seals into one buffer over and over; `seal` gets a frame with headroom.
fn many(size: usize, frames: u64, mut seal: impl FnMut(&mut BytesMut)) {
    let room = MAX_HEADER_LEN + size + MAX_TAG_LEN;
    let mut frame = BytesMut::with_capacity(room);
    for _ in 0..frames {
        frame.clear();
        frame.reserve(room); // takes back what sealing cut off at the front
        frame.resize(MAX_HEADER_LEN + size, 0x2a);
        seal(&mut frame);
        black_box(&mut frame);
    }
}

/// Lets each piece of work run on a thread of its own, all at a time; returns how long the slowest took. Starting them is not in it.
fn on_threads<W: Send>(work: &mut [W], run: impl Fn(&mut W) + Sync) -> Duration {
    let start = Barrier::new(work.len());
    let timed = |work: &mut W| {
        start.wait();
        let began = Instant::now();
        run(work);
        began.elapsed()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = work.iter_mut().map(|work| scope.spawn(|| timed(work))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).max().unwrap_or_default()
    })
}

fn threads(c: &mut Criterion) {
    let table = Table::of(&["Ann", "Bob"]);
    let mut sealers = [TrackKind::Camera, TrackKind::Microphone].map(|kind| table.sealer("Bob", kind));
    let mut standalone = [1, 2].map(|kid| {
        let key = UniqueKey::assume_unique(CipherSuite::Aes128GcmSha256, KeyId(kid), &[7; 32]);
        Box::new(StaticSealer::new(key))
    });
    let mut keys = [1, 2].map(|secret| {
        let key = UnboundKey::new(&AES_128_GCM, &[secret; 16]).expect("the right length");
        Box::new(LessSafeKey::new(key))
    });
    for size in [100, 1_200, 10_000] {
        let mut group = c.benchmark_group(format!("threads/{size}"));
        for threads in [1, 2] {
            group.throughput(Throughput::Elements(threads as u64));
            group.bench_function(format!("subrosa/{threads}"), |b| {
                b.iter_custom(|frames| {
                    on_threads(&mut sealers[..threads], |sealer: &mut Sealer| {
                        many(size, frames, |frame| {
                            _ = sealer.seal_in_place(black_box(METADATA), frame).expect("it seals");
                        });
                    })
                });
            });
            group.bench_function(format!("standalone/{threads}"), |b| {
                b.iter_custom(|frames| {
                    on_threads(&mut standalone[..threads], |sealer: &mut Box<StaticSealer>| {
                        many(size, frames, |frame| {
                            sealer.seal_in_place(black_box(&[0, Codec::Vp8 as u8]), frame).expect("it seals");
                        });
                    })
                });
            });
            group.bench_function(format!("ring/{threads}"), |b| {
                b.iter_custom(|frames| {
                    on_threads(&mut keys[..threads], |key: &mut Box<LessSafeKey>| {
                        many(size, frames, |frame| {
                            let nonce = Nonce::assume_unique_for_key(black_box([9; 12]));
                            let payload = &mut frame[MAX_HEADER_LEN..];
                            let tag =
                                key.seal_in_place_separate_tag(nonce, Aad::from(black_box([7; 7])), payload);
                            frame.extend_from_slice(tag.expect("it seals").as_ref());
                        });
                    })
                });
            });
        }
    }
}

criterion_group!(benches, threads);
criterion_main!(benches);
