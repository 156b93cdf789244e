//! What was measured, as a table in Markdown; and what had to be so.

use std::collections::BTreeMap;
use std::time::Duration;

use subrosa::EndReason;

use crate::Failed;
use crate::arguments::Arguments;
use crate::crowd::{Crowd, Snapshot};
use crate::draws::JITTER;
use crate::listener::{FRAME_EVERY, Frames};
use crate::participant::{Participant, State, Step, Traffic};
use crate::probe::Probe;

/// What a rush of a thousand guests within a second may take.
const MOST_COMMITS: usize = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Prints the table.
pub(crate) fn print(arguments: &Arguments, crowd: &Crowd) -> Result<(), Failed> {
    println!(
        "{} participants, {} knocks a second, {} minutes of coming and going, seed {}{}:\n\n| what | how much |\n| --- | ---: |",
        arguments.participants,
        arguments.joins_per_second,
        arguments.minutes,
        arguments.seed,
        if arguments.hosts_alone { ", hosts alone commit" } else { "" },
    );
    let mut rows = the_rush(crowd);
    rows.extend(the_commits(crowd));
    rows.extend(crowd.steady.as_ref().map(|(from, to)| the_steady_state(from, to)).unwrap_or_default());
    rows.extend(the_media(crowd));
    rows.extend(the_memory(arguments, crowd)?);
    for (what, how_much) in rows {
        println!("| {what} | {how_much} |");
    }
    let mut mishaps = BTreeMap::<&str, u64>::new();
    for (what, times) in crowd.people.iter().flat_map(|person| &person.mishaps) {
        *mishaps.entry(what).or_default() += times;
    }
    for (what, times) in mishaps {
        println!("| ({what}) | {times} |");
    }
    Ok(())
}

type Rows = Vec<(String, String)>;

