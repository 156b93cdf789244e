//! What a call costs: founding it, letting guests in, removing, joining, following the log, changing keys; for 2 to 1,000 participants, beside
//! bare openmls doing the same.
//!
//! `subrosa` is all that a participant's side does: it decodes, verifies, judges, applies, builds the roster, hands it out, takes it, and has
//! the epoch's keys. `openmls` is the MLS group alone, with its own storage and RustCrypto, up to the exported secret. Target: applying
//! somebody's join at 1,000 at most 1.1 times what openmls takes.

mod bare;

use core::time::Duration;
use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use subrosa::danger::seeded_random;
use subrosa::{Call, Codec, HostAnswer, Metadata, Profile, Time, TrackKind};
use subrosa_testkit::hall::{Hall, config, take_rosters};

use bare::{Group, Libcrux, RustCrypto};

const SIZES: [usize; 5] = [2, 10, 50, 200, 1_000];
const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);
/// Entries that somebody missed.
const MISSED: usize = 10;

/// Where it is only asked whether they run (`cargo test`, which does not say `--bench`; or `--test`), the small ones.
fn sizes() -> impl Iterator<Item = usize> {
    let is_said = |what: &str| std::env::args().any(|argument| argument == what);
    let only_a_test = is_said("--test") || !is_said("--bench");
    SIZES.into_iter().filter(move |n| !only_a_test || *n <= 50)
}

/// Something that grows with each measurement, and is made anew before it has grown by a twentieth.
struct Fresh<T> {
    make: Box<dyn Fn() -> T>,
    there: Option<T>,
    uses: usize,
    left: usize,
}

impl<T> Fresh<T> {
    fn new(participants: usize, grows_by: usize, make: impl Fn() -> T + 'static) -> Self {
        let uses = (participants / (20 * grows_by)).max(1);
        Self { make: Box::new(make), there: None, uses, left: 0 }
    }

    fn get(&mut self) -> &mut T {
        if self.left == 0 {
            self.there = None;
            self.left = self.uses;
        }
        self.left -= 1;
        self.there.get_or_insert_with(&self.make)
    }
}

/// Measures what the closure returns, as often as it is asked.
fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut once: impl FnMut() -> Duration) {
    group.bench_function(name, |b| b.iter_custom(|iterations| (0..iterations).map(|_| once()).sum()));
}

fn timed<T>(what: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    black_box(what());
    start.elapsed()
}

fn group_of<'a>(c: &'a mut Criterion, name: &str, participants: usize) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(format!("call/{name}/{participants}"));
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("call/create/1");
    let profile = Profile::person("Ann").expect("a name");
    let call = || Call::create(&profile, &config(), seeded_random([1; 32]), Time::ZERO).expect("a call");
    group.bench_function("subrosa", |b| b.iter_batched(|| (), |()| call(), BatchSize::SmallInput));
    group.bench_function("openmls", |b| {
        b.iter_batched(|| (), |()| Group::<RustCrypto>::found(), BatchSize::SmallInput);
    });
}

fn admit(c: &mut Criterion) {
    for (name, guests) in [("admit_one", 1), ("admit_100", 100)] {
        for n in sizes() {
            let mut group = group_of(c, name, n);
            let mut halls = Fresh::new(n, guests, move || Hall::of(n));
            measure(&mut group, "subrosa", || {
                let hall = halls.get();
                let ids = (0..guests).map(|_| hall.knock().id()).collect::<Vec<_>>();
                timed(|| hall.admit(&ids))
            });
            let mut groups = Fresh::new(n, guests, move || Group::<RustCrypto>::of(n));
            measure(&mut group, "openmls", || {
                let group = groups.get();
                let guests = (0..guests).map(|_| group.guest()).collect::<Vec<_>>();
                timed(|| group.add(&guests))
            });
        }
    }
}

/// Removes those who came last, right after all were let in at once: no inner node of the tree has a key.
fn remove(c: &mut Criterion) {
    for n in sizes().skip(1) {
        let mut group = group_of(c, "remove", n);
        let mut halls = Fresh::new(n, n, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            let last = hall.host.roster().members.last().expect("somebody").id;
            timed(|| hall.remove(&[last]))
        });
        let mut groups = Fresh::new(n, n, move || Group::<RustCrypto>::of(n));
        measure(&mut group, "openmls", || {
            let group = groups.get();
            timed(|| group.remove(n as u32 - 1))
        });
    }
}

