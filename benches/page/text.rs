//! The page.

use std::fmt::Write as _;

use crate::medians::Medians;
use crate::plots::FRAMES;
use crate::targets::{self, Bound, Target};
use crate::wire::{SIZES, Wire};

const HEAD: &str = "# What Subrosa costs\n\n\
Made by a program from what the benchmarks measured; nothing here is written by hand but the explanations. On your own machine, some ten \
minutes:\n\n\
```sh\n\
cargo bench -p subrosa-benches --benches -- --warm-up-time 0.3 --measurement-time 1\n\
cargo run --release -p subrosa-benches --bin performance_page\n\
```\n\n\
Times are medians. Compare figures of one run only, and ratios rather than times: what else a machine does moves all of them. `ring` is the \
bare AEAD call on the same buffers; `openmls` is the MLS group alone, on its own storage and RustCrypto.\n\n";

/// Why targets are not met; read with the profile, so by hand.
const WHY: &str = "**Sealing short frames.** Beyond the AEAD call sealing costs some 30 ns whatever the length, so what is 1.25 times at \
100 bytes is nothing at 10,000. Instruction counts (callgrind) and turns with parts taken out say what they are: some 10 ns for the two locked \
instructions with which the table of keys is looked up; the rest for counter, header, AAD, and storing the tag. The look-up could be saved \
by keeping keys with the sealer; then a media thread that is idle would keep an old key alive, which is ruled out. A sealer outside of a \
call (`in place, standalone`), which has no such table, costs 17 ns.\n\n\
**Opening.** Header, key, replay window and what it is all for, the sender's name: some 30 to 40 ns. With 1,000 senders in turn their keys and \
windows do not fit the nearest caches; the bare AEAD under as many keys feels that, too, and a receiver has twice the memory to look at.\n\n\
**Two threads.** Sealers share nothing but the table, which they only read. What keeps two from being twice one are the machine's two \
processors: `ring` on two threads is in the table below the targets.\n\n";

pub(crate) fn page(medians: &Medians, wire: &[Wire]) -> String {
    let mut page = String::from(HEAD);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    _ = writeln!(page, "This run: {}, {cores} processors.\n", std::env::consts::ARCH);
    let targets = targets::all(medians, wire);
    page.push_str("## Held against what was wanted\n\n| | wanted | seen | |\n| --- | ---: | ---: | --- |\n");
    for target in &targets {
        row(&mut page, target);
    }
    page.push('\n');
    if targets.iter().any(|target| target.is_met() != Some(true)) {
        page.push_str("### Why some are not met\n\n");
        page.push_str(WHY);
    }
    frames(&mut page, medians);
    calls(&mut page, medians, wire);
    page
}

fn row(page: &mut String, target: &Target) {
    let Target { what, bound, seen, unit } = target;
    let (sign, bound) = match bound {
        Bound::AtMost(bound) => ("≤", bound),
        Bound::AtLeast(bound) => ("≥", bound),
    };
    let seen = seen.map_or_else(|| "not run".to_owned(), |seen| number(seen, unit));
    let verdict = match target.is_met() {
        Some(true) => "met",
        Some(false) => "**not met**",
        None => "**not run**",
    };
    _ = writeln!(page, "| {what} | {sign} {} | {seen} | {verdict} |", number(*bound, unit));
}

fn number(value: f64, unit: &str) -> String {
    if unit.is_empty() { format!("{value:.2}") } else { format!("{value:.0} {unit}") }
}

fn cell(ns: Option<f64>) -> String {
    match ns {
        None => "–".to_owned(),
        Some(ns @ ..10_000.0) => format!("{ns:.0} ns"),
        Some(ns @ ..10_000_000.0) => format!("{:.1} µs", ns / 1e3),
        Some(ns) => format!("{:.1} ms", ns / 1e6),
    }
}

fn table(page: &mut String, first: &str, heads: &[String], rows: &[(&str, Vec<Option<f64>>)]) {
    _ = writeln!(page, "| {first} | {} |", heads.join(" | "));
    _ = writeln!(page, "| --- |{}", " ---: |".repeat(heads.len()));
    for (name, cells) in rows {
        let cells = cells.iter().map(|ns| cell(*ns)).collect::<Vec<_>>().join(" | ");
        _ = writeln!(page, "| {name} | {cells} |");
    }
    page.push('\n');
}

