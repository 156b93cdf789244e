//! Frames of an epoch that is not reached yet wait, within their bounds, and come back in the end: the genuine ones opened, each once, and
//! the forged ones refused.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use subrosa::{FrameFault, Guest, HeldId, Opening, Profile, Sealer, Time, TrackKind, danger};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{METADATA, Pair, drain};

/// Layout: steps: 0 to 3 of 8: Ann's next frame under the new epoch comes to Bob; 4: it is lost; 5: it comes twice; 6 and 7: it comes
/// changed, by [`Hostile`] in so many bytes (1). Then Bob learns of the epoch.
pub const TARGET: Target = Target { name: "held_frames", run: |data| _ = run(data), seeds };

const STEPS: u16 = 300;
/// R18: of one claimed track.
const QUOTA: usize = 256;

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let Pair { mut ann, mut bob, .. } = Pair::new();
    let now = Time::ZERO;
    let mut opener = bob.opener();

    // Carl comes in, and Bob does not know it yet.
    let carl = Profile::person("Carl").expect("a name");
    let (_, knock) = Guest::knock(ann.invite(), &carl, danger::seeded_random([3; 32])).expect("a knock");
    ann.handle_message(&knock, now).expect("a knock");
    let later = now + core::time::Duration::from_secs(3);
    let mut sent = drain(&mut ann, later);
    ann.handle_timeout(later);
    sent.extend(drain(&mut ann, later));
    let commit = sent.into_iter().find(|it| matches!(it.lane, subrosa::Lane::Log { .. })).expect("a commit");
    ann.handle_message(&commit, later).expect("her own commit");
    drain(&mut ann, later);
    ann.handle_timeout(later + core::time::Duration::from_secs(2));
    drain(&mut ann, later);
    let mut sealer: Sealer = ann.sealer(TrackKind::Camera).expect("a track");
    assert!(bob.epoch() < ann.sealing_epoch().expect("she seals"), "she has gone on");

    let mut held: BTreeMap<HeldId, Option<u16>> = BTreeMap::new();
    for number in 0..STEPS {
        let Ok(step) = input.arbitrary::<u8>() else { break };
        if input.is_empty() {
            break;
        }
        let mut genuine = BytesMut::new();
        sealer.seal(METADATA, &number.to_be_bytes(), &mut genuine).expect("she may");
        let mut comes =
            |bytes: &[u8], what: Option<u16>| match opener.open(METADATA, &mut BytesMut::from(bytes)) {
                Ok(Opening::Opened(_)) => panic!("opened without a key"),
                Ok(Opening::Held(id)) => assert!(held.insert(id, what).is_none(), "the same number twice"),
                Err(error) => assert!(what.is_none() || error.reason == FrameFault::HoldFull, "{error:?}"),
            };
        match step % 8 {
            0..=3 => comes(&genuine, Some(number)),
            4 => {}
            5 => {
                comes(&genuine, Some(number));
                comes(&genuine, Some(number));
            }
            _ => {
                let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
                let hostile = Hostile::read(&mut Unstructured::new(input.bytes(len)?));
                if let Ok(hostile) = hostile.map(|it| it.bytes(&genuine)) {
                    let what = (hostile == genuine[..]).then_some(number);
                    comes(&hostile, what);
                }
            }
        }
    }
    assert!(held.values().flatten().count() <= QUOTA);
    assert!(opener.released().is_none(), "its epoch did not come yet");

    bob.handle_message(&commit, later).expect("a commit");
    drain(&mut bob, later);
    let mut opened = BTreeMap::new();
    while let Some(released) = opener.released() {
        let what = held.remove(&released.id).expect("it was held");
        match (released.outcome, what) {
            (Ok(_), Some(number)) => {
                assert_eq!(released.payload[..], number.to_be_bytes());
                assert!(opened.insert(number, ()).is_none(), "frame {number} opened twice");
            }
            (Ok(_), None) => panic!("a forged frame opened"),
            (Err(error), Some(number)) => {
                assert!(error.reason == FrameFault::Replayed && opened.contains_key(&number), "{error:?}");
            }
            (Err(_), None) => {}
        }
    }
    assert!(held.values().all(Option::is_none), "genuine frames did not come back");
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let changed = |at: u8| vec![6, 6, 1, 1, at, 0, 1, 0];
    vec![
        ("all".to_owned(), vec![0; 10]),
        ("some".to_owned(), vec![0, 4, 0, 5, 4, 5, 0, 0]),
        ("too-many".to_owned(), vec![0; 300]),
        ("changed".to_owned(), (0..40).flat_map(changed).chain([0; 5]).collect()),
        (
            "other-epochs".to_owned(),
            (0..16).flat_map(|low| [6, 12, 0, 0x90, 3, low, 0, 0, 0, 0, 0, 0, 0, 0]).collect(),
        ),
    ]
}
