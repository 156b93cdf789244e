//! Sealing and opening against the bare AEAD, in turns: a batch of one, a batch of the other, over and over in one process.
//!
//! ```text
//! cargo bench -p subrosa-benches --bench turns            all of it, half a minute
//! cargo bench -p subrosa-benches --bench turns -- open    those with that in their names; written down is nothing then
//! ```
//!
//! Criterion times one for a second and then the other, so on a machine that has other work to do their ratio says as much about
//! those seconds as about the two. Here each turn has both within microseconds of each other, and what is told is the median of the
//! turns' ratios, with the quartiles: it is the same in the next run to a hundredth or two. It is written beside criterion's figures,
//! for `docs/performance.md`.
//!
//! Targets: sealing at most 1.15 · 1.08 · 1.04 times the bare AEAD for 100 B · 1,200 B · 10 kB and more; opening, with 1,000 senders
//! in turn, 1.25 · 1.12 · 1.05 times; the crate `sframe` at least 2.5 times our sealing of 100 B.

#![allow(clippy::print_stdout)]

#[path = "page/place.rs"]
mod place;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::{Map, Value, json};
use sframe::frame::{MediaFrameView, MonotonicCounter};
use sframe::key::EncryptionKey;
use subrosa::fuzzing::Crowd;
use subrosa::sframe::{Backend, CipherSuite, MAX_HEADER_LEN, MAX_TAG_LEN};
use subrosa::{Codec, Metadata, Opening, TrackKind};
use subrosa_testkit::table::Table;

const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
/// A header of a KID and a counter of two bytes each, and the two bytes of [`METADATA`].
const AAD: [u8; 7] = [0x99, 1, 2, 3, 4, 0, 2];
const SENDERS: u32 = 1_000;

/// How long each pair is looked at. Warming up is a tenth of it, and does not count.
const TIME: Duration = Duration::from_secs(2);

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key(black_box([9; 12]))
}

fn ring_key(bytes: &[u8]) -> Box<LessSafeKey> {
    Box::new(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, bytes).expect("the right length")))
}

/// Frames in a batch: so many that the clock is nothing beside them, and so few that they stay in the cache.
fn batch(size: usize) -> usize {
    ((128 << 10) / size).clamp(2, 64)
}

/// Makes a batch, and times what is done to it.
fn timed<T>(batch: usize, mut make: impl FnMut() -> T, run: impl FnMut(&mut T)) -> Duration {
    let mut items: Vec<T> = (0..batch).map(|_| make()).collect();
    let start = Instant::now();
    items.iter_mut().for_each(run);
    let taken = start.elapsed();
    black_box(&items);
    taken
}

/// What was seen, by name; asked only whether it runs, there is one turn of each.
struct Turns {
    is_measuring: bool,
    /// What a name has to contain.
    filter: Option<String>,
    seen: Map<String, Value>,
}

