//! The page.

use std::fmt::Write as _;

use crate::medians::Medians;
use crate::plots::FRAMES;
use crate::targets::{self, Bound, Target, Verdict, Why};
use crate::wire::{SIZES, Wire};

/// Bytes of frames on two threads.
const THREADS: [u32; 3] = [100, 1_200, 10_000];

const HEAD: &str = "# What Subrosa costs\n\n\
Made by a program from what the benchmarks measured; nothing here is written by hand but the explanations. On your own machine, some ten \
minutes:\n\n\
```sh\n\
cargo bench -p subrosa-benches --benches -- --warm-up-time 0.3 --measurement-time 1\n\
cargo run --release -p subrosa-benches --bin performance_page\n\
```\n\n\
Times are medians. Criterion keeps what older runs measured: remove its folder first (`criterion` in the target directory). Compare figures of one run only, and ratios rather than times: what else a machine does moves all of them. The ratios of frames held against targets were measured in turns, a batch of one and a batch of the other (`benches/turns.rs`). `ring` is the \
bare AEAD call on the same buffers; `openmls` is the MLS group alone, on its own storage and RustCrypto.\n\n";

/// Why targets are not met; read with a profiler, so by hand.
fn why(page: &mut String, which: Why, runs: &[Medians]) {
    let ns = |name: &str| range(&runs.iter().filter_map(|run| run.ns(name)).collect::<Vec<_>>(), "ns");
    let times = |size, who| {
        let of = |run: &Medians| targets::two_threads(run, size, who);
        range(&runs.iter().filter_map(of).collect::<Vec<_>>(), "")
    };
    _ = match which {
        Why::Sealing => writeln!(
            page,
            "**Sealing.** At 100 bytes a frame costs {}, the AEAD call in it {}. Parts put in and taken out in turn, in one process, say \
             what the difference is: 5 to 6 ns are the two locked instructions with which the table of keys is looked up (an atomic load, \
             `arc-swap`), 3 ns moving the frame's start to behind its spare room (`BytesMut::advance`), the rest counter, header, AAD and \
             storing the tag. It hardly grows with the frame, so it counts least in the longest. The look-up could be saved by keeping \
             keys with the sealer; then a media thread that is idle would keep an old key alive, which is ruled out. A sealer outside of \
             a call, which has no such table, costs {} (`in place, standalone`). Beyond that runs differ by where code and buffers come \
             to lie: the bare call, too, takes a tenth more or less in another process.\n",
            ns("seal/AES-128/100/in place"),
            ns("seal/AES-128/100/ring"),
            ns("seal/AES-128/100/in place, standalone"),
        ),
        Why::Opening => writeln!(
            page,
            "**Opening.** Beside the AEAD call there are the table of keys, header, key, replay window (another locked instruction, as \
             openers on several threads share it) and what it is all for, the sender's name: at 100 bytes {} against {}. With 1,000 \
             senders in turn neither keys nor windows are in the nearest caches; the bare AEAD under as many keys feels that, too, and a \
             receiver has twice the memory to look at.\n",
            ns("opener/1000/100/subrosa"),
            ns("opener/1000/100/ring"),
        ),
        Why::Threads => {
            page.push_str(
                "**Two threads.** Sealers share nothing but the table of keys, which they only read. Whether the machine's processors \
                 are to blame is told by those beside them in the same run, bare `ring` and sealers without a table: \
                 if these do twice the work of one and sealers of a call do not, it is Subrosa, and we have not found out where.\n\n",
            );
            let heads = THREADS.map(|size| format!("{size} B"));
            _ = writeln!(page, "| two threads / one | {} |\n| --- | ---: | ---: | ---: |", heads.join(" | "));
            for (name, who) in
                [("subrosa", "subrosa"), ("subrosa, standalone", "standalone"), ("ring", "ring")]
            {
                let cells = THREADS.map(|size| times(size, who));
                _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
            }
            writeln!(page)
        }
        Why::Unknown => {
            writeln!(page, "**Others.** Met whenever we looked, so there is no explanation here.\n")
        }
    };
}

