//! What a receiver opened, as files that any player opens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use subrosa::{ParticipantId, TrackKind};
use subrosa_testkit::media::{IvfWriter, OggOpusWriter};

use crate::failure::{Context, Failure};
use crate::media::Media;
use crate::names::in_path;

/// Opened frames with their RTP timestamps, by sender and kind of track, in the order in which they were opened: what was held
/// until its epoch opened comes a moment later than what came meanwhile.
///
/// They stay in memory until the end: a call of 50 would otherwise have a thousand files open at once.
#[derive(Debug, Default)]
pub(crate) struct Received(BTreeMap<(ParticipantId, TrackKind), Vec<(u32, Bytes)>>);

impl Received {
    pub(crate) fn keep(&mut self, sender: ParticipantId, kind: TrackKind, timestamp: u32, payload: &[u8]) {
        let frames = self.0.entry((sender, kind)).or_default();
        frames.push((timestamp, Bytes::copy_from_slice(payload)));
    }

    /// Writes `dir/<sender>.ivf` and `dir/<sender>.ogg`.
    pub(crate) fn write(
        &self,
        dir: &Path,
        names: &BTreeMap<ParticipantId, &str>,
        media: &Media,
    ) -> Result<(), Failure> {
        fs::create_dir_all(dir).or_input(dir.display())?;
        for ((sender, kind), frames) in &self.0 {
            let name = names.get(sender).copied().unwrap_or("unknown");
            let frames = in_order(frames);
            match kind {
                TrackKind::Camera | TrackKind::Screen => {
                    write_video(&path(dir, name, "ivf"), &frames, media)?;
                }
                TrackKind::Microphone | TrackKind::ScreenAudio => {
                    write_audio(&path(dir, name, "ogg"), &frames, media)?;
                }
            }
        }
        Ok(())
    }
}

/// As they were sent. All are within 2^31 units of the timestamps, some hours, of the first one; which may wrap.
fn in_order(frames: &[(u32, Bytes)]) -> Vec<(u32, Bytes)> {
    let mut frames = frames.to_vec();
    let before = frames.first().map_or(0, |(first, _)| first.wrapping_sub(1 << 31));
    frames.sort_by_key(|(timestamp, _)| timestamp.wrapping_sub(before));
    frames
}

fn path(dir: &Path, name: &str, extension: &str) -> PathBuf {
    dir.join(in_path(name)).with_extension(extension)
}

fn write_video(path: &Path, frames: &[(u32, Bytes)], media: &Media) -> Result<(), Failure> {
    let mut file = IvfWriter::create(path, &media.video_format).or_input(path.display())?;
    let unit = media.video_format.timebase.duration(1).as_nanos().max(1);
    let first = frames.first().map_or(0, |(timestamp, _)| *timestamp);
    for (timestamp, frame) in frames {
        let nanos = media.video.since(first, *timestamp).as_nanos();
        let pts = (nanos + unit / 2) / unit;
        file.write(u64::try_from(pts).unwrap_or(u64::MAX), frame).or_input(path.display())?;
    }
    file.finish().or_input(path.display())?;
    Ok(())
}

fn write_audio(path: &Path, frames: &[(u32, Bytes)], media: &Media) -> Result<(), Failure> {
    let mut file = OggOpusWriter::create(path, &media.audio_format).or_input(path.display())?;
    for (_, packet) in frames {
        file.write(packet).or_input(path.display())?;
    }
    file.finish().or_input(path.display())?;
    Ok(())
}

/// Removes what an earlier run received, and nothing else.
pub(crate) fn clear(received: &Path) -> Result<(), Failure> {
    let Ok(receivers) = fs::read_dir(received) else { return Ok(()) };
    for receiver in receivers.flatten() {
        let files = fs::read_dir(receiver.path()).into_iter().flatten().flatten();
        for file in files.map(|file| file.path()) {
            if file.extension().is_some_and(|extension| extension == "ivf" || extension == "ogg") {
                fs::remove_file(&file).or_input(file.display())?;
            }
        }
        fs::remove_dir(receiver.path()).unwrap_or_default(); // unless something of the user's is in it
    }
    Ok(())
}
