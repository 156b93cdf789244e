//! Receiving all tracks of a peer connection.

mod source;
#[cfg(test)]
mod tests;

use core::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::AtomicWaker;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use subrosa::{Codec, Opener};
use subrosa_rtp::{ConnectionLimits, IncomingStreams, Received};
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::runtime::Runtime;

use self::source::{Heard, Next, Source};
use crate::incoming::Incoming;

/// Gives the frames, losses and refusals of all tracks of one peer connection, each stream in its order, but for frames that waited for
/// their key ([`IncomingStreams`] says what can be relied on).
///
/// Tracks come in through [`Tracks`], which the handler of `on_track` keeps. A payload type means the codec of the first track whose
/// packets begin with it, always whole frames; [`set_codec`](Self::set_codec) overrules that, and is needed for one to which tracks
/// only change. A frame opens only as the codec under which it was sealed.
///
/// # If nobody calls [`recv`](Self::recv)
///
/// webrtc-rs keeps at most 256 packets of each track and drops what comes after them, without asking for it again. Beyond that only
/// what [`ConnectionLimits`] allows is kept. Have a task that does nothing but `recv` and hand on: a keyframe may well be of more than
/// 256 packets.
pub struct FrameReceiver {
    incoming: Incoming,
    /// The next event of each track.
    events: FuturesUnordered<Next>,
    tracks: Vec<Arc<dyn TrackRemote>>,
    shared: Arc<Shared>,
    clock: Clock,
    timer: Option<Timer>,
    /// Events taken since there was none to take.
    in_a_row: usize,
}

/// Adds tracks to a [`FrameReceiver`] from elsewhere, and wakes it; a clone is another handle.
///
/// When all are dropped and the tracks have ended, [`FrameReceiver::recv`] returns `None`.
pub struct Tracks {
    shared: Arc<Shared>,
}

/// A connection has more tracks at once than [`ConnectionLimits::max_streams`]; this one is not received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many tracks")]
pub struct TooManyRemoteTracks;

/// Why no keyframe was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No track has this SSRC, or not any more.
    #[error("no track has this ssrc")]
    UnknownStream,
    /// webrtc-rs did not take the request: the connection is closed.
    #[error("the connection is closed")]
    Stack(#[source] webrtc::error::Error),
}

/// What a receiver and its [`Tracks`] share.
struct Shared {
    added: Mutex<Added>,
    handles: AtomicUsize,
    waker: AtomicWaker,
}

struct Added {
    /// Tracks that the receiver has not taken yet.
    waiting: Vec<Arc<dyn TrackRemote>>,
    /// How many tracks there are, these and those that it has.
    tracks: usize,
    most: usize,
}

/// Time since the receiver was made, by the clock of the app's runtime.
struct Clock {
    runtime: Arc<dyn Runtime>,
    start: Instant,
}

struct Timer {
    at: Duration,
    sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// As many events as webrtc-rs keeps of a track (`DRIVER_TO_TRACK_REMOTE_EVENT_CHANNEL_CAPACITY`).
const QUEUE: usize = 256;

impl FrameReceiver {
    /// Receives with an opener of the call; each connection has one of its own. The runtime is that of the peer connection
    /// (`webrtc::runtime::default_runtime`, or the app's own): it tells the time, and wakes the receiver when a lost packet has been
    /// waited for long enough.
    pub fn new(opener: Opener, runtime: Arc<dyn Runtime>) -> Self {
        Self::with_limits(opener, runtime, ConnectionLimits::default())
    }

    /// As [`new`](Self::new), with limits of the app's choice.
    pub fn with_limits(opener: Opener, runtime: Arc<dyn Runtime>, limits: ConnectionLimits) -> Self {
        Self {
            shared: Arc::new(Shared::new(limits.max_streams.max(1))),
            incoming: Incoming::new(opener, limits),
            events: FuturesUnordered::new(),
            tracks: Vec::new(),
            clock: Clock { start: runtime.now(), runtime },
            timer: None,
            in_a_row: 0,
        }
    }

    /// Returns a handle through which `on_track` adds tracks, and through which the task of the call wakes the receiver.
    pub fn tracks(&self) -> Tracks {
        Tracks::new(&self.shared)
    }

    /// Says what a payload type carries, against what the tracks say.
    pub fn set_codec(&mut self, payload_type: u8, codec: Codec) {
        self.incoming.set_codec(payload_type, codec);
    }

