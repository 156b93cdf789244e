//! Checks what the example `group_call` wrote, independently of it: the report's fields, the received files against the
//! clips, and the server's capture and log, read and searched anew.
//!
//! A number in the report is held against what the files show, against another number, or against what is expected of the
//! story. What is mere information, and could be anything, is said to be so in [`figures`].
//!
//! One line per check; the first that fails ends it with exit code 1.

#[path = "check_report/attempts.rs"]
mod attempts;
#[path = "check_report/capture.rs"]
mod capture;
#[path = "group_call/names.rs"]
mod cast;
#[path = "check_report/cut_off.rs"]
mod cut_off;
#[path = "check_report/figures.rs"]
mod figures;
#[path = "check_report/files.rs"]
mod files;
#[path = "check_report/log.rs"]
mod log;
#[path = "check_report/people.rs"]
mod people;
#[path = "check_report/search.rs"]
mod search;
#[path = "check_report/story.rs"]
mod story;
#[path = "check_report/traffic.rs"]
mod traffic;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;
use subrosa_testkit::media::{AudioClip, VideoClip, fixture_audio, fixture_video};

use capture::Capture;
use files::Clip;
use log::Entry;
use people::Person;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Returns a detail worth showing.
type Check = fn(&Evidence) -> Result<String>;

/// Everything there is to check by.
struct Evidence {
    dir: PathBuf,
    report: Value,
    people: Vec<Person>,
    capture: Capture,
    log: Vec<Entry>,
    video: Clip,
    audio: Clip,
}

fn main() -> ExitCode {
    let dir = std::env::args().nth(1).unwrap_or_else(|| "target/group_call".to_owned());
    match check(Path::new(&dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("check_report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(dir: &Path) -> Result<()> {
    let evidence = Evidence::load(dir)?;
    let checks: [(&str, Check); 23] = [
        ("every field is there", figures::fields),
        ("what must be zero is zero", figures::zeros),
        ("enough was tried to mean something", figures::minima),
        ("the participants' counts agree with each other", figures::counts),
        ("these are the people, and each call ended as the story has it", story::people),
        ("the epochs are the story's", story::epochs),
        ("all have one safety code, and it is a whole one", story::codes),
        ("who was not to come in did not, and was told", attempts::waiting_room),
        ("everybody but the cheater saw his commit, and whose it was", attempts::cheater),
        ("everybody skipped what meant nothing, and nothing else", attempts::skipped),
        ("who was not told of a removal was cut off in time", cut_off::cut_off),
        ("what the server said again was refused", attempts::replays),
        ("the lobby holds the knocks that are counted", attempts::knocks),
        ("the packets are those of the capture", traffic::packets),
        ("what was sent is in the capture", traffic::senders),
        ("what was received is in the capture, and what is missing was lost", traffic::receivers),
        ("the time is the capture's", traffic::times),
        ("every received file is the sender's, frame by frame", files::contents),
        ("every received file has the frames that its sender sent", files::senders),
        ("the files hold what the report says", files::totals),
        ("the packet capture holds no media and no name", search::capture),
        ("the delivery log holds no media and no name", search::log),
        ("what NATS servers had on their disks holds no media and no name, and every entry", search::stored),
    ];
    for (what, check) in checks {
        let detail = check(&evidence).map_err(|error| format!("not true: {what}: {error}"))?;
        println!("ok: {what}: {detail}");
    }
    Ok(())
}

impl Evidence {
    fn load(dir: &Path) -> Result<Self> {
        let path = dir.join("report.json");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let report: Value = serde_json::from_str(&text)?;
        let video = match report["video"].as_str() {
            Some(path) => VideoClip::open(Path::new(path))?,
            None => VideoClip::parse(fixture_video())?,
        };
        let audio = match report["audio"].as_str() {
            Some(path) => AudioClip::open(Path::new(path))?,
            None => AudioClip::parse(fixture_audio())?,
        };
        Ok(Self {
            people: people::of(&report)?,
            capture: Capture::read(&dir.join("server.pcap"))?,
            log: log::read(&dir.join("server.log.jsonl"))?,
            video: Clip::new(video.frames.into_iter().map(|frame| frame.data).collect()),
            audio: Clip::new(audio.packets.into_iter().map(|packet| packet.data).collect()),
            dir: dir.to_owned(),
            report,
        })
    }

    /// A number in the report, by its JSON pointer.
    fn number(&self, at: &str) -> Result<f64> {
        number(&self.report, at)
    }

    fn count(&self, at: &str) -> Result<u64> {
        count(&self.report, at)
    }

    fn text(&self, at: &str) -> Result<&str> {
        text(&self.report, at)
    }

    fn is_true(&self, at: &str) -> Result<()> {
        let found = self.report.pointer(at).ok_or(format!("{at} is missing"))?;
        ensure(found == &Value::Bool(true), format!("{at} is {found}"))
    }
}

fn number(value: &Value, at: &str) -> Result<f64> {
    let found = value.pointer(at).ok_or(format!("{at} is missing"))?;
    Ok(found.as_f64().ok_or(format!("{at} is no number"))?)
}

/// Sums of a few counts do not overflow.
const MOST: u64 = 1 << 48;

fn count(value: &Value, at: &str) -> Result<u64> {
    let found = value.pointer(at).ok_or(format!("{at} is missing"))?;
    Ok(found.as_u64().filter(|it| *it < MOST).ok_or(format!("{at} is no count"))?)
}

/// Whole numbers.
fn counts(value: &Value, at: &str) -> Result<Vec<u64>> {
    let found = value.pointer(at).and_then(Value::as_array).ok_or(format!("{at} is no list"))?;
    let count = |it: &Value| it.as_u64().filter(|it| *it < MOST).ok_or(format!("{at}: {it} is no count"));
    found.iter().map(|it| Ok(count(it)?)).collect()
}

fn text<'a>(value: &'a Value, at: &str) -> Result<&'a str> {
    let found = value.pointer(at).ok_or(format!("{at} is missing"))?;
    Ok(found.as_str().ok_or(format!("{at} is no text"))?)
}

fn ensure(is_so: bool, otherwise: impl Into<String>) -> Result<()> {
    if is_so { Ok(()) } else { Err(otherwise.into().into()) }
}
