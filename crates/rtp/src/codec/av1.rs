//! AV1 (bitstream specification §5.3, the low-overhead format): a sequence header, and one OBU that is the SFrame.

use bytes::{Buf, BufMut, BytesMut};

use super::NotThisForm;
use super::bits::Short;

/// AV1 bitstream specification §6.2.2, `obu_type`.
mod obu_type {
    pub(super) const SEQUENCE_HEADER: u8 = 1;
    pub(super) const TEMPORAL_DELIMITER: u8 = 2;
    pub(super) const FRAME_HEADER: u8 = 3;
    pub(super) const METADATA: u8 = 5;
    pub(super) const FRAME: u8 = 6;
}

// §5.3.2, the header: forbidden (1) | type (4) | has extension (1) | has size (1) | reserved (1)
const ALWAYS_ZERO: u8 = 0b1000_0001;
const TYPE: u8 = 0b0111_1000;
const HAS_EXTENSION: u8 = 0b0000_0100;
const HAS_SIZE: u8 = 0b0000_0010;

/// Writes what goes in front of the SFrame, and returns what of it is authenticated; `None` if it is no temporal unit.
pub(super) fn front(unit: &[u8], out: &mut BytesMut) -> Option<Short> {
    let (sequence_header, carrier) = outline(unit)?;
    let mut clear = Short::new();
    carrier.authenticate(&mut clear)?;
    // One that has no room is of no stream that is real: the specification's largest has 32 operating points in it.
    if let Some(header) = sequence_header.filter(|header| header.authenticate(&mut clear).is_some()) {
        header.write_header(out);
        put_leb128(out, header.payload.len());
        out.put_slice(header.payload);
    }
    carrier.write_header(out);
    Some(clear)
}

/// Puts the size between the header of the last OBU and its payload, the SFrame, which begins at `sframe_at`.
pub(super) fn back(out: &mut BytesMut, sframe_at: usize) {
    let end = out.len();
    put_leb128(out, end - sframe_at);
    if let Some(payload_and_size) = out.get_mut(sframe_at..) {
        payload_and_size.rotate_right(payload_and_size.len() + sframe_at - end);
    }
}

/// Leaves nothing but the SFrame, and returns what is authenticated with it.
pub(super) fn split(frame: &mut BytesMut) -> Result<Short, NotThisForm> {
    let mut sequence_header = None;
    let mut rest: &[u8] = frame;
    let carrier = loop {
        let obu = take_obu(&mut rest).ok_or(NotThisForm::Malformed)?;
        if obu.header & ALWAYS_ZERO != 0 {
            return Err(NotThisForm::Malformed);
        }
        match obu.kind() {
            obu_type::TEMPORAL_DELIMITER => {} // some receivers put one back
            obu_type::SEQUENCE_HEADER if sequence_header.is_none() => sequence_header = Some(obu),
            obu_type::FRAME | obu_type::FRAME_HEADER | obu_type::METADATA => break obu,
            _ => return Err(NotThisForm::Malformed),
        }
        if rest.is_empty() {
            return Err(NotThisForm::NoSframe);
        }
    };
    if !rest.is_empty() {
        return Err(NotThisForm::Malformed);
    }
    let sframe_at = frame.len() - carrier.payload.len(); // it is the last
    let mut clear = Short::new();
    let seen = [Some(Obu { payload: &[], ..carrier }), sequence_header];
    seen.iter().flatten().try_for_each(|obu| obu.authenticate(&mut clear)).ok_or(NotThisForm::Malformed)?;
    frame.advance(sframe_at);
    Ok(clear)
}

/// An OBU, but for its size.
#[derive(Clone, Copy)]
struct Obu<'a> {
    header: u8,
    extension: Option<u8>,
    payload: &'a [u8],
}

impl Obu<'_> {
    fn kind(&self) -> u8 {
        (self.header & TYPE) >> 3
    }

    /// Appends the OBU as RTP carries it, without its size, which packetizers take away and depacketizers put back.
    fn authenticate(&self, clear: &mut Short) -> Option<()> {
        let mut longer = *clear;
        longer.extend(&[self.header & (TYPE | HAS_EXTENSION)])?;
        longer.extend(self.extension.as_slice())?;
        longer.extend(self.payload)?;
        *clear = longer;
        Some(())
    }

    /// Appends the header, which says that a size follows.
    fn write_header(&self, out: &mut BytesMut) {
        out.put_u8(self.header & (TYPE | HAS_EXTENSION) | HAS_SIZE);
        out.put_slice(self.extension.as_slice());
    }
}

/// Finds the sequence header, and the header of the OBU that will carry the SFrame: that of the first frame.
fn outline(mut unit: &[u8]) -> Option<(Option<Obu<'_>>, Obu<'_>)> {
    let mut sequence_header = None;
    while let Some(obu) = take_obu(&mut unit) {
        match obu.kind() {
            obu_type::SEQUENCE_HEADER => sequence_header = sequence_header.or(Some(obu)),
            obu_type::FRAME | obu_type::FRAME_HEADER => {
                return Some((sequence_header, Obu { payload: &[], ..obu }));
            }
            _ => {}
        }
        if unit.is_empty() {
            // A unit without a picture. Packetizers drop padding and unknown types; metadata they keep.
            let header = obu_type::METADATA << 3;
            return Some((sequence_header, Obu { header, extension: None, payload: &[] }));
        }
    }
    None
}

/// Takes the first OBU off; `None` if there is no whole one. §5.3.1: without a size it goes on to the end.
fn take_obu<'a>(rest: &mut &'a [u8]) -> Option<Obu<'a>> {
    let (&header, mut after) = rest.split_first()?;
    let extension = if header & HAS_EXTENSION != 0 { Some(take_byte(&mut after)?) } else { None };
    let len = if header & HAS_SIZE != 0 { take_leb128(&mut after)? } else { after.len() };
    let (payload, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(Obu { header, extension, payload })
}

