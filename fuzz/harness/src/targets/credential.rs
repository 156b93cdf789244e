//! A participant's credential, as he writes it himself: what is read is written back as it was, and has a name.

use subrosa::fuzzing;

use crate::Target;

/// Layout: the credential.
pub const TARGET: Target = Target { name: "credential", run: fuzzing::credential, seeds };

fn seeds() -> Vec<(String, Vec<u8>)> {
    let with = |kind: u8, name: &str, proof: &[u8]| {
        [&[1, kind][..], &[9; 32], &[name.len() as u8], name.as_bytes(), proof].concat()
    };
    vec![
        ("person".to_owned(), with(0, "Ann", b"")),
        ("bot".to_owned(), with(2, "captions", b"signed by somebody")),
        ("bridge".to_owned(), with(3, "Zoë \u{1f469}\u{200d}\u{1f680}", b"")),
        ("kind".to_owned(), with(4, "Ann", b"")),
        ("right-to-left".to_owned(), with(0, "A\u{202e}nn", b"")),
        ("tags".to_owned(), with(0, "Ann\u{e0041}", b"")),
        ("no-name".to_owned(), with(0, "", b"")),
        ("spaces".to_owned(), with(0, "  ", b"")),
    ]
}
