//! The receiver by a clock that the test moves, with tracks that it feeds.

use std::iter::from_fn;

use futures_util::FutureExt;
use rtc::media_stream::{
    MediaStreamId, MediaStreamTrackId, MediaStreamTrackState, MediaTrackCapabilities, MediaTrackConstraints,
    MediaTrackSettings,
};
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::{rtcp, rtp};
use subrosa::sframe::{Header, MAX_HEADER_LEN};
use subrosa_testkit::table::Table;
use webrtc::error::Result;
use webrtc::media_stream::Track;
use webrtc::media_stream::track_remote::TrackRemoteEvent;
use webrtc::runtime::mock::{MockRuntime, VirtualClock};
use webrtc::runtime::{Mutex as AsyncMutex, Receiver, Sender, channel};

use super::*;
use crate::sender::tests::Camera;

/// A track as webrtc-rs makes it, without a connection behind.
struct FakeTrack {
    events: AsyncMutex<Receiver<TrackRemoteEvent>>,
    feedback: Sender<Vec<Box<dyn rtcp::Packet>>>,
}

/// What is behind a [`FakeTrack`].
struct Wire {
    events: Sender<TrackRemoteEvent>,
    feedback: Receiver<Vec<Box<dyn rtcp::Packet>>>,
}

fn track() -> (Arc<FakeTrack>, Wire) {
    let (events_tx, events) = channel(QUEUE);
    let (feedback_tx, feedback) = channel(1);
    let track = FakeTrack { events: AsyncMutex::new(events), feedback: feedback_tx };
    (Arc::new(track), Wire { events: events_tx, feedback })
}

impl Wire {
    /// Gives packets to the track, as many as it keeps.
    fn carry(&self, packets: impl IntoIterator<Item = rtp::Packet>) -> usize {
        let sent =
            packets.into_iter().map(|packet| self.events.try_send(TrackRemoteEvent::OnRtpPacket(packet)));
        sent.filter(|sent| sent.is_ok()).count()
    }
}

/// Ann's camera, Bob's receiver with one track.
struct Scene {
    table: Table,
    ann: Camera,
    bob: FrameReceiver,
    tracks: Tracks,
    wire: Wire,
    clock: Arc<VirtualClock>,
}

impl Scene {
    fn new() -> Self {
        let table = Table::of(&["Ann", "Bob", "Eve"]);
        let runtime = Arc::new(MockRuntime::new());
        let clock = runtime.clock();
        let bob = FrameReceiver::new(table.opener("Bob"), runtime);
        let (tracks, (track, wire)) = (bob.tracks(), track());
        tracks.add(track).expect("the first");
        Self { ann: Camera::of(&table), table, bob, tracks, wire, clock }
    }

    /// What there is to receive now.
    fn received(&mut self) -> Vec<Received> {
        from_fn(|| self.bob.recv().now_or_never().flatten()).collect()
    }

    fn frames(&mut self) -> Vec<Vec<u8>> {
        let frame = |received| match received {
            Received::Frame(frame) => frame.data.to_vec(),
            other => panic!("{other:?}"),
        };
        self.received().into_iter().map(frame).collect()
    }
}

#[test]
fn a_lost_packet_is_given_up_when_time_passes_and_nothing_comes() {
    let mut scene = Scene::new();
    scene.wire.carry(scene.ann.send(b"first", 0));
    scene.ann.send(b"lost", 1);
    scene.wire.carry(scene.ann.send(b"last", 2));
    assert_eq!(scene.frames(), [b"first"]);
    assert_eq!(scene.clock.pending_timers(), 1);

    scene.clock.advance(Duration::from_secs(1));
    let received = scene.received();
    assert!(matches!(received[..], [Received::Lost { ssrc: 7, .. }, Received::Frame(_)]), "{received:?}");
}

