//! webrtc-rs: it runs its connections itself, and tracks carry RTP packets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::MIME_TYPE_RTX;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use subrosa::{Codec, Opener, SealError, Sealed};
use subrosa_webrtc::{
    FrameReceiver, FrameSender, KeyframeRequests, MediaFrame, Received, SendError, Tracks, configure,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, register_default_interceptors,
};
use webrtc::rtp_transceiver::RtpSender;
use webrtc::runtime::{Receiver, Sender, channel, default_runtime};

use super::{Medium, Sealers, Setting, Sink};
use crate::failure::{Context, Failure};

/// ICE and DTLS on one machine take a tenth of a second.
const CONNECT: Duration = Duration::from_secs(20);

/// A publishing connection.
pub(crate) struct Publisher {
    peer: Peer,
    requests: KeyframeRequests,
    audio: Track,
    video: Track,
}

/// A receiving connection, and the task that takes its frames.
pub(crate) struct Subscriber {
    _peer: Peer,
    task: JoinHandle<()>,
}

/// A track: before and after offer and answer.
enum Track {
    Offered(Box<Offered>),
    Sending(Box<FrameSender>),
    /// Between the two, or neither: it could not be bound.
    None,
}

struct Offered {
    sealer: subrosa::Sealer,
    codec: Codec,
    sender: Arc<dyn RtpSender>,
}

impl Publisher {
    pub(crate) async fn offer(setting: &Setting, sealers: Sealers) -> Result<(Self, String), Failure> {
        let (mut peer, requests) = Peer::new(setting, None).await?;
        let audio = peer.add_track(Codec::Opus, 1, sealers.audio).await?;
        let video = peer.add_track(setting.video, 2, sealers.video).await?;
        let offer = peer.connection.create_offer(None).await.or_broken("webrtc-rs: an offer")?;
        let offer = peer.gather(offer).await?;
        Ok((Self { peer, requests, audio, video }, offer))
    }

    pub(crate) async fn connect(&mut self, answer: String) -> Result<(), Failure> {
        let answer = RTCSessionDescription::answer(answer).or_broken("the other side's answer")?;
        self.peer.connection.set_remote_description(answer).await.or_broken("the other side's answer")?;
        self.peer.connected().await?;
        self.audio.bind(&self.requests).await?;
        self.video.bind(&self.requests).await
    }

    pub(crate) async fn send(
        &mut self,
        medium: Medium,
        frame: Bytes,
        timestamp: u32,
    ) -> Result<Result<Sealed, SealError>, Failure> {
        let track = match medium {
            Medium::Audio => &mut self.audio,
            Medium::Video => &mut self.video,
        };
        let Track::Sending(sender) = track else {
            return Err(Failure::Broken("a frame before the connection".to_owned()));
        };
        match sender.send(&MediaFrame::new(&frame, timestamp)).await {
            Ok(sealed) => Ok(Ok(sealed)),
            Err(SendError::Seal(error)) => Ok(Err(error)),
            Err(error) => Err(Failure::Broken(format!("a frame was not sent: {error}"))),
        }
    }
}

