//! What was attempted against the call came to nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::cast::{DENIED, TOO_LATE};
use super::log::Entry;
use super::{Evidence, Result, count, counts, ensure};

/// Entries that mean something: a commit for each epoch but the first, and what the two said who leave.
const ENTRIES_TAKEN: usize = 5 + 2;
/// Every so manyth message of talk and of mailboxes is held back.
const HELD_BACK: usize = 3;
/// What the intruder and the server may still have put into mailboxes when nobody read them any more, or have done out of step.
const OUT_OF_STEP: u64 = 6;

pub(crate) fn waiting_room(evidence: &Evidence) -> Result<String> {
    let denied = evidence.number("/denied")?;
    ensure(denied == 1.0, format!("{denied} guests learned that they were denied"))?;
    // All but the host, and the two who did not come in.
    let heard = evidence.count("/guests/knocks_heard")?;
    ensure(heard == evidence.people.len() as u64 + 1, format!("{heard} knocks heard"))?;
    for (at, name) in [("denied", DENIED), ("locked_out", TOO_LATE)] {
        let said = evidence.text(&format!("/guests/{at}"))?;
        ensure(said == name, format!("{said} {at}, instead of {name}"))?;
    }
    Ok(format!("{heard} knocks heard, {denied} denied, 1 locked out"))
}

pub(crate) fn cheater(evidence: &Evidence) -> Result<String> {
    let (cheater, friend) = (evidence.text("/cheater/name")?, evidence.text("/cheater/friend")?);
    ensure(friend == DENIED, format!("{friend} is not who was denied"))?;
    let position = evidence.count("/cheater/position")?;
    for person in &evidence.people {
        let (name, seen) = (&person.name, person.violations_seen);
        ensure(seen == u64::from(name != cheater), format!("{name} saw {seen}"))?;
        ensure(person.skipped.contains(&position), format!("{name} did not skip position {position}"))?;
    }
    let (seen, others) = (evidence.count("/policy_violations_seen")?, evidence.people.len() as u64 - 1);
    ensure(seen == others, format!("{seen} reports from {others} participants"))?;
    let commit =
        standing(evidence).get(&position).map(|entry| HEXLOWER.encode(&Sha256::digest(&entry.bytes)));
    let said = evidence.text("/cheater/commit_sha256")?;
    ensure(commit.as_deref() == Some(said), "what stands at that position of the log is not his commit")?;
    Ok(format!("seen by {seen}, at position {position} of the log"))
}

/// What stands in the log.
fn standing(evidence: &Evidence) -> BTreeMap<u64, &Entry> {
    let entries = evidence.log.iter().filter(|entry| entry.lane == "log" && entry.accepted);
    entries.filter_map(|entry| Some((entry.position?, entry))).collect()
}

pub(crate) fn skipped(evidence: &Evidence) -> Result<String> {
    let log = standing(evidence);
    ensure(log.keys().copied().eq(0..log.len() as u64), "there are gaps in the log")?;
    let (strangers, old) = (
        counts(&evidence.report, "/intruder/log_positions")?,
        counts(&evidence.report, "/replays/log_positions")?,
    );
    for (positions, at) in [(&strangers, "/intruder/log_entries"), (&old, "/replays/log/injected")] {
        ensure(
            positions.len() as u64 == evidence.count(at)?,
            format!("{at}: {} positions", positions.len()),
        )?;
    }
    let cheaters = evidence.count("/cheater/position")?;
    // The stranger and the server may want the same old entry at the same position, and both are told that it stands there.
    let others = strangers.iter().chain(&old).copied().collect::<BTreeSet<_>>();
    ensure(!others.contains(&cheaters), "the cheater's entry is somebody else's")?;
    let foreign = others.into_iter().chain([cheaters]).collect::<BTreeSet<_>>();
    ensure(foreign.iter().all(|position| log.contains_key(position)), "an entry is not in the log")?;
    ensure(are_old(evidence, &old), "an old entry is none")?;
    for person in &evidence.people {
        let theirs = foreign.iter().copied().filter(|position| person.has_read(*position));
        let is_so = theirs.eq(person.skipped.iter().copied());
        ensure(is_so, format!("{} skipped other entries than these", person.name))?;
    }
    let host = evidence.people.first().ok_or("no host")?;
    ensure(host.read[0] == 0 && log.contains_key(&host.read[1]), "the host has not read the log")?;
    let taken = (0..=host.read[1]).filter(|position| !host.skipped.contains(position));
    let taken = taken.filter_map(|position| log.get(&position).map(|entry| &entry.bytes));
    let (taken, different): (Vec<_>, HashSet<_>) = taken.map(|bytes| (bytes, bytes)).unzip();
    ensure(taken.len() == ENTRIES_TAKEN, format!("{} entries were taken", taken.len()))?;
    ensure(different.len() == taken.len(), "an entry was taken twice")?;
    let rest = log.range(host.read[1] + 1..).map(|(position, _)| position);
    ensure(rest.into_iter().all(|position| foreign.contains(position)), "an entry of nobody")?;
    Ok(format!("{} of {} entries", host.skipped.len(), host.read[1] + 1))
}

