//! `report.json`: what was measured, and nothing else.

mod attempts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use subrosa::{Cause, EndReason, Epoch, ParticipantId};

use crate::args::Args;
use crate::capture::{Seen, Stored};
use crate::cut_off::CutOff;
use crate::intruder::Intruder;
use crate::ledger::{Calls, EpochRecord, Frames, Sealed};
use crate::notes::Outcome;
use crate::setting::Setting;
use crate::story::Told;
use crate::trial::Trial;
use crate::unruly::Misdeeds;
use attempts::{
    CheaterReport, CodeReport, CutOffReport, GuestsReport, IntruderReport, RemovedReport, ReplaysReport,
};

/// Frames sealed within this time of their sender's switch were sealed "at" it; in the story's time.
const AROUND_SWITCH: Duration = Duration::from_secs(2);

/// Everything that the report is made of.
pub(crate) struct Measured<'a> {
    pub(crate) args: &'a Args,
    pub(crate) setting: &'a Setting,
    pub(crate) told: Told,
    pub(crate) cut_off: CutOff,
    pub(crate) frames: Frames,
    pub(crate) calls: Calls,
    pub(crate) intruder: Intruder,
    pub(crate) trial: Trial,
    pub(crate) seen: Seen,
    pub(crate) stored: Stored,
    /// What the unruly server did.
    pub(crate) misdeeds: Misdeeds,
}

#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) speed: f64,
    /// Where the media came from; none: built in.
    pub(crate) video: Option<String>,
    pub(crate) audio: Option<String>,
    pub(crate) participants: Vec<ParticipantReport>,
    pub(crate) epochs: Vec<EpochReport>,
    /// Expected frames that were not opened, of those sealed within 2 s of their sender's switch to another epoch.
    pub(crate) frames_lost_at_switch: u64,
    /// Frames that opened and were not byte for byte what their sender sealed.
    pub(crate) frames_mismatched: u64,
    /// Guests who knocked, were denied, and learned that it was a host who did it.
    pub(crate) denied: u64,
    /// Everybody computed the safety code of the same epoch, each from his own call, and it is the same.
    pub(crate) codes_agree: bool,
    /// How often a commit against the policy was reported, by all participants together.
    pub(crate) policy_violations_seen: u64,
    /// From when a removal stood in the log to when somebody was cut off from whom the server kept it.
    pub(crate) cut_off_detected_ms: Option<f64>,
    pub(crate) guests: GuestsReport,
    pub(crate) code: CodeReport,
    pub(crate) cheater: CheaterReport,
    pub(crate) cut_off: CutOffReport,
    pub(crate) replays: ReplaysReport,
    pub(crate) intruder: IntruderReport,
    pub(crate) removed: RemovedReport,
    pub(crate) server: ServerReport,
    pub(crate) overhead_bytes_per_frame: f64,
    pub(crate) seal_ns_median: u32,
    pub(crate) open_ns_median: u32,
}

#[derive(Serialize)]
pub(crate) struct ParticipantReport {
    pub(crate) name: String,
    /// Of the line to the media server: whose each packet in server.pcap is.
    pub(crate) port: u16,
    pub(crate) frames_sent: u64,
    /// Of the expected ones.
    pub(crate) frames_opened: u64,
    /// That others sealed under epochs with this participant, until he hung up or his removal was asked for.
    pub(crate) frames_expected: u64,
    pub(crate) frames_lost: u64,
    /// Opened, though sealed after that moment: the old key is good until its sender switches.
    pub(crate) frames_opened_after_end: u64,
    pub(crate) undecryptable: BTreeMap<&'static str, u64>,
    /// By gaps in the RTP sequence numbers.
    pub(crate) packets_lost: u64,
    /// The first and the last position of the log that his call got.
    pub(crate) entries_read: Option<[u64; 2]>,
    /// Positions of entries that meant nothing, and that his call skipped.
    pub(crate) entries_skipped: BTreeSet<u64>,
    /// Of these, members' commits against the policy.
    pub(crate) policy_violations_seen: u64,
    /// How often no frame was sealed or opened because hosts could not be heard.
    pub(crate) times_cut_off: u64,
    /// The digits of the safety code, as his call gives it.
    pub(crate) code: String,
    pub(crate) ended: &'static str,
}

