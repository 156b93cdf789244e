//! The stack's names of codecs.

use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_AV1, MIME_TYPE_H264, MIME_TYPE_HEVC, MIME_TYPE_OPUS, MIME_TYPE_VP8, MIME_TYPE_VP9,
};
use subrosa::Codec;

const NAMES: [(&str, Codec); 6] = [
    (MIME_TYPE_OPUS, Codec::Opus),
    (MIME_TYPE_VP8, Codec::Vp8),
    (MIME_TYPE_VP9, Codec::Vp9),
    (MIME_TYPE_H264, Codec::H264),
    (MIME_TYPE_HEVC, Codec::H265),
    (MIME_TYPE_AV1, Codec::Av1),
];

/// Returns the codec of a MIME type. Repair formats, RED and what Subrosa does not know have none.
pub(crate) fn of_mime_type(mime_type: &str) -> Option<Codec> {
    NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(mime_type)).map(|(_, codec)| *codec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_has_a_codec_and_repair_has_none() {
        assert_eq!(of_mime_type("VIDEO/vp8"), Some(Codec::Vp8));
        assert_eq!(of_mime_type("audio/opus"), Some(Codec::Opus));
        for other in ["video/rtx", "video/ulpfec", "video/flexfec-03", "audio/red", "audio/G722", ""] {
            assert_eq!(of_mime_type(other), None, "{other}");
        }
    }
}