#[test]
fn a_stream_that_changes_its_payload_type_does_not_say_what_the_other_one_carries() {
    let mut scene = Scene::new();
    scene.wire.carry(scene.ann.send(b"first", 0));
    // To the track the stream stays VP8: so would 98 be, for all streams and for good.
    let of_98 = |mut packet: rtp::Packet| {
        packet.header.payload_type = 98;
        packet
    };
    scene.wire.carry(scene.ann.send(b"second", 1).into_iter().map(of_98));
    scene.wire.carry(scene.ann.send(b"third", 2));
    scene.received();
    assert_eq!(scene.bob.streams().format(98), None);
    assert_eq!(scene.bob.streams().format(96).map(|format| format.codec), Some(Codec::Vp8));
}

#[test]
fn a_slow_app_does_not_lose_what_waits_in_the_queue() {
    let mut scene = Scene::new();
    let (first, second, third) = (scene.ann.send(b"1", 0), scene.ann.send(b"2", 1), scene.ann.send(b"3", 2));
    scene.wire.carry(first.into_iter().chain(third));
    assert_eq!(scene.frames(), [b"1"]);

    scene.wire.carry(second); // while the app did something else for a minute
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.frames(), [b"2", b"3"]);
}

#[test]
fn without_recv_no_more_is_kept_than_the_queue_holds() {
    let mut scene = Scene::new();
    let frames = (0..1_000).flat_map(|time| scene.ann.send(b"a frame", time)).collect::<Vec<_>>();
    assert_eq!(scene.wire.carry(frames), QUEUE);
    assert_eq!(scene.bob.streams().buffered_bytes(), 0);
    assert_eq!(scene.frames().len(), QUEUE);
}

#[test]
fn a_flood_of_copies_is_counted_and_does_not_keep_the_task() {
    let mut scene = Scene::new();
    let packet = scene.ann.send(b"a frame", 0).remove(0);
    scene.wire.carry([packet.clone()]);
    assert_eq!(scene.frames().len(), 1);
    for _ in 0..3 {
        assert_eq!(scene.wire.carry(vec![packet.clone(); QUEUE]), QUEUE);
        assert!(scene.received().is_empty());
    }
    scene.received(); // what the first turns left
    assert_eq!(scene.bob.ignored_packets(), 3 * QUEUE as u64);
}

#[test]
fn frames_of_a_new_epoch_come_out_when_woken_without_a_packet() {
    let mut scene = Scene::new();
    let mut packet = scene.ann.send(b"now", 0).remove(0);
    let (mut forged, mut head) = (vec![0xC0], [0; MAX_HEADER_LEN]);
    let (mut header, _) = Header::decode(&packet.payload[1..]).expect("a sealed frame");
    header.kid.0 += 1; // the next epoch's
    let len = header.encode(&mut head);
    forged.extend_from_slice(&head[..len]);
    forged.extend_from_slice(&[0; 50]);
    packet.payload = forged.into();
    scene.wire.carry([packet]);
    assert!(scene.received().is_empty());
    assert_eq!(scene.bob.streams().held_frames(), 1);

    scene.table.remove("Eve");
    scene.table.wait(Duration::from_secs(1));
    scene.tracks.wake();
    let received = scene.received();
    assert!(matches!(received[..], [Received::Refused { ssrc: 7, .. }]), "it was a forgery: {received:?}");
    assert_eq!(scene.bob.streams().held_frames(), 0);
}

#[tokio::test]
async fn a_track_that_is_added_wakes_who_waits() {
    let Scene { table: _table, mut ann, mut bob, tracks, wire, .. } = Scene::new();
    let received = tokio::spawn(async move { (bob.recv().await, bob) });
    tokio::task::yield_now().await;
    let (second, other) = track();
    tracks.add(second).expect("the second");
    other.carry(ann.send(b"a frame", 0));
    let (received, mut bob) = received.await.expect("no panic");
    assert!(matches!(received, Some(Received::Frame(_))));

    drop((wire, other)); // the connection is closed
    assert!(bob.recv().now_or_never().is_none(), "there may be more tracks");
    drop(tracks);
    assert!(bob.recv().await.is_none());
}

