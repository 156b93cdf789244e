//! A hostile log entry is skipped, a hostile knock is refused; neither panics, and both leave the call as it was.
#![no_main]

use std::cell::RefCell;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use subrosa::{Guest, Lane, Message, Profile, Time, danger};
use subrosa_fuzz::{Hostile, Pair, drain, with_payload};

#[derive(Arbitrary, Debug)]
enum Where {
    Log,
    Lobby,
}

/// A call, and a genuine message for each lane: a commit that Bob has not seen, and a knock that Ann has not.
struct State {
    pair: Pair,
    commit: Message,
    knock: Message,
}

fn state() -> State {
    let mut pair = Pair::new();
    let knock = |seed: u8| {
        let profile = Profile::person("Carl").expect("a name");
        Guest::knock(pair.ann.invite(), &profile, danger::seeded_random([seed; 32])).expect("a knock").1
    };
    let (carls, knock) = (knock(3), knock(4));
    pair.ann.handle_message(&carls, Time::ZERO).expect("a knock");
    let commit = drain(&mut pair.ann, Time::ZERO).pop().expect("a commit");
    State { pair, commit, knock }
}

/// The commit, claiming to be for another position (which it says in clear), so that what is behind that check is met too.
fn moved(commit: &Message, position: u64) -> Vec<u8> {
    let Lane::Log { position: own } = commit.lane else { panic!("not an entry") };
    let mut bytes = commit.payload.to_vec();
    let aad = |position: u64| [&[8], &position.to_be_bytes()[..]].concat(); // its length, then the position
    let at = bytes.windows(9).position(|window| window == aad(own)).expect("it says so");
    bytes[at..at + 9].copy_from_slice(&aad(position));
    bytes
}

thread_local!(static STATE: RefCell<State> = RefCell::new(state()));

fuzz_target!(|input: (Where, Hostile)| {
    let (place, hostile) = input;
    STATE.with_borrow_mut(|State { pair, commit, knock }| match place {
        Where::Log => {
            let (position, epoch) = (pair.bob.log_position(), pair.bob.epoch());
            let bytes = hostile.bytes(&moved(commit, position));
            if bytes == commit.payload[..] {
                return;
            }
            let entry = Message { lane: Lane::Log { position }, payload: bytes.into() };
            pair.bob.handle_message(&entry, Time::ZERO).expect("an entry is skipped, not refused");
            assert!(drain(&mut pair.bob, Time::ZERO).is_empty(), "nothing comes of it");
            assert_eq!((pair.bob.log_position(), pair.bob.epoch()), (position + 1, epoch));
            assert_eq!(pair.bob.ended(), None);
        }
        Where::Lobby => {
            let bytes = hostile.bytes(&knock.payload);
            if bytes == knock.payload[..] {
                return;
            }
            let outcome = pair.ann.handle_message(&with_payload(knock, bytes), Time::ZERO);
            assert!(outcome.is_err(), "a forged knock was heard");
            assert!(drain(&mut pair.ann, Time::ZERO).is_empty(), "nothing comes of it");
        }
    });
});
