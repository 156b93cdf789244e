//! One case: a stack that sends, a stack that receives, a line between them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use subrosa::{Codec, Epoch, TrackKind};
use subrosa_rtp::{ConnectionLimits, Limits, Received, Refusal};
use subrosa_rtp_examples::failure::{Context, Failure};
use subrosa_rtp_examples::media::{Clip, Clips};
use subrosa_rtp_examples::peer::{Medium, Publisher, Sealers, Setting, Stack, Subscriber};
use subrosa_testkit::table::Table;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::link::Link;
use crate::sdp;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The two media share no RTP timestamp, so that one tells what it is of.
const AUDIO_TIMESTAMPS: u32 = 1 << 31;
/// How often a lost packet may be asked for before it is given up: with one in twenty lost, each time again, this is far beyond chance.
const WAIT_FOR_REPAIR: Duration = Duration::from_secs(2);
/// How long anything may take that is not media.
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames behind the last that counts, by which the receiver learns what is missing before them.
const TAIL: usize = 10;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) video: Codec,
    pub(crate) from: Stack,
    pub(crate) to: Stack,
    /// Of a hundred media packets.
    pub(crate) loss: u32,
    pub(crate) repair: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) pictures: Tally,
    pub(crate) sounds: Tally,
    /// Packets that the line lost, retransmissions among them.
    pub(crate) packets_lost: u64,
    /// Packets that the receiver reported lost.
    pub(crate) reported_lost: u64,
    /// Frames that were delivered as something else.
    pub(crate) broken: usize,
    /// Frames that were put together and refused: why.
    pub(crate) refused: Vec<Refusal>,
}

/// The frames of one medium.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: usize,
    /// Those of which the line lost a packet.
    pub(crate) hit: usize,
    /// Those that arrived as they were.
    pub(crate) identical: usize,
    /// Those of which every packet passed, and which were not delivered.
    pub(crate) complete_but_missing: usize,
}

impl Tally {
    fn is_whole(&self) -> bool {
        self.identical == self.sent
    }

    /// Each frame is either delivered or one of those that were hit.
    fn adds_up(&self) -> bool {
        self.complete_but_missing == 0 && self.identical + self.hit == self.sent
    }
}

impl Case {
    /// Whether lost sound is sent again. webrtc-rs 0.21 undoes RTX of video only, and str0m 0.25 offers none of sound.
    fn repairs_sound(&self) -> bool {
        self.repair && self.to == Stack::Str0m
    }

