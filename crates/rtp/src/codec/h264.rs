//! H.264 (ITU-T H.264): which NAL units are which, and the few fields of them that stacks read.

use super::bits::Bits;
use super::nal::{Family, Kind, is_forbidden};

pub(super) enum H264 {}

/// Places in [`Family::SETS`]: a slice refers to a PPS, a PPS to an SPS.
const PPS: usize = 0;
const SPS: usize = 1;

impl Family for H264 {
    const HEADER_LEN: usize = 1;
    const SEI_HEADER: &'static [u8] = &[6];
    const SETS: usize = 2;

    /// H.264 §7.3.1: forbidden_zero_bit (1) | nal_ref_idc (2) | nal_unit_type (5), table 7-1.
    fn kind(header: &[u8]) -> Option<Kind> {
        let header = *header.first().filter(|header| !is_forbidden(**header))?;
        Some(match header & 0x1f {
            1 | 2 | 5 => Kind::Slice, // 3 and 4, the other partitions of data, have no slice header
            6 => Kind::Sei,
            7 => Kind::Set(SPS),
            8 => Kind::Set(PPS),
            9 => Kind::Delimiter,
            _ => Kind::Other,
        })
    }

    /// §7.3.3: first_mb_in_slice, slice_type, pic_parameter_set_id.
    fn slice(_header: &[u8], rbsp: &[u8]) -> Option<(usize, u32)> {
        let mut bits = Bits::new(rbsp);
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        let id = bits.exp_golomb()?;
        Some((bits.bytes_read()?, id))
    }

    fn set_ids(set: usize, rbsp: &[u8]) -> Option<(u32, u32)> {
        let mut bits = Bits::new(rbsp);
        if set == SPS {
            bits.skip(24); // §7.3.2.1.1: profile_idc, constraint flags, level_idc
            return Some((bits.exp_golomb()?, 0));
        }
        Some((bits.exp_golomb()?, bits.exp_golomb()?)) // §7.3.2.2
    }
}
