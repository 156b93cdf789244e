//! What receivers opened, as they wrote it down.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use subrosa_testkit::media::{AudioClip, VideoClip};

use super::capture::{AUDIO, Frame, VIDEO};
use super::cast::in_path;
use super::people::Person;
use super::{Evidence, Result, ensure};

/// The frames of a clip, and where in it each is.
pub(crate) struct Clip {
    pub(crate) frames: Vec<Bytes>,
    places: HashMap<Bytes, Vec<usize>>,
}

/// A received file, of one sender's camera or microphone.
struct Received {
    path: PathBuf,
    payload_type: u8,
    frames: Vec<Bytes>,
}

impl Clip {
    pub(crate) fn new(frames: Vec<Bytes>) -> Self {
        let mut places: HashMap<Bytes, Vec<usize>> = HashMap::new();
        for (place, frame) in frames.iter().enumerate() {
            places.entry(frame.clone()).or_default().push(place);
        }
        Self { frames, places }
    }

    /// Checks that frames are the clip's, each later (round and round) than the one before.
    fn check(&self, frames: &[Bytes]) -> Result<()> {
        let count = self.frames.len();
        let mut next = None;
        let mut steps = 0;
        for (number, frame) in frames.iter().enumerate() {
            let places = self.places.get(frame).ok_or(format!("frame {number} is not the clip's"))?;
            let ahead = |place: &usize| next.map_or(0, |next| (place + count - next) % count);
            let place = *places.iter().min_by_key(|place| ahead(place)).ok_or("a frame without a place")?;
            steps += ahead(&place);
            next = Some((place + 1) % count);
        }
        // What was left out (until a keyframe, or lost) is less than what came, unless the order is wrong.
        ensure(steps <= frames.len() + count, format!("{steps} frames left out between {}", frames.len()))
    }
}

/// Everything that somebody received.
fn received_by(evidence: &Evidence, receiver: &Person) -> Result<Vec<Received>> {
    let dir = evidence.dir.join("received").join(in_path(&receiver.name));
    let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let says = |error| format!("{}: {error}", path.display());
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("ivf") => {
                let frames = VideoClip::open(&path).map_err(|error| says(error.to_string()))?.frames;
                let frames = frames.into_iter().map(|frame| frame.data).collect();
                files.push(Received { path, payload_type: VIDEO, frames });
            }
            Some("ogg") => {
                let packets = AudioClip::open(&path).map_err(|error| says(error.to_string()))?.packets;
                let frames = packets.into_iter().map(|packet| packet.data).collect();
                files.push(Received { path, payload_type: AUDIO, frames });
            }
            _ => {} // something of the user's
        }
    }
    Ok(files)
}

fn each(evidence: &Evidence, mut check: impl FnMut(&Person, &Received) -> Result<()>) -> Result<String> {
    let mut count = 0;
    for receiver in &evidence.people {
        for file in received_by(evidence, receiver)? {
            check(receiver, &file).map_err(|error| format!("{}: {error}", file.path.display()))?;
            count += 1;
        }
    }
    ensure(count > 0, "there is none")?;
    Ok(format!("{count} files"))
}

pub(crate) fn contents(evidence: &Evidence) -> Result<String> {
    each(evidence, |_, file| match file.payload_type {
        VIDEO => evidence.video.check(&file.frames),
        _ => evidence.audio.check(&file.frames),
    })
}

/// All play the same clips. But whose frames these are can be seen: each is as long as what it was sealed to.
pub(crate) fn senders(evidence: &Evidence) -> Result<String> {
    let owners = evidence.capture.owners()?;
    each(evidence, |receiver, file| {
        let name = file.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let sender = evidence.people.iter().find(|person| in_path(&person.name) == name);
        let sender = sender.ok_or("it is nobody's")?;
        let is_theirs = |ssrc| owners.get(&ssrc) == Some(&sender.port);
        let tracks = evidence.capture.tracks_to(receiver.port);
        let mut track = tracks
            .filter(|(ssrc, stream)| is_theirs(*ssrc) && stream.payload_type == file.payload_type)
            .map(|(_, stream)| stream);
        let (Some(sent), None) = (track.next(), track.next()) else {
            return Err(format!("{} did not send it, or sent two", sender.name).into());
        };
        let lengths = file.frames.iter().map(Bytes::len).collect::<Vec<_>>();
        let is_so = has_in_order(&sent.frames, &lengths, receiver.lost as usize);
        ensure(is_so, format!("{} sent other frames", sender.name))
    })
}

/// Whether frames of these lengths were sent one after the other, with no more than `lost` others between them.
fn has_in_order(sent: &[Frame], lengths: &[usize], lost: usize) -> bool {
    (0..=sent.len()).any(|start| {
        let (mut rest, mut left_out) = (sent[start..].iter(), 0);
        lengths.iter().all(|len| {
            rest.by_ref().any(|frame| {
                left_out += usize::from(frame.len != *len);
                left_out > lost || frame.len == *len
            }) && left_out <= lost
        })
    })
}

pub(crate) fn totals(evidence: &Evidence) -> Result<String> {
    let mut total = 0;
    for person in &evidence.people {
        let frames = received_by(evidence, person)?.iter().map(|file| file.frames.len() as u64).sum::<u64>();
        let said = person.opened + person.opened_after_end;
        let name = &person.name;
        ensure(frames == said, format!("{name} has {frames} frames in files, and {said} in the report"))?;
        total += frames;
    }
    Ok(format!("{total} frames"))
}
