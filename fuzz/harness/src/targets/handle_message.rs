//! A hostile log entry is skipped, a hostile knock or word of talk is refused; none panics, and all leave the call as it was.

use std::cell::RefCell;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use subrosa::{Call, Guest, HandleError, Lane, Message, Profile, Time, danger};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{Pair, drain, with_payload};

enum Where {
    Log,
    Lobby,
    Talk,
    Acknowledgements,
}

/// A call, and a genuine message for each lane: a commit that Bob has not seen, and a knock that Ann has not. Another call, with a
/// heartbeat that Bob has not heard, and an acknowledgement that Ann has not.
struct State {
    pair: Pair,
    commit: Message,
    knock: Message,
    /// As Ann has it. Knocks are looked at a hundred times a second in the long run.
    now: Time,
    talking: Pair,
    beat: Message,
    acknowledgement: Message,
}

/// When Ann's next heartbeat is due, and her next commit may go out.
const LATER: Time = Time::since_origin(Duration::from_secs(10));
const BETWEEN_KNOCKS: Duration = Duration::from_millis(10);

fn state() -> State {
    let mut pair = Pair::new();
    let knock = |seed: u8| {
        let profile = Profile::person("Carl").expect("a name");
        Guest::knock(pair.ann.invite(), &profile, danger::seeded_random([seed; 32])).expect("a knock").1
    };
    let (carls, knock) = (knock(3), knock(4));
    pair.ann.handle_message(&carls, LATER).expect("a knock");
    let sent = drain(&mut pair.ann, LATER);
    let commit = sent.into_iter().find(|it| matches!(it.lane, Lane::Log { .. })).expect("a commit");
    let mut talking = Pair::new();
    talking.ann.handle_timeout(LATER);
    let sent = drain(&mut talking.ann, LATER);
    let beat = sent.into_iter().find(|it| it.lane == Lane::Talk).expect("a heartbeat");
    let said = talking.said_by_bob.iter().find(|it| matches!(it.lane, Lane::Mailbox(_)));
    let acknowledgement = said.expect("he has the keys").clone();
    State { pair, commit, knock, now: LATER, talking, beat, acknowledgement }
}

/// What is not authentic is refused; what is for others, or for an epoch that may come, is let be. Neither changes anything.
fn means_nothing(call: &mut Call, genuine: &Message, bytes: Vec<u8>, now: Time) {
    if bytes == genuine.payload[..] {
        return;
    }
    let epoch = call.epoch();
    let outcome = call.handle_message(&with_payload(genuine, bytes), now);
    assert!(matches!(outcome, Ok(()) | Err(HandleError::Talk(_))), "{outcome:?}");
    assert!(drain(call, now).is_empty(), "something comes of it");
    assert_eq!((call.epoch(), call.ended(), call.is_cut_off()), (epoch, None, false));
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

/// Layout: the lane (1 byte), [`Hostile`].
pub const TARGET: Target = Target { name: "handle_message", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let place = match input.arbitrary::<u8>()? % 4 {
        0 => Where::Log,
        1 => Where::Lobby,
        2 => Where::Talk,
        _ => Where::Acknowledgements,
    };
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow_mut(|state| match place {
        Where::Log => {
            let State { pair, commit, .. } = state;
            let (position, epoch) = (pair.bob.log_position(), pair.bob.epoch());
            let bytes = hostile.bytes(&moved(commit, position));
            if bytes == commit.payload[..] {
                return;
            }
            let entry = Message { lane: Lane::Log { position }, payload: bytes.into() };
            pair.bob.handle_message(&entry, Time::ZERO).expect("an entry is skipped, not refused");
            assert!(drain(&mut pair.bob, Time::ZERO).is_empty(), "something comes of it");
            assert_eq!((pair.bob.log_position(), pair.bob.epoch()), (position + 1, epoch));
            assert_eq!(pair.bob.ended(), None);
        }
        Where::Lobby => {
            let State { pair, knock, now, .. } = state;
            *now = *now + BETWEEN_KNOCKS;
            let bytes = hostile.bytes(&knock.payload);
            if bytes == knock.payload[..] {
                return;
            }
            let outcome = pair.ann.handle_message(&with_payload(knock, bytes), *now);
            assert!(outcome.is_err(), "a forged knock was heard");
            let is_talk = |message: &Message| message.lane == Lane::Talk; // she beats, as time goes by
            assert!(drain(&mut pair.ann, *now).iter().all(is_talk), "something comes of it");
        }
        Where::Talk => {
            let bytes = hostile.bytes(&state.beat.payload);
            means_nothing(&mut state.talking.bob, &state.beat, bytes, Time::ZERO);
        }
        Where::Acknowledgements => {
            let bytes = hostile.bytes(&state.acknowledgement.payload);
            means_nothing(&mut state.talking.ann, &state.acknowledgement, bytes, LATER);
        }
    });
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    vec![]
}
