//! Checks what the example `group_call` wrote, independently of it: the report's fields, the received files against the
//! clips, and the server's capture, searched anew.
//!
//! One line per check; the first that fails ends it with exit code 1.

#[path = "check_report/attempts.rs"]
mod attempts;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use etherparse::{SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;
use serde_json::Value;
use subrosa_testkit::media::windows::{Needles, WindowSet};
use subrosa_testkit::media::{AudioClip, VideoClip, fixture_audio, fixture_video};

use attempts::{cheater, codes, cut_off, replays, waiting_room};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Returns a detail worth showing.
type Check = fn(&Evidence) -> Result<String>;

/// Everything there is to check by.
struct Evidence {
    dir: PathBuf,
    report: Value,
    video: Clip,
    audio: Clip,
}

/// The frames of a clip, and where in it each is.
struct Clip {
    frames: Vec<Bytes>,
    places: HashMap<Bytes, Vec<usize>>,
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
    let checks: [(&str, Check); 14] = [
        ("every field is there", fields),
        ("what must be zero is zero", zeros),
        ("enough was tried to mean something", minima),
        ("the participants' counts agree with each other", counts),
        ("who was not to come in did not, and was told", waiting_room),
        ("everybody but the cheater saw his commit, and whose it was", cheater),
        ("all have one safety code, and it is a whole one", codes),
        ("who was not told of a removal was cut off in time", cut_off),
        ("what the server said again was refused", replays),
        ("every received video is the sender's, frame by frame", videos),
        ("every received sound is the sender's, packet by packet", sounds),
        ("the files hold what the report says", totals),
        ("the packet capture holds no media and no name", capture),
        ("the delivery log holds no media and no name", log),
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
        let video = Clip::new(video.frames.into_iter().map(|frame| frame.data).collect());
        let audio = Clip::new(audio.packets.into_iter().map(|packet| packet.data).collect());
        Ok(Self { dir: dir.to_owned(), report, video, audio })
    }

    fn participants(&self) -> Result<&Vec<Value>> {
        Ok(self.report["participants"].as_array().ok_or("no participants")?)
    }

    fn names(&self) -> Result<Vec<&str>> {
        self.participants()?.iter().map(|person| Ok(person["name"].as_str().ok_or("no name")?)).collect()
    }

    /// A number in the report, by its JSON pointer.
    fn number(&self, at: &str) -> Result<f64> {
        number(&self.report, at)
    }

    /// The received files with this ending, of one receiver.
    fn files(&self, receiver: &str, ending: &str) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("received").join(receiver.replace(' ', "-"));
        let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == ending)).collect())
    }

    /// Every media window, proven to be findable.
    fn windows(&self) -> Result<WindowSet> {
        let windows = WindowSet::new(self.video.frames.iter().chain(&self.audio.frames));
        let found = self.video.frames.iter().map(|frame| windows.count_in(frame)).sum::<usize>();
        if windows.is_empty() || found == 0 {
            Err("the search would find nothing".into())
        } else {
            Ok(windows)
        }
    }

    /// The lines of the delivery service's log.
    fn deliveries(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.dir.join("server.log.jsonl"))?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    fn text(&self, at: &str) -> Result<&str> {
        let found = self.report.pointer(at).ok_or(format!("{at} is missing"))?;
        Ok(found.as_str().ok_or(format!("{at} is no text"))?)
    }

    fn is_true(&self, at: &str) -> Result<()> {
        let found = self.report.pointer(at).ok_or(format!("{at} is missing"))?;
        ensure(found == &Value::Bool(true), format!("{at} is {found}"))
    }

    /// Every full name, guests included, and the words of five letters or more in them.
    fn needles(&self) -> Result<Needles> {
        let mut names = self.names()?;
        names.extend([self.text("/guests/denied")?, self.text("/guests/locked_out")?]);
        let words = names.iter().flat_map(|name| name.split(' ')).filter(|word| word.len() >= 5);
        Ok(Needles::new(names.iter().copied().chain(words))?)
    }
}

fn number(value: &Value, at: &str) -> Result<f64> {
    let found = value.pointer(at).ok_or(format!("{at} is missing"))?;
    Ok(found.as_f64().ok_or(format!("{at} is no number"))?)
}