fn row(what: &str, how_much: impl ToString) -> (String, String) {
    (what.to_owned(), how_much.to_string())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn bytes(count: f64) -> String {
    match count {
        ..2e3 => format!("{count:.0} B"),
        ..2e6 => format!("{:.1} kB", count / 1e3),
        _ => format!("{:.1} MB", count / 1e6),
    }
}

fn steps(crowd: &Crowd) -> &[Step] {
    crowd.people[0].steps.as_deref().unwrap_or_default()
}

fn entry_len(crowd: &Crowd, step: &Step) -> usize {
    crowd.service.log.get(step.position as usize).map_or(0, |entry| entry.len())
}

/// The founder's epochs from the first knock of the rush until the last guest was in.
fn of_the_rush(crowd: &Crowd) -> impl Iterator<Item = &Step> {
    let (from, to) = crowd.rush;
    steps(crowd).iter().filter(move |step| (from..=to).contains(&step.at))
}

fn waits(crowd: &Crowd) -> Vec<Duration> {
    let guests = crowd.people.iter().take(crowd.initial).skip(2);
    let mut waits = guests.filter_map(|guest| Some(guest.in_at? - guest.since)).collect::<Vec<_>>();
    waits.sort_unstable();
    waits
}

fn mean(times: impl Iterator<Item = Duration>) -> Duration {
    let (sum, count) = times.fold((Duration::ZERO, 0_u32), |(sum, count), time| (sum + time, count + 1));
    sum.checked_div(count).unwrap_or_default()
}

fn the_rush(crowd: &Crowd) -> Rows {
    let waits = waits(crowd);
    let largest = of_the_rush(crowd).map(|step| entry_len(crowd, step)).max().unwrap_or_default();
    let welcomes = crowd.people.iter().map(|person| person.welcome_len);
    let joins = crowd.people.iter().take(crowd.initial).skip(2).map(|person| person.join_cpu);
    vec![
        row("commits from the first knock until all guests were in", of_the_rush(crowd).count()),
        row("… the largest of them", bytes(largest as f64)),
        row("from the first knock until all guests were in", seconds(crowd.rush.1 - crowd.rush.0)),
        row(
            "from a knock until the guest was in: median",
            seconds(waits.get(waits.len() / 2).copied().unwrap_or_default()),
        ),
        row("… longest", seconds(waits.last().copied().unwrap_or_default())),
        row("bytes that founder and second host sent for that", {
            crowd.rush_cost.map(|(sent, _)| bytes(sent as f64)).join(" and ")
        }),
        row("… processor", crowd.rush_cost.map(|(_, cpu)| seconds(cpu)).join(" and ")),
        row("largest answer to a guest (Welcome)", bytes(welcomes.max().unwrap_or_default() as f64)),
        row("a guest's processor, to join (mean)", format!("{:.1} ms", mean(joins).as_secs_f64() * 1e3)),
    ]
}

fn the_commits(crowd: &Crowd) -> Rows {
    let count = |is_such: fn(&Step) -> bool| steps(crowd).iter().filter(|step| is_such(step)).count();
    let removals = steps(crowd).iter().filter(|step| is_one_removal(step) && step.at > crowd.rush.1);
    let mut sizes = removals.map(|step| entry_len(crowd, step)).collect::<Vec<_>>();
    sizes.sort_unstable();
    let in_at_end = crowd.people.iter().filter(|person| person.is_in()).count();
    let one = |at: Option<&usize>| at.map_or("none".to_owned(), |len| bytes(*len as f64));
    vec![
        row("participants in at the end", in_at_end),
        row("commits in all", steps(crowd).len()),
        row("… that let somebody in", count(|step| step.admitted > 0)),
        row("… that removed somebody silent", count(|step| !step.removed.is_empty())),
        row("… that took somebody off who left", count(|step| step.left > 0)),
        row("… that changed the policy", count(|step| step.policy)),
        row("… empty, to repair the tree", count(is_empty)),
        row("commits that removed one, after the rush", sizes.len()),
        row("… largest", one(sizes.last())),
        row("… median", one(sizes.get(sizes.len() / 2))),
    ]
}

fn is_one_removal(step: &Step) -> bool {
    step.removed.len() == 1 && step.admitted == 0 && step.left == 0
}

fn is_empty(step: &Step) -> bool {
    step.removed.is_empty() && step.admitted == 0 && step.left == 0 && !step.policy
}

/// Means over the participants who were in all the time.
fn the_steady_state(from: &Snapshot, to: &Snapshot) -> Rows {
    let lasted = (to.at - from.at).as_secs_f64();
    let of = from.of.iter().zip(&to.of).map(|(from, to)| {
        let ((from, cpu_before), (to, cpu_after)) = ((*from)?, (*to)?);
        let traffic = Traffic { up: to.up - from.up, down: to.down - from.down };
        Some((traffic, cpu_after.saturating_sub(cpu_before)))
    });
    let of = of.collect::<Vec<_>>();
    let members = of.iter().skip(2).flatten().collect::<Vec<_>>();
    let mean = |figure: fn(&(Traffic, Duration)) -> f64| {
        members.iter().map(|of| figure(of)).sum::<f64>() / members.len().max(1) as f64 / lasted
    };
    let mut rows = vec![
        row("a member, a second: bytes down", bytes(mean(|(traffic, _)| traffic.down as f64))),
        row("… bytes up", bytes(mean(|(traffic, _)| traffic.up as f64))),
        row("… processor", format!("{:.2} ms", 1e3 * mean(|(_, cpu)| cpu.as_secs_f64()))),
    ];
    for (name, host) in ["founder", "second host"].into_iter().zip(&of) {
        let Some((traffic, cpu)) = host else { continue };
        rows.push(row(&format!("the {name}, a second: bytes down"), bytes(traffic.down as f64 / lasted)));
        rows.push(row("… bytes up", bytes(traffic.up as f64 / lasted)));
        rows.push(row("… processor", format!("{:.2} ms", 1e3 * cpu.as_secs_f64() / lasted)));
    }
    let each = |from: u64, to: u64| (to - from) as f64 / lasted;
    rows.extend([
        row("the service, a second: messages in", format!("{:.1}", each(from.load.taken, to.load.taken))),
        row("… bytes in", bytes(each(from.load.taken_bytes, to.load.taken_bytes))),
        row("… messages out", format!("{:.0}", each(from.load.given, to.load.given))),
        row("… bytes out", bytes(each(from.load.given_bytes, to.load.given_bytes))),
    ]);
    rows
}

fn listeners(crowd: &Crowd) -> impl Iterator<Item = Frames> {
    crowd.people.iter().filter_map(|person| Some(person.listener.as_ref()?.frames))
}

/// What of the longest gap neither the frames' rhythm nor the network explains.
fn switch_gap(crowd: &Crowd) -> Duration {
    let longest = listeners(crowd).map(|frames| frames.longest_gap).max().unwrap_or_default();
    longest.saturating_sub(FRAME_EVERY + JITTER)
}

fn lost(crowd: &Crowd) -> u64 {
    listeners(crowd).map(|frames| frames.due.saturating_sub(frames.opened)).sum()
}

fn the_media(crowd: &Crowd) -> Rows {
    let sum = |of: fn(&Frames) -> u64| listeners(crowd).map(|frames| of(&frames)).sum::<u64>();
    vec![
        row("receivers of the founder's frames", listeners(crowd).count()),
        row("frames that they opened", sum(|frames| frames.opened)),
        row("… that came before their commit and waited", sum(|frames| frames.held)),
        row("frames lost", lost(crowd)),
        row("worst switch gap", format!("{} ms", switch_gap(crowd).as_millis())),
    ]
}

fn the_memory(arguments: &Arguments, crowd: &Crowd) -> Result<Rows, Failed> {
    let alone = Probe::alone(&arguments.config())?;
    let Some(probe) = crowd.people.iter().find_map(|person| person.probe) else { return Ok(Vec::new()) };
    let more = |bytes_there: i64| bytes((bytes_there - alone.live).max(0) as f64);
    Ok(vec![
        row("one member's memory at the end, beyond a call of one", more(probe.live)),
        row("… at its peak", more(probe.peak)),
        row("(a call of one)", bytes(alone.live as f64)),
    ])
}

/// Returns a sentence for all that had to be so and is not.
pub(crate) fn broken_promises(arguments: &Arguments, crowd: &Crowd) -> Vec<String> {
    let mut broken = Vec::new();
    let mut check = |holds: bool, sentence: String| {
        if !holds {
            broken.push(sentence);
        }
    };
    let Some(founder) = crowd.people[0].call() else { return vec!["the founder is out".to_owned()] };
    let gone = |person: &Participant| person.is_leaving || crowd.dropped.contains(&person.id);
    let staying = crowd.people.iter().filter(|person| !gone(person)).collect::<Vec<_>>();
    let (epoch, code) = (founder.epoch(), founder.code());
    let apart = staying
        .iter()
        .filter(|person| !person.call().is_some_and(|call| call.epoch() == epoch && call.code() == code));
    let apart = apart.count();
    check(apart == 0, format!("{apart} who should be in are not, or see another epoch or safety code"));
    let listed = founder.roster().members.len();
    check(listed == staying.len(), format!("{listed} are on the roster instead of {}", staying.len()));
    let removed = |person: &&Participant| match person.state {
        State::Out(EndReason::Left) => !person.is_leaving,
        State::Out(_) | State::Lost => true,
        _ => false,
    };
    let wrongly = crowd.people.iter().filter(removed).count();
    check(wrongly == 0, format!("{wrongly} were removed or fell out although they were there"));
    let there = |id| founder.roster().member(id).is_some();
    let left_over = crowd.dropped.iter().filter(|id| there(**id)).count();
    check(left_over == 0, format!("{left_over} who fell silent are still on the roster"));
    let cut = crowd.people.iter().flat_map(|person| person.mishaps.keys());
    let cut = cut.filter(|what| matches!(what.as_str(), "cut off" | "no host heard" | "stranded")).count();
    check(cut == 0, format!("{cut} were cut off or stranded"));
    check(lost(crowd) == 0, format!("{} frames were lost", lost(crowd)));
    let gap = switch_gap(crowd);
    check(gap.is_zero(), format!("a receiver heard nothing for {} ms at a switch", gap.as_millis()));
    if arguments.participants - 2 <= arguments.joins_per_second {
        let commits = of_the_rush(crowd).count();
        check(commits <= MOST_COMMITS, format!("the rush took {commits} commits instead of {MOST_COMMITS}"));
        let longest = waits(crowd).last().copied().unwrap_or_default();
        check(longest <= LONGEST_WAIT, format!("a guest waited for {}", seconds(longest)));
    }
    broken
}
