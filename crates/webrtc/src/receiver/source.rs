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
    /// The streams of which it said the codec.
    said: Vec<u32>,
}

/// More streams than a track has layers.
const MOST_STREAMS: usize = 64;

/// What a track gives.
pub(super) enum Heard {
    /// A packet, and with the first of a stream what the track says that its payload type carries.
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

    /// webrtc-rs takes the codec of a stream from the payload type of its first packet, and keeps it whatever comes after. So it says
    /// nothing of a payload type to which a stream goes over later: what is learned of it would be wrong, and for all streams.
    async fn codec(&mut self, header: &rtp::Header) -> Option<Codec> {
        if self.said.contains(&header.ssrc) || self.said.len() == MOST_STREAMS {
            return None;
        }
        let codec = self.track.codec(header.ssrc).await?;
        self.said.push(header.ssrc);
        of_mime_type(&codec.mime_type)
    }
}