impl Turns {
    fn pair(
        &mut self,
        name: &str,
        mut first: impl FnMut() -> Duration,
        mut second: impl FnMut() -> Duration,
    ) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
            return;
        }
        let start = Instant::now();
        let mut ratios = Vec::new();
        loop {
            // Whoever goes first finds another cache, so they take turns at that, too.
            let (one, other) = if ratios.len() % 2 == 0 {
                let one = first();
                (one, second())
            } else {
                let other = second();
                (first(), other)
            };
            ratios.push(one.as_secs_f64() / other.as_secs_f64());
            if !self.is_measuring || start.elapsed() > TIME {
                break;
            }
        }
        let mut ratios = ratios.split_off(ratios.len() / 10);
        ratios.sort_unstable_by(f64::total_cmp);
        let [from, median, to] = [1, 2, 3].map(|quarter| ratios[ratios.len() * quarter / 4]);
        println!("{name}: {median:.3} (half of {} turns from {from:.3} to {to:.3})", ratios.len());
        self.seen.insert(name.to_owned(), json!({ "from": from, "median": median, "to": to }));
    }

    fn sealing(&mut self) {
        let table = Table::of(&["Ann", "Bob"]);
        let mut sealer = table.sealer("Bob", TrackKind::Camera);
        let key = ring_key(&[7; 16]);
        for size in [100, 1_200, 10_000, 100_000] {
            let frame = || {
                let mut frame = BytesMut::with_capacity(MAX_HEADER_LEN + size + MAX_TAG_LEN);
                frame.resize(MAX_HEADER_LEN + size, 0x2a);
                frame
            };
            let ours = |frame: &mut BytesMut| {
                _ = sealer.seal_in_place(black_box(METADATA), frame).expect("it seals");
            };
            let bare = |frame: &mut BytesMut| {
                let payload = &mut frame[MAX_HEADER_LEN..];
                let tag = key.seal_in_place_separate_tag(nonce(), Aad::from(black_box(&AAD)), payload);
                frame.extend_from_slice(tag.expect("it seals").as_ref());
            };
            let (mut ours, mut bare, batch) = (ours, bare, batch(size));
            let name = format!("seal {size}");
            self.pair(&name, || timed(batch, frame, &mut ours), || timed(batch, frame, &mut bare));
        }
    }

    /// Both append: the crate has no other way.
    fn the_crate(&mut self) {
        let table = Table::of(&["Ann", "Bob"]);
        let mut sealer = table.sealer("Bob", TrackKind::Camera);
        let suite = sframe::CipherSuite::AesGcm128Sha256;
        let key = EncryptionKey::derive_from(suite, 0x102_u64, [7; 32]).expect("a key");
        let (mut counter, payload) = (MonotonicCounter::default(), [0x2a; 100]);
        let mut theirs = |out: &mut Vec<u8>| {
            MediaFrameView::try_with_meta_data(&mut counter, &payload, black_box(&[0, Codec::Vp8 as u8]))
                .and_then(|frame| frame.encrypt_into(&key, out).map(drop))
                .expect("it seals");
        };
        let mut ours = |out: &mut BytesMut| {
            _ = sealer.seal(black_box(METADATA), &payload, out).expect("it seals");
        };
        self.pair(
            "crate sframe 100",
            || timed(64, || Vec::with_capacity(200), &mut theirs),
            || timed(64, || BytesMut::with_capacity(200), &mut ours),
        );
    }

    fn opening(&mut self) {
        let crowd = Crowd::new(CipherSuite::default(), Backend::default(), SENDERS);
        let mut sealers: Vec<_> = (1..=SENDERS).map(|sender| crowd.sealer(sender)).collect();
        let mut opener = crowd.opener();
        // As in a call the keys that seal are other ones in memory: what sealed a moment ago would be in the nearest cache.
        let [sealing, opening] = [(); 2]
            .map(|()| (0..SENDERS).map(|n| ring_key(&[n.to_be_bytes(); 4].concat())).collect::<Vec<_>>());
        let (mut turn, mut other_turn) = (0, 0);
        for size in [100, 1_200, 10_000] {
            let payload = vec![0x2a; size];
            let frame = || BytesMut::with_capacity(MAX_HEADER_LEN + size + MAX_TAG_LEN);
            let mut sealed = || {
                turn = (turn + 1) % SENDERS as usize;
                let mut frame = frame();
                sealers[turn].0.seal(METADATA, &payload, &mut frame).expect("it seals");
                frame
            };
            // The key's place travels with the frame, as the KID does.
            let mut bare_sealed = || {
                other_turn = (other_turn + 1) % SENDERS as usize;
                let mut frame = frame();
                frame.extend_from_slice(&payload);
                let tag =
                    sealing[other_turn].seal_in_place_separate_tag(nonce(), Aad::from(&AAD), &mut frame);
                frame.extend_from_slice(tag.expect("it seals").as_ref());
                (other_turn, frame)
            };
            let mut ours = |frame: &mut BytesMut| match opener.open(black_box(METADATA), frame) {
                Ok(Opening::Opened(opened)) => _ = black_box(opened),
                other => panic!("{other:?}"),
            };
            let bare = |(sender, frame): &mut (usize, BytesMut)| {
                let opened = opening[*sender].open_in_place(nonce(), Aad::from(black_box(&AAD)), frame);
                black_box(opened.expect("it opens").len());
            };
            let batch = batch(size);
            self.pair(
                &format!("open {size}, 1,000 senders"),
                || timed(batch, &mut sealed, &mut ours),
                || timed(batch, &mut bare_sealed, bare),
            );
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // As criterion's: `cargo bench` measures, `cargo test` asks whether it runs; values of its options are numbers.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    let is_filter = |argument: &&String| !argument.starts_with('-') && argument.parse::<f64>().is_err();
    let filter = arguments.iter().find(is_filter).cloned();
    let mut turns = Turns { is_measuring: has("--bench") && !has("--test"), filter, seen: Map::new() };
    turns.sealing();
    turns.the_crate();
    turns.opening();
    if turns.is_measuring && turns.filter.is_none() {
        let folder = place::criterion();
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(place::TURNS), serde_json::to_vec_pretty(&turns.seen)?)?;
    }
    Ok(())
}
