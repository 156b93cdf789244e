//! One track as a source of packets.

use std::pin::Pin;
use std::sync::Arc;

use rtc::rtp;
use subrosa::Codec;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::codec::of_mime_type;

/// A track, and what was learned from it.
pub(super) struct Source {
    pub(super) track: Arc<dyn TrackRemote>,
    /// The payload types whose codec it said.
    said: Vec<u8>,
}

/// What a track gives.
pub(super) enum Heard {
    /// A packet, and with the first of its payload type what the track says that it carries.
    Packet(rtp::Packet, Option<Codec>),
    /// An event without a packet.
    Other,
    /// Nothing any more.
    End,
}

/// The next event of a track. The track comes back with it.
pub(super) type Next = Pin<Box<dyn Future<Output = (Source, Heard)> + Send>>;

impl Source {
    pub(super) fn new(track: Arc<dyn TrackRemote>) -> Self {
        Self { track, said: Vec::new() }
    }

    pub(super) fn next(mut self) -> Next {
        Box::pin(async move {
            let heard = match self.track.poll().await {
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                    let codec = self.codec(&packet.header).await;
                    Heard::Packet(packet, codec)
                }
                Some(_) => Heard::Other, // a track that ended may begin again, and its queue stays the same
                None => Heard::End,
            };
            (self, heard)
        })
    }

    async fn codec(&mut self, header: &rtp::Header) -> Option<Codec> {
        if self.said.contains(&header.payload_type) {
            return None;
        }
        let codec = of_mime_type(&self.track.codec(header.ssrc).await?.mime_type)?;
        self.said.push(header.payload_type); // at most 128
        Some(codec)
    }
}
