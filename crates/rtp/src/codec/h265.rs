//! H.265 (ITU-T H.265): which NAL units are which, and the few fields of them that stacks read.

use super::bits::Bits;
use super::nal::{Family, Kind, is_forbidden};

pub(super) enum H265 {}

/// Places in [`Family::SETS`]: a slice refers to a PPS, a PPS to an SPS, an SPS to a VPS.
const PPS: usize = 0;
const SPS: usize = 1;
const VPS: usize = 2;

impl Family for H265 {
    const HEADER_LEN: usize = 2;
    const SEI_HEADER: &'static [u8] = &[39 << 1, 1]; // PREFIX_SEI_NUT, layer 0, temporal id 0
    const SETS: usize = 3;

    /// H.265 §7.3.1.2: forbidden_zero_bit (1) | nal_unit_type (6) | nuh_layer_id (6) | nuh_temporal_id_plus1 (3), table 7-1.
    fn kind(header: &[u8]) -> Option<Kind> {
        let [first, second] = *header.first_chunk()?;
        // §7.4.2.2: the last three bits are not 0, which keeps start codes out of the header.
        if is_forbidden(first) || second & 7 == 0 {
            return None;
        }
        Some(match nal_unit_type(first) {
            0..=31 => Kind::Slice,
            32 => Kind::Set(VPS),
            33 => Kind::Set(SPS),
            34 => Kind::Set(PPS),
            35 => Kind::Delimiter,
            39 => Kind::Sei,
            _ => Kind::Other,
        })
    }

    /// §7.3.6.1: first_slice_segment_in_pic_flag, no_output_of_prior_pics_flag if it is an IRAP picture, slice_pic_parameter_set_id.
    fn slice(header: &[u8], rbsp: &[u8]) -> Option<(usize, u32)> {
        let is_irap = (16..=23).contains(&nal_unit_type(*header.first()?));
        let mut bits = Bits::new(rbsp);
        bits.skip(1 + usize::from(is_irap));
        let id = bits.exp_golomb()?;
        Some((bits.bytes_read()?, id))
    }

    fn set_ids(set: usize, rbsp: &[u8]) -> Option<(u32, u32)> {
        let mut bits = Bits::new(rbsp);
        match set {
            VPS => Some((bits.number(4)?, 0)), // §7.3.2.1
            SPS => {
                // §7.3.2.2.1: sps_video_parameter_set_id, sps_max_sub_layers_minus1, sps_temporal_id_nesting_flag
                let (vps, sub_layers) = (bits.number(4)?, bits.number(3)?);
                bits.skip(1);
                skip_profile_tier_level(&mut bits, sub_layers)?;
                Some((bits.exp_golomb()?, vps))
            }
            _ => Some((bits.exp_golomb()?, bits.exp_golomb()?)), // §7.3.2.3.1
        }
    }
}

fn nal_unit_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// §7.3.3, `profile_tier_level(1, sub_layers)`: 88 bits of profile and 8 of level, then those of each sub-layer that has them.
fn skip_profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8);
    let mut len = 0;
    for _ in 0..sub_layers {
        len += if bits.bit()? { 88 } else { 0 };
        len += if bits.bit()? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        len += 2 * (8 - sub_layers as usize); // sub_layers is a number of 3 bits
    }
    bits.skip(len);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::nal::Family;
    use super::{H265, PPS, SPS, VPS};

    fn bytes(bits: &str) -> Vec<u8> {
        let padded = format!("{bits}{}", "1".repeat(bits.len().next_multiple_of(8) - bits.len()));
        let byte = |at: usize| u8::from_str_radix(&padded[at..at + 8], 2).expect("digits");
        (0..padded.len()).step_by(8).map(byte).collect()
    }

    /// A sequence parameter set 5 of video parameter set 10; a bit for each sub-layer that says its profile, or its level.
    fn sequence_set(sub_layers: usize, profiles: u8, levels: u8) -> Vec<u8> {
        let (mut flags, mut said) = (String::new(), String::new());
        for layer in 0..sub_layers {
            let (profile, level) = (profiles >> layer & 1, levels >> layer & 1);
            flags += &format!("{profile}{level}");
            said += &"1".repeat(usize::from(profile) * 88 + usize::from(level) * 8);
        }
        let reserved = if sub_layers == 0 { String::new() } else { "00".repeat(8 - sub_layers) };
        bytes(&format!("1010{sub_layers:03b}1{}{flags}{reserved}{said}00110", "1".repeat(96)))
    }

    #[test]
    fn the_id_of_a_sequence_parameter_set_stands_behind_what_its_sub_layers_say() {
        for sub_layers in 0..7 {
            for (profiles, levels) in [(0, 0), (0xff, 0xff), (0xff, 0), (0, 0xff), (0b10_1001, 0b01_0011)] {
                let set = sequence_set(sub_layers, profiles, levels);
                assert_eq!(H265::set_ids(SPS, &set), Some((5, 10)), "{sub_layers}: {profiles:b}, {levels:b}");
            }
        }
    }

    #[test]
    fn the_other_sets_begin_with_their_ids() {
        assert_eq!(H265::set_ids(VPS, &bytes("1010")), Some((10, 0)));
        assert_eq!(H265::set_ids(PPS, &bytes("00110010")), Some((5, 1)));
    }
}
