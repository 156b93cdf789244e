//! A participant: his seat in the server's room, what he publishes, and his subscriptions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use subrosa::{ParticipantId, SealError, TrackId, TrackKind};
use subrosa_testkit::table::Table;
use tokio::sync::RwLock;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::books::{Books, Person};
use crate::server::Janus;
use crate::signalling::{Operator, Seat, Subscription};
use crate::tap::Tap;
use subrosa_rtp_examples::failure::{Context, Failure};
use subrosa_rtp_examples::media::Clips;
use subrosa_rtp_examples::peer::{Medium, Publisher, Sealers, Setting, Stack, Subscriber};

/// Where in the clips each participant begins, so that no two send the same at a time.
const APART: usize = 41;

/// Who takes part, and on which stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) person: Person,
    pub(crate) name: &'static str,
    pub(crate) stack: Stack,
}

/// What all participants of a call share.
pub(crate) struct Shared<'a> {
    pub(crate) janus: &'a Janus,
    pub(crate) operator: &'a Operator,
    pub(crate) room: u64,
    pub(crate) setting: Setting,
    pub(crate) clips: Arc<Clips>,
    pub(crate) books: Arc<Books>,
    pub(crate) pace: f64,
    /// Senders hold it to read while they send a frame; who holds it to write has everybody silent.
    pub(crate) silence: Arc<RwLock<()>>,
}

/// A participant in the server's room.
pub(crate) struct Participant {
    pub(crate) role: Role,
    pub(crate) seat: Seat,
    pub(crate) tap: Tap,
    publisher: Option<Publisher>,
    sending: Option<Sending>,
    subscriptions: Vec<(Subscription, Subscriber)>,
    id: ParticipantId,
    tracks: [TrackId; 2],
}

/// His encoders.
struct Sending {
    stopping: Arc<AtomicBool>,
    task: JoinHandle<Result<Publisher, Failure>>,
}

impl Participant {
    /// Joins the room, and publishes with a tap on it. Nothing is sent yet.
    pub(crate) async fn join(shared: &Shared<'_>, table: &Table, role: Role) -> Result<Self, Failure> {
        let of = |what| format!("{}: {what}", role.name);
        let sealers = Sealers {
            audio: table.sealer(role.name, TrackKind::Microphone),
            video: table.sealer(role.name, TrackKind::Camera),
        };
        let tracks = [sealers.audio.track(), sealers.video.track()];
        let seat = Seat::join(shared.janus.connect().await?, shared.room).await.or_broken(of("joining"))?;
        let (mut publisher, offer) = Publisher::offer(role.stack, &shared.setting, sealers).await?;
        let publication = seat.publish(&offer).await.or_broken(of("publishing"))?;
        publisher.connect(publication.answer.clone()).await?;
        seat.up().await.or_broken(of("publishing"))?;
        let tap = Tap::open()?;
        let tapped = shared.operator.tap(seat.feed, &publication, tap.address).await;
        tapped.or_broken(of("the tap"))?;
        Ok(Self {
            role,
            seat,
            tap,
            publisher: Some(publisher),
            sending: None,
            subscriptions: Vec::new(),
            id: table.id(role.name),
            tracks,
        })
    }

    /// Subscribes to another's feed.
    pub(crate) async fn subscribe(
        &mut self,
        shared: &Shared<'_>,
        table: &Table,
        other: &Self,
    ) -> Result<(), Failure> {
        let of = |what| format!("{}: {what} {}", self.role.name, other.role.name);
        self.seat.announced(other.seat.feed).await.or_broken(of("news of"))?;
        let subscription = self.seat.subscribe(other.seat.feed).await.or_broken(of("subscribing to"))?;
        let sink = shared.books.sink(other.role.person, self.role.person);
        let (offer, opener) = (subscription.offer.clone(), table.opener(self.role.name));
        let answered = Subscriber::answer(self.role.stack, &shared.setting, offer, opener, sink);
        let (subscriber, answer) = answered.await?;
        subscription.start(&answer).await.or_broken(of("subscribing to"))?;
        subscription.up().await.or_broken(of("subscribing to"))?;
        shared.books.subscribed(other.role.person, self.role.person);
        self.subscriptions.push((subscription, subscriber));
        Ok(())
    }

