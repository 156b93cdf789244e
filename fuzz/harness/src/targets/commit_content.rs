//! The content of a commit that a member can write, who has the keys, and that the engine fails at: it is read once more (R7).

use subrosa::fuzzing;

use crate::Target;
use crate::pair::Pair;

/// Layout: the content, from the proposals on.
pub const TARGET: Target = Target { name: "commit_content", run: fuzzing::commit_content, seeds };

fn seeds() -> Vec<(String, Vec<u8>)> {
    let proposals = |list: &[&[u8]]| {
        let list: Vec<u8> = list.concat();
        [&(0x4000 | list.len() as u16).to_be_bytes()[..], &list].concat()
    };
    let remove = [1, 0, 3, 0, 0, 0, 1];
    let psk = [&[1, 0, 4, 1, 4][..], b"name", &[4, 1, 2, 3, 4]].concat();
    let reference = [&[2, 32][..], &[7; 32]].concat();
    let context = [1, 0, 7, 6, 0xf0, 1, 3, 1, 2, 3];
    let policy = [1, 0, 7, 16, 0, 3, 7, 2, 0xf0, 1, 0, 2, 0, 1, 0xf0, 1, 3, 1, 2, 3];
    let add = [&[1, 0, 1][..], &Pair::key_package()].concat();
    let content = |list: &[&[u8]], path: &[u8]| [&proposals(list)[..], path].concat();
    let leaf = [&[32][..], &[1; 32], &[32], &[2; 32], &[0, 1, 3], b"Ann"].concat();
    let capabilities = [2, 0, 1, 2, 0, 1, 2, 0xf0, 1, 0, 2, 0, 1];
    let source = [&[3, 0, 0, 0x40, 64][..], &[3; 64]].concat();
    let node = [&[32][..], &[4; 32], &[0]].concat();
    let path = [&[1][..], &leaf, &capabilities, &source, &[node.len() as u8], &node].concat();
    vec![
        ("empty".to_owned(), content(&[], &[0])),
        ("path".to_owned(), content(&[], &path)),
        ("all".to_owned(), content(&[&remove, &psk, &reference, &context], &path)),
        ("policy".to_owned(), content(&[&policy], &[0])),
        ("policy-twice".to_owned(), content(&[&policy, &policy], &[0])),
        (
            "not-a-commits-leaf".to_owned(),
            content(&[], &[&[1][..], &leaf, &capabilities, &[1, 0, 0, 0]].concat()),
        ),
        ("add".to_owned(), content(&[&add, &psk], &[0])),
    ]
}
