//! Sealing and opening one frame, beside the bare AEAD call, the crate `sframe` and a copy of the same bytes.
//!
//! ```text
//! cargo bench -p subrosa-benches --bench frame            all of it
//! cargo bench -p subrosa-benches --bench frame -- 128/100 one suite and size
//! cargo bench -p subrosa-benches --bench frame -- --test  each once, to see that it runs
//! ```
//!
//! What to compare: `in place` with `ring`, on the same buffers in the same run; for ratios to be held against targets see
//! `turns.rs`. `append` has a copy more to make, as
//! `sframe` has.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sframe::CipherSuite as TheirSuite;
use sframe::frame::{EncryptedFrameView, MediaFrameView, MonotonicCounter};
use sframe::key::{DecryptionKey, EncryptionKey};
use subrosa::sframe::{
    Backend, CipherSuite, KeyId, MAX_HEADER_LEN, MAX_TAG_LEN, StaticOpener, StaticSealer, UniqueKey,
};
use subrosa::{CallConfig, Codec, Metadata, Opening, TrackKind};
use subrosa_testkit::table::Table;

const SIZES: [usize; 5] = [20, 100, 1_200, 10_000, 100_000];
/// A header of a KID and a counter of two bytes each, and the two bytes of [`METADATA`].
const AAD: [u8; 7] = [0x99, 1, 2, 3, 4, 0, 2];
const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
const RAW_METADATA: [u8; 2] = [0, Codec::Vp8 as u8];
const SECRET: [u8; 32] = [7; 32];

/// Everything is made, sealed and opened in batches of frames that are made beforehand; their making is not timed.
const BATCH: BatchSize = BatchSize::NumIterations(32);

/// One suite, as each of the four names it.
struct Suite {
    name: &'static str,
    ours: CipherSuite,
    theirs: TheirSuite,
    ring: &'static ring::aead::Algorithm,
}

fn suites() -> [Suite; 2] {
    [
        Suite {
            name: "AES-128",
            ours: CipherSuite::Aes128GcmSha256,
            theirs: TheirSuite::AesGcm128Sha256,
            ring: &AES_128_GCM,
        },
        Suite {
            name: "AES-256",
            ours: CipherSuite::Aes256GcmSha512,
            theirs: TheirSuite::AesGcm256Sha512,
            ring: &AES_256_GCM,
        },
    ]
}

impl Suite {
    fn ring_key(&self) -> LessSafeKey {
        let key = UnboundKey::new(self.ring, &SECRET[..self.ring.key_len()]).expect("the right length");
        LessSafeKey::new(key)
    }

    /// A call of two: one who seals, one who opens.
    fn table(&self) -> Table {
        Table::configured(&CallConfig { suite: self.ours, ..CallConfig::default() }, &["Ann", "Bob"])
    }

    /// The same on another library's AES-GCM.
    fn table_on(&self, backend: Backend) -> Table {
        let config = CallConfig { suite: self.ours, ..CallConfig::default() };
        Table::on(backend, &config, &["Ann", "Bob"])
    }

    fn static_sealer(&self) -> StaticSealer {
        StaticSealer::new(UniqueKey::assume_unique(self.ours, KeyId(0x102), &SECRET))
    }

    fn group<'c>(&self, c: &'c mut Criterion, what: &str, size: usize) -> BenchmarkGroup<'c, WallTime> {
        let mut group = c.benchmark_group(format!("{what}/{}/{size}", self.name));
        group.throughput(Throughput::Bytes(size as u64));
        group
    }
}

/// A buffer with the headroom that sealing in place wants, then the payload, then room for the tag.
fn with_headroom(size: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(MAX_HEADER_LEN + size + MAX_TAG_LEN);
    frame.resize(MAX_HEADER_LEN + size, 0x2a);
    frame
}

/// A buffer with room for a sealed frame, whose pages were touched before like those of the others.
fn empty(size: usize) -> BytesMut {
    let mut buffer = with_headroom(size);
    buffer.clear();
    buffer
}

fn empty_vec(size: usize) -> Vec<u8> {
    let mut buffer = vec![0x2a; RAW_METADATA.len() + MAX_HEADER_LEN + size + MAX_TAG_LEN];
    buffer.clear();
    buffer
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key(black_box([9; 12]))
}

