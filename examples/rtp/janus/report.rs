//! What became of a call: promises and figures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use subrosa::sframe::Header;
use subrosa_testkit::media::windows::Needles;

use crate::books::{Counts, Pages, Person};
use crate::participant::Role;
use crate::tap::Recording;
use subrosa_rtp_examples::failure::Failure;
use subrosa_rtp_examples::media::Clips;
use subrosa_rtp_examples::peer::{Medium, Stack};

/// RFC 3550 §5.1: where the payload begins in the packet of the control, which has no extensions.
const RTP_HEADER_LEN: usize = 12;

/// What to search for beside media.
pub(crate) struct Names {
    pub(crate) needles: Needles,
    /// One of them.
    pub(crate) example: &'static str,
}

/// What is to be known of a call beside its books and its taps.
pub(crate) struct Facts<'a> {
    pub(crate) server: String,
    pub(crate) codec: &'static str,
    pub(crate) took: Duration,
    pub(crate) removed: Role,
    pub(crate) dropped_by_system: Option<u64>,
    pub(crate) clips: &'a Clips,
    pub(crate) names: &'a Names,
}

/// A call in figures.
#[derive(Debug, Serialize)]
pub(crate) struct CallReport {
    /// Janus' version.
    server: String,
    codec: &'static str,
    seconds: f64,
    pairs: Vec<Pair>,
    taps: Vec<Tapped>,
    removed: Removed,
    control: Control,
    /// Datagrams that the system dropped meanwhile because somebody read too slowly: a loss that is the machine's.
    dropped_by_system: Option<u64>,
    /// Those that did not hold.
    pub(crate) broken: Vec<String>,
}

/// From one participant to another.
#[derive(Debug, Serialize)]
struct Pair {
    from: &'static str,
    to: &'static str,
    stacks: String,
    /// Of both media, sealed when the server called the subscription up, and before anything came through it.
    before_first: u64,
    audio_owed: u64,
    audio_identical: u64,
    video_owed: u64,
    video_identical: u64,
    wrong: u64,
    refused: u64,
    losses: u64,
}

/// What the server saw of one participant.
#[derive(Debug, Serialize)]
struct Tapped {
    of: &'static str,
    packets: usize,
    bytes: usize,
    frames_sealed: usize,
    /// Those whose ciphertext is whole in it.
    frames_seen: usize,
    media_windows_found: usize,
    names_found: usize,
}

/// Who was removed, and went on to get everything.
#[derive(Debug, Serialize)]
struct Removed {
    name: &'static str,
    opened_after: u64,
    refused_after: u64,
}

/// What the same search finds where there is something: each tapped stream with one frame in clear, and a name.
#[derive(Debug, Serialize)]
struct Control {
    media_windows_known: usize,
    media_windows_found: usize,
    names_found: usize,
}

impl CallReport {
    pub(crate) fn of(
        facts: Facts<'_>,
        pages: &mut Pages,
        recordings: &[(Role, Recording)],
    ) -> Result<Self, Failure> {
        let Facts { server, codec, took, removed, dropped_by_system, clips, names } = facts;
        let role = |person: Person| {
            let found = recordings.iter().find(|(role, _)| role.person == person);
            found.expect("everybody was recorded").0
        };
        let mut opened_after = 0;
        let mut pairs = Vec::new();
        for (from, to) in pages.pairs() {
            let (audio, video) = (pages.fate(from, to, Medium::Audio), pages.fate(from, to, Medium::Video));
            opened_after += audio.opened_after + video.opened_after;
            let Counts { wrong, refused, losses } = pages.counts(from, to);
            pairs.push(Pair {
                from: role(from).name,
                to: role(to).name,
                stacks: format!("{} → {}", stack(role(from)), stack(role(to))),
                before_first: audio.before + video.before,
                audio_owed: audio.owed,
                audio_identical: audio.arrived,
                video_owed: video.owed,
                video_identical: video.arrived,
                wrong,
                refused,
                losses,
            });
        }
        let refused_after =
            pairs.iter().filter(|pair| pair.to == removed.name).map(|pair| pair.refused).sum();
        let windows = clips.windows();
        let mut control =
            Control { media_windows_known: windows.len(), media_windows_found: 0, names_found: 0 };
        let mut taps = Vec::new();
        for (role, recording) in recordings {
            let mut tapped = Tapped {
                of: role.name,
                packets: recording.packets().count(),
                bytes: recording.packets().map(<[u8]>::len).sum(),
                frames_sealed: 0,
                frames_seen: 0,
                media_windows_found: recording.packets().map(|packet| windows.count_in(packet)).sum(),
                names_found: recording.packets().map(|packet| names.needles.count_in(packet)).sum(),
            };
            (tapped.frames_sealed, tapped.frames_seen) = seen(pages, role.person, recording)?;
            taps.push(tapped);
            if let Some(header) = recording.packets().next().and_then(|packet| packet.get(..RTP_HEADER_LEN)) {
                let clear = [header, &clips.video.frames[0], names.example.as_bytes()].concat();
                control.media_windows_found += windows.count_in(&clear);
                control.names_found += names.needles.count_in(&clear);
            }
        }
        let removed = Removed { name: removed.name, opened_after, refused_after };
        let mut report = Self {
            server,
            codec,
            seconds: took.as_secs_f64(),
            pairs,
            taps,
            removed,
            control,
            dropped_by_system,
            broken: Vec::new(),
        };
        report.judge();
        Ok(report)
    }

