//! Where figures are kept.

use std::path::{Path, PathBuf};

/// Criterion's folder, as criterion itself finds it.
pub(crate) fn criterion() -> PathBuf {
    let target = || {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(default, PathBuf::from)
    };
    std::env::var_os("CRITERION_HOME").map_or_else(|| target().join("criterion"), PathBuf::from)
}

/// Beside criterion's folders: ratios that `benches/turns.rs` measured.
pub(crate) const TURNS: &str = "turns.json";
