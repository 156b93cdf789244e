//! Peer connections to the server, on either stack: one that publishes sound and pictures, one for each feed subscribed to.

mod str0m;
mod webrtc;

use std::net::IpAddr;

use bytes::Bytes;
use subrosa::{Codec, Opener, SealError, Sealed, Sealer};
use subrosa_rtp::Received;
use tokio::sync::{mpsc, watch};

use crate::failure::Failure;

/// Which WebRTC stack a participant runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Str0m,
    Webrtc,
}

/// What every peer connection of a run has in common.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Where peers bind their sockets.
    pub(crate) ip: IpAddr,
    pub(crate) video: Codec,
    /// Changes when calls do: then frames may open that overtook their key.
    pub(crate) calls: watch::Receiver<u64>,
}

/// What a publisher seals with.
#[derive(Debug)]
pub(crate) struct Sealers {
    pub(crate) audio: Sealer,
    pub(crate) video: Sealer,
}

/// One of the two media of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Medium {
    Audio,
    Video,
}

/// What came through a subscription, in order.
pub(crate) type Sink = mpsc::UnboundedSender<Received>;

/// A connection that publishes.
pub(crate) enum Publisher {
    Str0m(str0m::Publisher),
    Webrtc(Box<webrtc::Publisher>),
}

/// A connection that receives one feed, until it is dropped.
#[expect(dead_code, reason = "it works by itself; all that is left to do is to drop it")]
pub(crate) enum Subscriber {
    Str0m(str0m::Subscriber),
    Webrtc(webrtc::Subscriber),
}

impl Publisher {
    /// Begins a connection, and returns its offer.
    pub(crate) async fn offer(
        stack: Stack,
        setting: &Setting,
        sealers: Sealers,
    ) -> Result<(Self, String), Failure> {
        match stack {
            Stack::Str0m => {
                let (publisher, offer) = str0m::Publisher::offer(setting, sealers).await?;
                Ok((Self::Str0m(publisher), offer))
            }
            Stack::Webrtc => {
                let (publisher, offer) = webrtc::Publisher::offer(setting, sealers).await?;
                Ok((Self::Webrtc(Box::new(publisher)), offer))
            }
        }
    }

    /// Takes the server's answer, and waits until the connection stands.
    pub(crate) async fn connect(&mut self, answer: String) -> Result<(), Failure> {
        match self {
            Self::Str0m(publisher) => publisher.connect(answer).await,
            Self::Webrtc(publisher) => publisher.connect(answer).await,
        }
    }

    /// Seals a frame and sends it. The inner error is the sealer's: then nothing was sent.
    pub(crate) async fn send(
        &mut self,
        medium: Medium,
        frame: Bytes,
        timestamp: u32,
    ) -> Result<Result<Sealed, SealError>, Failure> {
        match self {
            Self::Str0m(publisher) => publisher.send(medium, frame, timestamp).await,
            Self::Webrtc(publisher) => publisher.send(medium, frame, timestamp).await,
        }
    }
}

impl Subscriber {
    /// Answers the server's offer. What comes goes into `sink`.
    pub(crate) async fn answer(
        stack: Stack,
        setting: &Setting,
        offer: String,
        opener: Opener,
        sink: Sink,
    ) -> Result<(Self, String), Failure> {
        match stack {
            Stack::Str0m => {
                let (subscriber, answer) = str0m::Subscriber::answer(setting, offer, opener, sink).await?;
                Ok((Self::Str0m(subscriber), answer))
            }
            Stack::Webrtc => {
                let (subscriber, answer) = webrtc::Subscriber::answer(setting, offer, opener, sink).await?;
                Ok((Self::Webrtc(subscriber), answer))
            }
        }
    }
}
