use std::{fmt, io, path::PathBuf};

/// Why a clip could not be read or written; each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The file cannot be opened, read or created.
    #[error("cannot use the file {path:?}: {cause}")]
    File {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is larger than any clip.
    #[error("the clip is larger than {limit} bytes")]
    TooLarge {
        /// The largest size that is read.
        limit: u64,
    },
    /// The bytes do not begin as an IVF file does.
    #[error("not an IVF file")]
    NotIvf,
    /// The bytes do not begin as a byte stream of H.264 or H.265 does.
    #[error("not an Annex B stream with access unit delimiters")]
    NotAnnexB,
    /// The bytes do not begin as an Ogg file with an Opus stream does.
    #[error("not an Ogg Opus file")]
    NotOggOpus,
    /// The clip is of a codec that such files do not carry: VP8, VP9 and AV1 come in IVF, H.264 and H.265 as byte streams.
    #[error("no file of this kind has the video codec \"{}\"", fourcc.escape_ascii())]
    UnsupportedCodec {
        /// Its four-character code.
        fourcc: [u8; 4],
    },
    /// The file ends too early.
    #[error("the clip ends inside {0}")]
    Truncated(Place),
    /// The bytes at a place mean nothing.
    #[error("{at} of the clip is broken: {why}")]
    Broken {
        /// Where.
        at: Place,
        /// What is wrong there.
        why: &'static str,
    },
    /// The clip has headers and nothing else.
    #[error("the clip has no frames")]
    NoFrames,
    /// A frame could not be written.
    #[error("cannot write the clip: {0}")]
    Write(io::Error),
}

/// Where in a clip something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In what precedes the frames.
    Header,
    /// In the frame, or audio packet, of this number, counted from 0.
    Frame(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header => f.write_str("the header"),
            Place::Frame(number) => write!(f, "frame {number}"),
        }
    }
}
