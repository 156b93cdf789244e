//! Who takes part, for the story and for `check_report`. Each name has a word of five letters or more, which no ciphertext of a few megabytes has by chance.

/// Enough for the largest call and its late guest.
pub(crate) const NAMES: [&str; 51] = [
    "Alice Liddell",
    "Bob Cratchit",
    "Carol Kennicott",
    "Dave Brandreth",
    "Erin Delahunty",
    "Frank Churchill",
    "Grace Marchmont",
    "Heidi Sesemann",
    "Ivan Karamazov",
    "Judith Hartley",
    "Kevin Lonergan",
    "Laura Fairlie",
    "Martin Chuzzlewit",
    "Nancy Lammeter",
    "Oliver Mellors",
    "Peggy Yellowby",
    "Quentin Durward",
    "Roberta Waterbury",
    "Sybil Ramsbottom",
    "Trevor Netherfield",
    "Ursula Brangwen",
    "Victor Hugenot",
    "Wendy Darling",
    "Xavier Bellamont",
    "Yvonne Castellan",
    "Zachary Underhill",
    "Amelia Sedley",
    "Barnaby Rudgewick",
    "Cordelia Flyteman",
    "Dorothea Brooke",
    "Edmund Pevensie",
    "Felicity Lemonnier",
    "Gwendolen Harleth",
    "Horatio Pendragon",
    "Isabel Archerson",
    "Jasper Milvain",
    "Katherine Hilbery",
    "Leonard Bastable",
    "Marian Halcombe",
    "Nicholas Nickleby",
    "Ottilie Wagenfeld",
    "Philip Pirrip",
    "Rosamund Vincent",
    "Sidney Carton",
    "Tabitha Aykroyd",
    "Ulrich Kirchhoff",
    "Verity Latimerton",
    "Wilfred Ivanhoe",
    "Yolanda Okonkwo",
    "Zelda Fitzwarren",
    "Theodora Quayle",
];

/// The second to join leaves.
pub(crate) const LEAVES: usize = 1;
/// The third tries to let a friend in, and is removed; in a call of two, that is the late guest.
pub(crate) const CHEATS: usize = 2;

/// Who knocks and is denied; a participant who is no host would let him in.
pub(crate) const DENIED: &str = "Mortimer Quillfeather";
/// Who knocks when the call is locked.
pub(crate) const TOO_LATE: &str = "Philippa Trelawney";

/// Words shorter than this are searched for within the full name only.
const SHORTEST_WORD: usize = 5;

/// What to search for: full names, and the longer words in them.
pub(crate) fn needles(names: &[&str]) -> Vec<String> {
    let words = names.iter().flat_map(|name| name.split(' ')).filter(|word| word.len() >= SHORTEST_WORD);
    names.iter().copied().chain(words).map(str::to_owned).collect()
}

/// A name as part of a path.
pub(crate) fn in_path(name: &str) -> String {
    name.replace(' ', "-")
}
