//! Two peer connections over real sockets on 127.0.0.1, with ICE, DTLS and SRTP as in any app.

#[path = "../../../examples/rtp/plumbing/webrtc.rs"]
mod plumbing;
mod tap;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plumbing::Peer;
use subrosa::{TrackId, TrackKind};
use subrosa_rtp::extension::{DescriptorReader, Layer, LayeredWriter, ScalabilityMode};
use subrosa_rtp::sdp;
use subrosa_testkit::media::windows::WindowSet;
use subrosa_testkit::media::{
    AudioClip, VideoClip, fixture_audio, fixture_video, fixture_video_av1, fixture_video_vp9,
};
use subrosa_testkit::table::Table;
use subrosa_webrtc::{
    BindError, Codec, FrameReceiver, FrameSender, KeyframeRequests, MediaFrame, Received, SealError,
    SendError, SendOptions, configure,
};
use tap::Tap;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use webrtc::rtp_transceiver::RtpSender;
use webrtc::runtime::default_runtime;

/// Generous: a shared machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Frames of one track on their way at a time, so that no socket's buffer overflows.
const WINDOW: usize = 4;

struct Clip {
    codec: Codec,
    kind: TrackKind,
    mime_type: &'static str,
    frames: Vec<Bytes>,
}

fn video(codec: Codec, mime_type: &'static str, clip: &[u8]) -> Clip {
    let clip = VideoClip::parse(clip).expect("a clip");
    let frames = clip.frames.into_iter().map(|frame| frame.data).collect();
    Clip { codec, kind: TrackKind::Camera, mime_type, frames }
}

fn clips() -> Vec<Clip> {
    let audio = AudioClip::parse(fixture_audio()).expect("a clip");
    let frames = audio.packets.into_iter().map(|packet| packet.data).collect();
    vec![
        video(Codec::Vp8, "video/VP8", fixture_video()),
        video(Codec::Vp9, "video/VP9", fixture_video_vp9()),
        video(Codec::Av1, "video/AV1", fixture_video_av1()),
        Clip { codec: Codec::Opus, kind: TrackKind::Microphone, mime_type: "audio/opus", frames },
    ]
}

/// Ann, who sends; Bob, who receives, and a look at what a server in between would have seen.
struct Pair {
    table: Table,
    ann: Peer,
    bob: Peer,
    requests: KeyframeRequests,
    receiver: FrameReceiver,
}

impl Pair {
    async fn new(tap: &Tap) -> Self {
        let table = Table::of(&["Ann", "Bob"]);
        let (ann, requests) = Peer::new(configure, |_| {}).await.expect("a connection");
        let receiver = FrameReceiver::new(table.opener("Bob"), default_runtime().expect("tokio"));
        let tracks = receiver.tracks();
        let on_track = move |track| tracks.add(track).expect("few tracks");
        let tapped = |registry, media_engine: &mut _| configure(tap.register(registry), media_engine);
        let (bob, _) = Peer::new(tapped, on_track).await.expect("a connection");
        Self { table, ann, bob, requests, receiver }
    }

    /// Offer and answer, with `a=sframe` in each.
    async fn connect(&mut self) {
        let offer = sdp::offer(&self.ann.offer().await.expect("an offer"));
        let answer = self.bob.answer(&offer).await.expect("an answer");
        let answer = sdp::answer(&offer, &answer).expect("the same sections");
        sdp::check(&offer, &answer).expect("sealed media alone");
        assert!(answer.contains("\na=sframe"), "{answer}");
        self.ann.accept(&answer).await.expect("an answer");
        self.ann.connected().await.expect("connected");
        self.bob.connected().await.expect("connected"); // before it is, it drops what comes
    }

