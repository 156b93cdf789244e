use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use subrosa::Codec;

/// A call through Janus: Ann (str0m) and Bob (webrtc-rs) begin, Cid (str0m) joins late, Bob is removed from the call and stays in
/// the server's room. Fails unless every frame arrives as it was sealed, and the server sees nothing of the media.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// The video codec.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) codec: CodecChoice,
    /// Where the report goes, the captures of the tap, and Janus' log.
    #[arg(long, default_value = "target/janus")]
    pub(crate) out: PathBuf,
    /// The program.
    #[arg(long, default_value = "/usr/bin/janus")]
    pub(crate) janus: PathBuf,
    /// How many times faster than the clips the frames are sent.
    #[arg(long, default_value_t = 1.0, value_parser = pace)]
    pub(crate) pace: f64,
    /// Frames of each medium that each participant gets of each other before the story goes on; there are three parts.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) frames: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CodecChoice {
    Vp8,
    H264,
    Av1,
    All,
}

impl CodecChoice {
    /// The codecs, with Janus' names for them.
    pub(crate) fn codecs(self) -> Vec<(Codec, &'static str)> {
        let all = [
            (Self::Vp8, (Codec::Vp8, "vp8")),
            (Self::H264, (Codec::H264, "h264")),
            (Self::Av1, (Codec::Av1, "av1")),
        ];
        let chosen = |choice| {
            matches!(
                (self, choice),
                (Self::All, _) | (Self::Vp8, Self::Vp8) | (Self::H264, Self::H264) | (Self::Av1, Self::Av1)
            )
        };
        all.into_iter().filter(|(choice, _)| chosen(*choice)).map(|(_, codec)| codec).collect()
    }
}

fn pace(text: &str) -> Result<f64, String> {
    let pace: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=20.0).contains(&pace) { Ok(pace) } else { Err("from 0.1 to 20".to_owned()) }
}