#[derive(Serialize)]
pub(crate) struct EpochReport {
    pub(crate) epoch: u64,
    pub(crate) cause: String,
    pub(crate) members: usize,
    /// From when the first member applied the commit to when the last sender sealed his first frame under it; none if
    /// nobody sealed any.
    pub(crate) switch_ms: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct ServerReport {
    /// All that are in server.pcap: received and sent.
    pub(crate) packets: u64,
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    /// UDP payloads, and entries of the delivery service.
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    pub(crate) media_windows: u64,
    pub(crate) media_windows_found: u64,
    pub(crate) names_found: u64,
    /// What NATS servers had on their disks in the end, read back; none where there are none.
    pub(crate) stored_messages: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) stored_media_windows_found: u64,
    pub(crate) stored_names_found: u64,
}

impl Report {
    pub(crate) fn new(measured: &Measured<'_>) -> Self {
        let Measured { args, setting, told, frames, calls, .. } = measured;
        let opened =
            told.people.iter().map(|(_, outcome)| Opened::new(outcome, frames, calls)).collect::<Vec<_>>();
        let around = setting.clock.scaled(AROUND_SWITCH);
        let at_switch = near_switches(frames, around);
        let lost_at_switch =
            opened.iter().flat_map(|it| &it.lost).filter(|serial| at_switch.contains(serial)).count();
        let outcomes = || told.people.iter().map(|(_, outcome)| outcome);
        let [video, audio] = setting.media.sources.clone();
        let overhead: u64 = outcomes().map(|outcome| outcome.sent.overhead).sum();
        let sent: u64 = outcomes().map(|outcome| outcome.sent.frames).sum();
        Self {
            speed: args.speed,
            video,
            audio,
            participants: told
                .people
                .iter()
                .zip(&opened)
                .zip(&told.codes.each)
                .map(|(((name, it), opened), code)| person(name, it, opened, code))
                .collect(),
            epochs: epochs(frames, calls, &told.names()),
            frames_lost_at_switch: lost_at_switch as u64,
            frames_mismatched: outcomes().map(|outcome| outcome.tally.mismatched).sum(),
            denied: u64::from(told.guests.learned_it),
            codes_agree: told.codes.agree && told.codes.each.len() == told.people.len(),
            policy_violations_seen: outcomes().map(|outcome| outcome.notes.violations.len() as u64).sum(),
            cut_off_detected_ms: measured.cut_off.detected.map(millis),
            guests: GuestsReport::new(measured),
            code: CodeReport::new(&told.codes),
            cheater: CheaterReport::new(measured),
            cut_off: CutOffReport::new(&measured.cut_off),
            replays: ReplaysReport::new(measured),
            intruder: IntruderReport::new(measured),
            removed: RemovedReport::new(measured, &opened),
            server: server(measured),
            overhead_bytes_per_frame: overhead as f64 / sent.max(1) as f64,
            seal_ns_median: median(outcomes().flat_map(|outcome| &outcome.sent.seal_nanos)),
            open_ns_median: median(outcomes().flat_map(|outcome| &outcome.tally.open_nanos)),
        }
    }
}

/// What one receiver got, held against the ledger.
struct Opened {
    expected: u64,
    opened: u64,
    after_end: u64,
    /// Serial numbers of expected frames that were not opened.
    lost: Vec<usize>,
}

impl Opened {
    fn new(outcome: &Outcome, frames: &Frames, calls: &Calls) -> Self {
        let opened = outcome.tally.opened.iter().copied().collect::<BTreeSet<_>>();
        let owed = |frame: &Sealed| calls.owed(frame, outcome.id);
        let expected =
            frames.all().iter().enumerate().filter(|(_, frame)| owed(frame)).map(|(serial, _)| serial);
        let expected = expected.collect::<BTreeSet<_>>();
        Self {
            expected: expected.len() as u64,
            opened: expected.intersection(&opened).count() as u64,
            after_end: opened.difference(&expected).count() as u64,
            lost: expected.difference(&opened).copied().collect(),
        }
    }
}

