//! After a secret's owner is gone, so is the secret: looked for in the whole memory of the process, heap, stacks and all.
//!
//! No secret is in this test's own memory while it looks: needles are kept XORed, and come from the published vectors, or from a process of
//! their own with the same seed.
#![cfg(target_os = "linux")] // where a process can read its own memory as a file

mod common;

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::process::Command;

use bytes::BytesMut;
use common::SUITES;
use common::room::{FRAME, Room, seal};
use serde_json::Value;
use subrosa::TrackKind;
use subrosa::danger::{self, ExportedKey};
use subrosa::sframe::{Backend, CipherSuite, KeyId, StaticOpener, StaticSealer, UniqueKey};

const MASK: u8 = 0xa5;
const NEEDLE_LEN: usize = 16;

/// What is looked for, disguised.
struct Needle(Vec<u8>);

impl Needle {
    /// Reads hex, and disguises each byte before the next is read.
    fn of_hex(hex: &str) -> Self {
        let digit = |at: usize| hex.chars().nth(at).and_then(|c| c.to_digit(16)).expect("hex") as u8;
        Self((0..NEEDLE_LEN).map(|at| (digit(2 * at) << 4 | digit(2 * at + 1)) ^ MASK).collect())
    }

    fn of_disguised_hex(hex: &str) -> Self {
        let plain = Self::of_hex(hex).0;
        Self(plain.iter().map(|byte| byte ^ MASK).collect())
    }

    /// Counts the places in all memory that this process can write to.
    fn places(&self) -> usize {
        let maps = fs::read_to_string("/proc/self/maps").expect("linux has it");
        let memory = File::open("/proc/self/mem").expect("linux has it");
        let mut buffer = vec![0_u8; 1 << 16];
        let own = buffer.as_ptr() as usize..buffer.as_ptr() as usize + buffer.len();
        let mut found = 0;
        for line in maps.lines().filter(|line| line.contains(" rw")) {
            let (range, _) = line.split_once(' ').expect("a range, and what it is");
            let (from, to) = range.split_once('-').expect("two ends");
            let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16).expect("hex"));
            let mut at = from;
            while at < to {
                // Windows over the seams, too.
                let len = buffer.len().min(to - at);
                let overlaps_own = at < own.end && own.start < at + len;
                if memory.read_exact_at(&mut buffer[..len], at as u64).is_ok() {
                    found +=
                        self.places_in(&buffer[..len], at, if overlaps_own { own.clone() } else { 0..0 });
                }
                buffer.fill(0);
                black_box(&mut buffer);
                at += if len < buffer.len() { len } else { len - NEEDLE_LEN + 1 };
            }
        }
        found
    }

    fn places_in(&self, bytes: &[u8], at: usize, but: core::ops::Range<usize>) -> usize {
        let first = self.0[0] ^ MASK;
        let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
        let is_here = |(start, _): &(usize, &u8)| {
            let window = bytes.get(*start..start + NEEDLE_LEN);
            !but.contains(&(at + start))
                && window
                    .is_some_and(|window| window.iter().zip(&self.0).all(|(byte, own)| byte ^ MASK == *own))
        };
        starts.filter(is_here).count()
    }
}

/// A frame vector of RFC 9605, Appendix C.3: its KID and base key, and the key that is derived from them, disguised.
fn vector(suite: CipherSuite) -> (KeyId, Vec<u8>, Needle) {
    let vectors: Value = serde_json::from_str(include_str!("vectors/rfc9605.json")).expect("json");
    let frames = vectors["frame"].as_array().expect("a list");
    let of_suite = |frame: &&Value| frame["suite"].as_u64() == Some(suite.id().into());
    let frame = frames.iter().find(of_suite).expect("one for each suite");
    let text = |name: &str| frame[name].as_str().expect("text");
    let base_key = data_encoding::HEXLOWER.decode(text("base_key").as_bytes()).expect("hex");
    (KeyId(frame["kid"].as_u64().expect("a number")), base_key, Needle::of_hex(text("key")))
}

/// Runs a story in a stack frame of its own, then overwrites what calls that are over left on the stack, as whatever is called next would.
/// (The compiler copies what moves from one place to another, and wipes nothing behind it.)
#[inline(never)]
fn over_and_swept<T>(story: impl FnOnce() -> T) -> T {
    let told = black_box(story)();
    sweep_the_stack();
    told
}

