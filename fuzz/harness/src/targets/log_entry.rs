//! The log, into which a server and a tampered member write what they like before the host's own entry: it is skipped by all alike, and
//! the host's commit, made anew for each position that was lost, is applied by all in the end, once.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use subrosa::danger::tampered;
use subrosa::{Guest, Lane, Message, Profile, Time, danger, fuzzing};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{Pair, drain};

/// Layout: entries, each of what it is made (1 byte), by how many bytes of [`Hostile`] it is changed (1), these. It is made of, bits 0 to 2:
/// 0: the host's commit; 1: another call's host's; 2: the same for an earlier position; 3: the entry by which Bob came in; 4: a commit of Bob's, who may not;
/// 5 and 6: the host's commit, changed before Bob signs it as his; 7: Bob's commit, changed before he signs it.
pub const TARGET: Target = Target { name: "log_entry", run: |data| _ = run(data), seeds };

const ENTRIES: usize = 12;
const SIGNATURE_LEN: usize = 64;

thread_local!(static ELSEWHERE: Vec<u8> = Pair::founded(20).first_entry);

struct Log {
    pair: Pair,
    now: Time,
    position: u64,
    /// What Ann wants to have written at `position`.
    wanted: Option<Vec<u8>>,
    earlier: Vec<u8>,
}

impl Log {
    /// Ann has decided to let Carl in, and her commit is on its way.
    fn new() -> Self {
        let pair = Pair::new();
        let position = pair.ann.log_position();
        let earlier = pair.first_entry.clone();
        let mut log =
            Self { pair, now: Time::ZERO + Duration::from_secs(10), position, wanted: None, earlier };
        let invite = log.pair.ann.invite();
        let carl = Profile::person("Carl").expect("a name");
        let (_, knock) = Guest::knock(invite, &carl, danger::seeded_random([3; 32])).expect("a knock");
        log.pair.ann.handle_message(&knock, log.now).expect("a knock");
        log.listen();
        log
    }

    fn listen(&mut self) {
        for message in drain(&mut self.pair.ann, self.now) {
            if let Lane::Log { position } = message.lane {
                assert_eq!(position, self.position);
                self.wanted = Some(message.payload.to_vec());
            }
        }
        let others = drain(&mut self.pair.bob, self.now);
        assert!(others.iter().all(|message| !matches!(message.lane, Lane::Log { .. })), "Bob writes");
    }

    fn write(&mut self, entry: Vec<u8>) {
        let message = Message { lane: Lane::Log { position: self.position }, payload: entry.into() };
        self.position += 1;
        for call in [&mut self.pair.ann, &mut self.pair.bob] {
            call.handle_message(&message, self.now).expect("an entry is skipped, not refused");
        }
        self.wanted = None;
        self.listen();
        let Pair { ann, bob, .. } = &self.pair;
        assert_eq!((ann.log_position(), bob.log_position()), (self.position, self.position));
        assert_eq!((ann.epoch(), ann.ended()), (bob.epoch(), bob.ended()), "the call is split");
    }

