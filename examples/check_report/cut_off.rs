//! The small call beside the main one, in which a server keeps a removal from somebody. It is in no capture: its numbers are
//! held against each other, and against what `group_call` sets.

use super::{Evidence, Result, ensure};

/// In real time, whatever the story's speed.
const HEARTBEAT_MS: f64 = 1000.0;
const WINDOW_MS: f64 = 3000.0;
/// How long the call goes on before the removal, and after it.
const BEFORE_MS: f64 = 3500.0;
const AFTER_MS: f64 = 4000.0;
/// Everybody seals a frame this often; a busy machine may keep him from four of five.
const FRAME_MS: f64 = 20.0;
const AT_LEAST: f64 = 0.2;

pub(crate) fn cut_off(evidence: &Evidence) -> Result<String> {
    let window = evidence.number("/cut_off/liveness_window_ms")?;
    let heartbeat = evidence.number("/cut_off/heartbeat_ms")?;
    ensure(
        (window, heartbeat) == (WINDOW_MS, HEARTBEAT_MS),
        format!("a window of {window} ms, {heartbeat} ms"),
    )?;
    let after = evidence.number("/cut_off_detected_ms")?;
    // He heard the host last at the removal, or up to a heartbeat before it.
    let earliest = WINDOW_MS - 1.5 * HEARTBEAT_MS;
    ensure(after > earliest && after < AFTER_MS, format!("after {after} ms, with a window of {window} ms"))?;
    for (field, during) in [
        ("frames_sealed_before", BEFORE_MS),
        ("frames_sealed_meanwhile", after),
        ("refused_after", AFTER_MS - after),
    ] {
        let (count, ideal) = (evidence.number(&format!("/cut_off/{field}"))?, during / FRAME_MS);
        // One at the beginning, one at the end.
        let is_so = count >= (AT_LEAST * ideal).floor() && count <= 1.02 * ideal + 2.0;
        ensure(is_so, format!("{field}: {count} in {during} ms"))?;
    }
    evidence.is_true("/cut_off/others_go_on")?;
    Ok(format!("after {after:.0} ms, with a window of {window} ms"))
}