fn person(name: &str, outcome: &Outcome, opened: &Opened, code: &str) -> ParticipantReport {
    let read = &outcome.notes.read;
    ParticipantReport {
        name: name.to_owned(),
        port: outcome.port,
        frames_sent: outcome.sent.frames,
        frames_opened: opened.opened,
        frames_expected: opened.expected,
        frames_lost: opened.lost.len() as u64,
        frames_opened_after_end: opened.after_end,
        undecryptable: outcome.tally.undecryptable.clone(),
        packets_lost: outcome.tally.packets_lost,
        entries_read: read.iter().min().zip(read.iter().max()).map(|(first, last)| [*first, *last]),
        entries_skipped: outcome.notes.skipped.iter().copied().collect(),
        policy_violations_seen: outcome.notes.violations.len() as u64,
        times_cut_off: outcome.notes.cut_off,
        code: code.to_owned(),
        ended: match outcome.notes.ended {
            Some(EndReason::Left) => "left",
            Some(EndReason::Removed { .. }) => "removed",
            Some(EndReason::LastHostLeft) => "the last host left",
            _ => "something else",
        },
    }
}

/// The frames sealed around a switch of their sender, by serial number.
fn near_switches(frames: &Frames, around: Duration) -> BTreeSet<usize> {
    let switches = frames.switches();
    let near = |frame: &Sealed| {
        // A sender's first epoch is no switch.
        let of_sender = switches.range((frame.sender, Epoch(0))..=(frame.sender, Epoch(u64::MAX))).skip(1);
        of_sender.into_iter().any(|(_, at)| (*at - frame.at).max(frame.at - *at) <= around)
    };
    frames.all().iter().enumerate().filter(|(_, frame)| near(frame)).map(|(serial, _)| serial).collect()
}

fn epochs(frames: &Frames, calls: &Calls, names: &BTreeMap<ParticipantId, &str>) -> Vec<EpochReport> {
    let switches = frames.switches();
    let mut locked = false;
    let report = |(epoch, record): (&Epoch, &EpochRecord)| {
        let was_locked = std::mem::replace(&mut locked, record.locked);
        let last = switches.iter().filter(|((_, of), _)| of == epoch).map(|(_, at)| *at).max();
        EpochReport {
            epoch: epoch.0,
            cause: cause(record, was_locked, names),
            members: record.members.len(),
            switch_ms: last.map(|last| millis(last - record.applied)),
        }
    };
    calls.epochs.iter().map(report).collect()
}

fn cause(record: &EpochRecord, was_locked: bool, names: &BTreeMap<ParticipantId, &str>) -> String {
    let Cause::Commit { admitted, removed, left, policy, .. } = &record.cause else {
        return "founded".to_owned();
    };
    let said = |what: &str, who: &[ParticipantId]| match who {
        [] => None,
        [one] => Some(format!("{} {what}", names.get(one).unwrap_or(&"?"))),
        many => Some(format!("{} {what}", many.len())),
    };
    let policy = policy.map(|_| match (was_locked, record.locked) {
        (false, true) => "locked".to_owned(),
        (true, false) => "unlocked".to_owned(),
        _ => "another policy".to_owned(),
    });
    let parts = [said("admitted", admitted), said("removed", removed), said("left", left), policy];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn server(measured: &Measured<'_>) -> ServerReport {
    let Measured { seen, stored, .. } = measured;
    ServerReport {
        packets: seen.packets_received + seen.packets_sent,
        packets_received: seen.packets_received,
        packets_sent: seen.packets_sent,
        bytes: seen.packet_bytes + seen.entry_bytes,
        entries: seen.entries,
        media_windows: seen.media_windows,
        media_windows_found: seen.media_windows_found,
        names_found: seen.names_found,
        stored_messages: stored.messages,
        stored_bytes: stored.bytes,
        stored_media_windows_found: stored.media_windows_found,
        stored_names_found: stored.names_found,
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

fn median<'a>(values: impl Iterator<Item = &'a u32>) -> u32 {
    let mut values = values.copied().collect::<Vec<_>>();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
