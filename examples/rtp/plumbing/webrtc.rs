//! What an app on webrtc-rs has anyway: peer connections, their tracks, offer and answer. Nothing in this file knows of Subrosa.

use std::sync::Arc;

use rtc::media_stream::MediaStreamTrack;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use webrtc::error::{Error, Result};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, register_default_interceptors,
};
use webrtc::rtp_transceiver::RtpSender;
use webrtc::runtime::{Receiver, Sender, channel};

/// A peer connection on 127.0.0.1.
pub(crate) struct Peer {
    /// The connection.
    pub(crate) connection: Arc<dyn PeerConnection>,
    gathered: Receiver<()>,
    connected: Receiver<bool>,
}

struct Handler<F> {
    gathered: Sender<()>,
    connected: Sender<bool>,
    on_track: F,
}

impl Peer {
    /// Makes a connection with the default codecs and interceptors, and what else `configure` adds.
    pub(crate) async fn new<T>(
        configure: impl FnOnce(Registry, &mut MediaEngine) -> Result<(Registry, T)>,
        on_track: impl Fn(Arc<dyn TrackRemote>) + Send + Sync + 'static,
    ) -> Result<(Self, T)> {
        let mut media_engine = MediaEngine::default();
        media_engine.register_default_codecs()?;
        let (registry, added) = configure(Registry::new(), &mut media_engine)?;
        let registry = register_default_interceptors(registry, &mut media_engine)?;
        let (gathered_tx, gathered) = channel(1);
        let (connected_tx, connected) = channel(1);
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler { gathered: gathered_tx, connected: connected_tx, on_track }))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build()
            .await?;
        Ok((Self { connection: Arc::new(connection), gathered, connected }, added))
    }

    /// Adds a track to send RTP of this MIME type.
    pub(crate) async fn send_track(&self, mime_type: &str, ssrc: u32) -> Result<Arc<dyn RtpSender>> {
        let is_audio = mime_type.starts_with("audio/");
        let kind = if is_audio { RtpCodecKind::Audio } else { RtpCodecKind::Video };
        // Of each kind webrtc-rs takes the codecs from the first media section only, so each has to offer all that any track needs;
        // the encoding is of the first.
        let mut codecs = if is_audio { vec![opus()] } else { ["VP8", "VP9", "AV1"].map(video).into() };
        codecs.sort_by_key(|codec| !codec.mime_type.eq_ignore_ascii_case(mime_type));
        let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
        let encodings = codecs.into_iter().map(|codec| RTCRtpEncodingParameters {
            rtp_coding_parameters: coding.clone(),
            codec,
            ..Default::default()
        });
        self.add_track(kind, ssrc, encodings.collect()).await
    }

    /// Adds a track of video with simulcast layers, each with its RID and SSRC.
    #[allow(dead_code, reason = "not every program has layers")]
    pub(crate) async fn send_simulcast(
        &self,
        codec: &str,
        layers: &[(&str, u32)],
    ) -> Result<Arc<dyn RtpSender>> {
        let encoding = |&(rid, ssrc): &(&str, u32)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: rid.to_owned(),
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: video(codec),
            ..Default::default()
        };
        self.add_track(RtpCodecKind::Video, 0, layers.iter().map(encoding).collect()).await
    }

    async fn add_track(
        &self,
        kind: RtpCodecKind,
        number: u32,
        encodings: Vec<RTCRtpEncodingParameters>,
    ) -> Result<Arc<dyn RtpSender>> {
        let name = format!("track-{number}");
        let track = MediaStreamTrack::new("stream".to_owned(), name.clone(), name, kind, encodings);
        let track: Arc<dyn TrackLocal> = Arc::new(TrackLocalStaticRTP::new(track));
        self.connection.add_track(track).await
    }

    /// Makes an offer with all candidates.
    pub(crate) async fn offer(&mut self) -> Result<String> {
        let offer = self.connection.create_offer(None).await?;
        self.gather(offer).await
    }

    /// Takes the other side's offer and makes an answer with all candidates.
    pub(crate) async fn answer(&mut self, offer: &str) -> Result<String> {
        let offer = RTCSessionDescription::offer(offer.to_owned())?;
        self.connection.set_remote_description(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        self.gather(answer).await
    }

    /// Takes the other side's answer.
    pub(crate) async fn accept(&mut self, answer: &str) -> Result<()> {
        let answer = RTCSessionDescription::answer(answer.to_owned())?;
        self.connection.set_remote_description(answer).await
    }

    /// Waits until this side is connected. The other may be later; what it gets before, it drops.
    pub(crate) async fn connected(&mut self) -> Result<()> {
        match self.connected.recv().await {
            Some(true) => Ok(()),
            _ => Err(Error::ErrConnectionClosed),
        }
    }

    async fn gather(&mut self, description: RTCSessionDescription) -> Result<String> {
        self.connection.set_local_description(description).await?;
        self.gathered.recv().await;
        let description = self.connection.local_description().await;
        Ok(description.ok_or(Error::ErrConnectionClosed)?.sdp)
    }
}

#[async_trait::async_trait]
impl<F: Fn(Arc<dyn TrackRemote>) + Send + Sync + 'static> PeerConnectionEventHandler for Handler<F> {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(()); // full: it was said before
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        match state {
            RTCPeerConnectionState::Connected => drop(self.connected.try_send(true)),
            RTCPeerConnectionState::Failed => drop(self.connected.try_send(false)),
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        (self.on_track)(track);
    }
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/opus".to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// A video codec with the parameters under which it is registered by default.
fn video(name: &str) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: format!("video/{name}"),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: if name == "VP8" { String::new() } else { "profile-id=0".to_owned() },
        rtcp_feedback: Vec::new(),
    }
}
