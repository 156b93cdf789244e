//! What a peer connection knows of its senders. Keyframe requests: from the other side by PLI and FIR, and from the call when somebody
//! is let in.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Instant;

use futures_util::task::AtomicWaker;
use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use subrosa::TrackId;

/// Brings keyframe requests to the [`FrameSender`](crate::FrameSender)s of one peer connection; a clone is another handle.
///
/// webrtc-rs gives no RTCP to an app unless an interceptor marks it, and even then each track has one reader. So
/// [`configure`](crate::configure) adds an interceptor that reads PLI and FIR on their way through; it takes nothing away from other
/// interceptors, nor from `TrackLocal::poll`.
///
/// It also knows where the sequence numbers of each stream stopped, so one belongs to each connection, and only `configure` makes it.
#[derive(Clone, Debug)]
pub struct KeyframeRequests {
    streams: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Debug)]
struct Entry {
    ssrc: u32,
    track: TrackId,
    stream: Arc<SentStream>,
}

/// What senders of one SSRC share, at a time or one after the other.
#[derive(Debug)]
pub(crate) struct SentStream {
    /// The next sequence number. A new sender goes on where the last one stopped: a stream that sees a number twice has SRTP encrypt
    /// twice under one nonce (RFC 3711 §9.1), and the other side drops what it takes for a replay.
    sequence: AtomicU16,
    /// Whether the encoder is to make a keyframe next.
    keyframe: AtomicBool,
    waker: AtomicWaker,
}

impl KeyframeRequests {
    /// No `Default`: a second one for a connection would have streams begin anew, and SRTP encrypt twice under one nonce.
    pub(crate) fn new() -> Self {
        Self { streams: Arc::default() }
    }

    /// The interceptor that hears the requests.
    pub(crate) fn listener(&self) -> impl Interceptor + use<> {
        Listener { requests: self.clone(), reads: VecDeque::new(), writes: VecDeque::new() }
    }

    /// Asks the encoders of these tracks for a keyframe: the `tracks` of `subrosa::Event::KeyframeNeeded`. Tracks that are not sent
    /// over this connection are passed over.
    pub fn keyframe_needed(&self, tracks: &[TrackId]) {
        self.ask(|entry| tracks.contains(&entry.track));
    }

    /// The stream of an SSRC, which from now on is this track's.
    pub(crate) fn stream(&self, ssrc: u32, track: TrackId, first_sequence: u16) -> Arc<SentStream> {
        let mut streams = self.lock();
        if let Some(entry) = streams.iter_mut().find(|entry| entry.ssrc == ssrc) {
            entry.track = track;
            return Arc::clone(&entry.stream);
        }
        let stream = Arc::new(SentStream::new(first_sequence));
        streams.push(Entry { ssrc, track, stream: Arc::clone(&stream) });
        stream
    }

    fn ask(&self, is_asked: impl Fn(&Entry) -> bool) {
        self.lock().iter().filter(|entry| is_asked(entry)).for_each(|entry| entry.stream.ask());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing is left half done under the lock.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SentStream {
    fn new(first_sequence: u16) -> Self {
        let sequence = AtomicU16::new(first_sequence);
        Self { sequence, keyframe: AtomicBool::new(false), waker: AtomicWaker::new() }
    }

    /// Returns the next sequence number, each once until they wrap.
    pub(crate) fn next_sequence(&self) -> u16 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn ask(&self) {
        self.keyframe.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn take(&self) -> bool {
        self.keyframe.swap(false, Ordering::AcqRel)
    }

    /// Waits for a request and takes it.
    pub(crate) async fn taken(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            if self.take() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The interceptor: it passes everything on as it came.
struct Listener {
    requests: KeyframeRequests,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Listener {
    fn hear(&self, packet: &dyn rtc::rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(pli) = packet.downcast_ref::<PictureLossIndication>() {
            self.requests.ask(|entry| entry.ssrc == pli.media_ssrc);
        } else if let Some(fir) = packet.downcast_ref::<FullIntraRequest>() {
            // RFC 5104 §4.3.1.2: the media SSRC of the common header is unused, the entries name the streams. A repetition has the
            // number of the first request; one keyframe too many is cheaper than a state per requester.
            self.requests.ask(|entry| fir.fir.iter().any(|asked| asked.ssrc == entry.ssrc));
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Listener {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(compound) = &packet.message.packet {
            compound.iter().for_each(|packet| self.hear(&**packet));
        }
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Listener {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;
    use subrosa::TrackKind;
    use subrosa_testkit::table::Table;

    fn tracks() -> [TrackId; 2] {
        let table = Table::of(&["Ann"]);
        [TrackKind::Camera, TrackKind::Screen].map(|kind| table.sealer("Ann", kind).track())
    }

    fn listener() -> (Listener, KeyframeRequests) {
        let requests = KeyframeRequests::new();
        (Listener { requests: requests.clone(), reads: VecDeque::new(), writes: VecDeque::new() }, requests)
    }

    #[test]
    fn pli_and_fir_reach_the_stream_they_name_and_no_other() {
        let [camera, screen] = tracks();
        let (listener, requests) = listener();
        let (first, second) = (requests.stream(1, camera, 0), requests.stream(2, screen, 0));

        listener.hear(&PictureLossIndication { sender_ssrc: 9, media_ssrc: 2 });
        assert_eq!((first.take(), second.take()), (false, true));
        assert!(!second.take(), "a request is taken once");

        // The media SSRC of a FIR says nothing, its entries do.
        let fir = vec![FirEntry { ssrc: 1, sequence_number: 0 }];
        listener.hear(&FullIntraRequest { sender_ssrc: 9, media_ssrc: 2, fir });
        assert_eq!((first.take(), second.take()), (true, false));
    }

    #[test]
    fn a_switch_of_epochs_asks_by_track() {
        let [camera, screen] = tracks();
        let (_, requests) = listener();
        let (low, high, other) =
            (requests.stream(1, camera, 0), requests.stream(2, camera, 0), requests.stream(3, screen, 0));
        requests.keyframe_needed(&[camera]);
        assert_eq!([low.take(), high.take(), other.take()], [true, true, false]);
    }

    #[test]
    fn a_new_sender_of_a_stream_goes_on_with_its_numbers() {
        let [camera, screen] = tracks();
        let (_, requests) = listener();
        let old = requests.stream(1, camera, u16::MAX);
        assert_eq!([old.next_sequence(), old.next_sequence()], [u16::MAX, 0]);
        let new = requests.stream(1, screen, 77);
        assert_eq!([new.next_sequence(), old.next_sequence()], [1, 2]);
        requests.keyframe_needed(&[camera]);
        assert!(!new.take(), "the stream is another track's now");
    }

    #[tokio::test]
    async fn a_request_wakes_who_waits_for_it() {
        let [camera, _] = tracks();
        let (_, requests) = listener();
        let request = requests.stream(1, camera, 0);
        let waiting = tokio::spawn({
            let request = Arc::clone(&request);
            async move { request.taken().await }
        });
        tokio::task::yield_now().await;
        requests.keyframe_needed(&[camera]);
        waiting.await.expect("it was woken");
        assert!(!request.take());
    }
}
