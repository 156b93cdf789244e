//! The little that must be known of Opus packets. The crates that tell it bind the C codec.
#![warn(clippy::indexing_slicing)]

/// The length of the sound in a packet, in samples of 48 kHz; none if the packet breaks a rule.
pub(super) fn samples(packet: &[u8]) -> Option<u32> {
    // RFC 6716 §3.1: the first byte is 5 bits of configuration, 1 of channels, 2 of how many frames follow.
    let (toc, rest) = packet.split_first()?;
    let frame = match (toc >> 3, toc >> 3 & 3) {
        (0..=11, 0) => 480, // SILK: 10, 20, 40, 60 ms
        (0..=11, 1) => 960,
        (0..=11, 2) => 1920,
        (0..=11, _) => 2880,
        (12..=15, size) => 480 << (size & 1), // hybrid: 10, 20 ms
        (_, size) => 120 << size,             // CELT: 2.5, 5, 10, 20 ms
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    // RFC 6716 §3.4, R5: a packet holds at least one frame and at most 120 ms.
    let samples = frame * frames;
    (1..=5760).contains(&samples).then_some(samples)
}

#[cfg(test)]
mod tests {
    use super::samples;

    #[test]
    fn the_first_byte_gives_the_duration() {
        assert_eq!(samples(&[0x00]), Some(480)); // SILK narrowband, 10 ms
        assert_eq!(samples(&[0x18, 1]), Some(2880)); // SILK narrowband, 60 ms
        assert_eq!(samples(&[0x68, 1]), Some(960)); // hybrid, 20 ms
        assert_eq!(samples(&[0x80]), Some(120)); // CELT, 2.5 ms
        assert_eq!(samples(&[0xf9, 1]), Some(1920)); // CELT, two of 20 ms
        assert_eq!(samples(&[0xfb, 3]), Some(2880)); // CELT, three of 20 ms
    }

    #[test]
    fn a_packet_that_breaks_a_rule_has_none() {
        assert_eq!(samples(&[]), None);
        assert_eq!(samples(&[0xfb]), None); // the count of frames is missing
        assert_eq!(samples(&[0xfb, 0]), None); // no frames
        assert_eq!(samples(&[0xfb, 7]), None); // 140 ms
        assert_eq!(samples(&[0x19, 0]), Some(5760)); // 120 ms
    }
}