    /// Connects, and sends each clip on a track of its own until all frames have come. Returns what arrived, by track.
    async fn send_all(&mut self, clips: &[Clip]) -> Vec<(TrackId, Vec<Bytes>)> {
        let mut rtp_senders = Vec::new();
        for (clip, number) in clips.iter().zip(1..) {
            rtp_senders.push(self.ann.send_track(clip.mime_type, number).await.expect("a track"));
        }
        self.connect().await;

        let mut arrived = Vec::new();
        let mut windows = Vec::new();
        for (clip, rtp_sender) in clips.iter().zip(&rtp_senders) {
            let sealer = self.table.sealer("Ann", clip.kind);
            let sender = FrameSender::new(sealer, clip.codec, rtp_sender, &self.requests).await;
            let mut sender = sender.expect("negotiated");
            let window = Arc::new(Semaphore::new(WINDOW));
            arrived.push((sender.track(), Vec::new()));
            windows.push(Arc::clone(&window));
            let frames = clip.frames.clone();
            tokio::spawn(async move {
                for (frame, time) in frames.iter().zip(0_u32..) {
                    window.acquire().await.expect("open").forget();
                    sender.send(&MediaFrame::new(frame, time * 3_000)).await.expect("sent");
                }
            });
        }

        let mut missing: usize = clips.iter().map(|clip| clip.frames.len()).sum();
        while missing > 0 {
            let Some(Received::Frame(frame)) = self.receiver.recv().await else { panic!("not a frame") };
            let place = arrived.iter().position(|(track, _)| *track == frame.from.track);
            let place = place.expect("a track of Ann's");
            assert_eq!(frame.codec, clips[place].codec);
            assert_eq!(frame.timestamp, arrived[place].1.len() as u32 * 3_000);
            arrived[place].1.push(frame.data.freeze());
            windows[place].add_permits(1);
            missing -= 1;
        }
        arrived
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_of_each_codec_arrives_identical_and_nothing_in_clear() {
    let (clips, tap) = (clips(), Tap::default());
    let mut pair = Pair::new(&tap).await;
    let arrived = timeout(PATIENCE, pair.send_all(&clips)).await.expect("in time");
    for (clip, (_, frames)) in clips.iter().zip(&arrived) {
        assert_eq!(clip.frames, *frames, "{:?}", clip.codec);
    }

    let media = WindowSet::new(clips.iter().flat_map(|clip| &clip.frames));
    let seen = tap.payloads();
    assert!(seen.len() > arrived.iter().map(|(_, frames)| frames.len()).sum());
    assert_eq!(seen.iter().map(|payload| media.count_in(payload)).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_packets_of_video_are_repaired_by_nack_and_rtx() {
    let (mut clips, tap) = (clips(), Tap::losing_every(7));
    clips.retain(|clip| clip.codec == Codec::Vp9); // audio has no NACK
    let mut pair = Pair::new(&tap).await;
    let arrived = timeout(PATIENCE, pair.send_all(&clips)).await.expect("in time");
    assert_eq!(clips[0].frames, arrived[0].1);
    assert!(tap.lost() > 0);
    assert!(tap.repaired_on_other_ssrc());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pli_reaches_the_encoder() {
    let mut pair = Pair::new(&Tap::default()).await;
    let rtp_sender = pair.ann.send_track("video/VP8", 1).await.expect("a track");
    let wanted = async {
        pair.connect().await;
        let sealer = pair.table.sealer("Ann", TrackKind::Camera);
        let sender = FrameSender::new(sealer, Codec::Vp8, &rtp_sender, &pair.requests).await;
        let mut sender = sender.expect("negotiated");
        assert!(!sender.take_keyframe_request());
        sender.send(&MediaFrame::new(b"a frame", 0)).await.expect("sent");

        let Some(Received::Frame(frame)) = pair.receiver.recv().await else { panic!("not a frame") };
        pair.receiver.request_keyframe(frame.ssrc).await.expect("asked");
        sender.keyframe_requested().await;
        assert!(!sender.take_keyframe_request(), "it was taken");

        pair.requests.keyframe_needed(&[sender.track()]); // as the call does when somebody was let in
        assert!(sender.take_keyframe_request());
        assert!(pair.receiver.request_keyframe(77).await.is_err());
    };
    timeout(PATIENCE, wanted).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulcast_layers_are_tracks_of_their_own() {
    let mut pair = Pair::new(&Tap::default()).await;
    let rtp_sender = pair.ann.send_simulcast("VP8", &[("lo", 1), ("hi", 2)]).await.expect("a track");
    let both = async {
        pair.connect().await;
        let transceivers = pair.ann.connection.get_transceivers().await;
        let mid = transceivers[0].mid().await.expect("open").expect("negotiated");
        let mut senders = Vec::new();
        for rid in ["lo", "hi"] {
            let sealer = pair.table.sealer("Ann", TrackKind::Camera);
            let options = SendOptions::default().layer(rid, &mid);
            let sender =
                FrameSender::with_options(sealer, Codec::Vp8, &rtp_sender, &pair.requests, options).await;
            senders.push(sender.expect("negotiated"));
        }
        for (place, time) in [(0, 0), (1, 0), (1, 1), (0, 1)] {
            let frame = [place as u8 + 1; 3_000];
            senders[place].send(&MediaFrame::new(&frame, time)).await.expect("sent");
            let Some(Received::Frame(frame_in)) = pair.receiver.recv().await else { panic!("not a frame") };
            assert_eq!((&frame_in.data[..], frame_in.timestamp), (&frame[..], time));
            assert_eq!((frame_in.from.track, frame_in.ssrc), (senders[place].track(), senders[place].ssrc()));
        }
        pair.receiver.request_keyframe(senders[1].ssrc()).await.expect("asked");
        senders[1].keyframe_requested().await;
        assert!(!senders[0].take_keyframe_request(), "the other layer was asked");
    };
    timeout(PATIENCE, both).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_can_read_the_descriptor_of_a_frame_and_no_more() {
    let tap = Tap::default();
    let mut pair = Pair::new(&tap).await;
    let rtp_sender = pair.ann.send_track("video/VP8", 1).await.expect("a track");
    let described = async {
        pair.connect().await;
        let sealer = pair.table.sealer("Ann", TrackKind::Camera);
        let sender = FrameSender::new(sealer, Codec::Vp8, &rtp_sender, &pair.requests).await;
        let mut sender = sender.expect("negotiated");
        let mut writer = LayeredWriter::new(ScalabilityMode::L1T2);
        for (temporal_id, time) in [(0, 0), (1, 1)] {
            let layer = Layer { temporal_id, ..Layer::default() };
            let header = writer.next_frame(layer, time == 0).expect("a layer");
            let frame = MediaFrame::new(&[3; 3_000], time).described_by(&header);
            sender.send(&frame).await.expect("sent");
            assert!(matches!(pair.receiver.recv().await, Some(Received::Frame(_))));
        }
    };
    timeout(PATIENCE, described).await.expect("in time");

    let mut reader = DescriptorReader::default();
    let seen = tap.extensions();
    let layers = seen.iter().filter_map(|value| reader.read(value).ok()).map(|read| read.temporal_id);
    assert_eq!(layers.collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_whose_fault_it_is() {
    let mut pair = Pair::new(&Tap::default()).await;
    let rtp_sender = pair.ann.send_track("video/VP8", 1).await.expect("a track");
    let errors = async {
        let bind = async |pair: &Pair, kind, codec| {
            FrameSender::new(pair.table.sealer("Ann", kind), codec, &rtp_sender, &pair.requests).await
        };
        let early = bind(&pair, TrackKind::Camera, Codec::Vp8).await;
        assert!(matches!(early, Err(BindError::NotNegotiated)), "{early:?}");
        pair.connect().await;
        let sound = bind(&pair, TrackKind::Microphone, Codec::Vp8).await;
        assert!(matches!(sound, Err(BindError::WrongKind { codec: Codec::Vp8, .. })), "{sound:?}");
        let other = bind(&pair, TrackKind::Camera, Codec::H264).await;
        assert!(matches!(other, Err(BindError::CodecNotNegotiated(Codec::H264))), "{other:?}");

        let mut sender = bind(&pair, TrackKind::Camera, Codec::Vp8).await.expect("negotiated");
        let mut removed = bind(&pair, TrackKind::Screen, Codec::Vp8).await.expect("negotiated");
        drop(pair.table); // the call
        let sent = removed.send(&MediaFrame::new(b"a frame", 0)).await;
        assert!(matches!(sent, Err(SendError::Seal(SealError::Ended))), "{sent:?}");
        pair.ann.connection.close().await.expect("closed");
        let sent = sender.send(&MediaFrame::new(b"a frame", 0)).await;
        assert!(matches!(sent, Err(SendError::Seal(SealError::Ended))), "the call is asked first: {sent:?}");
        assert!(bind_is_closed(&rtp_sender, &pair.requests).await);
    };
    timeout(PATIENCE, errors).await.expect("in time");
}

/// A sender of another call for a connection that is closed.
async fn bind_is_closed(rtp_sender: &Arc<dyn RtpSender>, requests: &KeyframeRequests) -> bool {
    let table = Table::of(&["Ann"]);
    let sealer = table.sealer("Ann", TrackKind::Camera);
    match FrameSender::new(sealer, Codec::Vp8, rtp_sender, requests).await {
        Err(BindError::Stack(_)) => true,
        Err(_) => false,
        Ok(mut sender) => {
            matches!(sender.send(&MediaFrame::new(b"a frame", 0)).await, Err(SendError::Stack(_)))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receiver_ends_with_its_connection() {
    let mut pair = Pair::new(&Tap::default()).await;
    let rtp_sender = pair.ann.send_track("video/VP8", 1).await.expect("a track");
    let ended = async {
        pair.connect().await;
        let sealer = pair.table.sealer("Ann", TrackKind::Camera);
        let sender = FrameSender::new(sealer, Codec::Vp8, &rtp_sender, &pair.requests).await;
        sender.expect("negotiated").send(&MediaFrame::new(b"a frame", 0)).await.expect("sent");
        assert!(matches!(pair.receiver.recv().await, Some(Received::Frame(_))));

        pair.bob.connection.close().await.expect("closed");
        drop(pair.bob); // and with it the handler, which has the other end
        assert!(pair.receiver.recv().await.is_none());
    };
    timeout(PATIENCE, ended).await.expect("in time");
}
