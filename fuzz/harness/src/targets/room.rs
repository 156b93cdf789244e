//! Whole calls: what hosts, members, crashes, the network and the server may do, in whatever order, held against a model of a call after
//! each operation (`subrosa_testkit::model`).

use subrosa_testkit::model::{self, Op, Play};
use subrosa_testkit::room::Dice;

use crate::Target;

/// Layout: how the dice fall, two bytes a throw (1/65,536 each): first for the room's network, then for operations.
pub const TARGET: Target = Target { name: "room", run, seeds };

const OPERATIONS: usize = 40;

fn run(data: &[u8]) {
    let mut dice = Dice::given(data);
    let mut play = Play::new(1, &mut dice);
    let may_split = dice.chance(0.1);
    let operations = std::iter::from_fn(|| (!dice.is_spent()).then(|| model::one(&mut dice, may_split)));
    let mut done: Vec<Op> = Vec::new();
    for op in model::beginning().into_iter().chain(operations).take(OPERATIONS) {
        let outcome = play.perform(&op);
        done.push(op);
        if let Err(what) = outcome {
            let story = model::tell(&play.room).join("\n");
            panic!("{story}\n{done:#?}\nafter {} operations: {what}", done.len());
        }
        if play.is_dead() {
            return; // nothing more can come of it
        }
    }
}

/// Sequences of the property test's kind, from seeds.
fn seeds() -> Vec<(String, Vec<u8>)> {
    (0..24).map(|seed| (seed.to_string(), Dice::new(seed, 0).bytes(240))).collect()
}
