//! What members say beside the log, decrypted: what is read is written back as it was.

use subrosa::fuzzing;

use crate::Target;

/// Layout: the kind (1 byte), the content.
pub const TARGET: Target = Target { name: "talk_content", run, seeds };

fn run(data: &[u8]) {
    let Some((kind, content)) = data.split_first() else { return };
    fuzzing::talk(u32::from(*kind % 8), content);
}

/// A content of each kind.
pub(crate) fn contents() -> Vec<(&'static str, Vec<u8>)> {
    let beat = |echoes: usize| {
        let echoes = [vec![(echoes * 8) as u8], vec![5; echoes * 8]].concat();
        [&[0][..], &1_u64.to_be_bytes(), &[0; 8], &[3; 16], &[1, 0], &echoes].concat()
    };
    let settled = |knocks: usize| [vec![(knocks * 16) as u8], vec![6; knocks * 16]].concat();
    let handover = [&[4][..], &[1; 16], &[0, 0, 0, 1], &[2; 32], &[48], &[3; 48], &settled(2)].concat();
    vec![
        ("beat", beat(0)),
        ("beat-echoes", beat(5)),
        ("announcement", vec![1, 2, 0xff, 0x01]),
        ("acknowledgement", vec![2]),
        ("challenge", vec![3, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("handover", handover),
        ("settled", [vec![5], settled(3)].concat()),
        ("stranded", [&[6][..], &9_u64.to_be_bytes()].concat()),
    ]
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    contents().into_iter().map(|(name, content)| (name.to_owned(), content)).collect()
}
