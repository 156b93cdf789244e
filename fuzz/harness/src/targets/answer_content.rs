//! The content of a host's answer to a knock, decrypted: what is read says the same when it is sealed again.

use subrosa::fuzzing;

use crate::Target;

/// Layout: the content.
pub const TARGET: Target = Target { name: "answer_content", run: fuzzing::answer_body, seeds };

fn seeds() -> Vec<(String, Vec<u8>)> {
    let with = |verdict: u8, departed: usize, came: usize| {
        let departed = [vec![(departed * 32) as u8], vec![4; departed * 32]].concat();
        let came = [vec![(came * 28) as u8], vec![5; came * 28]].concat();
        [&[verdict, 3, b'm', b'l', b's'][..], &departed, &came, &[0; 9]].concat()
    };
    vec![
        ("admitted".to_owned(), with(1, 1, 2)),
        ("denied".to_owned(), with(2, 0, 0)),
        ("expired".to_owned(), with(3, 0, 0)),
        ("over".to_owned(), with(4, 0, 0)),
        ("unknown".to_owned(), with(5, 0, 0)),
    ]
}
