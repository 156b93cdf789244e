//! Counts of frames and packets, held against the capture.

use std::collections::BTreeSet;
use std::time::Duration;

use super::capture::{AUDIO, Frame, VIDEO};
use super::people::Person;
use super::story::{self, membership};
use super::{Evidence, Result, ensure};

/// What of the frames may have been on their way to somebody when he hung up.
const UNREAD: u64 = 20;
const UNREAD_SHARE: u64 = 50;
/// RTP timestamps per second (RFC 3551 §5, RFC 7587 §4.1).
const VIDEO_RATE: f64 = 90_000.0;
const AUDIO_RATE: f64 = 48_000.0;
/// How far the time in a track may be from the capture's.
const TIME_DIFFERS: f64 = 0.15;

pub(crate) fn packets(evidence: &Evidence) -> Result<String> {
    let capture = &evidence.capture;
    let entries = evidence.log.iter().map(|entry| entry.bytes.len() as u64).sum::<u64>();
    for (at, there) in [
        ("/server/packets", capture.received + capture.sent),
        ("/server/packets_received", capture.received),
        ("/server/packets_sent", capture.sent),
        ("/server/bytes", capture.bytes + entries),
        ("/server/entries", evidence.log.len() as u64),
    ] {
        let said = evidence.count(at)?;
        ensure(said == there, format!("{at} is {said}, and {there} in the files"))?;
    }
    // What the server got of a track it sent on to whoever was there.
    let owners = capture.owners()?;
    for ((to, ssrc), stream) in &capture.to {
        let received = owners.get(ssrc).and_then(|from| capture.from.get(&(*from, *ssrc)));
        let gaps = received.map(|received| received.gaps).ok_or("a track that nobody sent")?;
        ensure(stream.gaps <= gaps, format!("{} packets were not sent on to {to}", stream.gaps))?;
    }
    Ok(format!("{} received, {} sent", capture.received, capture.sent))
}

/// A count in the report, and what the capture shows: less only where its sequence numbers show that packets are missing.
fn agree(what: &str, said: u64, seen: u64, missing: u64) -> Result<()> {
    let is_so = said >= seen && said <= seen + missing;
    ensure(is_so, format!("{what}: {said}, and {seen} in the capture, where {missing} packets are missing"))
}

/// Packets that did not get as far as the server.
fn gaps(evidence: &Evidence) -> u64 {
    evidence.capture.from.values().map(|stream| stream.gaps).sum()
}

fn frames_from<'a>(evidence: &'a Evidence, person: &Person) -> impl Iterator<Item = &'a Frame> + use<'a> {
    evidence.capture.tracks_from(person.port).flat_map(|(_, stream)| &stream.frames)
}

pub(crate) fn senders(evidence: &Evidence) -> Result<String> {
    let (capture, gaps) = (&evidence.capture, gaps(evidence));
    let (mut frames, mut overhead) = (0, 0);
    for (number, person) in evidence.people.iter().enumerate() {
        ensure(capture.joined.contains(&person.port), format!("{} never joined", person.name))?;
        ensure(capture.parted.contains(&person.port), format!("{} never hung up", person.name))?;
        let (seen, epochs) = (frames_from(evidence, person).count() as u64, membership(evidence, number));
        agree(&format!("frames of {}", person.name), person.sent, seen, gaps)?;
        let is_member = frames_from(evidence, person).all(|frame| epochs.contains(&frame.epoch));
        ensure(is_member, format!("{} sealed under an epoch without him", person.name))?;
        frames += seen;
        overhead += frames_from(evidence, person).map(|frame| frame.overhead as u64).sum::<u64>();
    }
    let ports = evidence.people.iter().map(|person| person.port).collect::<BTreeSet<_>>();
    ensure(ports.len() == evidence.people.len(), "two have one port")?;
    let strangers = capture.joined.difference(&ports).copied().collect::<Vec<_>>();
    let [intruder] = strangers[..] else { return Err("besides there is one who is the intruder".into()) };
    ensure(
        capture.from.keys().all(|(port, _)| capture.joined.contains(port)),
        "somebody sent and never joined",
    )?;
    let injected = capture.tracks_from(intruder).map(|(_, stream)| stream.packets).sum();
    agree("frames of the intruder", evidence.count("/intruder/frames_injected")?, injected, gaps)?;
    agree("frames that he tried", evidence.count("/intruder/frames_tried")?, frames, 0)?;
    let (said, mean) = (evidence.number("/overhead_bytes_per_frame")?, overhead as f64 / frames as f64);
    ensure((said - mean).abs() < 0.01, format!("{said} bytes of overhead, and {mean} in the capture"))?;
    Ok(format!("{frames} frames, and {injected} of the intruder"))
}