    /// Returns the next frame, loss or refusal; `None` once all tracks have ended and no [`Tracks`] is left to add one. Whoever drops
    /// the future before it is ready loses nothing.
    pub async fn recv(&mut self) -> Option<Received> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// As [`recv`](Self::recv), for apps that poll.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Received>> {
        // Before anything is looked at, so that what comes after is not missed.
        self.shared.waker.register(context.waker());
        self.take_added();
        loop {
            if let Some(received) = self.incoming.poll() {
                return Poll::Ready(Some(received));
            }
            let may_take = self.in_a_row < QUEUE * self.tracks.len().max(1);
            if may_take && let Poll::Ready(Some((source, heard))) = self.events.poll_next_unpin(context) {
                self.in_a_row += 1;
                self.hear(source, heard);
                continue;
            }
            self.in_a_row = 0;
            // Only now, for what is missing may have been in the queue.
            if self.incoming.handle_timeout(self.clock.now()) {
                continue;
            }
            if !may_take {
                context.waker().wake_by_ref(); // a flood: others have a turn
                return Poll::Pending;
            }
            // In this order: a handle adds before it is dropped.
            if self.shared.handles.load(Ordering::Acquire) == 0 && self.shared.lock().tracks == 0 {
                return Poll::Ready(None);
            }
            if self.poll_timer(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Asks the sender of a stream for a keyframe (PLI): after a [`Received::Lost`] of video. Of many losses in a row the first is
    /// enough; the app knows how long its encoders take to answer.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is nobody to ask.
    pub async fn request_keyframe(&mut self, ssrc: u32) -> Result<(), RequestError> {
        for track in &self.tracks {
            if track.ssrcs().await.contains(&ssrc) {
                let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc: ssrc };
                return track.write_rtcp(vec![Box::new(pli)]).await.map_err(RequestError::Stack);
            }
        }
        Err(RequestError::UnknownStream)
    }

    /// Returns the streams, for their counters.
    pub fn streams(&self) -> &IncomingStreams {
        self.incoming.streams()
    }

    /// Returns how many packets were of no use: copies, late ones, and what was not agreed on.
    pub fn ignored_packets(&self) -> u64 {
        self.incoming.ignored()
    }

    fn take_added(&mut self) {
        for track in std::mem::take(&mut self.shared.lock().waiting) {
            self.tracks.push(Arc::clone(&track));
            self.events.push(Source::new(track).next());
        }
    }

    fn hear(&mut self, source: Source, heard: Heard) {
        match heard {
            Heard::Packet(packet, codec) => {
                if let Some(codec) = codec {
                    self.incoming.learn_codec(packet.header.payload_type, codec);
                }
                self.incoming.handle_packet(packet, self.clock.now());
            }
            Heard::Other => {}
            Heard::End => {
                self.tracks.retain(|track| !Arc::ptr_eq(track, &source.track));
                self.shared.lock().tracks -= 1;
                return;
            }
        }
        self.events.push(source.next());
    }

    /// Ready when it is time for a timeout.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.incoming.next_timeout() else { return Poll::Pending };
        // A timer that is early costs one look at the clock; a new one for each packet costs more.
        let timer = match self.timer.take().filter(|timer| timer.at <= at) {
            Some(timer) => timer,
            None => Timer { at, sleep: self.clock.sleep_until(at) },
        };
        let timer = self.timer.insert(timer);
        let fired = timer.sleep.as_mut().poll(context);
        if fired.is_ready() {
            self.timer = None;
        }
        fired
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tracks = self.tracks.len();
        f.debug_struct("FrameReceiver")
            .field("incoming", &self.incoming)
            .field("tracks", &tracks)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracks").field("tracks", &self.shared.lock().tracks).finish_non_exhaustive()
    }
}

impl Tracks {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.handles.fetch_add(1, Ordering::AcqRel);
        Self { shared: Arc::clone(shared) }
    }

    /// Has a track received, from its first packet on if this is called in `on_track`. Does not wait.
    ///
    /// # Errors
    ///
    /// [`TooManyRemoteTracks`].
    pub fn add(&self, track: Arc<dyn TrackRemote>) -> Result<(), TooManyRemoteTracks> {
        let mut added = self.shared.lock();
        if added.tracks >= added.most {
            return Err(TooManyRemoteTracks);
        }
        added.tracks += 1;
        added.waiting.push(track);
        drop(added);
        self.wake();
        Ok(())
    }

    /// Has the receiver look again: after `subrosa::Event::EpochOpened`, for the frames that came before their key.
    pub fn wake(&self) {
        self.shared.waker.wake();
    }
}

impl Clone for Tracks {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl Drop for Tracks {
    fn drop(&mut self) {
        self.shared.handles.fetch_sub(1, Ordering::AcqRel);
        self.wake();
    }
}

impl Shared {
    fn new(most: usize) -> Self {
        Self {
            added: Mutex::new(Added { waiting: Vec::new(), tracks: 0, most }),
            handles: AtomicUsize::new(0),
            waker: AtomicWaker::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Added> {
        // Nothing is left half done under the lock.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock {
    fn now(&self) -> Duration {
        self.runtime.now().saturating_duration_since(self.start)
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.runtime.sleep(at.saturating_sub(self.now()))
    }
}