    /// Begins to send, for as long as the call lets him seal.
    pub(crate) fn send(&mut self, shared: &Shared<'_>) {
        let Some(publisher) = self.publisher.take() else { return };
        let stopping = Arc::new(AtomicBool::new(false));
        let encoders = Encoders {
            person: self.role.person,
            id: self.id,
            tracks: self.tracks,
            publisher,
            clips: Arc::clone(&shared.clips),
            books: Arc::clone(&shared.books),
            pace: shared.pace,
            silence: Arc::clone(&shared.silence),
            stopping: Arc::clone(&stopping),
        };
        self.sending = Some(Sending { stopping, task: tokio::spawn(encoders.run()) });
    }

    /// Stops to send; the connection stays, for what is still on its way. An error is why it stopped before.
    pub(crate) async fn stop(&mut self) -> Result<(), Failure> {
        let Some(sending) = self.sending.take() else { return Ok(()) };
        sending.stopping.store(true, Ordering::Relaxed);
        self.publisher = Some(sending.task.await.or_broken("a sender's task")??);
        Ok(())
    }

    /// Leaves the room.
    pub(crate) async fn leave(self) -> Result<Tap, Failure> {
        for (subscription, _) in self.subscriptions {
            subscription.end().await.or_broken("the end of a subscription")?;
        }
        self.seat.leave().await.or_broken("leaving")?;
        Ok(self.tap)
    }
}

/// What makes and sends the frames of one participant.
struct Encoders {
    person: Person,
    id: ParticipantId,
    tracks: [TrackId; 2],
    publisher: Publisher,
    clips: Arc<Clips>,
    books: Arc<Books>,
    pace: f64,
    silence: Arc<RwLock<()>>,
    stopping: Arc<AtomicBool>,
}

impl Encoders {
    /// Runs until it is told to stop; once the call has ended for him, with nothing to send.
    async fn run(mut self) -> Result<Publisher, Failure> {
        let start = Instant::now();
        let (mut sound, mut pictures) = (0, 0);
        let mut may_seal = true;
        while !self.stopping.load(Ordering::Relaxed) {
            let due = |interval: Duration, count: u32| (interval * count).div_f64(self.pace);
            let at_sound = due(self.clips.audio.interval, sound);
            let at_picture = due(self.clips.video.interval, pictures);
            let (medium, count) = if at_sound <= at_picture {
                (Medium::Audio, &mut sound)
            } else {
                (Medium::Video, &mut pictures)
            };
            tokio::time::sleep_until(start + at_sound.min(at_picture)).await;
            let number = *count;
            *count += 1;
            if may_seal {
                may_seal = self.send(medium, number).await?;
            }
        }
        Ok(self.publisher)
    }

    /// Returns whether the call goes on for him.
    async fn send(&mut self, medium: Medium, number: u32) -> Result<bool, Failure> {
        let clip = self.clips.get(medium);
        let place = (number as usize + self.person * APART) % clip.frames.len();
        let (frame, timestamp) = (clip.frames[place].clone(), number.wrapping_mul(clip.ticks));
        let silence = Arc::clone(&self.silence);
        let _speaking = silence.read().await;
        match self.publisher.send(medium, frame, timestamp).await? {
            Ok(sealed) => {
                let track = self.tracks[usize::from(medium == Medium::Video)];
                self.books.sealed(self.person, self.id, track, medium, sealed, place);
                Ok(true)
            }
            // Removed: what he says is for nobody.
            Err(SealError::Ended) => Ok(false),
            Err(error) => Err(Failure::Broken(format!("a member of the call may not seal: {error}"))),
        }
    }
}