pub(crate) fn receivers(evidence: &Evidence) -> Result<String> {
    let mut unread = 0;
    for (number, person) in evidence.people.iter().enumerate() {
        let what = |error| format!("{}: {error}", person.name);
        owed(evidence, number, person).map_err(what)?;
        unread += handled(evidence, person).map_err(what)?;
    }
    removed(evidence)?;
    Ok(format!("{unread} frames on their way to somebody who hung up, or lost"))
}

/// Who stays gets every frame of his epochs. Who goes has got those that came before the last one of his own.
fn owed(evidence: &Evidence, number: usize, person: &Person) -> Result<()> {
    let (gaps, epochs) = (gaps(evidence), membership(evidence, number));
    let others = evidence.people.iter().filter(|other| other.port != person.port);
    let of_others = others.flat_map(|other| frames_from(evidence, other));
    let of_others = of_others.filter(|frame| epochs.contains(&frame.epoch)).collect::<Vec<_>>();
    let all = of_others.len() as u64;
    if *epochs.end() == story::REMOVED {
        ensure(person.opened_after_end == 0, "frames after the end")?;
        return agree("frames expected", person.expected, all, gaps);
    }
    let last = frames_from(evidence, person).map(|frame| frame.at).max().unwrap_or_default();
    let before = of_others.iter().filter(|frame| frame.at <= last).count() as u64;
    ensure(person.expected >= before, format!("{} frames expected, of {before}", person.expected))?;
    let opened = person.expected + person.opened_after_end;
    ensure(opened <= all + gaps, format!("{opened} frames expected, or opened after the end, of {all}"))
}

/// Every frame that was sent to him was opened, or was not for a reason; returns how many are missing.
fn handled(evidence: &Evidence, person: &Person) -> Result<u64> {
    let frames = || evidence.capture.tracks_to(person.port).flat_map(|(_, stream)| &stream.frames);
    let seen = frames().count() as u64;
    let refused = person.undecryptable.values().sum::<u64>();
    let said = person.opened + person.opened_after_end + refused;
    let missing = seen.checked_sub(said).ok_or(format!("{said} frames, and {seen} were sent to him"))?;
    let most = UNREAD + seen / UNREAD_SHARE;
    ensure(missing <= most, format!("{missing} frames neither opened nor refused, of {seen}"))?;
    // A packet that is lost spoils a frame, which has so many at most.
    let in_one = frames().map(|frame| frame.packets).max().unwrap_or_default();
    let lost = missing * in_one + gaps(evidence);
    ensure(person.packets_lost <= lost, format!("{} packets lost, of {lost}", person.packets_lost))?;
    Ok(missing)
}

/// The removed one tried every frame of the others' epoch without him.
fn removed(evidence: &Evidence) -> Result<()> {
    let person = evidence.people.get(crate::cast::CHEATS).ok_or("nobody was removed")?;
    let owners = evidence.capture.owners()?;
    let is_peers = |ssrc: u32| evidence.people.iter().any(|it| owners.get(&ssrc) == Some(&it.port));
    let tracks = evidence.capture.tracks_to(person.port).filter(|(ssrc, _)| is_peers(*ssrc));
    let frames = tracks.flat_map(|(_, stream)| &stream.frames);
    let seen = frames.filter(|frame| frame.epoch >= story::REMOVED).count() as u64;
    let (tried, lost) = (evidence.count("/removed/frames_tried")?, UNREAD + person.packets_lost);
    ensure(tried <= seen && tried + lost >= seen, format!("{tried} frames tried, of {seen} sent to him"))
}

/// Media last as long in the capture as by their own clocks, if the run's speed is taken into account.
pub(crate) fn times(evidence: &Evidence) -> Result<String> {
    let speed = evidence.number("/speed")?;
    let mut longest = Duration::ZERO;
    for person in &evidence.people {
        for (_, stream) in evidence.capture.tracks_from(person.port) {
            let rate = match stream.payload_type {
                VIDEO => VIDEO_RATE,
                AUDIO => AUDIO_RATE,
                other => return Err(format!("media of type {other}").into()),
            };
            let [(first, begin), (last, end)] = stream.span.ok_or("a track without packets")?;
            let (lasted, took) = (f64::from(last.wrapping_sub(first)) / rate, end - begin);
            let of_story = took.as_secs_f64() * speed;
            // A beginning or an end that comes late makes a difference of a moment.
            let differs = (lasted - of_story).abs();
            let may = TIME_DIFFERS * of_story + 0.5 * speed.max(1.0);
            ensure(differs <= may, format!("{lasted:.1} s of media, in {of_story:.1} s of the story"))?;
            longest = longest.max(took);
        }
    }
    Ok(format!("{:.1} s at speed {speed}", longest.as_secs_f64()))
}