fn join(c: &mut Criterion) {
    for n in sizes() {
        let mut group = group_of(c, "join", n);
        let mut halls = Fresh::new(n, 1, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            let guest = hall.knock();
            hall.admit(&[guest.id()]);
            let (guest, answer) = hall.welcome(guest);
            let now = hall.now();
            timed(|| {
                let Ok(HostAnswer::Admitted(admission)) = guest.open_answer(&answer.payload) else {
                    panic!("he was let in")
                };
                let mut call = guest.accept(admission, now).expect("a welcome");
                take_rosters(&mut call, now);
                call
            })
        });
        let mut groups = Fresh::new(n, 1, move || Group::<RustCrypto>::of(n));
        measure(&mut group, "openmls", || {
            let group = groups.get();
            let guest = group.guest();
            let (_, welcome) = group.add(std::slice::from_ref(&guest));
            timed(|| Group::join(guest, &welcome))
        });
    }
}

/// A member applies somebody's join, and somebody's removal right after all were let in at once.
fn process(c: &mut Criterion) {
    for n in sizes() {
        let mut group = group_of(c, "process_join", n);
        let mut halls = Fresh::new(n, 1, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            let guest = hall.knock();
            hall.admit(&[guest.id()]);
            timed(|| hall.member_reads())
        });
        member_applies_join::<RustCrypto>(&mut group, "openmls", n);
        member_applies_join::<Libcrux>(&mut group, "openmls on libcrux", n);
    }
    for n in sizes().skip(1) {
        let mut group = group_of(c, "process_removal", n);
        let mut halls = Fresh::new(n, n, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            let last = hall.host.roster().members.last().expect("somebody").id;
            hall.remove(&[last]);
            timed(|| hall.member_reads())
        });
        let mut groups = Fresh::new(n, n, move || Group::<RustCrypto>::pair(n));
        measure(&mut group, "openmls", || {
            let (host, member) = groups.get();
            let commit = host.remove(n as u32 - 1);
            timed(|| member.apply(&commit))
        });
    }
}

fn member_applies_join<P: bare::Engine>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, n: usize) {
    let mut groups = Fresh::new(n, 1, move || Group::<P>::pair(n));
    measure(group, name, || {
        let (host, member) = groups.get();
        let guest = host.guest();
        let (commit, _) = host.add(&[guest]);
        timed(|| member.apply(&commit))
    });
}

/// A member reads ten joins that he missed.
fn catch_up(c: &mut Criterion) {
    for n in sizes() {
        let mut group = group_of(c, "catch_up_10", n);
        let mut halls = Fresh::new(n, MISSED, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            for _ in 0..MISSED {
                let guest = hall.knock();
                hall.admit(&[guest.id()]);
            }
            timed(|| hall.member_reads())
        });
        let mut groups = Fresh::new(n, MISSED, move || Group::<RustCrypto>::pair(n));
        measure(&mut group, "openmls", || {
            let (host, member) = groups.get();
            let missed = (0..MISSED).map(|_| {
                let guest = host.guest();
                host.add(&[guest]).0
            });
            let missed = missed.collect::<Vec<_>>();
            timed(|| missed.iter().for_each(|commit| member.apply(commit)))
        });
    }
}

/// A sender goes over to the newest epoch: what the call does when its time has come, and the first frame after it.
fn switch(c: &mut Criterion) {
    for n in sizes() {
        let mut group = group_of(c, "switch", n);
        let mut halls = Fresh::new(n, 1, move || Hall::of(n));
        measure(&mut group, "subrosa", || {
            let hall = halls.get();
            let guest = hall.knock();
            hall.admit(&[guest.id()]);
            hall.member_reads();
            let member = hall.member.as_mut().expect("a member");
            let mut sealer = member.sealer(TrackKind::Camera).expect("a track");
            let (mut frame, before) = (BytesMut::new(), member.sealing_epoch());
            sealer.seal(METADATA, &[7; 100], &mut frame).expect("a frame");
            let then = hall.now() + config().switch_deadline;
            let member = hall.member.as_mut().expect("a member");
            let took = timed(|| {
                member.handle_timeout(then);
                take_rosters(member, then);
                frame.clear();
                sealer.seal(METADATA, &[7; 100], &mut frame).expect("a frame");
            });
            assert!(member.sealing_epoch() > before, "it went over");
            took
        });
    }
}

criterion_group!(benches, create, admit, remove, join, process, catch_up, switch);
criterion_main!(benches);
