//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::error::ErrorKind;

use crate::delivery::{Place, place};
use crate::failure::Failure;

/// A group call on this machine: every participant on a socket of its own, servers that forward their media and messages
/// without any key and do so badly, a stranger to whom they tell everything, and one who tries to let a friend in, is
/// removed, and keeps his old keys.
///
/// One guest is denied, one more joins in the middle, then the call is locked and all compare the safety code; one
/// participant leaves, one is removed. Beside it, in a small call of its own, somebody is not told of a removal, and cut off.
/// In a large call everybody listens, but of those who are there from the start only the first 6 have a camera on and the
/// first 16 a microphone; the late guest has both. What the receivers got and what the servers saw is written to DIR, with
/// a report.
#[derive(Parser, Debug)]
#[command(name = "group_call", version)]
pub(crate) struct Args {
    /// The picture of every camera: VP8, VP9 or AV1 in IVF [default: a test picture]; to make one: ffmpeg -i in.mp4 -an
    /// -c:v libvpx out.ivf
    #[arg(long, value_name = "FILE.ivf")]
    pub(crate) video: Option<PathBuf>,

    /// The sound of every microphone: Opus in Ogg [default: synthesised speech]; to make one: ffmpeg -i in.mp4 -vn
    /// -c:a libopus out.ogg
    #[arg(long, value_name = "FILE.ogg")]
    pub(crate) audio: Option<PathBuf>,

    /// Where to write to
    #[arg(long, value_name = "DIR", default_value = "target/group_call")]
    pub(crate) out: PathBuf,

    /// How many are in the call at the start, 2 to 50; one more comes later
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=50))]
    pub(crate) participants: u8,

    /// How many times as fast as in reality, 0.5 to 20; media and the call's deadlines alike
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub(crate) speed: f64,

    /// Where handshake messages go: in-process, or the NATS servers of one cluster, as nats://HOST:PORT[,nats://HOST:PORT,…]
    #[arg(long, value_name = "WHERE", default_value = "in-process", value_parser = place)]
    pub(crate) delivery: Place,

    /// Instead of the story: found a call, print its link, let in who knocks, and end it after --seconds
    #[arg(long, conflicts_with = "join")]
    pub(crate) host: bool,

    /// Instead of the story: join the call of a --host in another process. Both need the same --delivery
    #[arg(long, value_name = "LINK")]
    pub(crate) join: Option<String>,

    /// How long a --host stays, in seconds
    #[arg(long, value_name = "S", default_value_t = 60, requires = "host", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) seconds: u32,

    /// The server's UDP port; 0 for any
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub(crate) port: u16,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().map_err(|_| "not a number".to_owned())?;
    if (0.5..=20.0).contains(&speed) { Ok(speed) } else { Err("not between 0.5 and 20".to_owned()) }
}

/// Reads the command line; `None` if it asked for help, which is printed.
pub(crate) fn parse() -> Result<Option<Args>, Failure> {
    let error = match Args::try_parse() {
        Ok(args) => return Ok(Some(args)),
        Err(error) => error,
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody who closed the pipe wants to hear of it.
        error.print().unwrap_or_default();
        return Ok(None);
    }
    // One line, not clap's several.
    let text = error.to_string();
    let mut lines = text.lines();
    let line = lines.next().unwrap_or_default();
    let what = if line.ends_with(':') { lines.next().unwrap_or_default().trim() } else { "" };
    let line = line.strip_prefix("error: ").unwrap_or(line);
    Err(Failure::Input(format!("{line}{}{what}; see --help", if what.is_empty() { "" } else { " " })))
}
