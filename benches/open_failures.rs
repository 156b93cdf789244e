//! Does a frame that does not open tell, by the time it takes, what is wrong with it? As dudect asks (Reparaz, Balasch, Verbauwhede: "Dude, is my
//! code constant time?", 2017): frames of several kinds of forgery, in random order, one by one on the clock; then Welch's t between each kind and
//! the first. By convention a |t| above 4.5 says that they differ, and above 10 that they do so plainly. An instrument that sees nothing proves nothing,
//! so a comparison that leaks is measured in the same run.
//!
//! `cargo bench -p subrosa-benches --bench open_failures`; `cargo test` runs a few samples, to see that it runs.

#![expect(clippy::print_stdout, reason = "a program tells what it measured")]

use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use subrosa::sframe::{Backend, CipherSuite, KeyId, StaticOpener, StaticSealer, UniqueKey};

const PAYLOAD_LEN: usize = 1_200;
const METADATA: &[u8] = b"metadata";
/// Slower ones were interrupted, by whatever.
const KEPT: f64 = 0.9;

/// A kind of frame: its name, its bytes, and the metadata that it is opened with.
struct Kind {
    name: &'static str,
    frame: Vec<u8>,
    metadata: &'static [u8],
}

fn main() {
    let samples = if std::env::args().any(|arg| arg == "--bench") { 100_000 } else { 200 };
    println!(
        "{samples} samples of each kind, {PAYLOAD_LEN} bytes of payload, the fastest {:.0} %\n",
        KEPT * 100.0
    );
    println!(
        "| suite, backend | what is wrong | median, ns | |t| against the first |\n| --- | --- | ---: | ---: |"
    );
    for &suite in CipherSuite::ALL {
        for &backend in
            Backend::ALL.iter().filter(|backend| !suite.has_short_tags() || **backend == Backend::Ring)
        {
            let name =
                if suite.has_short_tags() { format!("{suite:?}") } else { format!("{suite:?}, {backend:?}") };
            let (mut opener, kinds) = forgeries(suite, backend);
            // All at one place, so that none is nearer or better aligned than the others.
            let mut frame = BytesMut::with_capacity(2 * PAYLOAD_LEN);
            let times = measure(samples, kinds.len(), |kind| {
                let Kind { frame: bytes, metadata, .. } = &kinds[kind];
                frame.clear();
                frame.extend_from_slice(bytes);
                let start = Instant::now();
                let outcome = opener.open(metadata, black_box(&mut frame));
                let took = start.elapsed();
                assert!(outcome.is_err());
                took.as_nanos() as f64
            });
            report(&name, kinds.iter().map(|kind| kind.name), &times);
        }
    }
    let own = [7_u8; 256];
    let wrong_at = |at: usize| core::array::from_fn::<u8, 256, _>(|index| if index == at { 0 } else { 7 });
    let tags = [wrong_at(0), wrong_at(255)];
    let times = measure(samples, tags.len(), |kind| {
        let start = Instant::now();
        let is_same =
            black_box(&tags[kind]).iter().zip(black_box(&own)).all(|(one, other)| black_box(one) == other);
        let took = start.elapsed();
        assert!(!is_same);
        took.as_nanos() as f64
    });
    report("control: 256 bytes, compared until one differs", ["first byte", "last byte"].into_iter(), &times);
}

/// A key, and frames under it that all fail at the tag.
fn forgeries(suite: CipherSuite, backend: Backend) -> (StaticOpener, Vec<Kind>) {
    let kid = KeyId(0x102);
    let mut sealer = StaticSealer::new(UniqueKey::assume_unique_on(backend, suite, kid, &[0x5a; 32]));
    let mut opener = StaticOpener::on(backend, suite);
    opener.add_key(kid, &[0x5a; 32]);
    let mut genuine = BytesMut::new();
    sealer.seal(METADATA, &[0x2a; PAYLOAD_LEN], &mut genuine).expect("it seals");
    let (len, tag_len) = (genuine.len(), suite.tag_len());
    let wrong = |places: core::ops::Range<usize>| {
        let mut frame = genuine.to_vec();
        frame[places].iter_mut().for_each(|byte| *byte ^= 0xff);
        frame
    };
    let tag_at = len - tag_len;
    let kind = |name, frame| Kind { name, frame, metadata: METADATA };
    let kinds = vec![
        kind("the whole tag", wrong(tag_at..len)),
        kind("the tag's first byte", wrong(tag_at..tag_at + 1)),
        kind("the tag's last byte", wrong(len - 1..len)),
        kind("the ciphertext's first byte", wrong(tag_at - PAYLOAD_LEN..tag_at - PAYLOAD_LEN + 1)),
        kind("the ciphertext's last byte", wrong(tag_at - 1..tag_at)),
        Kind { metadata: b"Metadata", ..kind("the metadata", genuine.to_vec()) },
        kind("the whole tag once more: no difference at all", wrong(tag_at..len)),
    ];
    (opener, kinds)
}

/// Times of each kind, taken in random order.
fn measure(samples: usize, kinds: usize, mut time: impl FnMut(usize) -> f64) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(samples); kinds];
    let mut state = 1_u64;
    while times.iter().any(|of_kind| of_kind.len() < samples) {
        // Knuth's MMIX generator: which kind comes next must not follow from the one before in a way that the machine learns.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let kind = (state >> 33) as usize % kinds;
        let took = time(kind);
        if times[kind].len() < samples {
            times[kind].push(took);
        }
    }
    times
}

fn report<'a>(of: &str, names: impl Iterator<Item = &'a str>, times: &[Vec<f64>]) {
    let mut all: Vec<f64> = times.concat();
    all.sort_by(f64::total_cmp);
    let limit = all[(all.len() as f64 * KEPT) as usize];
    let kept = |times: &[f64]| times.iter().copied().filter(|time| *time <= limit).collect::<Vec<_>>();
    let first = kept(&times[0]);
    for (name, times) in names.zip(times) {
        let mut kept = kept(times);
        let t = welch(&first, &kept).abs();
        kept.sort_by(f64::total_cmp);
        println!("| {of} | {name} | {:.0} | {t:.1} |", kept[kept.len() / 2]);
    }
}

/// Welch's t: how far apart two means are, in units of their uncertainty.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |times: &[f64]| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        (mean, times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0) / count)
    };
    let ((mean, error), (other_mean, other_error)) = (moments(one), moments(other));
    (mean - other_mean) / (error + other_error).sqrt().max(f64::MIN_POSITIVE)
}
