//! Sending: one sealed frame becomes the payloads of one or more RTP packets.

use std::iter::FusedIterator;

use bytes::{BufMut, Bytes, BytesMut};

use subrosa::sframe::{MAX_HEADER_LEN, MAX_TAG_LEN};

use crate::descriptor::{Descriptor, Form};

/// Cuts sealed frames into RTP payloads that fit the network.
///
/// What is cut is a sealed media frame ([`Form::Frame`]), or a sealed RTP payload of a codec's packetizer
/// ([`Form::Packet`]): give that packetizer [`media_payload`](Self::media_payload) as its MTU, so that nothing has to be cut.
///
/// It holds no state between frames; sequence numbers, timestamps and the rest of the RTP header stay with the
/// RTP stack, which sends the payloads of a frame in order, with consecutive sequence numbers, one timestamp
/// and one payload type (that of the sealed media: the draft has none of its own).
///
/// ```
/// use subrosa_rtp::{Form, MarkerBit, Packetizer};
///
/// let packetizer = Packetizer::new(Form::Frame, 5)?;
/// let payloads: Vec<_> =
///     packetizer.packetize(b"ciphertext", MarkerBit::OnLast)?.map(|fragment| fragment.payload).collect();
/// assert_eq!(payloads, [&b"\x80ciph"[..], b"\x00erte", b"\x40xt"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packetizer {
    form: Form,
    /// What fits into one payload beside its descriptor; at least 1.
    room: usize,
}

/// What the RTP marker bit says after the last fragment of a frame.
///
/// The draft asks for the bit that the media format's own packetization would have set on the frame's last
/// packet, and that differs from frame to frame: video sets it at the end of a picture (so not on the lower
/// spatial layers of one), Opus only at the start of a talk spurt. A receiver never uses it to find the end of a
/// frame; the E bit does that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarkerBit {
    /// Set on the frame's last packet.
    OnLast,
    /// Set on none of the frame's packets.
    Never,
}

/// One RTP payload, descriptor byte included, and the marker bit of its packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The whole RTP payload.
    pub payload: Bytes,
    /// The marker bit of the RTP header.
    pub marker: bool,
}

/// The fragments of one frame, in the order in which to send them.
///
/// All share one allocation, made by [`Packetizer::packetize`], which lives until the last payload is dropped.
#[derive(Debug, Clone)]
pub struct Fragments {
    /// All payloads, end to end.
    rest: Bytes,
    /// The length of each payload but the last, which may be shorter.
    payload_len: usize,
    marker: MarkerBit,
}

/// The payload size given is too small to carry anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an RTP payload of {mtu_payload} bytes has no room for a descriptor and a byte of content")]
pub struct MtuTooSmall {
    /// The size that was asked for, in bytes.
    pub mtu_payload: usize,
}

/// A sealed frame has at least a header and a tag: nothing to send is a mistake of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed frame cannot be empty")]
pub struct EmptyFrame;

impl Packetizer {
    /// Makes a packetizer whose payloads are at most `mtu_payload` bytes, the descriptor byte included.
    ///
    /// That is what is left of the path's MTU below the IP, UDP, SRTP and RTP headers with their extensions:
    /// 1,200 is a usual choice.
    ///
    /// # Errors
    ///
    /// [`MtuTooSmall`] if a payload could not hold one byte beside its descriptor.
    pub const fn new(form: Form, mtu_payload: usize) -> Result<Self, MtuTooSmall> {
        if mtu_payload <= Descriptor::LEN {
            return Err(MtuTooSmall { mtu_payload });
        }
        Ok(Self { form, room: mtu_payload - Descriptor::LEN })
    }

    /// Returns how long a payload may be before it is sealed, so that it fits into one packet afterwards, whatever the length of
    /// the SFrame header: the MTU to tell a codec's packetizer in the per-packet form.
    pub const fn media_payload(&self) -> usize {
        self.room.saturating_sub(MAX_HEADER_LEN + MAX_TAG_LEN)
    }

