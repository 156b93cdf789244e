//! VP9: the start of the uncompressed header (VP9 bitstream specification §6.2), up to what packetizers read of it.
//!
//! They tell key frames by it, and those that send a scalability structure take the size of the picture from it.
//! A superframe begins like its first frame does; its index, at the end, is nothing that they look at.

use super::bits::{Bits, Short};

/// VP9 bitstream specification §7.2.1, `frame_sync_code`.
const SYNC_CODE: u32 = 0x49_83_42;
/// §7.2.2, `color_space`: the one whose range and subsampling are not coded.
const CS_RGB: u32 = 7;

/// Returns what of a frame, or of a sealed one, stands in clear: the frame tells it by its own first bits.
pub(super) fn clear(frame: &[u8]) -> Option<Short> {
    let mut clear = Short::new();
    clear.extend(frame.get(..clear_len(frame)?)?)?;
    Some(clear)
}

fn clear_len(frame: &[u8]) -> Option<usize> {
    let mut bits = Bits::new(frame);
    if bits.number(2)? != 2 {
        return None; // `frame_marker`
    }
    let (profile_low, profile_high) = (bits.number(1)?, bits.number(1)?);
    let profile = profile_high << 1 | profile_low;
    if profile == 3 && bits.bit()? {
        return None; // `reserved_zero`
    }
    let show_existing_frame = bits.bit()?;
    if show_existing_frame || bits.bit()? {
        return Some(1); // no key frame: it has no size that a receiver could use
    }
    bits.skip(2); // `show_frame`, `error_resilient_mode`
    if bits.number(24)? != SYNC_CODE {
        return None;
    }
    // §6.2.2, `color_config`
    if profile >= 2 {
        bits.skip(1); // `ten_or_twelve_bit`
    }
    let is_rgb = bits.number(3)? == CS_RGB;
    bits.skip(match (is_rgb, profile & 1) {
        (false, 0) => 1, // `color_range`
        (false, _) => 4, // and `subsampling_x`, `subsampling_y`, `reserved_zero`
        (true, 0) => 0,
        (true, _) => 1, // `reserved_zero`
    });
    bits.skip(32); // §6.2.3, `frame_width_minus_1`, `frame_height_minus_1`
    bits.bytes_read()
}

#[cfg(test)]
mod tests {
    use super::clear_len;

    #[test]
    fn key_frames_show_their_header_up_to_the_size() {
        let key = |first: u8| [first, 0x49, 0x83, 0x42, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(clear_len(&key(0b1000_0010)), Some(9)); // profile 0: 8 + 24 + 4 + 32 bits
        assert_eq!(clear_len(&key(0b1010_0010)), Some(9)); // profile 1: 71 bits
        assert_eq!(clear_len(&key(0b1001_0010)), Some(9)); // profile 2: 69 bits
        assert_eq!(clear_len(&key(0b1000_0010)[..9]), Some(9));
        assert_eq!(clear_len(&key(0b1000_0010)[..8]), None);
        // Profile 3 has a reserved bit first, so that everything is one bit later: 73 bits.
        let shifted = 0x49_83_42_u32 << 7;
        let mut key = [0b1011_0001, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (color, len) in [
            (0b0_000_000, 10),
            (0b0_011_100, 10), // no RGB, whatever is on either side of it: 73 bits
            (0b0_111_000, 9),  // RGB, which codes less: 70 bits
        ] {
            key[1..5].copy_from_slice(&(shifted | color).to_be_bytes());
            assert_eq!(clear_len(&key), Some(len));
        }
    }

    #[test]
    fn other_frames_show_their_first_byte() {
        assert_eq!(clear_len(&[0b1000_0110]), Some(1)); // an inter frame
        assert_eq!(clear_len(&[0b1000_1000]), Some(1)); // `show_existing_frame`
        assert_eq!(clear_len(&[0b1011_0110]), Some(1)); // an inter frame of profile 3
    }

    #[test]
    fn what_does_not_begin_like_vp9_is_none() {
        assert_eq!(clear_len(&[]), None);
        assert_eq!(clear_len(&[0b0000_0110]), None); // no marker
        assert_eq!(clear_len(&[0b1011_1000]), None); // the reserved bit
        assert_eq!(clear_len(&[0b1000_0010; 20]), None); // no sync code
    }
}
