//! Knocks: one that nobody with the link sealed is nothing, and one by a link holder shows nobody to the host but who can be let in.
//! A genuine one is heard, afterwards.

use std::cell::RefCell;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use subrosa::{Event, Guest, HandleError, Output, Profile, Random, Time, danger, fuzzing};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{Pair, with_payload};

/// Layout: 0: what follows is the knock; 1: it is its content, sealed by somebody with the link (1 byte); [`Hostile`].
pub const TARGET: Target = Target { name: "knock", run: |data| _ = run(data), seeds };

/// Knocks are looked at a hundred times a second in the long run (R10).
const BETWEEN: Duration = Duration::from_secs(1);
/// After so many a new call is founded: hosts remember knocks for an invite's life.
const INPUTS: u16 = 500;

struct State {
    pair: Pair,
    now: Time,
    number: u16,
}

impl State {
    fn new() -> Self {
        Self { pair: Pair::new(), now: Time::ZERO, number: 0 }
    }

    fn random(&self) -> Random {
        let [low, high] = self.number.to_be_bytes();
        let mut seed = [7; 32];
        [seed[0], seed[1]] = [low, high];
        danger::seeded_random(seed)
    }
}

thread_local!(static STATE: RefCell<State> = RefCell::new(State::new()));

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let is_sealed = input.arbitrary::<u8>()? & 1 == 1;
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow_mut(|state| {
        if state.number == INPUTS {
            *state = State::new();
        }
        state.number += 1;
        let (invite, profile) = (state.pair.ann.invite(), Profile::person("Carl").expect("a name"));
        let (carl, genuine) = Guest::knock(invite.clone(), &profile, state.random()).expect("a knock");
        let content = fuzzing::knock_content(&carl);
        let knock = match is_sealed {
            false => Some(with_payload(&genuine, hostile.bytes(&genuine.payload))),
            true => fuzzing::knock(&invite, &hostile.bytes(&content), &state.random()),
        };
        state.now = state.now + BETWEEN;
        let (ann, now) = (&mut state.pair.ann, state.now);
        let mut was_heard = false;
        if let Some(knock) = knock.filter(|knock| *knock != genuine) {
            let outcome = ann.handle_message(&knock, now);
            assert!(matches!(outcome, Ok(()) | Err(HandleError::Knock(_))), "{outcome:?}");
            assert!(is_sealed || outcome.is_err(), "a forged knock was heard");
            while let Some(event) = next_event(&mut *ann) {
                // His own content in another envelope is his knock.
                if let Event::Knock(heard) = event {
                    assert!(is_sealed && heard.name == "Carl" && heard.id == carl.id(), "{heard:?}");
                    was_heard = true;
                    ann.deny(heard.id, now).expect("he waits");
                }
            }
        }
        let outcome = ann.handle_message(&genuine, now);
        assert_eq!(outcome.is_ok(), !was_heard, "{outcome:?}");
        let mut shown = Vec::new();
        while let Some(event) = next_event(&mut *ann) {
            if let Event::Knock(heard) = event {
                shown.push(heard.id);
                ann.deny(heard.id, now).expect("he waits");
            }
        }
        assert_eq!(shown, if was_heard { vec![] } else { vec![carl.id()] });
        assert_eq!((ann.ended(), ann.roster().members.len()), (None, 2));
    });
    Ok(())
}

fn next_event(call: &mut subrosa::Call) -> Option<Event> {
    loop {
        match call.poll_output() {
            Output::Event(event) => return Some(event),
            Output::Send(_) => {}
            Output::Timeout(_) => return None,
        }
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let changed = |sealed: u8, at: u16| [&[sealed, 1, 1][..], &at.to_le_bytes(), &[1, 0]].concat();
    let mut seeds = vec![
        ("nothing".to_owned(), vec![0, 0]),
        ("raw".to_owned(), [&[0, 0][..], &[9; 1_040]].concat()),
        ("sealed-own".to_owned(), vec![1, 1, 0, 0]),
        ("sealed-nothing".to_owned(), vec![1, 0]),
        ("sealed-cut".to_owned(), vec![1, 1, 0, 1, 100, 0]),
    ];
    seeds.extend((0..8).map(|n| (format!("changed-{n}"), changed(0, n * 130))));
    seeds.extend((0..40).map(|n| (format!("sealed-{n}"), changed(1, n * 9))));
    seeds
}
