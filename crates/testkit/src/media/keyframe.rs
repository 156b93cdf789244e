//! Whether a frame can be decoded without the ones before it, told from its first bits.
//!
//! No crate does this without a decoder behind it, and it is a few bits each.
#![warn(clippy::indexing_slicing)]

/// RFC 6386 §9.1: the lowest bit of a VP8 frame is 0 in a key frame.
pub(super) fn vp8(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// VP9 bitstream specification §6.2, `uncompressed_header`: marker, profile, `show_existing_frame`, `frame_type`.
pub(super) fn vp9(frame: &[u8]) -> bool {
    let Some(first) = frame.first() else { return false };
    let marker = first >> 6;
    let profile = (first >> 5 & 1) | (first >> 4 & 1) << 1;
    // Profile 3 has a reserved bit before the two that matter.
    let flags = if profile == 3 { first >> 1 } else { first >> 2 };
    let (show_existing, not_key) = (flags >> 1 & 1, flags & 1);
    marker == 2 && show_existing == 0 && not_key == 0
}

/// AV1 bitstream specification §7.6: where decoding can begin, there is a sequence header.
pub(super) fn av1(mut unit: &[u8]) -> bool {
    const SEQUENCE_HEADER: u8 = 1;
    while let Some((obu_type, rest)) = next_obu(unit) {
        if obu_type == SEQUENCE_HEADER {
            return true;
        }
        unit = rest;
    }
    false
}

/// The type of the first OBU, and what follows it; AV1 bitstream specification §5.3.
fn next_obu(unit: &[u8]) -> Option<(u8, &[u8])> {
    let (header, mut rest) = unit.split_first()?;
    let (has_extension, has_size) = (header & 4 != 0, header & 2 != 0);
    if has_extension {
        rest = rest.get(1..)?;
    }
    if has_size {
        let (size, payload) = leb128(rest)?;
        rest = payload.get(size..)?;
    } else {
        rest = &[]; // the last one, to the end of the unit
    }
    Some((header >> 3 & 15, rest))
}

/// AV1 bitstream specification §4.10.5: at most 8 bytes of 7 bits, the lowest first.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (place, byte) in bytes.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, bytes.get(place + 1..)?));
        }
    }
    None
}