    fn entry(&mut self, of: u8, hostile: &Hostile) -> Option<Vec<u8>> {
        let genuine = self.wanted.clone().unwrap_or_default();
        let unsigned = |entry: &[u8]| {
            entry.get(..entry.len().saturating_sub(SIGNATURE_LEN)).unwrap_or_default().to_vec()
        };
        let bobs = |bob| tampered::spoil_path(bob, |_| false).ok().map(|message| message.payload.to_vec());
        Some(match of & 7 {
            0 => hostile.bytes(&genuine),
            1 => ELSEWHERE.with(|entry| hostile.bytes(entry)),
            2 => hostile.bytes(&self.earlier),
            3 => hostile.bytes(&self.pair.first_entry),
            4 => hostile.bytes(&bobs(&mut self.pair.bob)?),
            5 | 6 => fuzzing::entry(&self.pair.bob, &hostile.bytes(&unsigned(&genuine))),
            _ => {
                let own = bobs(&mut self.pair.bob)?;
                fuzzing::entry(&self.pair.bob, &hostile.bytes(&unsigned(&own)))
            }
        })
    }
}

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let mut log = Log::new();
    let epoch = log.pair.ann.epoch();
    for _ in 0..ENTRIES {
        if input.is_empty() {
            break;
        }
        let (of, len): (u8, u8) = input.arbitrary()?;
        let len = usize::from(len).min(input.len());
        let hostile = Hostile::read(&mut Unstructured::new(input.bytes(len)?));
        let hostile = hostile.unwrap_or(Hostile::Raw(Vec::new()));
        let Some(entry) = log.entry(of, &hostile) else { continue };
        let is_genuine = log.wanted.as_ref() == Some(&entry);
        if let Some(wanted) = &log.wanted {
            log.earlier.clone_from(wanted);
        }
        let before = log.pair.ann.epoch();
        log.write(entry);
        assert_eq!(log.pair.ann.epoch().0, before.0 + u64::from(is_genuine), "a forged entry was applied");
    }
    // After entries that were lost she waits longer and longer.
    for _ in 0..100 {
        if log.pair.ann.epoch() != epoch {
            break;
        }
        log.now = log.now + Duration::from_secs(1);
        log.pair.ann.handle_timeout(log.now);
        log.listen();
        if let Some(entry) = log.wanted.clone() {
            log.write(entry);
        }
    }
    let Pair { ann, bob, .. } = &log.pair;
    assert_eq!((ann.epoch().0, bob.epoch().0), (epoch.0 + 1, epoch.0 + 1), "it happened, and once");
    assert!([ann, bob].iter().all(|call| call.roster().members.len() == 3));
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let as_it_is = |of: u8| vec![of, 3, 1, 0, 0];
    let changed = |of: u8, at: u16| {
        let [low, high] = at.to_le_bytes();
        vec![of, 6, 1, 1, low, high, 1, 0]
    };
    let cut = |of: u8, len: u8| vec![of, 5, 1, 0, 1, len, 0];
    let mut seeds = vec![
        ("none".to_owned(), vec![]),
        ("garbage".to_owned(), [0, 20, 0].into_iter().chain([7; 19]).collect()),
        ("all".to_owned(), (0..8).flat_map(as_it_is).collect()),
        ("replayed".to_owned(), [3, 2, 2, 3].into_iter().flat_map(as_it_is).collect()),
    ];
    // RFC 9420 §6: version (2), wire format (2), group id (17), epoch (8), content type (1).
    for (name, at, change) in
        [("wire-format", 3, 3), ("call", 10, 1), ("epoch", 28, 1), ("content-type", 29, 2)]
    {
        for of in [0, 5, 7] {
            seeds.push((format!("{of}-{name}"), vec![of, 6, 1, 1, at, 0, change, 0]));
        }
    }
    // RFC 9420 §6.2, a PublicMessage: group id, epoch, a member, no data, a proposal to remove somebody, signature, membership tag.
    let public = [
        &[0, 1, 0, 1, 16][..],
        &[0; 16],
        &[0; 8],
        &[1, 0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 1],
        &[&[0x40, 64][..], &[9; 64], &[32], &[9; 32]].concat(),
        &[9; SIGNATURE_LEN],
    ]
    .concat();
    seeds.push(("public".to_owned(), [&[0, public.len() as u8 + 1, 0][..], &public].concat()));
    for of in [0, 5, 7] {
        for n in 0..6_u16 {
            let places = (0..8).flat_map(|at| changed(of, n * 80 + at * 10));
            seeds.push((format!("{of}-changed-{n}"), places.collect()));
        }
        seeds.push((format!("{of}-cut"), (1..9).flat_map(|n| cut(of, n * 25)).collect()));
    }
    seeds
}