impl Subscriber {
    pub(crate) async fn answer(
        setting: &Setting,
        offer: String,
        opener: Opener,
        sink: Sink,
    ) -> Result<(Self, String), Failure> {
        let runtime =
            default_runtime().ok_or_else(|| Failure::Broken("webrtc-rs has no runtime".to_owned()))?;
        let receiver = FrameReceiver::with_limits(opener, runtime, setting.limits);
        let (mut peer, _) = Peer::new(setting, Some(receiver.tracks())).await?;
        let task = tokio::spawn(receive(receiver, setting.clone(), sink));
        let offer = RTCSessionDescription::offer(offer).or_broken("the other side's offer")?;
        peer.connection.set_remote_description(offer).await.or_broken("the other side's offer")?;
        let answer = peer.connection.create_answer(None).await.or_broken("webrtc-rs: an answer")?;
        let answer = peer.gather(answer).await?;
        Ok((Self { _peer: peer, task }, answer))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(mut receiver: FrameReceiver, setting: Setting, sink: Sink) {
    let (tracks, mut calls) = (receiver.tracks(), setting.calls);
    loop {
        tokio::select! {
            received = receiver.recv() => {
                let Some(received) = received else { return };
                if let Received::Lost { ssrc, .. } = received {
                    receiver.request_keyframe(ssrc).await.unwrap_or_default();
                }
                sink.send(received).unwrap_or_default(); // the run is over
            }
            changed = calls.changed() => {
                if changed.is_err() {
                    return;
                }
                tracks.wake();
            }
        }
    }
}

impl Track {
    async fn bind(&mut self, requests: &KeyframeRequests) -> Result<(), Failure> {
        if let Self::Offered(offered) = std::mem::replace(self, Self::None) {
            let Offered { sealer, codec, sender } = *offered;
            let sender = FrameSender::new(sealer, codec, &sender, requests).await;
            *self = Self::Sending(Box::new(sender.or_broken("a track of webrtc-rs")?));
        }
        Ok(())
    }
}

/// A peer connection of webrtc-rs with its default codecs and interceptors.
struct Peer {
    connection: Arc<dyn PeerConnection>,
    gathered: Receiver<()>,
    connected: Receiver<bool>,
}

struct Handler {
    gathered: Sender<()>,
    connected: Sender<bool>,
    tracks: Option<Tracks>,
}

impl Peer {
    async fn new(setting: &Setting, tracks: Option<Tracks>) -> Result<(Self, KeyframeRequests), Failure> {
        let mut media_engine = MediaEngine::default();
        for codec in repaired_opus() {
            media_engine.register_codec(codec, RtpCodecKind::Audio).or_broken("webrtc-rs' codecs")?;
        }
        media_engine.register_default_codecs().or_broken("webrtc-rs' codecs")?;
        let (registry, requests) =
            configure(Registry::new(), &mut media_engine).or_broken("webrtc-rs' extensions")?;
        let registry = register_default_interceptors(registry, &mut media_engine);
        let (gathered_tx, gathered) = channel(1);
        let (connected_tx, connected) = channel(1);
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry.or_broken("webrtc-rs' interceptors")?)
            .with_handler(Arc::new(Handler { gathered: gathered_tx, connected: connected_tx, tracks }))
            .with_udp_addrs(vec![(setting.ip, 0)])
            .build()
            .await
            .or_broken("a connection of webrtc-rs")?;
        Ok((Self { connection: Arc::new(connection), gathered, connected }, requests))
    }

    async fn add_track(&self, codec: Codec, ssrc: u32, sealer: subrosa::Sealer) -> Result<Track, Failure> {
        let kind = if codec.is_audio() { RtpCodecKind::Audio } else { RtpCodecKind::Video };
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
            codec: registered(codec),
            ..Default::default()
        };
        let name = format!("track-{ssrc}");
        let track = MediaStreamTrack::new("stream".to_owned(), name.clone(), name, kind, vec![encoding]);
        let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(track));
        let sender = self.connection.add_track(track).await.or_broken("a track of webrtc-rs")?;
        Ok(Track::Offered(Box::new(Offered { sealer, codec, sender })))
    }

    /// Sets the local description, and returns it with all candidates.
    async fn gather(&mut self, description: RTCSessionDescription) -> Result<String, Failure> {
        let what = "webrtc-rs: a local description";
        self.connection.set_local_description(description).await.or_broken(what)?;
        timeout(CONNECT, self.gathered.recv()).await.or_broken("waited for webrtc-rs' candidates")?;
        let description = self.connection.local_description().await;
        description.map(|description| description.sdp).ok_or_else(|| Failure::Broken(format!("{what}: none")))
    }

    async fn connected(&mut self) -> Result<(), Failure> {
        let what = "waited for a publisher's connection";
        match timeout(CONNECT, self.connected.recv()).await.or_broken(what)? {
            Some(true) => Ok(()),
            _ => Err(Failure::Broken("a publisher's connection failed".to_owned())),
        }
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.try_send(()).unwrap_or_default(); // full: it was said before
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => self.connected.try_send(true).unwrap_or_default(),
            RTCPeerConnectionState::Failed => self.connected.try_send(false).unwrap_or_default(),
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        if let Some(tracks) = &self.tracks {
            tracks.add(track).unwrap_or_else(|error| eprintln!("a track is not received: {error}"));
        }
    }
}

/// Opus whose lost packets are sent again, and their RTX. webrtc-rs' own Opus is not.
fn repaired_opus() -> [RTCRtpCodecParameters; 2] {
    let opus = registered(Codec::Opus);
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(), // of video, but webrtc-rs knows no other
        sdp_fmtp_line: "apt=111".to_owned(),
        rtcp_feedback: Vec::new(),
        ..opus.clone()
    };
    let parameters = |(rtp_codec, payload_type)| RTCRtpCodecParameters { rtp_codec, payload_type };
    [(opus, 111), (rtx, 112)].map(parameters)
}

/// A codec with the parameters under which webrtc-rs registers it.
fn registered(codec: Codec) -> RTCRtpCodec {
    let (name, clock_rate, channels, parameters) = match codec {
        Codec::Opus => ("audio/opus", 48_000, 2, "minptime=10;useinbandfec=1"),
        Codec::H264 => (
            "video/H264",
            90_000,
            0,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        ),
        Codec::Av1 => ("video/AV1", 90_000, 0, "profile-id=0"),
        Codec::Vp9 => ("video/VP9", 90_000, 0, "profile-id=0"),
        _ => ("video/VP8", 90_000, 0, ""),
    };
    let nack = RTCPFeedback { typ: "nack".to_owned(), parameter: String::new() };
    RTCRtpCodec {
        mime_type: name.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: parameters.to_owned(),
        rtcp_feedback: if codec.is_audio() { vec![nack] } else { Vec::new() },
    }
}