    fn judge(&mut self) {
        let mut broken = Vec::new();
        let mut promise = |kept: bool, what: String| {
            if !kept {
                broken.push(what);
            }
        };
        for pair in &self.pairs {
            let Pair { from, to, .. } = pair;
            let is_removed = *to == self.removed.name;
            promise(pair.audio_owed > 0 && pair.video_owed > 0, format!("nothing of {from} was for {to}"));
            promise(pair.audio_owed == pair.audio_identical, format!("sound of {from} is missing at {to}"));
            promise(pair.video_owed == pair.video_identical, format!("video of {from} is missing at {to}"));
            promise(pair.wrong == 0, format!("{to} got frames that {from} did not seal so, or twice"));
            promise(pair.refused == 0 || is_removed, format!("{to} could not open frames of {from}"));
        }
        promise(self.pairs.len() == 6, "not everybody subscribed to everybody".to_owned());
        promise(self.removed.opened_after == 0, "who was removed opened frames".to_owned());
        promise(self.removed.refused_after > 0, "who was removed was not even tempted".to_owned());
        for tapped in &self.taps {
            let Tapped { of, .. } = tapped;
            promise(tapped.frames_sealed == tapped.frames_seen, format!("the tap lacks frames of {of}"));
            promise(tapped.media_windows_found == 0, format!("the server saw media of {of}"));
            promise(tapped.names_found == 0, format!("the server saw names in the packets of {of}"));
        }
        let control = &self.control;
        let finds = control.media_windows_found > 0 && control.names_found > 0;
        promise(finds, "the search finds nothing where there is something".to_owned());
        self.broken = broken;
    }

    /// Prints the figures.
    pub(crate) fn print(&self) {
        let codec = self.codec.to_uppercase();
        println!("\n{codec} and Opus through Janus {}, {:.1} s", self.server, self.seconds);
        println!("{:<40}{:<18}{:>14}{:>14}{:>8}{:>9}", "", "", "audio", "video", "wrong", "refused");
        for pair in &self.pairs {
            let way = format!("{} → {}", pair.from, pair.to);
            let audio = format!("{} of {}", pair.audio_identical, pair.audio_owed);
            let video = format!("{} of {}", pair.video_identical, pair.video_owed);
            println!(
                "{way:<40}{:<18}{audio:>14}{video:>14}{:>8}{:>9}",
                pair.stacks, pair.wrong, pair.refused
            );
        }
        for Tapped { of, packets, bytes, frames_sealed, frames_seen, media_windows_found, names_found } in
            &self.taps
        {
            println!(
                "the tap on {of}: {packets} packets, {bytes} bytes, {frames_seen} of {frames_sealed} sealed frames whole; \
                 media windows {media_windows_found}, names {names_found}"
            );
        }
        let Removed { name, opened_after, refused_after } = &self.removed;
        println!("{name} after his removal: {opened_after} frames opened, {refused_after} refused");
        let Control { media_windows_known, media_windows_found, names_found } = &self.control;
        println!(
            "control: of {media_windows_known} media windows the search finds {media_windows_found} in a plain copy, and {names_found} names"
        );
        if let Some(dropped @ 1..) = self.dropped_by_system {
            println!("meanwhile the system dropped {dropped} datagrams that somebody did not read in time");
        }
        for what in &self.broken {
            println!("BROKEN: {what}");
        }
    }
}

fn stack(role: Role) -> &'static str {
    match role.stack {
        Stack::Str0m => "str0m",
        Stack::Webrtc => "webrtc-rs",
    }
}

/// How many frames somebody sealed, and how many of these are whole in the recording: medium by medium, for each is a stream of its
/// own, and the stream that has most of its numbers is the medium's.
fn seen(pages: &Pages, person: Person, recording: &Recording) -> Result<(usize, usize), Failure> {
    let streams = recording.frames()?;
    let (mut sealed, mut seen) = (0, 0);
    for medium in [Medium::Audio, Medium::Video] {
        let counters = pages.counters(person, medium);
        sealed += counters.len();
        seen += streams.values().map(|headers| in_common(&counters, headers)).max().unwrap_or_default();
    }
    Ok((sealed, seen))
}

/// How many frames there are in both. Numbers begin anew with each epoch, and what an epoch's key id is, only members know.
fn in_common(counters: &[u64], headers: &[Header]) -> usize {
    let different: BTreeSet<_> = headers.iter().map(|header| (header.kid, header.counter)).collect();
    let mut times = BTreeMap::<u64, usize>::new();
    different.iter().for_each(|(_, counter)| *times.entry(*counter).or_default() += 1);
    let mut is_there = |counter: &&u64| {
        let left = times.get_mut(*counter).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    };
    counters.iter().filter(|counter| is_there(counter)).count()
}

#[cfg(test)]
mod tests {
    use subrosa::sframe::KeyId;

    use super::*;

    #[test]
    fn numbers_that_begin_anew_count_once_for_each_epoch_and_copies_do_not() {
        let frame = |key, counter| Header { kid: KeyId(key), counter };
        let seen = [frame(1, 0), frame(1, 1), frame(1, 1), frame(2, 0)];
        assert_eq!(in_common(&[0, 1, 0], &seen), 3);
        assert_eq!(in_common(&[0, 1, 2, 0, 1], &seen), 3, "2 is missing, and 1 in the second epoch");
    }
}
