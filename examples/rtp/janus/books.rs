//! What was sealed and what arrived. No participant knows this, and nothing here tells one what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use subrosa::{Epoch, Opened, ParticipantId, Sealed, TrackId};
use subrosa_rtp::Received;
use tokio::sync::{Notify, mpsc};

use subrosa_rtp_examples::media::Clips;
use subrosa_rtp_examples::peer::{Medium, Sink};

/// Numbers the participants, in the order in which they came.
pub(crate) type Person = usize;

/// Which frame: no two have the same.
type Name = (ParticipantId, TrackId, Epoch, u64);

/// A frame that was sealed.
#[derive(Clone, Copy, Debug)]
struct Entry {
    from: Person,
    medium: Medium,
    epoch: Epoch,
    counter: u64,
    /// Which frame of the clip it is.
    place: usize,
}

/// What one participant got of another's feed.
#[derive(Debug, Default)]
struct Got {
    /// The ledger's frames that arrived as they were sealed, with how many of the frames that they are.
    identical: BTreeMap<Medium, BTreeSet<usize>>,
    counts: Counts,
    /// How much was sealed, by anybody, when the subscription stood.
    up: Option<usize>,
    /// What came before the ledger had it.
    early: Vec<(Opened, Bytes)>,
}

/// What came beside identical frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Frames that the ledger does not know, that differ from it, that came twice or through another's feed.
    pub(crate) wrong: u64,
    pub(crate) refused: u64,
    pub(crate) losses: u64,
}

/// How a medium fared from one participant to another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    /// Sealed after the server said that the subscription stood, and before the first that arrived. It says so a moment too early.
    pub(crate) before: u64,
    /// From the first that arrived on, and sealed while the receiver was in the call.
    pub(crate) owed: u64,
    pub(crate) arrived: u64,
    /// Sealed when the receiver was not in the call any more, and opened.
    pub(crate) opened_after: u64,
}

/// The epochs in which somebody is in the call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Membership {
    pub(crate) from: Epoch,
    /// The first in which he is not.
    pub(crate) until: Option<Epoch>,
}

#[derive(Debug)]
pub(crate) struct Books {
    pages: Mutex<Pages>,
    changed: Notify,
}

#[derive(Debug)]
pub(crate) struct Pages {
    clips: Arc<Clips>,
    ledger: Vec<Entry>,
    names: HashMap<Name, usize>,
    got: BTreeMap<(Person, Person), Got>,
    pub(crate) members: BTreeMap<Person, Membership>,
}

impl Books {
    pub(crate) fn new(clips: Arc<Clips>) -> Arc<Self> {
        let pages = Pages {
            clips,
            ledger: Vec::new(),
            names: HashMap::new(),
            got: BTreeMap::new(),
            members: BTreeMap::new(),
        };
        Arc::new(Self { pages: Mutex::new(pages), changed: Notify::new() })
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is written.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Notes that a frame was sealed: the `place`th of its clip.
    pub(crate) fn sealed(
        &self,
        from: Person,
        id: ParticipantId,
        track: TrackId,
        medium: Medium,
        sealed: Sealed,
        place: usize,
    ) {
        let (epoch, counter) = (sealed.epoch, sealed.counter);
        let name = (id, track, epoch, counter);
        let mut pages = self.pages();
        let number = pages.ledger.len();
        pages.ledger.push(Entry { from, medium, epoch, counter, place });
        pages.names.insert(name, number);
    }

    /// Notes that the server says that the subscription to another's feed stands.
    pub(crate) fn subscribed(&self, from: Person, to: Person) {
        let mut pages = self.pages();
        let sealed = pages.ledger.len();
        pages.got.entry((from, to)).or_default().up = Some(sealed);
    }

    /// Opens a page for what comes to one participant from another's feed.
    pub(crate) fn sink(self: &Arc<Self>, from: Person, to: Person) -> Sink {
        self.pages().got.insert((from, to), Got::default());
        let (sink, mut arrivals) = mpsc::unbounded_channel();
        let books = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(received) = arrivals.recv().await {
                books.pages().arrived(from, to, received);
                // At most one waits; a permit is kept for it if it looks at the moment.
                books.changed.notify_one();
            }
        });
        sink
    }
}