    /// Says what of the promise was not kept, if anything.
    pub(crate) fn judge(&self, outcome: &Outcome) -> Option<&'static str> {
        let Outcome { pictures, sounds, packets_lost, reported_lost, broken, ref refused } = *outcome;
        if broken > 0 {
            return Some("a frame was delivered broken");
        }
        if !refused.is_empty() {
            return Some("a frame was refused");
        }
        if (self.loss == 0) != (packets_lost == 0) {
            return Some("the line did not do as it was told");
        }
        if (self.loss == 0 || self.repair) && !pictures.is_whole() {
            return Some("not every picture arrived");
        }
        if (self.loss == 0 || self.repairs_sound()) && !sounds.is_whole() {
            return Some("not every sound arrived");
        }
        if self.loss > 0 && !self.repairs_sound() && !sounds.adds_up() {
            return Some("the sounds do not add up");
        }
        if self.loss > 0 && !self.repair {
            if !pictures.adds_up() {
                return Some("the pictures do not add up");
            }
            if reported_lost != packets_lost {
                return Some("what was reported lost is not what was lost");
            }
        }
        None
    }

    /// Sends these clips' frames, over and over for so long, and looks at what arrives.
    pub(crate) async fn run(self, lasting: Duration, seed: u64) -> Result<Outcome, Failure> {
        let table = Table::of(&["Ann", "Bob"]);
        let (_calls, calls) = watch::channel(0);
        let wait = if self.repair { WAIT_FOR_REPAIR } else { Limits::default().max_wait };
        let stream = Limits { max_wait: wait, ..Limits::default() };
        let limits = ConnectionLimits { stream, ..ConnectionLimits::default() };
        let setting = Setting { ip: HERE, video: self.video, calls, limits };
        let sealers = Sealers {
            audio: table.sealer("Ann", TrackKind::Microphone),
            video: table.sealer("Ann", TrackKind::Camera),
        };
        let mut link = Link::open(HERE, seed).await?;
        let (mut publisher, offer) = Publisher::offer(self.from, &setting, sealers).await?;
        let offer = if self.repair { offer } else { sdp::without_retransmission(&offer) };
        let [left, right] = link.ends;
        let (offer, publishes_at) = sdp::through(&offer, right).ok_or_else(|| no_candidate("offer"))?;
        let (sink, received) = mpsc::unbounded_channel();
        let (_subscriber, answer) =
            Subscriber::answer(self.to, &setting, offer, table.opener("Bob"), sink).await?;
        let answer = if self.repair { answer } else { sdp::without_retransmission(&answer) };
        let (answer, subscribes_at) = sdp::through(&answer, left).ok_or_else(|| no_candidate("answer"))?;
        link.connect(publishes_at, subscribes_at);
        publisher.connect(answer).await?;

        let mut run = Run { link, publisher, received, sent: BTreeMap::new(), got: Got::default() };
        let Clips { audio, video } = Clips::of(self.video).or_broken("the clips")?;
        let mut media = [Line::new(Medium::Audio, audio), Line::new(Medium::Video, video)];
        run.warm_up(&mut media).await?;
        run.link.lose(self.loss);
        let started = Instant::now();
        let begun = media.each_ref().map(|line| line.elapsed);
        loop {
            let next = media.iter_mut().zip(begun).min_by_key(|(line, begun)| line.elapsed - *begun);
            let (line, begun) = next.expect("there are two");
            let due = line.elapsed - begun;
            if due >= lasting {
                break;
            }
            run.take_until(started + due).await?;
            run.send(line, true).await?;
        }
        run.link.lose(0);
        run.see_out(&mut media, wait).await?;
        Ok(run.outcome())
    }
}

fn no_candidate(which: &str) -> Failure {
    Failure::Broken(format!("the {which} has no address to send to"))
}

/// One medium: how far it is.
struct Line {
    medium: Medium,
    clip: Clip,
    /// The number of the next frame.
    next: u32,
    /// Media time since the start.
    elapsed: Duration,
}

impl Line {
    fn new(medium: Medium, clip: Clip) -> Self {
        Self { medium, clip, next: 0, elapsed: Duration::ZERO }
    }

    /// The next frame and its timestamp.
    fn next(&mut self) -> (Bytes, u32) {
        let base = if self.medium == Medium::Audio { AUDIO_TIMESTAMPS } else { 0 };
        let frame = self.clip.frames[self.next as usize % self.clip.frames.len()].clone();
        let timestamp = base + self.next * self.clip.ticks;
        self.next += 1;
        self.elapsed = self.clip.interval * self.next;
        (frame, timestamp)
    }
}

/// A frame's number, as its seal has it: which of the two media, epoch, counter.
type Number = (bool, Epoch, u64);

struct Sent {
    data: Bytes,
    timestamp: u32,
    /// Not one of those before and after.
    counts: bool,
}

#[derive(Default)]
struct Got {
    identical: BTreeSet<Number>,
    broken: usize,
    refused: Vec<Refusal>,
    reported_lost: u64,
}

struct Run {
    link: Link,
    publisher: Publisher,
    received: mpsc::UnboundedReceiver<Received>,
    sent: BTreeMap<Number, Sent>,
    got: Got,
}

