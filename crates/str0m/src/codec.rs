//! Which payload type carries what, as the connection was negotiated.

use str0m::Rtc;
use str0m::media::{Media, Pt};
use subrosa::Codec;

/// Returns the payload type in which a codec goes out on `media`: of several, such as the profiles of H.264, the one that the other
/// side prefers.
pub(crate) fn payload_type(rtc: &Rtc, media: &Media, codec: Codec) -> Option<Pt> {
    let carries = |pt: &Pt| of_payload_type(rtc, *pt) == Some(codec);
    if media.remote_pts().is_empty() {
        // No SDP was exchanged: with the direct API an app says on both sides which payload types there are.
        let configured = rtc.codec_config().params().iter().map(|params| params.pt());
        return configured.into_iter().find(carries);
    }
    media.remote_pts().iter().copied().find(carries)
}

/// Returns the codec of a payload type. RTX, RED and what Subrosa does not know have none.
pub(crate) fn of_payload_type(rtc: &Rtc, pt: Pt) -> Option<Codec> {
    let params = rtc.codec_config().params().iter().find(|params| params.pt() == pt)?;
    of(params.spec().codec)
}

fn of(codec: str0m::format::Codec) -> Option<Codec> {
    use str0m::format::Codec as Theirs;
    match codec {
        Theirs::Opus => Some(Codec::Opus),
        Theirs::Vp8 => Some(Codec::Vp8),
        Theirs::Vp9 => Some(Codec::Vp9),
        Theirs::H264 => Some(Codec::H264),
        Theirs::H265 => Some(Codec::H265),
        Theirs::Av1 => Some(Codec::Av1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use str0m::format::Codec as Theirs;

    use super::*;

    #[test]
    fn every_codec_that_is_sealed_is_known_by_both_names() {
        for (theirs, ours) in [
            (Theirs::Opus, Codec::Opus),
            (Theirs::Vp8, Codec::Vp8),
            (Theirs::Vp9, Codec::Vp9),
            (Theirs::H264, Codec::H264),
            (Theirs::H265, Codec::H265),
            (Theirs::Av1, Codec::Av1),
        ] {
            assert_eq!(of(theirs), Some(ours));
        }
        assert_eq!(of(Theirs::Rtx), None);
    }
}
