//! What a peer connection is told before it is built.

use rtc::interceptor::{Registry, Slot};
use rtc::rtp_transceiver::rtp_sender::{RTCRtpHeaderExtensionCapability, RtpCodecKind};
use subrosa_rtp::extension::DEPENDENCY_DESCRIPTOR_URI;
use webrtc::error::Error;
use webrtc::peer_connection::MediaEngine;

use crate::keyframes::KeyframeRequests;

/// Prepares a peer connection for sealed media: brings keyframe requests to its senders, and offers the header extension of the AV1
/// dependency descriptor for video, by which servers choose what to forward of frames that they cannot read.
///
/// Before or after `register_default_interceptors`; registry and media engine then go to the `PeerConnectionBuilder`.
///
/// # Errors
///
/// webrtc-rs' error if the app has registered as many header extensions as there are ids.
pub fn configure(
    registry: Registry,
    media_engine: &mut MediaEngine,
) -> Result<(Registry, KeyframeRequests), Error> {
    let descriptor = RTCRtpHeaderExtensionCapability { uri: DEPENDENCY_DESCRIPTOR_URI.to_owned() };
    media_engine.register_header_extension(descriptor, RtpCodecKind::Video, None)?;
    let requests = KeyframeRequests::new();
    // It only looks at what passes, so no rule of `Slot` binds it; last, so that whatever recovers RTCP came before.
    Ok((registry.with(Slot::from(14_000), requests.listener()), requests))
}