fn frames(page: &mut String, medians: &Medians) {
    page.push_str("## Frames\n\n![](performance/seal.svg)\n\n![](performance/open.svg)\n\n![](performance/ratio.svg)\n\n");
    let heads = FRAMES.map(|size| format!("{size} B"));
    let functions =
        ["in place", "in place, aws-lc-rs", "in place, standalone", "append", "ring", "crate sframe", "copy"];
    for suite in ["AES-128", "AES-256"] {
        for what in ["seal", "open"] {
            let rows = functions.map(|function| {
                (
                    function,
                    FRAMES.map(|size| medians.ns(&format!("{what}/{suite}/{size}/{function}"))).to_vec(),
                )
            });
            let measured = rows.into_iter().filter(|(_, cells)| cells.iter().any(Option::is_some));
            table(page, &format!("{what}, {suite}"), &heads, &measured.collect::<Vec<_>>());
        }
    }
    let sizes = [100, 1_200, 10_000];
    let heads = sizes.map(|size| format!("{size} B"));
    let rows = [("1", "1"), ("50", "50"), ("1,000", "1000")].map(|(name, senders)| {
        (name, sizes.map(|size| medians.ns(&format!("opener/{senders}/{size}/subrosa"))).to_vec())
    });
    table(page, "open, senders in turn", &heads, &rows);
    let rows = [
        ("subrosa, one", "subrosa/1"),
        ("subrosa, two", "subrosa/2"),
        ("ring, one", "ring/1"),
        ("ring, two", "ring/2"),
    ]
    .map(|(name, id)| (name, sizes.map(|size| medians.ns(&format!("threads/{size}/{id}"))).to_vec()));
    table(page, "threads (a frame on each)", &heads, &rows);
    let sizes = [100, 1_200, 10_000, 100_000];
    let heads = sizes.map(|size| format!("{size} B"));
    let rows = ["seal", "seal and packetize", "open", "reassemble and open"]
        .map(|function| (function, sizes.map(|size| medians.ns(&format!("rtp/{size}/{function}"))).to_vec()));
    table(page, "RTP, packets of 1,200 B", &heads, &rows);
    let kinds = [
        "good frame",
        "no header",
        "unknown track",
        "closed epoch",
        "replayed",
        "reflected",
        "damaged",
        "forged, of a track not heard yet",
    ];
    let rows = kinds.map(|kind| (kind, vec![medians.ns(&format!("hostile/{kind}"))]));
    table(page, "refusing, 1,200 B", &["".to_owned()], &rows);
}

fn calls(page: &mut String, medians: &Medians, wire: &[Wire]) {
    page.push_str("## Calls\n\nRemovals are right after all were let in at once, when the tree is blank: the worst case. ");
    page.push_str("`docs/scale.md` has what they are in a call that goes on.\n\n");
    page.push_str("![](performance/call.svg)\n\n![](performance/bytes.svg)\n\n");
    let heads = SIZES.map(|n| n.to_string());
    let operations = [
        ("the host admits one", "admit_one"),
        ("the host admits 100", "admit_100"),
        ("the host removes one", "remove"),
        ("a guest joins", "join"),
        ("a member applies a join", "process_join"),
        ("a member applies a removal", "process_removal"),
        ("a member catches up with ten joins", "catch_up_10"),
        ("a sender switches, first frame included", "switch"),
    ];
    for who in ["subrosa", "openmls", "openmls on libcrux"] {
        let rows = operations.map(|(name, operation)| {
            (name, SIZES.map(|n| medians.ns(&format!("call/{operation}/{n}/{who}"))).to_vec())
        });
        let measured = rows.into_iter().filter(|(_, cells)| cells.iter().any(Option::is_some));
        table(page, who, &heads, &measured.collect::<Vec<_>>());
    }
    let create = ["subrosa", "openmls"].map(|who| cell(medians.ns(&format!("call/create/1/{who}"))));
    _ = writeln!(page, "Founding a call: {}, with openmls alone {}.\n", create[0], create[1]);
    _ = writeln!(page, "| bytes | {} |\n| --- |{}", heads.join(" | "), " ---: |".repeat(heads.len()));
    type Length = fn(&Wire) -> usize;
    let rows: [(&str, Length); 3] = [
        ("the commit of a join", |wire| wire.join),
        ("the answer to the guest, Welcome inside", |wire| wire.answer),
        ("a removal right after all joined at once", |wire| wire.removal),
    ];
    for (name, of) in rows {
        let cells = wire.iter().map(|wire| of(wire).to_string()).collect::<Vec<_>>().join(" | ");
        _ = writeln!(page, "| {name} | {cells} |");
    }
}
