//! Byte streams of H.264 and H.265 (Annex B of both): what encoders write and players read, without any container.
#![warn(clippy::indexing_slicing)]

use std::{
    fs::File,
    io::{BufWriter, Write},
    ops::Range,
    path::Path,
};

use bytes::Bytes;

use super::{MediaError, VideoClip, VideoCodec, VideoFormat, VideoFrame, file};

const START_CODE: &[u8; 3] = &[0, 0, 1];

impl VideoClip {
    /// Reads a clip from a byte stream whose access units begin with delimiters, as `-x264-params aud=1` has ffmpeg write it.
    ///
    /// The stream tells neither its codec nor its times: `format` does, whose timebase is the time from a frame to the next.
    /// The frames are the access units, each with its delimiter, so one after the other they are the stream.
    ///
    /// # Errors
    ///
    /// If the format is of another codec, if there is no frame, or if the bytes do not begin with an access unit delimiter.
    pub fn parse_annex_b(bytes: &[u8], format: VideoFormat) -> Result<Self, MediaError> {
        let delimiter = delimiter(format.codec)?;
        let bytes = Bytes::copy_from_slice(bytes);
        let starts: Vec<usize> = nal_units(&bytes)
            .filter(|nal| {
                bytes.get(nal.start).is_some_and(|header| format.codec.nal_type(*header) == delimiter)
            })
            .map(|nal| with_start_code(&bytes, nal.start))
            .collect();
        match starts.first() {
            Some(0) => {}
            Some(_) => return Err(MediaError::NotAnnexB),
            None => return Err(if bytes.is_empty() { MediaError::NoFrames } else { MediaError::NotAnnexB }),
        }
        let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
        let units = starts.iter().zip(ends).map(|(start, end)| bytes.slice(*start..end));
        let frames = units.zip(0..).map(|(data, pts)| VideoFrame {
            pts,
            keyframe: format.codec.is_keyframe(&data),
            data,
        });
        Ok(Self { format, frames: frames.collect() })
    }
}

/// Whether an access unit has a slice of an IDR, BLA or CRA picture: H.264 table 7-1, H.265 table 7-1.
pub(super) fn is_keyframe(codec: VideoCodec, unit: &[u8]) -> bool {
    nal_units(unit).any(|nal| {
        let header = unit.get(nal.start).copied().unwrap_or(0);
        match codec {
            VideoCodec::H264 => codec.nal_type(header) == 5,
            _ => (16..=21).contains(&codec.nal_type(header)),
        }
    })
}

/// The type of the delimiters: H.264 table 7-1, H.265 table 7-1.
fn delimiter(codec: VideoCodec) -> Result<u8, MediaError> {
    match codec {
        VideoCodec::H264 => Ok(9),
        VideoCodec::H265 => Ok(35),
        other => Err(MediaError::UnsupportedCodec { fourcc: other.fourcc() }),
    }
}

impl VideoCodec {
    /// Reads the type from the first byte of a NAL unit.
    fn nal_type(self, header: u8) -> u8 {
        if self == Self::H264 { header & 0x1f } else { header >> 1 & 0x3f }
    }
}

/// Where the NAL units are, each without its start code; with the zeros that follow it.
fn nal_units(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let codes = || {
        let windows = bytes.windows(START_CODE.len()).enumerate();
        windows.filter(|(_, window)| window == START_CODE).map(|(at, _)| at)
    };
    let ends = codes().skip(1).chain([bytes.len()]);
    codes().zip(ends).map(|(start, end)| start + START_CODE.len()..end)
}

/// Where the start code of a NAL unit begins: a zero before it is part of the longer one.
fn with_start_code(bytes: &[u8], nal: usize) -> usize {
    let code = nal - START_CODE.len();
    let is_long = code.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&0);
    code - usize::from(is_long)
}

/// Writes a byte stream that players open; there is nothing in it but the frames.
#[derive(Debug)]
pub struct AnnexBWriter<W: Write> {
    out: W,
    is_empty: bool,
}

impl AnnexBWriter<BufWriter<File>> {
    /// Creates a file, or empties it.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, or the codec has no such streams.
    pub fn create(path: &Path, codec: VideoCodec) -> Result<Self, MediaError> {
        Self::new(file::create(path)?, codec)
    }
}

impl<W: Write> AnnexBWriter<W> {
    /// Begins a stream.
    ///
    /// # Errors
    ///
    /// If the codec has no such streams.
    pub fn new(out: W, codec: VideoCodec) -> Result<Self, MediaError> {
        delimiter(codec)?;
        Ok(Self { out, is_empty: true })
    }

    /// Appends an access unit.
    ///
    /// # Errors
    ///
    /// If the output fails, or the frame does not begin with a start code: players would take it for a part of the one before.
    pub fn write(&mut self, frame: &[u8]) -> Result<(), MediaError> {
        if !frame.starts_with(START_CODE) && !frame.starts_with(&[0, 0, 0, 1]) {
            return Err(MediaError::NotAnnexB);
        }
        self.is_empty = false;
        self.out.write_all(frame).map_err(MediaError::Write)
    }

    /// Gives the output back.
    ///
    /// # Errors
    ///
    /// If the output fails, or no frame was written.
    pub fn finish(mut self) -> Result<W, MediaError> {
        if self.is_empty {
            return Err(MediaError::NoFrames);
        }
        self.out.flush().map_err(MediaError::Write)?;
        Ok(self.out)
    }
}