fn take_byte(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

/// §4.10.5: at most 8 bytes of 7 bits, the lowest first; the value fits 32 bits.
fn take_leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for place in 0..8 {
        let byte = take_byte(rest)?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(u32::try_from(value).ok()?).ok();
        }
    }
    None
}

fn put_leb128(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::{NotThisForm, back, front, put_leb128, split, take_leb128};

    /// Has the unit carried by so many bytes instead of an SFrame.
    fn transformed(unit: &[u8], len: usize) -> Option<(BytesMut, Vec<u8>)> {
        let mut out = BytesMut::new();
        let clear = front(unit, &mut out)?;
        let sframe_at = out.len();
        out.put_bytes(0x5a, len);
        back(&mut out, sframe_at);
        Some((out, clear.to_vec()))
    }

    #[test]
    fn a_key_frame_shows_its_sequence_header_and_its_layers() {
        // temporal delimiter | sequence header of 3 bytes | metadata | frame with extension, without size
        let unit = [0x12, 0, 0x0a, 3, 7, 8, 9, 0x2a, 1, 4, 0x34, 0x28, 1, 2, 3];
        let (mut out, clear) = transformed(&unit, 200).expect("a temporal unit");
        assert_eq!(out[..9], [0x0a, 3, 7, 8, 9, 0x36, 0x28, 200, 1]);
        assert_eq!(clear, [0x34, 0x28, 0x08, 7, 8, 9]);
        assert_eq!(split(&mut out).expect("this form").to_vec(), clear);
        assert_eq!(out, [0x5a; 200][..]);
    }

    #[test]
    fn of_two_sequence_headers_the_first_is_shown() {
        let (out, clear) = transformed(&[0x0a, 1, 7, 0x0a, 1, 8, 0x32, 1, 5], 1).expect("a temporal unit");
        assert_eq!((&out[..], &clear[..]), (&[0x0a, 1, 7, 0x32, 1, 0x5a][..], &[0x30, 0x08, 7][..]));
    }

    #[test]
    fn a_reserved_bit_says_nothing_of_an_extension_or_a_size() {
        // §6.2.2: decoders ignore the lowest bit, whatever an encoder put there.
        for unit in [&[0x33, 1, 5][..], &[0x31, 200]] {
            let (out, clear) = transformed(unit, 1).expect("a temporal unit");
            assert_eq!((&out[..], &clear[..]), (&[0x32, 1, 0x5a][..], &[0x30][..]));
        }
    }

    #[test]
    fn sizes_and_temporal_delimiters_may_come_and_go() {
        let (_, clear) = transformed(&[0x0a, 1, 7, 0x32, 1, 5], 4).expect("a temporal unit");
        for same in [
            &[0x0a, 1, 7, 0x32, 4, 9, 9, 9, 9][..],
            &[0x12, 0, 0x0a, 1, 7, 0x30, 9, 9, 9, 9],
            &[0x0a, 0x81, 0, 7, 0x32, 0x84, 0x80, 0, 9, 9, 9, 9],
        ] {
            let mut frame = BytesMut::from(same);
            assert_eq!(split(&mut frame).expect("this form").to_vec(), clear);
            assert_eq!(frame, [9; 4][..]);
        }
    }

    #[test]
    fn a_unit_without_a_picture_is_carried_by_metadata() {
        let (out, clear) = transformed(&[0x12, 0], 2).expect("a temporal unit");
        assert_eq!((&out[..], &clear[..]), (&[0x2a, 2, 0x5a, 0x5a][..], &[0x28][..]));
    }

    #[test]
    fn a_sequence_header_out_of_all_proportion_is_not_shown() {
        let mut unit = BytesMut::from(&[0x0a][..]);
        put_leb128(&mut unit, 300);
        unit.put_bytes(1, 300);
        unit.extend_from_slice(&[0x32, 1, 5]);
        let (out, clear) = transformed(&unit, 1).expect("a temporal unit");
        assert_eq!((&out[..], &clear[..]), (&[0x32, 1, 0x5a][..], &[0x30][..]));
    }

    #[test]
    fn other_bytes_are_refused() {
        for unit in [
            &[][..],
            &[0x0a],
            &[0x0a, 2, 1],
            &[0x36],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
        ] {
            assert!(front(unit, &mut BytesMut::new()).is_none(), "{unit:?}");
        }
        for (frame, error) in [
            (&[][..], NotThisForm::Malformed),
            (&[0x12, 0], NotThisForm::NoSframe),
            (&[0x0a, 1, 7], NotThisForm::NoSframe),
            (&[0x0a, 1, 7, 0x0a, 1, 7, 0x30, 1], NotThisForm::Malformed), // two sequence headers
            (&[0x32, 1, 7, 0x32, 1, 7], NotThisForm::Malformed),          // two frames
            (&[0xb2, 1, 7], NotThisForm::Malformed),                      // the forbidden bit
            (&[0x33, 1, 7], NotThisForm::Malformed),                      // the reserved bit
            (&[0x22, 1, 7], NotThisForm::Malformed),                      // a tile group
        ] {
            assert_eq!(split(&mut BytesMut::from(frame)).err(), Some(error), "{frame:?}");
        }
    }

    #[test]
    fn leb128_goes_there_and_back() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX as usize] {
            let mut bytes = BytesMut::new();
            put_leb128(&mut bytes, value);
            assert_eq!(take_leb128(&mut &bytes[..]), Some(value));
        }
        assert_eq!(take_leb128(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), Some(0));
        assert_eq!(take_leb128(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None);
        assert_eq!(take_leb128(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None); // more than 32 bits
    }
}
