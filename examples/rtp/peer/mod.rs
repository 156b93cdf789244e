//! Peer connections on either stack: one that publishes sound and pictures, one that subscribes to what another publishes.

mod str0m;
mod webrtc;

use std::net::IpAddr;

use bytes::Bytes;
use subrosa::{Codec, Opener, SealError, Sealed, Sealer};
use subrosa_rtp::{ConnectionLimits, Received};
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;

/// Which WebRTC stack a participant runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// str0m.
    Str0m,
    /// webrtc-rs.
    Webrtc,
}

impl Stack {
    /// Returns what it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Str0m => "str0m",
            Self::Webrtc => "webrtc-rs",
        }
    }
}

/// What every peer connection of a run has in common.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Where peers bind their sockets.
    pub ip: IpAddr,
    /// The codec of the pictures; the sound's is Opus.
    pub video: Codec,
    /// What a subscriber keeps.
    pub limits: ConnectionLimits,
    /// Changes when calls do: then frames may open that overtook their key.
    pub calls: watch::Receiver<u64>,
}

/// What a publisher seals with.
#[derive(Debug)]
pub struct Sealers {
    /// The sound.
    pub audio: Sealer,
    /// The pictures.
    pub video: Sealer,
}

/// One of the two media of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Medium {
    /// The sound.
    Audio,
    /// The pictures.
    Video,
}

/// What came through a subscription, in order.
pub type Sink = mpsc::UnboundedSender<Received>;

/// A connection that publishes.
pub struct Publisher(OfPublisher);

enum OfPublisher {
    Str0m(str0m::Publisher),
    Webrtc(Box<webrtc::Publisher>),
}

/// A connection that receives one feed, until it is dropped.
pub struct Subscriber {
    _of: OfSubscriber,
}

#[expect(dead_code, reason = "it works by itself; all that is left to do is to drop it")]
enum OfSubscriber {
    Str0m(str0m::Subscriber),
    Webrtc(webrtc::Subscriber),
}

impl Publisher {
    /// Begins a connection, and returns its offer.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn offer(stack: Stack, setting: &Setting, sealers: Sealers) -> Result<(Self, String), Failure> {
        match stack {
            Stack::Str0m => {
                let (publisher, offer) = str0m::Publisher::offer(setting, sealers).await?;
                Ok((Self(OfPublisher::Str0m(publisher)), offer))
            }
            Stack::Webrtc => {
                let (publisher, offer) = webrtc::Publisher::offer(setting, sealers).await?;
                Ok((Self(OfPublisher::Webrtc(Box::new(publisher))), offer))
            }
        }
    }

    /// Takes the other side's answer, and waits until the connection stands.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn connect(&mut self, answer: String) -> Result<(), Failure> {
        match &mut self.0 {
            OfPublisher::Str0m(publisher) => publisher.connect(answer).await,
            OfPublisher::Webrtc(publisher) => publisher.connect(answer).await,
        }
    }

    /// Seals a frame and sends it. The inner error is the sealer's: then nothing was sent.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn send(
        &mut self,
        medium: Medium,
        frame: Bytes,
        timestamp: u32,
    ) -> Result<Result<Sealed, SealError>, Failure> {
        match &mut self.0 {
            OfPublisher::Str0m(publisher) => publisher.send(medium, frame, timestamp).await,
            OfPublisher::Webrtc(publisher) => publisher.send(medium, frame, timestamp).await,
        }
    }
}

impl Subscriber {
    /// Answers the other side's offer. What comes goes into `sink`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn answer(
        stack: Stack,
        setting: &Setting,
        offer: String,
        opener: Opener,
        sink: Sink,
    ) -> Result<(Self, String), Failure> {
        match stack {
            Stack::Str0m => {
                let (subscriber, answer) = str0m::Subscriber::answer(setting, offer, opener, sink).await?;
                Ok((Self { _of: OfSubscriber::Str0m(subscriber) }, answer))
            }
            Stack::Webrtc => {
                let (subscriber, answer) = webrtc::Subscriber::answer(setting, offer, opener, sink).await?;
                Ok((Self { _of: OfSubscriber::Webrtc(subscriber) }, answer))
            }
        }
    }
}
