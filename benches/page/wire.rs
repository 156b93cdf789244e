//! How long messages are; the same on every machine, so measured here and not by criterion.

use subrosa_testkit::hall::Hall;

pub(crate) const SIZES: [usize; 5] = [2, 10, 50, 200, 1_000];

/// Bytes of what goes over the wire in a call of that many.
pub(crate) struct Wire {
    pub(crate) participants: usize,
    /// The commit that lets one more in.
    pub(crate) join: usize,
    /// The answer to him, with the Welcome.
    pub(crate) answer: usize,
    /// The commit that removes one, right after all were let in at once.
    pub(crate) removal: usize,
}

pub(crate) fn measure() -> Vec<Wire> {
    SIZES.map(of).into()
}

fn of(participants: usize) -> Wire {
    let mut hall = Hall::of(participants);
    let last = hall.host.roster().members.last().expect("somebody").id;
    let guest = hall.knock();
    let join = hall.admit(&[guest.id()]).len();
    let answer = hall.welcome(guest).1.payload.len();
    let removal = hall.remove(&[last]).len();
    Wire { participants, join, answer, removal }
}
