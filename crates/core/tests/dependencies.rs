//! The core has no network, no clock, no executor and no file access; so nothing that it is built from brings one along.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that do I/O, by what they are for. Not a complete list of such crates, but of those that a dependency's feature,
/// switched on without much thought, would bring.
const NEVER: &[(&str, &[&str])] = &[
    (
        "executors",
        &[
            "tokio",
            "async-std",
            "async-global-executor",
            "smol",
            "async-executor",
            "futures-executor",
            "glommio",
            "monoio",
        ],
    ),
    ("sockets", &["mio", "polling", "async-io", "socket2", "net2", "nix", "rustix", "quinn", "quinn-udp"]),
    (
        "HTTP and the like",
        &[
            "hyper",
            "hyper-util",
            "reqwest",
            "ureq",
            "curl",
            "isahc",
            "attohttpc",
            "tungstenite",
            "async-nats",
        ],
    ),
    ("name resolution", &["hickory-resolver", "trust-dns-resolver", "hostname", "if-addrs"]),
    ("TLS", &["rustls", "native-tls", "openssl", "openssl-sys", "boring", "schannel", "security-framework"]),
    (
        "files",
        &["tempfile", "walkdir", "notify", "memmap2", "dirs", "home", "rusqlite", "sled", "redb", "heed"],
    ),
    ("clocks", &["chrono", "time", "instant", "web-time", "fluvio-wasm-timer", "coarsetime"]),
    ("telemetry", &["tracing-subscriber", "env_logger", "opentelemetry", "sentry"]),
    ("host facts", &["sysinfo", "whoami", "uname", "mac_address"]),
];

/// Names of all packages that `subrosa` is built from on this platform.
///
/// Offline and locked: the packages are here, since this test was built from them, and what is looked at is what was built.
fn built_from(features: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--package", "subrosa", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("utf-8");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn hold_that_none_does_io(packages: &BTreeSet<String>) {
    for (what, crates) in NEVER {
        for name in *crates {
            assert!(!packages.contains(*name), "{what}: the core is built from {name}");
        }
    }
}

#[cfg(feature = "mls")] // without it, its packages may not be here
#[test]
fn the_call_is_built_from_nothing_that_does_io() {
    let packages = built_from(&[]);
    assert!(["subrosa", "openmls", "ring"].iter().all(|name| packages.contains(*name)), "{packages:?}");
    hold_that_none_does_io(&packages);
}

#[test]
fn sframe_alone_is_built_from_nothing_that_does_io_and_without_mls() {
    let packages = built_from(&["--no-default-features"]);
    assert!(["subrosa", "bytes", "ring"].iter().all(|name| packages.contains(*name)), "{packages:?}");
    hold_that_none_does_io(&packages);
    assert!(!packages.contains("openmls"));
    assert!(packages.len() < 25, "{packages:?}");
}

/// The list is worth something: it sees what this workspace does use elsewhere.
#[test]
#[should_panic(expected = "the core is built from tokio")]
fn a_crate_that_does_io_is_seen() {
    hold_that_none_does_io(&BTreeSet::from(["subrosa".to_owned(), "tokio".to_owned()]));
}

/// What has no reason has no place: each dependency of the core says in its line what it is for.
#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = include_str!("../Cargo.toml");
    let (_, rest) = manifest.split_once("\n[dependencies]\n").expect("a section");
    let (dependencies, _) = rest.split_once("\n[").expect("another section");
    let lines = dependencies.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (said, unsaid): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.split_once('#').is_some_and(|(_, why)| why.trim().len() >= 8));
    assert_eq!(unsaid, Vec::<&str>::new(), "for what?");
    assert!(said.len() > 20, "{} dependencies", said.len());
}
