//! Clips as tracks: frames with their times, and what became of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use subrosa::{Codec, TrackKind};
use subrosa_testkit::media::{
    AudioClip, AudioFormat, IvfWriter, MediaError, OggOpusWriter, VideoClip, VideoCodec, VideoFormat,
    fixture_audio, fixture_video, fixture_video_av1, fixture_video_vp9,
};

/// A clip, read whole.
#[derive(Debug)]
pub struct Clip {
    /// What it is called: the file's name without its extension.
    pub name: String,
    /// The codec of the frames.
    pub codec: Codec,
    /// The kind of track to send it as.
    pub kind: TrackKind,
    /// The codec's MIME type.
    pub mime_type: &'static str,
    /// The frames, in their order.
    pub frames: Vec<Frame>,
    file: File,
}

/// One frame of a clip.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The encoded frame.
    pub data: Bytes,
    /// Its RTP timestamp, counted from 0.
    pub timestamp: u32,
    /// When it is due, from the start of the clip.
    pub at: Duration,
    pts: u64,
}

/// What arrived of some clips.
#[derive(Debug)]
pub struct Arrivals {
    clips: Arc<Vec<Clip>>,
    /// Of each clip the frames, by timestamp.
    frames: Vec<BTreeMap<u32, Bytes>>,
}

/// What a file of the clip begins with.
#[derive(Debug)]
enum File {
    Ivf(VideoFormat),
    OggOpus(AudioFormat),
}

impl Clip {
    /// Reads the files that the command line names, or else the clips that come with Subrosa.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn of_arguments() -> Result<Arc<Vec<Self>>, MediaError> {
        let files: Vec<_> = std::env::args_os().skip(1).collect();
        let clips = files.iter().map(|file| Self::open(Path::new(file))).collect::<Result<_, _>>()?;
        Ok(Arc::new(if files.is_empty() { Self::built_in()? } else { clips }))
    }

    /// Reads an IVF or an Ogg Opus file.
    ///
    /// # Errors
    ///
    /// If it is neither, or broken.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        match VideoClip::open(path) {
            Ok(clip) => Ok(Self::video(name, clip)),
            Err(MediaError::NotIvf) => Ok(Self::audio(name, AudioClip::open(path)?)),
            Err(error) => Err(error),
        }
    }

    /// The clips that come with Subrosa: VP8, VP9, AV1 and Opus.
    ///
    /// # Errors
    ///
    /// If they are broken.
    pub fn built_in() -> Result<Vec<Self>, MediaError> {
        let videos = [("vp8", fixture_video()), ("vp9", fixture_video_vp9()), ("av1", fixture_video_av1())];
        let videos = videos.map(|(name, file)| Ok(Self::video(name.to_owned(), VideoClip::parse(file)?)));
        let audio = AudioClip::parse(fixture_audio()).map(|clip| Self::audio("opus".to_owned(), clip));
        videos.into_iter().chain([audio]).collect()
    }

    /// Writes the frames that arrived into a file that players open. Returns its path.
    fn write(&self, arrived: &BTreeMap<u32, Bytes>, directory: &Path) -> Result<PathBuf, MediaError> {
        let mut arrived =
            self.frames.iter().filter_map(|frame| Some((frame, arrived.get(&frame.timestamp)?)));
        match &self.file {
            File::Ivf(format) => {
                let path = directory.join(format!("{}.ivf", self.name));
                let mut writer = IvfWriter::create(&path, format)?;
                arrived.try_for_each(|(frame, data)| writer.write(frame.pts, data))?;
                writer.finish().map(|_| path)
            }
            File::OggOpus(format) => {
                let path = directory.join(format!("{}.opus.ogg", self.name));
                let mut writer = OggOpusWriter::create(&path, format)?;
                arrived.try_for_each(|(_, data)| writer.write(data))?;
                writer.finish().map(|_| path)
            }
        }
    }

    fn video(name: String, clip: VideoClip) -> Self {
        let (codec, mime_type) = match clip.format.codec {
            VideoCodec::Vp8 => (Codec::Vp8, "video/VP8"),
            VideoCodec::Vp9 => (Codec::Vp9, "video/VP9"),
            VideoCodec::Av1 => (Codec::Av1, "video/AV1"),
            VideoCodec::H264 => (Codec::H264, "video/H264"),
            VideoCodec::H265 => (Codec::H265, "video/H265"),
        };
        let frame = |frame: subrosa_testkit::media::VideoFrame| {
            let at = clip.format.timebase.duration(frame.pts);
            Frame { data: frame.data, timestamp: ticks(at, 90_000), at, pts: frame.pts }
        };
        let frames = clip.frames.into_iter().map(frame).collect();
        let file = File::Ivf(clip.format);
        Self { name, codec, kind: TrackKind::Camera, mime_type, frames, file }
    }

    fn audio(name: String, clip: AudioClip) -> Self {
        let mut at = Duration::ZERO;
        let frame = |packet: subrosa_testkit::media::AudioPacket| {
            let starts = at;
            at += packet.duration();
            Frame { data: packet.data, timestamp: ticks(starts, 48_000), at: starts, pts: 0 }
        };
        let frames = clip.packets.into_iter().map(frame).collect();
        let (codec, kind, mime_type) = (Codec::Opus, TrackKind::Microphone, "audio/opus");
        Self { name, codec, kind, mime_type, frames, file: File::OggOpus(clip.format) }
    }
}

impl Arrivals {
    /// Nothing has arrived yet.
    pub fn of(clips: &Arc<Vec<Clip>>) -> Self {
        Self { clips: Arc::clone(clips), frames: vec![BTreeMap::new(); clips.len()] }
    }

    /// A frame arrived of the clip with this number.
    pub fn add(&mut self, clip: usize, timestamp: u32, data: Bytes) {
        self.frames[clip].insert(timestamp, data);
    }

    /// Returns whether as many frames arrived as were sent.
    pub fn is_complete(&self) -> bool {
        self.clips.iter().zip(&self.frames).all(|(clip, arrived)| arrived.len() >= clip.frames.len())
    }

    /// Returns when the last frame is due, from the start of the clips.
    pub fn duration(&self) -> Duration {
        let last = self.clips.iter().filter_map(|clip| clip.frames.last());
        last.map(|frame| frame.at).max().unwrap_or_default()
    }

    /// Writes the frames into files and says how many arrived as they were sent.
    ///
    /// # Errors
    ///
    /// If not all did, or a file cannot be written.
    pub fn report(&self, directory: &Path) -> Result<(), Box<dyn Error>> {
        std::fs::create_dir_all(directory)?;
        let (mut sent, mut identical) = (0, 0);
        for (clip, arrived) in self.clips.iter().zip(&self.frames) {
            let is_same = |frame: &&Frame| arrived.get(&frame.timestamp) == Some(&frame.data);
            let same = clip.frames.iter().filter(is_same).count();
            let file = match clip.write(arrived, directory) {
                Ok(path) => path.display().to_string(),
                Err(error) => error.to_string(),
            };
            println!("{:?}: {same} of {} frames arrived identical; {file}", clip.codec, clip.frames.len());
            (sent, identical) = (sent + clip.frames.len(), identical + same);
        }
        println!("{sent} frames sent, {identical} arrived identical");
        if identical == sent { Ok(()) } else { Err("not every frame arrived as it was sent".into()) }
    }
}

/// A time in units of a media clock, rounded; timestamps wrap.
fn ticks(at: Duration, clock: u64) -> u32 {
    let nanos = at.as_nanos() * u128::from(clock) + 500_000_000;
    (nanos / 1_000_000_000) as u32
}
