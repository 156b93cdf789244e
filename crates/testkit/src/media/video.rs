#![warn(clippy::indexing_slicing)]

use std::{
    fs::File,
    io::{BufWriter, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use bytes::Bytes;

use super::{MediaError, Place, annex_b, file, keyframe};

const MAGIC: &[u8; 4] = b"DKIF";
const HEADER_LEN: usize = 32;
/// Where the header has the codec, and where the number of frames.
const FOURCC_AT: usize = 8;
const COUNT_AT: u64 = 24;
const FRAME_HEADER_LEN: usize = 12;
/// The longest frame that is read or written: 16 MiB, many times a key frame of the largest pictures.
const MAX_FRAME_LEN: usize = 16 << 20;

/// A video clip, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoClip {
    /// What the frames are.
    pub format: VideoFormat,
    /// The frames in the order of the file, at least one.
    pub frames: Vec<VideoFrame>,
}

/// One encoded video frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// When the frame is shown, in units of the clip's [`Timebase`].
    pub pts: u64,
    /// The encoded frame, never empty.
    pub data: Bytes,
    /// Whether the frame can be decoded without the ones before it.
    pub keyframe: bool,
}

/// What the frames of a clip are: the contents of a file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoFormat {
    /// How the frames are encoded.
    pub codec: VideoCodec,
    /// The width of the picture in pixels.
    pub width: u16,
    /// The height of the picture in pixels.
    pub height: u16,
    /// The unit of the frames' times.
    pub timebase: Timebase,
}

/// A video codec that a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// VP8, RFC 6386.
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// H.264, in access units of a byte stream.
    H264,
    /// H.265, likewise.
    H265,
}

/// A unit of time: a fraction of a second, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timebase {
    num: u32,
    den: u32,
}

impl VideoClip {
    /// Reads a clip from an IVF file.
    ///
    /// # Errors
    ///
    /// As [`VideoClip::parse`], and if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        Self::parse(&file::read(path)?)
    }

    /// Reads a clip from the bytes of an IVF file.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole IVF file of a known codec, or hold no frame.
    pub fn parse(bytes: &[u8]) -> Result<Self, MediaError> {
        let mut rest = bytes;
        let format = read_header(&mut rest)?;
        let mut frames = Vec::new();
        while !rest.is_empty() {
            let (pts, data) = read_frame(&mut rest, Place::Frame(frames.len()))?;
            frames.push(VideoFrame { pts, keyframe: format.codec.is_keyframe(&data), data });
        }
        if frames.is_empty() {
            return Err(MediaError::NoFrames);
        }
        Ok(Self { format, frames })
    }

    /// The time from the first frame to the end of the last, which lasts as long as the one before it.
    pub fn duration(&self) -> Duration {
        let pts = |back: usize| self.frames.iter().rev().nth(back).map_or(0, |frame| frame.pts);
        let first = self.frames.first().map_or(0, |frame| frame.pts);
        let last = pts(0);
        let step = if self.frames.len() > 1 { last.saturating_sub(pts(1)) } else { 1 };
        self.format.timebase.duration(last.saturating_sub(first).saturating_add(step))
    }
}

fn read_header(rest: &mut &[u8]) -> Result<VideoFormat, MediaError> {
    if !rest.starts_with(MAGIC) {
        return Err(MediaError::NotIvf);
    }
    // The crate skips these two fields: a version of 0, and the length of this header.
    let layout = rest.get(4..FOURCC_AT).ok_or(MediaError::Truncated(Place::Header))?;
    if layout != [0, 0, 32, 0] {
        return Err(broken(Place::Header, "not version 0 with a header of 32 bytes"));
    }
    let header = ivf::read_header(rest).map_err(|_| MediaError::Truncated(Place::Header))?;
    if header.w == 0 || header.h == 0 {
        return Err(broken(Place::Header, "the picture has no size"));
    }
    let timebase = Timebase::new(header.timebase_num, header.timebase_den)
        .ok_or(broken(Place::Header, "the unit of time is zero"))?;
    Ok(VideoFormat {
        codec: VideoCodec::from_fourcc(header.tag)?,
        width: header.w,
        height: header.h,
        timebase,
    })
}

fn read_frame(rest: &mut &[u8], at: Place) -> Result<(u64, Bytes), MediaError> {
    // The crate allocates what the length field says before it reads, so the field is checked first.
    let (len, after) = rest.split_first_chunk::<4>().ok_or(MediaError::Truncated(at))?;
    let len = u32::from_le_bytes(*len) as usize;
    check_len(len, at)?;
    if after.len() < FRAME_HEADER_LEN - 4 + len {
        return Err(MediaError::Truncated(at));
    }
    let packet = ivf::read_packet(rest).map_err(|_| MediaError::Truncated(at))?;
    Ok((packet.pts, packet.data.into()))
}

fn check_len(len: usize, at: Place) -> Result<(), MediaError> {
    match len {
        0 => Err(broken(at, "it is empty")),
        1..=MAX_FRAME_LEN => Ok(()),
        _ => Err(broken(at, "it is longer than 16 MiB")),
    }
}

fn broken(at: Place, why: &'static str) -> MediaError {
    MediaError::Broken { at, why }
}