/// Somebody wanted each of these in the log before.
fn are_old(evidence: &Evidence, positions: &[u64]) -> bool {
    let of_log = evidence.log.iter().filter(|entry| entry.lane == "log").collect::<Vec<_>>();
    positions.iter().all(|position| {
        let stands = |entry: &&Entry| entry.accepted && entry.position == Some(*position);
        let at = of_log.iter().position(stands);
        at.is_some_and(|at| of_log[..at].iter().any(|earlier| earlier.bytes == of_log[at].bytes))
    })
}

pub(crate) fn replays(evidence: &Evidence) -> Result<String> {
    let (injected, refused) =
        (evidence.number("/replays/log/injected")?, evidence.number("/replays/log/refused")?);
    ensure(refused == injected, format!("{refused} of {injected} old entries were skipped"))?;
    // The delivery service's log shows each of them: bytes that came before.
    for (lane, field) in [("log", "log"), ("mailbox", "mailboxes"), ("talk", "talk")] {
        let said = evidence.count(&format!("/replays/{field}/injected"))?;
        let refused = evidence.count(&format!("/replays/{field}/refused"))?;
        ensure(refused <= said, format!("{refused} of {said} replays refused in {field}"))?;
        let again = again(evidence, lane);
        ensure(again >= said, format!("{said} replays in {field}, of which the log shows {again}"))?;
    }
    let (injected, refused) =
        (evidence.count("/replays/talk/injected")?, evidence.count("/replays/talk/refused")?);
    ensure(2 * refused >= injected, format!("{refused} of {injected} replays of talk were refused"))?;
    let of_lane = |lane: &str| evidence.log.iter().filter(|entry| entry.lane == lane).count();
    // What the intruder says is new each time.
    let again = again(evidence, "talk");
    ensure(injected + OUT_OF_STEP >= again, format!("{injected} replays of talk, of {again} in the log"))?;
    let (held_back, most) =
        (evidence.count("/replays/held_back")?, (of_lane("talk") + of_lane("mailbox")) / HELD_BACK);
    ensure(held_back <= most as u64, format!("{held_back} held back, of {most} at most"))?;
    let talk = evidence.count("/intruder/talk")?;
    ensure(talk <= of_lane("talk") as u64 - injected, format!("{talk} words of the intruder"))?;
    Ok(format!("{} old entries", evidence.number("/replays/log/injected")?))
}

/// How many messages of a lane had come before, in any place of it.
fn again(evidence: &Evidence, lane: &str) -> u64 {
    let mut seen = HashSet::new();
    let of_lane = evidence.log.iter().filter(|entry| entry.lane == lane && entry.accepted);
    of_lane.filter(|entry| !seen.insert(&entry.bytes)).count() as u64
}

/// The lobby is the first mailbox that is used. The host reads it to the end, and each message is a guest's first knock or refused.
pub(crate) fn knocks(evidence: &Evidence) -> Result<String> {
    let mail = evidence.log.iter().filter(|entry| entry.lane == "mailbox" && entry.accepted);
    let lobby = mail.clone().next().map(|entry| &entry.id).ok_or("no mailbox")?;
    let (mut seen, mut all, mut new) = (HashSet::new(), 0, 0);
    for entry in mail {
        let is_new = seen.insert(&entry.bytes);
        all += u64::from(entry.id == *lobby);
        new += u64::from(entry.id == *lobby && is_new);
    }
    let heard = evidence.count("/guests/knocks_heard")?;
    let reasons = evidence.report["intruder"]["knocks_refused"].as_object().ok_or("no reasons")?;
    let refused = reasons.values().map(|reason| count(reason, ""));
    let refused = refused.sum::<Result<u64>>()?;
    let accounted = heard + refused;
    ensure(
        accounted <= all && accounted + OUT_OF_STEP >= all,
        format!("{heard} knocks heard and {refused} refused, of {all} in the lobby"),
    )?;
    // Whatever came to the lobby first, and is no guest's, is the intruder's; each of his he puts into two mailboxes, and one
    // knock of a guest's too.
    let (said, his) = (evidence.count("/intruder/knocks")?, 2 * (new.saturating_sub(heard) + 1));
    ensure(said.abs_diff(his) <= OUT_OF_STEP, format!("{said} knocks of the intruder, of {his} in the log"))?;
    // What came to it again was refused, be it his or the unruly server's.
    let (mail, of_lobby) = (evidence.count("/replays/mailboxes/refused")?, all.saturating_sub(new));
    ensure(mail + OUT_OF_STEP >= of_lobby, format!("{mail} replays refused, of {of_lobby} in the lobby"))?;
    let (mail, again) = (evidence.count("/replays/mailboxes/injected")?, again(evidence, "mailbox"));
    let by_server = again.saturating_sub(said / 2 + 1);
    ensure(
        mail.abs_diff(by_server) <= OUT_OF_STEP,
        format!("{mail} replays, of {by_server} that the log shows"),
    )?;
    Ok(format!("{heard} heard, {refused} refused"))
}