#[test]
fn there_are_no_more_tracks_than_streams() {
    let (table, runtime) = (Table::of(&["Ann", "Bob"]), Arc::new(MockRuntime::new()));
    let limits = ConnectionLimits { max_streams: 2, ..ConnectionLimits::default() };
    let mut bob = FrameReceiver::with_limits(table.opener("Bob"), runtime, limits);
    let tracks = bob.tracks();
    let (first, wire) = track();
    assert_eq!(tracks.add(first), Ok(()));
    assert_eq!(tracks.add(track().0), Ok(()));
    assert_eq!(tracks.add(track().0), Err(TooManyRemoteTracks));
    assert!(bob.recv().now_or_never().is_none()); // sees that the second has ended
    assert_eq!(tracks.add(track().0), Ok(()));
    drop(wire);
}

#[test]
fn a_keyframe_is_asked_for_on_the_track_of_the_stream() {
    let mut scene = Scene::new();
    scene.wire.carry(scene.ann.send(b"a frame", 0));
    assert_eq!(scene.frames().len(), 1);
    scene.bob.request_keyframe(7).now_or_never().expect("at once").expect("asked");
    let asked = scene.wire.feedback.try_recv().expect("one compound packet");
    let asked = asked.iter().map(|packet| packet.as_any().downcast_ref::<PictureLossIndication>());
    assert_eq!(asked.flatten().map(|pli| pli.media_ssrc).collect::<Vec<_>>(), [7]);
    let unknown = scene.bob.request_keyframe(8).now_or_never().expect("at once");
    assert!(matches!(unknown, Err(RequestError::UnknownStream)));
}

#[async_trait::async_trait]
impl TrackRemote for FakeTrack {
    async fn write_rtcp(&self, packets: Vec<Box<dyn rtcp::Packet>>) -> Result<()> {
        self.feedback.try_send(packets).map_err(|_| webrtc::error::Error::ErrConnectionClosed)
    }

    async fn poll(&self) -> Option<TrackRemoteEvent> {
        self.events.lock().await.recv().await
    }
}

/// All that the receiver asks of a track are its codec and its SSRCs.
#[async_trait::async_trait]
impl Track for FakeTrack {
    async fn codec(&self, _: u32) -> Option<RTCRtpCodec> {
        Some(RTCRtpCodec { mime_type: "video/VP8".to_owned(), ..RTCRtpCodec::default() })
    }
    async fn ssrcs(&self) -> Vec<u32> {
        vec![7]
    }

    async fn stream_id(&self) -> MediaStreamId {
        MediaStreamId::default()
    }
    async fn track_id(&self) -> MediaStreamTrackId {
        MediaStreamTrackId::default()
    }
    async fn label(&self) -> String {
        String::new()
    }
    async fn kind(&self) -> RtpCodecKind {
        RtpCodecKind::Video
    }
    async fn rid(&self, _: u32) -> Option<String> {
        None
    }
    async fn enabled(&self) -> bool {
        true
    }
    async fn set_enabled(&self, _: bool) {}
    async fn muted(&self) -> bool {
        false
    }
    async fn set_muted(&self, _: bool) {}
    async fn ready_state(&self) -> MediaStreamTrackState {
        MediaStreamTrackState::default()
    }
    async fn stop(&self) {}
    async fn get_capabilities(&self) -> MediaTrackCapabilities {
        MediaTrackCapabilities::default()
    }
    async fn get_constraints(&self) -> MediaTrackConstraints {
        MediaTrackConstraints::default()
    }
    async fn get_settings(&self) -> MediaTrackSettings {
        MediaTrackSettings::default()
    }
    async fn apply_constraints(&self, _: Option<MediaTrackConstraints>) {}
    async fn codings(&self) -> Vec<RTCRtpEncodingParameters> {
        Vec::new()
    }
    async fn add_coding(&self, _: RTCRtpEncodingParameters) {}
}
