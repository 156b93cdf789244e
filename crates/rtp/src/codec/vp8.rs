//! VP8 (RFC 6386): what stands in front of the compressed data.

use super::bits::Short;

/// RFC 6386 §9.1: the frame tag, and in a key frame the start code and the size of the picture.
const TAG_LEN: usize = 3;
const KEY_FRAME_LEN: usize = 10;
/// RFC 6386 §9.1, behind the frame tag of a key frame.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// Returns what of a frame, or of a sealed one, stands in clear: the frame tells it by its first bit.
pub(super) fn clear(frame: &[u8]) -> Option<Short> {
    // RFC 6386 §9.1: the lowest bit of the first byte is 0 in a key frame.
    let is_key_frame = frame.first()? & 1 == 0;
    let len = if is_key_frame { KEY_FRAME_LEN } else { TAG_LEN };
    if is_key_frame && frame.get(TAG_LEN..TAG_LEN + START_CODE.len())? != START_CODE {
        return None;
    }
    let mut clear = Short::new();
    clear.extend(frame.get(..len)?)?;
    Some(clear)
}

#[cfg(test)]
mod tests {
    use super::clear;

    fn clear_len(frame: &[u8]) -> Option<usize> {
        clear(frame).map(|clear| clear.len())
    }

    #[test]
    fn key_frames_show_their_size_and_others_their_tag() {
        let key = [0x10, 2, 3, 0x9d, 0x01, 0x2a, 64, 1, 180, 0, 99];
        assert_eq!(clear_len(&key), Some(10));
        assert_eq!(clear_len(&[0x31, 2, 3, 4]), Some(3));
    }

    #[test]
    fn what_is_too_short_is_no_frame() {
        assert_eq!(clear_len(&[]), None);
        assert_eq!(clear_len(&[0x31, 2]), None);
        assert_eq!(clear_len(&[0x10, 2, 3, 0x9d, 0x01, 0x2a, 64, 1, 180]), None);
        assert_eq!(clear_len(&[0x10; 20]), None); // no start code
    }
}