fn ensure(is_so: bool, otherwise: impl Into<String>) -> Result<()> {
    if is_so { Ok(()) } else { Err(otherwise.into().into()) }
}

fn fields(evidence: &Evidence) -> Result<String> {
    for person in evidence.participants()? {
        ensure(person["name"].is_string(), "/participants/…/name is no text")?;
        for field in ["/frames_sent", "/frames_opened", "/frames_expected", "/frames_lost"] {
            number(person, field)?;
        }
        let reasons = person["undecryptable"].as_object().ok_or("/participants/…/undecryptable is no map")?;
        ensure(reasons.values().all(Value::is_u64), "undecryptable: something is no count")?;
    }
    let epochs = evidence.report["epochs"].as_array().ok_or("no epochs")?;
    for epoch in epochs {
        number(epoch, "/epoch")?;
        number(epoch, "/members")?;
        ensure(epoch["cause"].is_string(), "/epochs/…/cause is no text")?;
        ensure(epoch.get("switch_ms").is_some(), "/epochs/…/switch_ms is missing")?;
    }
    let numbers = [
        "/frames_lost_at_switch",
        "/intruder/welcomes_opened",
        "/intruder/frames_tried",
        "/intruder/frames_opened",
        "/removed/frames_tried",
        "/removed/frames_opened",
        "/server/packets",
        "/server/bytes",
        "/server/media_windows_found",
        "/server/names_found",
        "/overhead_bytes_per_frame",
        "/seal_ns_median",
        "/open_ns_median",
    ];
    numbers.iter().try_for_each(|at| evidence.number(at).map(|_| ()))?;
    Ok(format!("{} participants, {} epochs", evidence.participants()?.len(), epochs.len()))
}

fn zeros(evidence: &Evidence) -> Result<String> {
    let zeros = [
        "/frames_lost_at_switch",
        "/frames_mismatched",
        "/intruder/welcomes_opened",
        "/intruder/frames_opened",
        "/removed/frames_opened",
        "/guests/on_rosters",
        "/cheater/friend_on_rosters",
        "/cut_off/frames_sealed_after",
        "/server/media_windows_found",
        "/server/names_found",
    ];
    for at in zeros {
        let count = evidence.number(at)?;
        ensure(count == 0.0, format!("{at} is {count}"))?;
    }
    let overhead = evidence.number("/overhead_bytes_per_frame")?;
    ensure(overhead > 16.0 && overhead <= 21.0, format!("{overhead} bytes of overhead per frame"))?;
    Ok(format!("{overhead:.2} bytes of overhead per frame"))
}

fn minima(evidence: &Evidence) -> Result<String> {
    let opened: f64 =
        evidence.participants()?.iter().map(|person| number(person, "/frames_opened")).sum::<Result<_>>()?;
    ensure(opened >= 500.0, format!("only {opened} frames were opened"))?;
    for at in [
        "/intruder/frames_tried",
        "/intruder/knocks",
        "/intruder/log_entries",
        "/intruder/talk",
        "/removed/frames_tried",
        "/cut_off/frames_sealed_before",
        "/cut_off/refused_after",
        "/replays/log/injected",
        "/replays/mailboxes/refused",
        "/replays/talk/refused",
        "/replays/held_back",
        "/server/packets",
        "/server/bytes",
        "/server/entries",
        "/seal_ns_median",
        "/open_ns_median",
    ] {
        ensure(evidence.number(at)? > 0.0, format!("{at} is 0"))?;
    }
    let epochs = evidence.report["epochs"].as_array().map_or(0, Vec::len);
    let six = "6: founded, joined, late guest, locked, left, removed";
    ensure(epochs == 6, format!("{epochs} epochs instead of {six}"))?;
    let sent: f64 =
        evidence.participants()?.iter().map(|person| number(person, "/frames_sent")).sum::<Result<_>>()?;
    let tried = evidence.number("/intruder/frames_tried")?;
    ensure(tried >= 0.9 * sent, format!("the intruder tried {tried} of {sent} frames"))?;
    Ok(format!("{opened} frames opened, {tried} tried by the intruder"))
}

