//! Frame marking (RFC 9626): what a server needs of a frame, in one to three bytes.
//!
//! ```text
//!  0 1 2 3 4 5 6 7     S  first packet of the frame    I  no temporally earlier frame is needed
//! +-+-+-+-+-+-+-+-+    E  last packet of the frame     D  can be dropped
//! |S|E|I|D|B| TID |    B  above the base temporal layer: depends on that layer alone
//! +-+-+-+-+-+-+-+-+    TID  temporal layer; B and TID are 0 in a stream that is not scalable
//! |      LID      |    spatial or quality layer; may be omitted together with what follows
//! +-+-+-+-+-+-+-+-+
//! |   TL0PICIDX   |    counts the pictures of the base layer; may be omitted
//! +-+-+-+-+-+-+-+-+
//! ```

/// The URI that an `a=extmap` line names frame marking with (RFC 9626 §7).
pub const FRAME_MARKING_URI: &str = "urn:ietf:params:rtp-hdrext:framemarking";

/// What one packet's frame marking says.
///
/// It comes from outside of the end-to-end envelope: see [the module](super) for what it may be used for.
///
/// ```
/// use subrosa_rtp::extension::FrameMarking;
///
/// // A keyframe in one packet, of a stream without layers: the short form.
/// let marking = FrameMarking { start: true, end: true, independent: true, ..FrameMarking::default() };
/// assert_eq!(marking.to_bytes(), [0b1110_0000]);
///
/// // The middle of a frame of temporal layer 2 that nothing depends on, after base layer picture 7: the long form.
/// let marking = FrameMarking {
///     discardable: true,
///     temporal_id: 2,
///     layer_id: Some(0),
///     tl0_pic_idx: Some(7),
///     ..FrameMarking::default()
/// };
/// assert_eq!(marking.to_bytes(), [0b0001_0010, 0, 7]);
/// assert_eq!(FrameMarking::parse(&[0b0001_0010, 0, 7]), Ok(marking));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FrameMarking {
    /// S: the packet is the first of its frame within a layer.
    pub start: bool,
    /// E: the packet is the last of its frame within a layer.
    pub end: bool,
    /// I: the frame can be decoded without any temporally earlier one; it may need lower spatial layers.
    pub independent: bool,
    /// D: the rest of the stream can be decoded without the frame.
    pub discardable: bool,
    /// B: the frame, above temporal layer 0, depends on that layer alone, so that a receiver can go up with it.
    pub base_layer_sync: bool,
    /// TID: the temporal layer, 0 to 7.
    pub temporal_id: u8,
    /// LID: the spatial or quality layer, numbered as the codec's mapping says.
    pub layer_id: Option<u8>,
    /// TL0PICIDX: a running number of base layer pictures, of this one or of the one it depends on.
    pub tl0_pic_idx: Option<u8>,
}

/// The element is not one to three bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("a frame marking has one to three bytes")]
pub struct MalformedMarking;

impl FrameMarking {
    /// Returns the data of the header extension element, without its id and length.
    ///
    /// One byte without a layer, the same in the short and the long form; two with [`layer_id`](Self::layer_id),
    /// three with [`tl0_pic_idx`](Self::tl0_pic_idx), before which a missing layer is written as 0. Only the lowest
    /// three bits of the temporal layer are written. B is written only above temporal layer 0 (RFC 9626 §3.1).
    pub fn to_bytes(self) -> Vec<u8> {
        let temporal_id = self.temporal_id & 0b111;
        let flags = [
            (self.start, 0b1000_0000),
            (self.end, 0b0100_0000),
            (self.independent, 0b0010_0000),
            (self.discardable, 0b0001_0000),
            (self.base_layer_sync && temporal_id > 0, 0b0000_1000),
        ];
        let set = flags.into_iter().filter(|&(flag, _)| flag);
        let mut bytes = vec![set.fold(temporal_id, |byte, (_, bit)| byte | bit)];
        // §3.1: without LID there is no TL0PICIDX either.
        bytes.extend(self.layer_id.or(self.tl0_pic_idx.map(|_| 0)));
        bytes.extend(self.tl0_pic_idx);
        bytes
    }

    /// Reads the data of a header extension element, without its id and length.
    ///
    /// # Errors
    ///
    /// [`MalformedMarking`] if there is none, or more than three bytes; all else is a frame marking.
    pub fn parse(data: &[u8]) -> Result<Self, MalformedMarking> {
        let (&flags, layer_id, tl0_pic_idx) = match data {
            [flags] => (flags, None, None),
            [flags, layer_id] => (flags, Some(*layer_id), None),
            [flags, layer_id, tl0_pic_idx] => (flags, Some(*layer_id), Some(*tl0_pic_idx)),
            _ => return Err(MalformedMarking),
        };
        Ok(Self {
            start: flags & 0b1000_0000 != 0,
            end: flags & 0b0100_0000 != 0,
            independent: flags & 0b0010_0000 != 0,
            discardable: flags & 0b0001_0000 != 0,
            base_layer_sync: flags & 0b0000_1000 != 0,
            temporal_id: flags & 0b0000_0111,
            layer_id,
            tl0_pic_idx,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_is_where_rfc_9626_has_it() {
        let nothing = FrameMarking::default();
        let vectors = [
            (0b1000_0000, FrameMarking { start: true, ..nothing }),
            (0b0100_0000, FrameMarking { end: true, ..nothing }),
            (0b0010_0000, FrameMarking { independent: true, ..nothing }),
            (0b0001_0000, FrameMarking { discardable: true, ..nothing }),
            (0b0000_1001, FrameMarking { base_layer_sync: true, temporal_id: 1, ..nothing }),
            (0b0000_0111, FrameMarking { temporal_id: 7, ..nothing }),
        ];
        for (byte, marking) in vectors {
            assert_eq!(marking.to_bytes(), [byte]);
            assert_eq!(FrameMarking::parse(&[byte]), Ok(marking));
        }
    }

    #[test]
    fn every_marking_comes_back() {
        for flags in 0..=u8::MAX {
            let is_sync_at_the_base = flags & 0b1111 == 0b1000;
            for bytes in [vec![flags], vec![flags, 3], vec![flags, 3, 200]] {
                let marking = FrameMarking::parse(&bytes).expect("one to three bytes");
                if is_sync_at_the_base {
                    // §3.1: B must be 0 when TID is; we read it, and do not write it.
                    assert!(marking.base_layer_sync);
                    assert_eq!(marking.to_bytes()[0], flags & !0b1000);
                } else {
                    assert_eq!(marking.to_bytes(), bytes);
                }
            }
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert_eq!(FrameMarking::parse(&[]), Err(MalformedMarking));
        assert_eq!(FrameMarking::parse(&[0; 4]), Err(MalformedMarking));
    }

    #[test]
    fn a_picture_index_without_a_layer_is_in_the_base_layer() {
        let marking = FrameMarking { tl0_pic_idx: Some(9), ..FrameMarking::default() };
        assert_eq!(marking.to_bytes(), [0, 0, 9]);
    }
}
