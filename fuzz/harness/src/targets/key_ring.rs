//! Epochs that come and go at a sender and a receiver, and frames that come when they like, also before their keys and after them.

use subrosa::fuzzing;

use crate::Target;

/// Layout: steps, see the core's `keyring/fuzzing.rs`: 0 to 2 of the lowest four bits: Ann seals; 3 to 5: a frame comes to Bob; 6 and 7:
/// changed (place, change: 1 byte each); 8 and 9: Ann goes on to an epoch; 10 and 11: Bob does; 12: he forgets one; 13: time
/// passes; 14: he asks for what waited; 15: he is cut off, or no more.
pub const TARGET: Target = Target { name: "key_ring", run: fuzzing::key_ring, seeds };

fn seeds() -> Vec<(String, Vec<u8>)> {
    let (ann, bob): (&[u8], &[u8]) = (&[8], &[10]);
    // He keeps ten epochs; she is eight ahead, where the low bits of some fit both.
    let ten = [ann, bob].concat().repeat(9);
    let eight: Vec<u8> = [8, 0, 3].repeat(8);
    let stories: [(&str, Vec<u8>); 8] = [
        ("opened", vec![0, 3, 0, 3, 3]),
        ("forged", vec![0, 6, 0, 1, 7, 5, 9, 0x23, 3]),
        ("held", vec![8, 0, 3, 14, 10, 14, 14]),
        ("too-old", vec![8, 0, 3, 0xED, 14, 10, 14]),
        ("low-bits-of-two", [&ten[..], &eight, &[14, 14], &[10, 14, 14].repeat(8)].concat()),
        ("low-bits-of-two-forged", [&ten[..], &[8, 0, 6, 3, 9].repeat(8), &[10, 14].repeat(8)].concat()),
        ("closed", vec![0, 8, 0, 10, 3, 0x6D, 0x6D, 0x23, 12, 0x23]),
        ("full", [&[8][..], &[0, 3].repeat(30), &[15, 14, 0xED, 14, 15], &[14].repeat(30)].concat()),
    ];
    stories.into_iter().map(|(name, steps)| (name.to_owned(), steps)).collect()
}