impl VideoCodec {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Vp8, Self::Vp9, Self::Av1, Self::H264, Self::H265];

    /// The four-character code of the codec.
    pub fn fourcc(self) -> [u8; 4] {
        match self {
            VideoCodec::Vp8 => *b"VP80",
            VideoCodec::Vp9 => *b"VP90",
            VideoCodec::Av1 => *b"AV01",
            VideoCodec::H264 => *b"H264",
            VideoCodec::H265 => *b"HEVC",
        }
    }

    /// Whether a frame of this codec can be decoded without the ones before it; false for what is no frame at all.
    pub fn is_keyframe(self, frame: &[u8]) -> bool {
        match self {
            VideoCodec::Vp8 => keyframe::vp8(frame),
            VideoCodec::Vp9 => keyframe::vp9(frame),
            VideoCodec::Av1 => keyframe::av1(frame),
            VideoCodec::H264 | VideoCodec::H265 => annex_b::is_keyframe(self, frame),
        }
    }

    /// Those that IVF files carry.
    fn from_fourcc(fourcc: [u8; 4]) -> Result<Self, MediaError> {
        [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1]
            .into_iter()
            .find(|codec| codec.fourcc() == fourcc)
            .ok_or(MediaError::UnsupportedCodec { fourcc })
    }
}

impl VideoFormat {
    /// What the two fixtures are that come as byte streams, which do not say it themselves.
    pub const fn of_h26x_fixture(codec: VideoCodec) -> Self {
        Self { codec, width: 160, height: 90, timebase: Timebase { num: 1, den: 15 } }
    }
}

impl Timebase {
    /// A unit of `num / den` seconds; none if either is zero.
    pub fn new(num: u32, den: u32) -> Option<Self> {
        (num != 0 && den != 0).then_some(Self { num, den })
    }

    /// How long so many units are.
    pub fn duration(self, units: u64) -> Duration {
        // 64 + 32 + 30 bits
        let nanos = u128::from(units) * u128::from(self.num) * 1_000_000_000 / u128::from(self.den);
        let seconds = u64::try_from(nanos / 1_000_000_000);
        seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, (nanos % 1_000_000_000) as u32))
    }
}

/// Writes an IVF file that players open.
///
/// A file that is not [finished](Self::finish) still plays; its header says that it has no frames.
#[derive(Debug)]
pub struct IvfWriter<W: Write + Seek> {
    out: W,
    /// Where in `out` the file begins.
    start: u64,
    frames: u32,
}

impl IvfWriter<BufWriter<File>> {
    /// Creates a file, or empties it, and writes its header.
    ///
    /// # Errors
    ///
    /// If the file cannot be created or written, or the codec is one that these files do not carry.
    pub fn create(path: &Path, format: &VideoFormat) -> Result<Self, MediaError> {
        Self::new(file::create(path)?, format)
    }
}

impl<W: Write + Seek> IvfWriter<W> {
    /// Writes a file's header to `out`.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or the codec is one that these files do not carry.
    pub fn new(mut out: W, format: &VideoFormat) -> Result<Self, MediaError> {
        VideoCodec::from_fourcc(format.codec.fourcc())?;
        // The crate panics when its output fails, so it writes to memory. It knows AV1 only, and calls the two
        // halves of the timebase by those of the frame rate.
        let mut header = Vec::with_capacity(HEADER_LEN);
        let Timebase { num, den } = format.timebase;
        ivf::write_ivf_header(
            &mut header,
            format.width.into(),
            format.height.into(),
            den as usize,
            num as usize,
        );
        header.splice(FOURCC_AT..FOURCC_AT + 4, format.codec.fourcc());

        let start = out.stream_position().map_err(MediaError::Write)?;
        out.write_all(&header).map_err(MediaError::Write)?;
        Ok(Self { out, start, frames: 0 })
    }

    /// Appends a frame, to be shown at `pts` in units of the timebase.
    ///
    /// # Errors
    ///
    /// If the output fails, or if the frame is one that no reader takes: empty, or longer than 16 MiB.
    pub fn write(&mut self, pts: u64, frame: &[u8]) -> Result<(), MediaError> {
        check_len(frame.len(), Place::Frame(self.frames as usize))?;
        let mut packet = Vec::with_capacity(FRAME_HEADER_LEN + frame.len());
        ivf::write_ivf_frame(&mut packet, pts, frame);
        self.out.write_all(&packet).map_err(MediaError::Write)?;
        self.frames = self.frames.saturating_add(1);
        Ok(())
    }

    /// Writes the number of frames into the header, and gives the output back.
    ///
    /// # Errors
    ///
    /// If the output fails, or no frame was written.
    pub fn finish(mut self) -> Result<W, MediaError> {
        if self.frames == 0 {
            return Err(MediaError::NoFrames);
        }
        self.patch_count().map_err(MediaError::Write)?;
        Ok(self.out)
    }

    fn patch_count(&mut self) -> std::io::Result<()> {
        self.out.seek(SeekFrom::Start(self.start + COUNT_AT))?;
        self.out.write_all(&self.frames.to_le_bytes())?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()
    }
}
