//! What was attempted against the call came to nothing.

use std::collections::HashSet;

use super::{Evidence, Result, ensure, number};

pub(crate) fn waiting_room(evidence: &Evidence) -> Result<String> {
    let denied = evidence.number("/denied")?;
    ensure(denied == 1.0, format!("{denied} guests learned that they were denied"))?;
    let (there, heard) = (evidence.names()?, evidence.number("/guests/knocks_heard")?);
    // All but the host, and the two who did not come in.
    ensure(heard == (there.len() + 1) as f64, format!("{heard} knocks heard"))?;
    let turned_away = [evidence.text("/guests/denied")?, evidence.text("/guests/locked_out")?];
    ensure(turned_away.iter().all(|name| !there.contains(name)), "one of them was in the call")?;
    Ok(format!("{heard} knocks heard, {denied} denied, 1 locked out"))
}

pub(crate) fn cheater(evidence: &Evidence) -> Result<String> {
    let cheater = evidence.text("/cheater/name")?;
    for person in evidence.participants()? {
        let seen = number(person, "/policy_violations_seen")?;
        let expected = if person["name"] == cheater { 0.0 } else { 1.0 };
        ensure(seen == expected, format!("{} saw {seen}", person["name"]))?;
    }
    let (seen, others) =
        (evidence.number("/policy_violations_seen")?, evidence.participants()?.len() as f64 - 1.0);
    ensure(seen == others, format!("{seen} reports from {others} participants"))?;
    let position = evidence.number("/cheater/position")?;
    let stands = evidence.deliveries()?.iter().any(|entry| {
        entry["lane"] == "log"
            && entry["position"].as_f64() == Some(position)
            && entry["outcome"] == "accepted"
    });
    ensure(stands, "his commit is not in the log")?;
    Ok(format!("seen by {seen}, at position {position} of the log"))
}

pub(crate) fn codes(evidence: &Evidence) -> Result<String> {
    evidence.is_true("/codes_agree")?;
    evidence.is_true("/code/earlier_differs")?;
    let compared = evidence.number("/code/compared")?;
    ensure(compared == evidence.participants()?.len() as f64, format!("only {compared} computed it"))?;
    let digits = evidence.text("/code/digits")?.split(' ').collect::<Vec<_>>();
    let is_group = |group: &&str| group.len() == 5 && group.bytes().all(|byte| byte.is_ascii_digit());
    ensure(digits.len() == 6 && digits.iter().all(is_group), "not six groups of five digits")?;
    let words = evidence.text("/code/words")?.split(' ').count();
    ensure(words == 9, format!("{words} words"))?;
    Ok(format!("{compared} have {}", digits.join(" ")))
}

pub(crate) fn cut_off(evidence: &Evidence) -> Result<String> {
    let (after, window) =
        (evidence.number("/cut_off_detected_ms")?, evidence.number("/cut_off/liveness_window_ms")?);
    ensure(
        after > 0.0 && after < window + 1000.0,
        format!("after {after} ms, with a window of {window} ms"),
    )?;
    evidence.is_true("/cut_off/others_go_on")?;
    for person in evidence.participants()? {
        let times = number(person, "/times_cut_off")?;
        ensure(times == 0.0, format!("{} was cut off {times} times", person["name"]))?;
    }
    Ok(format!("after {after:.0} ms, with a window of {window} ms"))
}

pub(crate) fn replays(evidence: &Evidence) -> Result<String> {
    let (injected, refused) =
        (evidence.number("/replays/log/injected")?, evidence.number("/replays/log/refused")?);
    ensure(refused == injected, format!("{refused} of {injected} old entries were skipped"))?;
    // The delivery service's log shows each of them: bytes that came before.
    let deliveries = evidence.deliveries()?;
    for (lane, field) in [("log", "log"), ("mailbox", "mailboxes"), ("talk", "talk")] {
        let said = evidence.number(&format!("/replays/{field}/injected"))?;
        let refused = evidence.number(&format!("/replays/{field}/refused"))?;
        ensure(refused <= said, format!("{refused} of {said} replays refused in {field}"))?;
        let mut seen = HashSet::new();
        let of_lane = deliveries.iter().filter(|it| it["lane"] == lane && it["outcome"] == "accepted");
        let again = of_lane.filter(|it| !seen.insert(it["bytes"].as_str())).count() as f64;
        ensure(again >= said, format!("{said} replays in {field}, of which the log shows {again}"))?;
    }
    let (injected, refused) =
        (evidence.number("/replays/talk/injected")?, evidence.number("/replays/talk/refused")?);
    ensure(2.0 * refused >= injected, format!("{refused} of {injected} replays of talk were refused"))?;
    Ok(format!("{} old entries", evidence.number("/replays/log/injected")?))
}