#[inline(never)]
fn sweep_the_stack() {
    black_box([0_u8; 1 << 18]);
}

#[test]
fn the_search_finds_what_is_there() {
    let secret =
        [0x11_u8, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01];
    let needle = Needle(secret.iter().map(|byte| byte ^ MASK).collect());
    let kept = vec![secret; 3];
    assert!(needle.places() >= 3);
    black_box(&kept);
}

#[test]
fn keys_that_an_application_brings_are_gone_with_their_owners() {
    for backend in Backend::ALL {
        for &suite in SUITES {
            let (kid, base_key, needle) = vector(suite);
            let mut opener = StaticOpener::on(*backend, suite);
            let alive = over_and_swept(|| {
                let mut sealer =
                    StaticSealer::new(UniqueKey::assume_unique_on(*backend, suite, kid, &base_key));
                opener.add_key(kid, &base_key);
                let mut frame = BytesMut::new();
                sealer.seal(b"", b"payload", &mut frame).expect("it seals");
                opener.open(b"", &mut frame).expect("it opens");
                let alive = needle.places();
                opener.remove_key(kid);
                alive
            });
            // RustCrypto's AES keeps no key as it is, but expanded and sliced by bits.
            assert!(alive > 0 || suite.has_short_tags(), "{suite:?} on {backend:?}: nothing to be found");
            assert_eq!(needle.places(), 0, "{suite:?} on {backend:?} (alive: {alive})");
        }
    }
}

const SEED_PROCESS: &str = "the_process_with_the_same_seed";

/// Says what the first key of a camera is in the call that each test makes, disguised. No test, but a process for one.
#[test]
#[ignore = "started by other tests"]
fn the_process_with_the_same_seed() {
    for &suite in SUITES {
        let room = Room::with_guests(suite, &["Bob"]);
        let key = danger::export_sealing_key(&room.calls[0], TrackKind::Camera).expect("a key");
        let bytes = key.into_bytes();
        let disguised: String =
            bytes[22..22 + NEEDLE_LEN].iter().map(|byte| format!("{:02x}", byte ^ MASK)).collect();
        println!("\nneedle {} {disguised}", suite.id());
    }
}

fn needle_of_the_call(suite: CipherSuite) -> Needle {
    let own = std::env::current_exe().expect("this test");
    let output = Command::new(own).args(["--exact", SEED_PROCESS, "--ignored", "--nocapture"]).output();
    let output = String::from_utf8(output.expect("it runs").stdout).expect("text");
    let start = format!("needle {} ", suite.id());
    let line = output.lines().find_map(|line| line.strip_prefix(&start)).expect("it says so");
    Needle::of_disguised_hex(line)
}

/// A track's key, at its sender and at a receiver.
#[test]
fn the_keys_of_a_call_are_gone_with_the_call_although_sealers_and_openers_live() {
    for &suite in SUITES {
        let needle = needle_of_the_call(suite);
        let (alive, sealer_and_opener) = over_and_swept(|| {
            let room = Room::with_guests(suite, &["Bob"]);
            let (mut camera, mut opener) = (room.camera(0), room.opener(1));
            let mut frame = seal(&mut camera, b"payload");
            assert!(opener.open(FRAME, &mut frame).is_ok());
            (needle.places(), (camera, opener))
        });
        assert!(alive > 0 || suite.has_short_tags(), "{suite:?}: nothing to be found");
        assert_eq!(needle.places(), 0, "{suite:?} (alive: {alive})");
        drop(sealer_and_opener);
    }
}

#[test]
fn an_exported_key_is_gone_when_it_was_used() {
    for &suite in SUITES {
        let needle = needle_of_the_call(suite);
        let alive = over_and_swept(|| {
            let room = Room::with_guests(suite, &["Bob"]);
            let exported = danger::export_sealing_key(&room.calls[0], TrackKind::Camera).expect("a key");
            let alive = needle.places();
            let bytes = exported.into_bytes();
            let carried = ExportedKey::from_bytes(&bytes).expect("it was just written");
            drop(bytes);
            drop(StaticSealer::new(carried.into_key()));
            alive
        });
        assert!(alive > 0, "{suite:?}: nothing to be found");
        assert_eq!(needle.places(), 0, "{suite:?} (alive: {alive})");
    }
}