fn seal(c: &mut Criterion) {
    for suite in suites() {
        let table = suite.table();
        let mut sealer = table.sealer("Bob", TrackKind::Camera);
        let other = suite.table_on(Backend::AwsLcRs);
        let mut other_sealer = other.sealer("Bob", TrackKind::Camera);
        let mut standalone = suite.static_sealer();
        for size in SIZES {
            let mut group = suite.group(c, "seal", size);
            let payload = vec![0x2a; size];
            group.bench_function("copy", |b| {
                let mut to = vec![0; size];
                b.iter(|| black_box(&mut to).copy_from_slice(black_box(&payload)));
            });
            let key = suite.ring_key();
            group.bench_function("ring", |b| {
                let routine = |frame: &mut BytesMut| {
                    let payload = &mut frame[MAX_HEADER_LEN..];
                    let tag = key.seal_in_place_separate_tag(nonce(), Aad::from(black_box(&AAD)), payload);
                    frame.extend_from_slice(tag.expect("it seals").as_ref());
                };
                b.iter_batched_ref(|| with_headroom(size), routine, BATCH);
            });
            group.bench_function("in place", |b| {
                let routine = |frame: &mut BytesMut| {
                    _ = sealer.seal_in_place(black_box(METADATA), frame).expect("it seals")
                };
                b.iter_batched_ref(|| with_headroom(size), routine, BATCH);
            });
            group.bench_function("in place, aws-lc-rs", |b| {
                let routine = |frame: &mut BytesMut| {
                    _ = other_sealer.seal_in_place(black_box(METADATA), frame).expect("it seals")
                };
                b.iter_batched_ref(|| with_headroom(size), routine, BATCH);
            });
            group.bench_function("in place, standalone", |b| {
                let routine = |frame: &mut BytesMut| {
                    standalone.seal_in_place(black_box(&RAW_METADATA), frame).expect("it seals")
                };
                b.iter_batched_ref(|| with_headroom(size), routine, BATCH);
            });
            group.bench_function("append", |b| {
                let routine = |out: &mut BytesMut| {
                    _ = sealer.seal(black_box(METADATA), &payload, out).expect("it seals")
                };
                b.iter_batched_ref(|| empty(size), routine, BATCH);
            });
            let theirs = EncryptionKey::derive_from(suite.theirs, 0x102_u64, SECRET).expect("a key");
            group.bench_function("crate sframe", |b| {
                let mut counter = MonotonicCounter::default();
                let routine = |out: &mut Vec<u8>| {
                    MediaFrameView::try_with_meta_data(&mut counter, &payload, black_box(&RAW_METADATA))
                        .and_then(|frame| frame.encrypt_into(&theirs, out).map(drop))
                        .expect("it seals");
                };
                b.iter_batched_ref(|| empty_vec(size), routine, BATCH);
            });
        }
    }
}

fn open(c: &mut Criterion) {
    for suite in suites() {
        let table = suite.table();
        let (mut sealer, mut opener) = (table.sealer("Bob", TrackKind::Camera), table.opener("Ann"));
        let other = suite.table_on(Backend::AwsLcRs);
        let (mut other_sealer, mut other_opener) =
            (other.sealer("Bob", TrackKind::Camera), other.opener("Ann"));
        for size in SIZES {
            let mut group = suite.group(c, "open", size);
            let payload = vec![0x2a; size];
            group.bench_function("copy", |b| {
                let mut to = vec![0; size];
                b.iter(|| black_box(&mut to).copy_from_slice(black_box(&payload)));
            });
            let key = suite.ring_key();
            group.bench_function("ring", |b| {
                let sealed = || {
                    let mut frame = payload.clone();
                    key.seal_in_place_append_tag(nonce(), Aad::from(&AAD), &mut frame).expect("it seals");
                    frame
                };
                let routine = |frame: &mut Vec<u8>| {
                    key.open_in_place(nonce(), Aad::from(black_box(&AAD)), frame).map(|clear| clear.len())
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
            group.bench_function("in place", |b| {
                let sealed = || {
                    let mut frame = BytesMut::new();
                    sealer.seal(METADATA, &payload, &mut frame).expect("it seals");
                    frame
                };
                let routine = |frame: &mut BytesMut| match opener.open(black_box(METADATA), frame) {
                    Ok(Opening::Opened(opened)) => opened,
                    other => panic!("{other:?}"),
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
            group.bench_function("in place, aws-lc-rs", |b| {
                let sealed = || {
                    let mut frame = BytesMut::new();
                    other_sealer.seal(METADATA, &payload, &mut frame).expect("it seals");
                    frame
                };
                let routine = |frame: &mut BytesMut| match other_opener.open(black_box(METADATA), frame) {
                    Ok(Opening::Opened(opened)) => opened,
                    other => panic!("{other:?}"),
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
            group.bench_function("in place, standalone", |b| {
                let (mut sealer, mut opener) = (suite.static_sealer(), StaticOpener::new(suite.ours));
                opener.add_key(KeyId(0x102), &SECRET);
                let sealed = || {
                    let mut frame = BytesMut::new();
                    sealer.seal(&RAW_METADATA, &payload, &mut frame).expect("it seals");
                    frame
                };
                let routine =
                    |frame: &mut BytesMut| opener.open(black_box(&RAW_METADATA), frame).expect("it opens");
                b.iter_batched_ref(sealed, routine, BATCH);
            });
            group.bench_function("crate sframe", |b| {
                let theirs = EncryptionKey::derive_from(suite.theirs, 0x102_u64, SECRET).expect("a key");
                let key = DecryptionKey::derive_from(suite.theirs, 0x102_u64, SECRET).expect("a key");
                let mut counter = MonotonicCounter::default();
                let sealed = || {
                    let mut frame = Vec::new();
                    let len = MediaFrameView::try_with_meta_data(&mut counter, &payload, &RAW_METADATA)
                        .and_then(|media| media.encrypt_into(&theirs, &mut frame))
                        .map(|sealed| sealed.sframe_cipher_text().len())
                        .expect("it seals");
                    (frame.split_off(frame.len() - len), empty_vec(size))
                };
                let routine = |(frame, out): &mut (Vec<u8>, Vec<u8>)| {
                    EncryptedFrameView::try_with_meta_data(&*frame, black_box(&RAW_METADATA))
                        .and_then(|sealed| sealed.decrypt_into(&key, out).map(drop))
                        .expect("it opens");
                };
                b.iter_batched_ref(sealed, routine, BATCH);
            });
        }
    }
}

criterion_group!(benches, seal, open);
criterion_main!(benches);