/// What a reader has to know of how these figures came about.
fn circumstances(page: &mut String, medians: &Medians) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (all, uncertain) = (medians.len(), medians.uncertain());
    _ = writeln!(
        page,
        "Measured on {}, {cores} processors. Of {all} medians {uncertain} have a 95 % confidence interval wider than a tenth of them.",
        std::env::consts::ARCH,
    );
    match medians.runs() {
        1 => page.push_str("All are of one run.\n\n"),
        runs => _ = writeln!(page, "**They are of {runs} runs**, and not to be compared across them.\n"),
    }
}

pub(crate) fn page(runs: &[Medians], wire: &[Wire]) -> String {
    let mut page = String::from(HEAD);
    let Some(medians) = runs.first() else { return page };
    circumstances(&mut page, medians);
    if runs.len() > 1 {
        _ = writeln!(
            page,
            "Tables and plots are of that run. Most of what is held against targets was run {} times, in processes of their own; *seen* \
             is from the least to the most.\n",
            runs.len(),
        );
    }
    let targets = targets::of_all_runs(runs, wire);
    page.push_str("## Held against what was wanted\n\n| | wanted | seen | |\n| --- | ---: | ---: | --- |\n");
    for target in &targets {
        row(&mut page, target);
    }
    page.push('\n');
    let is_missed = |target: &Target| matches!(target.verdict(), Verdict::Missed { .. });
    let is_missed = |why: Why| targets.iter().any(|target| target.why == why && is_missed(target));
    let reasons = [Why::Sealing, Why::Opening, Why::Threads, Why::Unknown];
    if reasons.into_iter().any(is_missed) {
        page.push_str("### Why some are not met\n\n");
        reasons
            .into_iter()
            .filter(|reason| is_missed(*reason))
            .for_each(|reason| why(&mut page, reason, runs));
    }
    frames(&mut page, medians);
    calls(&mut page, medians, wire);
    missing(&mut page, &medians.missing());
    page
}

/// From the least to the most.
fn range(seen: &[f64], unit: &str) -> String {
    let least = seen.iter().copied().reduce(f64::min);
    let Some((least, most)) = least.zip(seen.iter().copied().reduce(f64::max)) else {
        return "not run".to_owned();
    };
    let (least, most) = (number(least, unit), number(most, unit));
    if least == most { least } else { format!("{least} to {most}") }
}

fn missing(page: &mut String, names: &[String]) {
    if !names.is_empty() {
        page.push_str(
            "\n## Not run\n\nThese benchmarks belong on this page, and there is no figure of theirs:\n\n",
        );
        names.iter().for_each(|name| _ = writeln!(page, "- `{name}`"));
    }
}

fn row(page: &mut String, target: &Target) {
    let Target { what, bound, seen, unit, why: _ } = target;
    let (sign, bound) = match bound {
        Bound::AtMost(bound) => ("≤", bound),
        Bound::AtLeast(bound) => ("≥", bound),
    };
    let seen = range(seen, unit);
    let verdict = match target.verdict() {
        Verdict::Met => "met".to_owned(),
        Verdict::NotRun => "**not run**".to_owned(),
        Verdict::Missed { missed, all } if missed == all => "**not met**".to_owned(),
        Verdict::Missed { missed, all } => format!("**unclear**: not met in {missed} of {all} runs"),
    };
    _ = writeln!(page, "| {what} | {sign} {} | {seen} | {verdict} |", number(*bound, unit));
}

fn number(value: f64, unit: &str) -> String {
    if unit.is_empty() { format!("{value:.2}") } else { format!("{value:.0} {unit}") }
}