    /// Returns what it cuts.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Cuts one sealed frame into its payloads: as few as possible, all full but the last.
    ///
    /// The frame is copied once, into one buffer that all payloads share.
    ///
    /// # Errors
    ///
    /// [`EmptyFrame`] if there is nothing to send.
    pub fn packetize(&self, sealed: &[u8], marker: MarkerBit) -> Result<Fragments, EmptyFrame> {
        if sealed.is_empty() {
            return Err(EmptyFrame);
        }
        let count = sealed.len().div_ceil(self.room);
        let mut buffer = BytesMut::with_capacity(sealed.len() + count * Descriptor::LEN);
        for (index, content) in sealed.chunks(self.room).enumerate() {
            let descriptor = Descriptor { first: index == 0, last: index + 1 == count, form: self.form };
            buffer.put_u8(descriptor.to_byte());
            buffer.put_slice(content);
        }
        Ok(Fragments {
            rest: buffer.freeze(),
            payload_len: self.room.saturating_add(Descriptor::LEN),
            marker,
        })
    }
}

impl Iterator for Fragments {
    type Item = Fragment;

    fn next(&mut self) -> Option<Fragment> {
        if self.rest.is_empty() {
            return None;
        }
        let payload = self.rest.split_to(self.payload_len.min(self.rest.len()));
        // Section 5.1: if the frame's marker bit is set, a packet's marker bit is its E bit.
        let marker = self.marker == MarkerBit::OnLast && self.rest.is_empty();
        Some(Fragment { payload, marker })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rest.len().div_ceil(self.payload_len);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Fragments {}
impl FusedIterator for Fragments {}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(mtu: usize, len: usize, marker: MarkerBit) -> Vec<Fragment> {
        let packetizer = Packetizer::new(Form::Frame, mtu).expect("a usable MTU");
        packetizer.packetize(&vec![0xAB; len], marker).expect("not empty").collect()
    }

    #[test]
    fn a_frame_that_fits_travels_alone() {
        for len in [1, 1_198, 1_199] {
            let fragments = cut(1_200, len, MarkerBit::OnLast);
            assert_eq!(fragments.len(), 1);
            assert_eq!(fragments[0].payload[0], 0xC0);
            assert_eq!(fragments[0].payload.len(), len + 1);
            assert!(fragments[0].marker);
        }
    }

    #[test]
    fn one_byte_too_many_makes_a_second_packet() {
        let fragments = cut(1_200, 1_200, MarkerBit::OnLast);
        let sizes: Vec<_> = fragments.iter().map(|fragment| fragment.payload.len()).collect();
        assert_eq!(sizes, [1_200, 2]);
    }

    #[test]
    fn the_descriptors_say_first_middle_and_last() {
        let bytes: Vec<_> =
            cut(11, 35, MarkerBit::Never).iter().map(|fragment| fragment.payload[0]).collect();
        assert_eq!(bytes, [0x80, 0x00, 0x00, 0x40]);
    }

    #[test]
    fn every_size_honours_the_mtu_and_loses_no_byte() {
        let longest = if cfg!(miri) { 30 } else { 300 };
        for mtu in [2, 3, 10, 100] {
            for len in 1..=longest {
                let sealed: Vec<u8> = (0..len).map(|i: usize| i as u8).collect();
                let packetizer = Packetizer::new(Form::Frame, mtu).expect("a usable MTU");
                let fragments = packetizer.packetize(&sealed, MarkerBit::OnLast).expect("not empty");
                assert_eq!(fragments.len(), len.div_ceil(mtu - 1));

                let fragments: Vec<_> = fragments.collect();
                assert!(fragments.iter().all(|f| (2..=mtu).contains(&f.payload.len())));
                let content: Vec<u8> = fragments.iter().flat_map(|f| f.payload[1..].to_vec()).collect();
                assert_eq!(content, sealed);
            }
        }
    }

    #[test]
    fn the_marker_is_on_the_last_packet_or_on_none() {
        let markers = |marker| cut(11, 30, marker).iter().map(|f| f.marker).collect::<Vec<_>>();
        assert_eq!(markers(MarkerBit::OnLast), [false, false, true]);
        assert_eq!(markers(MarkerBit::Never), [false, false, false]);
    }

    #[test]
    fn a_payload_without_room_for_content_is_refused() {
        assert_eq!(Packetizer::new(Form::Frame, 0), Err(MtuTooSmall { mtu_payload: 0 }));
        assert_eq!(Packetizer::new(Form::Frame, 1), Err(MtuTooSmall { mtu_payload: 1 }));
        assert!(Packetizer::new(Form::Frame, 2).is_ok());
        assert_eq!(cut(usize::MAX, 9, MarkerBit::Never).len(), 1);
    }

    #[test]
    fn an_empty_frame_is_refused() {
        let packetizer = Packetizer::new(Form::Frame, 1_200).expect("a usable MTU");
        assert_eq!(packetizer.packetize(&[], MarkerBit::OnLast).err(), Some(EmptyFrame));
    }
}