fn counts(evidence: &Evidence) -> Result<String> {
    let mut lost = 0.0;
    for person in evidence.participants()? {
        let [expected, opened, missing] =
            ["/frames_expected", "/frames_opened", "/frames_lost"].map(|field| number(person, field));
        let (expected, opened, missing) = (expected?, opened?, missing?);
        ensure(expected - opened == missing, "lost is not expected − opened")?;
        ensure(opened > 0.0, "somebody opened nothing")?;
        lost += missing;
    }
    Ok(format!("{lost} frames lost"))
}

impl Clip {
    fn new(frames: Vec<Bytes>) -> Self {
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

fn videos(evidence: &Evidence) -> Result<String> {
    let mut files = 0;
    for receiver in evidence.names()? {
        for path in evidence.files(receiver, "ivf")? {
            let frames = video(&path)?;
            evidence.video.check(&frames).map_err(|error| format!("{}: {error}", path.display()))?;
            files += 1;
        }
    }
    ensure(files > 0, "there is none")?;
    Ok(format!("{files} files"))
}

fn sounds(evidence: &Evidence) -> Result<String> {
    let mut files = 0;
    for receiver in evidence.names()? {
        for path in evidence.files(receiver, "ogg")? {
            let packets = sound(&path)?;
            evidence.audio.check(&packets).map_err(|error| format!("{}: {error}", path.display()))?;
            files += 1;
        }
    }
    ensure(files > 0, "there is none")?;
    Ok(format!("{files} files"))
}

fn video(path: &Path) -> Result<Vec<Bytes>> {
    let clip = VideoClip::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(clip.frames.into_iter().map(|frame| frame.data).collect())
}

fn sound(path: &Path) -> Result<Vec<Bytes>> {
    let clip = AudioClip::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(clip.packets.into_iter().map(|packet| packet.data).collect())
}

fn totals(evidence: &Evidence) -> Result<String> {
    let mut total = 0.0;
    for person in evidence.participants()? {
        let name = person["name"].as_str().ok_or("no name")?;
        let mut frames = 0;
        for path in evidence.files(name, "ivf")? {
            frames += video(&path)?.len();
        }
        for path in evidence.files(name, "ogg")? {
            frames += sound(&path)?.len();
        }
        let said = number(person, "/frames_opened")? + number(person, "/frames_opened_after_end")?;
        ensure(
            frames as f64 == said,
            format!("{name} has {frames} frames in files, and {said} in the report"),
        )?;
        total += said;
    }
    Ok(format!("{total} frames"))
}

fn capture(evidence: &Evidence) -> Result<String> {
    let (windows, needles) = (evidence.windows()?, evidence.needles()?);
    let mut reader = PcapReader::new(BufReader::new(File::open(evidence.dir.join("server.pcap"))?))?;
    let mut packets = 0_u64;
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        let sliced = SlicedPacket::from_ethernet(&packet.data)?;
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            return Err("a packet is not UDP".into());
        };
        ensure(windows.count_in(udp.payload()) == 0, format!("media in packet {packets}"))?;
        ensure(needles.count_in(&packet.data) == 0, format!("a name in packet {packets}"))?;
        packets += 1;
    }
    let said = evidence.number("/server/packets")?;
    ensure(packets as f64 == said, format!("{packets} packets, and {said} in the report"))?;
    Ok(format!("{packets} packets, {} windows searched for", windows.len()))
}

fn log(evidence: &Evidence) -> Result<String> {
    let (windows, needles) = (evidence.windows()?, evidence.needles()?);
    let text = fs::read_to_string(evidence.dir.join("server.log.jsonl"))?;
    ensure(needles.count_in(text.as_bytes()) == 0, "a name")?;
    for (number, line) in text.lines().enumerate() {
        let entry: Value = serde_json::from_str(line)?;
        let bytes = HEXLOWER.decode(entry["bytes"].as_str().ok_or("an entry without bytes")?.as_bytes())?;
        ensure(windows.count_in(&bytes) == 0, format!("media in entry {number}"))?;
        ensure(needles.count_in(&bytes) == 0, format!("a name in entry {number}"))?;
    }
    let (entries, said) = (text.lines().count(), evidence.number("/server/entries")?);
    ensure(entries as f64 == said, format!("{entries} entries, and {said} in the report"))?;
    Ok(format!("{entries} entries"))
}