fn cell(ns: Option<f64>) -> String {
    match ns {
        None => "not run".to_owned(),
        Some(ns) if ns.is_nan() => "–".to_owned(), // there is no such thing
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
            // Opening is in place always.
            let rows = functions.into_iter().filter(|function| (what, *function) != ("open", "append"));
            let rows = rows.map(|function| {
                let name = |size| format!("{what}/{suite}/{size}/{function}");
                (function, FRAMES.map(|size| medians.ns(&name(size))).to_vec())
            });
            table(page, &format!("{what}, {suite}"), &heads, &rows.collect::<Vec<_>>());
        }
    }
    let sizes = [100, 1_200, 10_000];
    let heads = sizes.map(|size| format!("{size} B"));
    let rows = [
        ("1", "1", "subrosa"),
        ("50", "50", "subrosa"),
        ("1,000", "1000", "subrosa"),
        ("1,000, ring", "1000", "ring"),
    ]
    .map(|(name, senders, who)| {
        (name, sizes.map(|size| medians.ns(&format!("opener/{senders}/{size}/{who}"))).to_vec())
    });
    table(page, "open, senders in turn", &heads, &rows);
    let heads = THREADS.map(|size| format!("{size} B"));
    let rows = [
        ("subrosa, one", "subrosa/1"),
        ("subrosa, two", "subrosa/2"),
        ("subrosa, standalone, one", "standalone/1"),
        ("subrosa, standalone, two", "standalone/2"),
        ("ring, one", "ring/1"),
        ("ring, two", "ring/2"),
    ]
    .map(|(name, id)| (name, THREADS.map(|size| medians.ns(&format!("threads/{size}/{id}"))).to_vec()));
    table(page, "threads (a frame on each)", &heads, &rows);
    let sizes = [100, 1_200, 10_000, 100_000];
    let heads = sizes.map(|size| format!("{size} B"));
    let rows = ["seal", "seal and packetize", "open", "reassemble and open"]
        .map(|function| (function, sizes.map(|size| medians.ns(&format!("rtp/{size}/{function}"))).to_vec()));
    table(page, "RTP, packets of 1,200 B", &heads, &rows);
    let kinds = [
        "good frame",
        "no header",
        "unknown sender",
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

/// Keys are switched by Subrosa alone, and libcrux is asked for one thing.
fn is_there(who: &str, operation: &str) -> bool {
    match who {
        "subrosa" => true,
        "openmls" => operation != "switch",
        _ => operation == "process_join",
    }
}

/// In a call of two nobody is left who could be told of a removal.
pub(crate) fn makes_sense(operation: &str, participants: usize) -> bool {
    participants > 2 || !matches!(operation, "remove" | "process_removal")
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
        let rows = operations.into_iter().filter(|(_, operation)| is_there(who, operation));
        let rows = rows.map(|(name, operation)| {
            let cell = |n| medians.ns(&format!("call/{operation}/{n}/{who}"));
            (name, SIZES.map(|n| if makes_sense(operation, n) { cell(n) } else { Some(f64::NAN) }).to_vec())
        });
        table(page, who, &heads, &rows.collect::<Vec<_>>());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medians::tests::{in_turns, medians};

    /// What is not there is named, and what is met gets no excuse.
    #[test]
    fn a_page_says_what_is_missing_and_explains_only_what_is_missed() {
        let page = page(
            &[in_turns(&[("seal 100", 1.3)], medians(&[("seal/AES-128/100/ring", 100.0)]))],
            &[Wire { participants: 2, join: 600, answer: 4_000, removal: 600 }],
        );
        assert!(page.contains("| seal 100 B / the bare AEAD | ≤ 1.15 | 1.30 | **not met** |"));
        assert!(page.contains("| seal 1200 B / the bare AEAD | ≤ 1.08 | not run | **not run** |"));
        assert!(page.contains("**Sealing.**") && !page.contains("**Opening.**"));
        assert!(
            page.contains("- `turns, open 100, 1,000 senders`") && page.contains("- `open/AES-128/20/copy`")
        );
        assert!(!page.contains("`open/AES-128/20/append`") && !page.contains("`call/remove/2/subrosa`"));
    }
}