impl Pages {
    fn arrived(&mut self, from: Person, to: Person, received: Received) {
        self.settle(from, to);
        let got = self.got.entry((from, to)).or_default();
        match received {
            Received::Frame(frame) => got.early.push((frame.from, frame.data.freeze())),
            Received::Lost { .. } => got.counts.losses += 1,
            Received::Refused { .. } => got.counts.refused += 1,
        }
        self.settle(from, to);
    }

    /// Compares with the ledger what came. A frame may overtake the note that its sender makes of it.
    fn settle(&mut self, from: Person, to: Person) {
        let Some(got) = self.got.get_mut(&(from, to)) else { return };
        for (opened, data) in std::mem::take(&mut got.early) {
            let name = (opened.sender, opened.track, opened.epoch, opened.counter);
            let Some(number) = self.names.get(&name) else {
                got.early.push((opened, data));
                continue;
            };
            let entry = &self.ledger[*number];
            let sent = &self.clips.get(entry.medium).frames[entry.place];
            let is_right = entry.from == from && *sent == data;
            let is_new = is_right && got.identical.entry(entry.medium).or_default().insert(*number);
            got.counts.wrong += u64::from(!is_new);
        }
    }

    /// Says how a medium fared.
    pub(crate) fn fate(&mut self, from: Person, to: Person, medium: Medium) -> Fate {
        self.settle(from, to);
        let mut fate = Fate::default();
        let (Some(got), Some(member)) = (self.got.get(&(from, to)), self.members.get(&to)) else {
            return fate;
        };
        let Some(arrived) = got.identical.get(&medium) else { return fate };
        let Some(&first) = arrived.first() else { return fate };
        let up = got.up.unwrap_or(first).min(first);
        for (number, entry) in self.ledger.iter().enumerate().skip(up) {
            if (entry.from, entry.medium) != (from, medium) {
                continue;
            }
            let has_arrived = u64::from(arrived.contains(&number));
            if number < first {
                fate.before += 1;
            } else if member.is_in(entry.epoch) {
                fate.owed += 1;
                fate.arrived += has_arrived;
            } else {
                fate.opened_after += has_arrived;
            }
        }
        fate
    }

    /// Returns what came from one to another beside identical frames. What the ledger never heard of is wrong.
    pub(crate) fn counts(&self, from: Person, to: Person) -> Counts {
        let Some(got) = self.got.get(&(from, to)) else { return Counts::default() };
        Counts { wrong: got.counts.wrong + got.early.len() as u64, ..got.counts }
    }

    /// Returns the pairs of participants of whom one subscribed to the other.
    pub(crate) fn pairs(&self) -> Vec<(Person, Person)> {
        self.got.keys().copied().collect()
    }

    /// Returns whether everything arrived that is owed by now.
    pub(crate) fn is_complete(&mut self) -> bool {
        let pairs = self.pairs().into_iter().flat_map(|pair| [(pair, Medium::Audio), (pair, Medium::Video)]);
        pairs.collect::<Vec<_>>().into_iter().all(|((from, to), medium)| {
            let fate = self.fate(from, to, medium);
            fate.owed == fate.arrived
        })
    }

    /// Returns the numbers of the frames that a participant sealed of a medium.
    pub(crate) fn counters(&self, from: Person, medium: Medium) -> Vec<u64> {
        let his = |entry: &&Entry| (entry.from, entry.medium) == (from, medium);
        self.ledger.iter().filter(his).map(|entry| entry.counter).collect()
    }

    /// Says where each pair is, for whoever waits in vain.
    pub(crate) fn summary(&mut self) -> String {
        let lines = self.pairs().into_iter().map(|(from, to)| {
            let (audio, video) = (self.fate(from, to, Medium::Audio), self.fate(from, to, Medium::Video));
            let Counts { wrong, refused, losses } = self.counts(from, to);
            format!(
                "{from} → {to}: audio {} of {}, video {} of {}, {wrong} wrong, {refused} refused, {losses} losses",
                audio.arrived, audio.owed, video.arrived, video.owed
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Membership {
    fn is_in(&self, epoch: Epoch) -> bool {
        epoch >= self.from && self.until.is_none_or(|until| epoch < until)
    }
}
