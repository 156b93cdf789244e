//! What the numbers are held against.

use crate::medians::Medians;
use crate::wire::Wire;

/// One row: what, at most or at least how much, and what was seen.
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    pub(crate) seen: Option<f64>,
    pub(crate) unit: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn is_met(&self) -> Option<bool> {
        Some(match self.bound {
            Bound::AtMost(bound) => self.seen? <= bound,
            Bound::AtLeast(bound) => self.seen? >= bound,
        })
    }
}

pub(crate) fn all(medians: &Medians, wire: &[Wire]) -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    let target = |what: &str, bound, seen, unit| Target { what: what.to_owned(), bound, seen, unit };
    let mut targets = Vec::new();
    for (size, bound) in [(100, 1.15), (1_200, 1.08), (10_000, 1.04), (100_000, 1.04)] {
        let group = format!("seal/AES-128/{size}");
        let seen = medians.ratio(&format!("{group}/in place"), &format!("{group}/ring"));
        targets.push(target(&format!("seal {size} B / the bare AEAD"), AtMost(bound), seen, ""));
    }
    for (size, bound) in [(100, 1.25), (1_200, 1.12), (10_000, 1.05)] {
        let group = format!("opener/1000/{size}");
        let seen = medians.ratio(&format!("{group}/subrosa"), &format!("{group}/ring"));
        targets.push(target(
            &format!("open {size} B, 1,000 senders / the bare AEAD"),
            AtMost(bound),
            seen,
            "",
        ));
    }
    let theirs = medians.ratio("seal/AES-128/100/crate sframe", "seal/AES-128/100/in place");
    targets.push(target("the crate `sframe` / seal, 100 B", AtLeast(2.5), theirs, ""));
    for size in [100, 1_200, 10_000] {
        let group = format!("threads/{size}/subrosa");
        let seen = medians.ratio(&format!("{group}/1"), &format!("{group}/2")).map(|ratio| 2.0 * ratio);
        targets.push(target(&format!("two threads / one, {size} B"), AtLeast(1.9), seen, ""));
    }
    for what in ["unknown track", "closed epoch", "replayed"] {
        let seen = medians.ns(&format!("hostile/{what}"));
        targets.push(target(&format!("rejecting a frame: {what}"), AtMost(100.0), seen, "ns"));
    }
    let group = "call/process_join/1000";
    let seen = medians.ratio(&format!("{group}/subrosa"), &format!("{group}/openmls"));
    targets.push(target("applying a join at 1,000 / bare openmls", AtMost(1.1), seen, ""));
    let largest = wire.last().map(|wire| wire.join as f64);
    targets.push(target("the commit of that join", AtMost(2_048.0), largest, "B"));
    targets
}
