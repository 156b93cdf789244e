//! An exported key that is read is written back as it was.

use subrosa::danger::ExportedKey;

use crate::Target;

/// Layout: the bytes of the key.
pub const TARGET: Target = Target { name: "exported_key", run, seeds };

fn run(data: &[u8]) {
    if let Some(key) = ExportedKey::from_bytes(data) {
        let kid = key.kid();
        assert_eq!(data[2..10], kid.0.to_be_bytes());
        assert_eq!(key.into_bytes()[..], *data);
        let key = ExportedKey::from_bytes(data).expect("it was one before").into_key();
        assert!(format!("{key:?}").contains(&kid.0.to_string()));
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let key = |suite: u16, len: usize| [&suite.to_be_bytes()[..], &[7; 8 + 12], &vec![9; len]].concat();
    let lengths = [(1, 48), (2, 48), (3, 48), (4, 16), (5, 32), (4, 32), (0, 16)];
    lengths.into_iter().map(|(suite, len)| (format!("{suite}-{len}"), key(suite, len))).collect()
}