impl Run {
    async fn send(&mut self, line: &mut Line, counts: bool) -> Result<Number, Failure> {
        let (data, timestamp) = line.next();
        let sent = self.publisher.send(line.medium, data.clone(), timestamp).await?;
        let sealed = sent.or_broken("sealing a frame")?;
        let number = (line.medium == Medium::Audio, sealed.epoch, sealed.counter);
        self.sent.insert(number, Sent { data, timestamp, counts });
        Ok(number)
    }

    /// Connections stand on one side before they do on the other; frames count from when the first of each medium came through.
    async fn warm_up(&mut self, media: &mut [Line; 2]) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let heard = |got: &Got, audio| got.identical.iter().any(|number| number.0 == audio);
        while !(heard(&self.got, true) && heard(&self.got, false)) {
            if Instant::now() > deadline {
                return Err(Failure::Broken("no media came through".to_owned()));
            }
            for line in media.iter_mut() {
                self.send(line, false).await?;
            }
            self.take_until(Instant::now() + Duration::from_millis(50)).await?;
        }
        self.got.reported_lost = 0;
        Ok(())
    }

    /// Sends a little more, and waits until the last of it has come.
    async fn see_out(&mut self, media: &mut [Line; 2], wait: Duration) -> Result<(), Failure> {
        let mut last = BTreeSet::new();
        for line in media {
            for _ in 0..TAIL {
                last.insert(self.send(line, false).await?);
                self.take_until(Instant::now() + Duration::from_millis(20)).await?;
            }
        }
        let deadline = Instant::now() + wait + PATIENCE;
        while !last.is_subset(&self.got.identical) {
            if Instant::now() > deadline {
                return Err(Failure::Broken("the last frames did not come".to_owned()));
            }
            self.take_until(Instant::now() + Duration::from_millis(50)).await?;
        }
        Ok(())
    }

    /// Takes what comes until then.
    async fn take_until(&mut self, then: Instant) -> Result<(), Failure> {
        while let Ok(received) =
            timeout(then.saturating_duration_since(Instant::now()), self.received.recv()).await
        {
            self.take(received.ok_or_else(|| Failure::Broken("the receiver stopped".to_owned()))?);
        }
        sleep_until(then).await;
        Ok(())
    }

    fn take(&mut self, received: Received) {
        match received {
            Received::Frame(frame) => {
                let number = (frame.from.track.kind().is_audio(), frame.from.epoch, frame.from.counter);
                match self.sent.get(&number) {
                    Some(sent) if sent.data == frame.data && sent.timestamp == frame.timestamp => {
                        self.got.identical.insert(number);
                    }
                    _ => self.got.broken += 1,
                }
            }
            Received::Lost { loss, .. } => self.got.reported_lost += loss.missing_packets,
            Received::Refused { refusal, .. } => self.got.refused.push(refusal),
        }
    }

    fn outcome(self) -> Outcome {
        let passed = self.link.passed();
        // A retransmission has the timestamp of what it repeats, in a stream of its own.
        let mut lost = BTreeMap::<u32, u32>::new();
        for ((_, timestamp), fate) in &passed.frames {
            *lost.entry(*timestamp).or_default() += fate.lost;
        }
        let mut outcome = Outcome {
            packets_lost: passed.frames.values().map(|fate| u64::from(fate.lost)).sum(),
            reported_lost: self.got.reported_lost,
            broken: self.got.broken,
            refused: self.got.refused,
            ..Outcome::default()
        };
        for (number, sent) in self.sent.iter().filter(|(_, sent)| sent.counts) {
            let is_hit = lost.get(&sent.timestamp).is_some_and(|packets| *packets > 0);
            let arrived = self.got.identical.contains(number);
            let tally = if number.0 { &mut outcome.sounds } else { &mut outcome.pictures };
            tally.sent += 1;
            tally.identical += usize::from(arrived);
            tally.hit += usize::from(is_hit);
            tally.complete_but_missing += usize::from(!is_hit && !arrived);
        }
        outcome
    }
}
