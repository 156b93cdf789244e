//! Frame markings of RFC 9626: what is read is written back as it was, but for a bit that has no meaning there.

use subrosa_rtp::extension::FrameMarking;

use crate::Target;

/// Layout: the data of the header extension.
pub const TARGET: Target = Target { name: "frame_marking", run, seeds };

fn run(data: &[u8]) {
    let Ok(marking) = FrameMarking::parse(data) else {
        assert!(data.is_empty() || data.len() > 3, "refused, and of a fitting length");
        return;
    };
    let mut wanted = data.to_vec();
    if marking.temporal_id == 0 {
        wanted[0] &= !0b1000; // B has no meaning in the base layer
    }
    assert_eq!(marking.to_bytes(), wanted);
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let markings: [&[u8]; 4] = [&[0b1110_0000], &[0b0101_1010, 3], &[0b1000_1000, 0, 9], &[0; 4]];
    (0..).zip(markings).map(|(number, bytes): (u8, _)| (number.to_string(), bytes.to_vec())).collect()
}
