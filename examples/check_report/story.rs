//! Who takes part, and what happens: the report has to tell the story of `group_call`, and no other.

use std::collections::BTreeSet;

use serde_json::Value;
use subrosa::ReadCode;

use super::cast::{CHEATS, LEAVES, NAMES};
use super::{Evidence, Result, count, ensure, text};

/// Everything happens in this order, from founding on; what is an epoch each.
pub(crate) const FOUNDED: u64 = 0;
pub(crate) const ADMITTED: u64 = 1;
pub(crate) const CAME_LATE: u64 = 2;
pub(crate) const LOCKED: u64 = 3;
pub(crate) const LEFT: u64 = 4;
pub(crate) const REMOVED: u64 = 5;

/// `CallConfig::default().switch_deadline`, in the story's time; and what a busy machine may add, in real time.
const SWITCH_DEADLINE_MS: f64 = 1000.0;
const SLACK_MS: f64 = 1000.0;

/// The epochs of which a participant is a member, the last one included.
pub(crate) fn membership(evidence: &Evidence, number: usize) -> std::ops::RangeInclusive<u64> {
    let first = match number {
        0 => FOUNDED,
        late if late + 1 == evidence.people.len() => CAME_LATE,
        _ => ADMITTED,
    };
    let last = match number {
        LEAVES => LEFT - 1,
        CHEATS => REMOVED - 1,
        _ => REMOVED,
    };
    first..=last
}

pub(crate) fn people(evidence: &Evidence) -> Result<String> {
    let people = &evidence.people;
    let names = people.iter().map(|person| person.name.as_str()).collect::<Vec<_>>();
    ensure(names.len() >= 3, "two at the start and a late guest are the fewest")?;
    ensure(
        NAMES.get(..names.len()) == Some(&names),
        format!("these are other people: {}", names.join(", ")),
    )?;
    for (number, person) in people.iter().enumerate() {
        let ended = match number {
            0 | LEAVES => "left",
            CHEATS => "removed",
            _ => "the last host left",
        };
        ensure(person.ended == ended, format!("{}: {} instead of {ended}", person.name, person.ended))?;
        ensure(person.times_cut_off == 0.0, format!("{} was cut off", person.name))?;
    }
    for at in ["/removed/name", "/cheater/name"] {
        ensure(evidence.text(at)? == NAMES[CHEATS], format!("{at} is {}", evidence.text(at)?))?;
    }
    Ok(names.join(", "))
}

pub(crate) fn epochs(evidence: &Evidence) -> Result<String> {
    let all = evidence.people.len() as u64;
    let early = match all - 2 {
        1 => format!("{} admitted", NAMES[1]),
        more => format!("{more} admitted"),
    };
    let expected = [
        (FOUNDED, "founded".to_owned(), 1),
        (ADMITTED, early, all - 1),
        (CAME_LATE, format!("{} admitted", NAMES[evidence.people.len() - 1]), all),
        (LOCKED, "locked".to_owned(), all),
        (LEFT, format!("{} left", NAMES[LEAVES]), all - 1),
        (REMOVED, format!("{} removed", NAMES[CHEATS]), all - 2),
    ];
    let epochs = evidence.report["epochs"].as_array().ok_or("no epochs")?;
    ensure(epochs.len() == expected.len(), format!("{} epochs", epochs.len()))?;
    for (epoch, (number, cause, members)) in epochs.iter().zip(expected) {
        let said = (count(epoch, "/epoch")?, text(epoch, "/cause")?, count(epoch, "/members")?);
        ensure(
            said == (number, &cause, members),
            format!("{said:?} instead of {:?}", (number, cause, members)),
        )?;
        switch(evidence, number, &epoch["switch_ms"])?;
    }
    Ok(format!("{} of them", epochs.len()))
}

/// All had switched by the deadline; and the capture shows how far apart they were at least.
fn switch(evidence: &Evidence, epoch: u64, said: &Value) -> Result<()> {
    let first = |port: u16| {
        let frames = evidence.capture.tracks_from(port).flat_map(|(_, stream)| &stream.frames);
        frames.filter(|frame| frame.epoch == epoch).map(|frame| frame.at).min()
    };
    let switched = evidence.people.iter().filter_map(|person| first(person.port)).collect::<BTreeSet<_>>();
    let Some(apart) = switched.last().zip(switched.first()).map(|(last, first)| *last - *first) else {
        return ensure(said.is_null(), format!("epoch {epoch}: nobody sent"));
    };
    let said = said.as_f64().ok_or(format!("epoch {epoch}: somebody sent"))?;
    let deadline = SWITCH_DEADLINE_MS / evidence.number("/speed")? + SLACK_MS;
    ensure(said >= 0.0 && said <= deadline, format!("epoch {epoch}: all had switched after {said} ms"))?;
    let apart = apart.as_secs_f64() * 1e3;
    ensure(
        apart <= said + SLACK_MS,
        format!("epoch {epoch}: {apart} ms apart in the capture, {said} ms in all"),
    )
}

pub(crate) fn codes(evidence: &Evidence) -> Result<String> {
    evidence.is_true("/codes_agree")?;
    evidence.is_true("/code/earlier_differs")?;
    let compared = evidence.count("/code/compared")?;
    ensure(compared == evidence.people.len() as u64, format!("only {compared} computed it"))?;
    // They compare when the call is locked.
    let epoch = evidence.count("/code/epoch")?;
    ensure(epoch == LOCKED, format!("of epoch {epoch}"))?;
    let (digits, words) = (evidence.text("/code/digits")?, evidence.text("/code/words")?);
    let is_group = |group: &str| group.len() == 5 && group.bytes().all(|byte| byte.is_ascii_digit());
    ensure(
        digits.split(' ').count() == 6 && digits.split(' ').all(is_group),
        "not six groups of five digits",
    )?;
    for form in [digits, words] {
        ReadCode::parse(form).map_err(|error| format!("{form:?}: {error}"))?;
    }
    // That digits and words are of one code only a call can tell.
    ensure(words.split(' ').count() == 9, "not nine words")?;
    ensure(digits.split(' ').collect::<BTreeSet<_>>().len() > 1, "all groups are the same")?;
    match evidence.people.iter().find(|person| person.code != digits) {
        Some(other) => Err(format!("{} has {}", other.name, other.code).into()),
        None => Ok(format!("{compared} have {digits}")),
    }
}
