//! Answers to a guest's knock: none is taken that no host made, and one by somebody who has the lobby's key, but is no host or has
//! changed the Welcome, lets nobody in (R11). The genuine one does, afterwards.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use subrosa::{Guest, HostAnswer, Profile, Time, danger, fuzzing};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::Pair;

/// Layout: 0: what follows is the answer; 1: it is its content, sealed as only holders of the lobby's key can; 3: the same, made of what
/// a host of another call answered to the same keys (1 byte); [`Hostile`].
pub const TARGET: Target = Target { name: "answer", run: |data| _ = run(data), seeds };

struct State {
    pair: Pair,
    /// What Ann answered to the guest, whose keys are the same each time.
    genuine: Vec<u8>,
    content: Vec<u8>,
    of_another_call: Vec<u8>,
}

fn guest(pair: &Pair) -> Guest {
    let profile = Profile::person("Dora").expect("a name");
    Guest::knock(pair.ann.invite(), &profile, danger::seeded_random([9; 32])).expect("a knock").0
}

thread_local!(static STATE: RefCell<State> = {
    let mut pair = Pair::new();
    let genuine = pair.admit("Dora", 9);
    let content = fuzzing::answer_content(&guest(&pair), &genuine).expect("it is for her");
    let mut other = Pair::founded(20);
    let answer = other.admit("Dora", 9);
    let of_another_call = fuzzing::answer_content(&guest(&other), &answer).expect("it is for her");
    RefCell::new(State { pair, genuine, content, of_another_call })
});

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let how: u8 = input.arbitrary()?;
    let is_sealed = how & 1 == 1;
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow(|State { pair, genuine, content, of_another_call }| {
        let dora = guest(pair);
        let answer = match is_sealed {
            false => hostile.bytes(genuine),
            true => {
                fuzzing::answer(&dora, &hostile.bytes(if how & 2 == 0 { content } else { of_another_call }))
            }
        };
        let outcome = dora.open_answer(&answer);
        assert!(is_sealed || answer == *genuine || outcome.is_err(), "somebody else's answer");
        if let Ok(HostAnswer::Admitted(admission)) = outcome {
            let is_genuine = fuzzing::answer_content(&dora, &answer).is_some_and(|it| says(&it, content));
            match dora.accept(admission, Time::ZERO) {
                // What a host says of others beside the tree is his word, and decides about nobody's coming in.
                Ok(call) => assert_eq!(call.roster().members.len(), 3),
                Err(_) => assert!(!is_genuine, "the genuine answer was refused"),
            }
        }
        let dora = guest(pair);
        let Ok(HostAnswer::Admitted(admission)) = dora.open_answer(genuine) else { panic!("not an answer") };
        dora.accept(admission, Time::ZERO).expect("the genuine answer");
    });
    Ok(())
}

/// Whether they are the same but for zeros at the end.
fn says(one: &[u8], other: &[u8]) -> bool {
    let len = one.len().min(other.len());
    one[..len] == other[..len] && one[len..].iter().chain(&other[len..]).all(|byte| *byte == 0)
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let welcome = |at: u16| [&[1, 1, 1][..], &at.to_le_bytes(), &[1, 0]].concat();
    let mut seeds = vec![
        ("genuine".to_owned(), vec![0, 1, 0, 0]),
        ("changed".to_owned(), vec![0, 1, 1, 50, 0, 1, 0]),
        ("nothing".to_owned(), vec![0, 0]),
        ("sealed-genuine".to_owned(), vec![1, 1, 0, 0]),
        ("of-another-call".to_owned(), vec![3, 1, 0, 0]),
        ("sealed-denied".to_owned(), vec![1, 0, 2, 0, 0, 0]),
        ("sealed-cut".to_owned(), vec![1, 1, 0, 1, 200, 0]),
    ];
    seeds.extend((0..40).map(|n| (format!("sealed-{n}"), welcome(n * 37))));
    seeds
}
