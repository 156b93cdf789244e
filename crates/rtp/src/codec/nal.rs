//! What H.264 and H.265 have in common: byte streams of NAL units (Annex B), and a NAL unit that is an SFrame.
//!
//! ```text
//! 00 00 00 01 | parameter set, a copy                                         0, 2 or 3 times
//! 00 00 00 01 | NAL header | emulation-prevented: slice header start | SFrame | 80
//!               \------- a copy, authenticated ----------------/
//! ```

use core::ops::Range;

use bytes::{Buf, BufMut, BytesMut};

use super::NotThisForm;
use super::bits::Short;

/// What a NAL unit is to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Picture data that begins with a slice header.
    Slice,
    /// A parameter set, by its place in [`Family::SETS`].
    Set(usize),
    /// Marks the start of an access unit, and carries nothing.
    Delimiter,
    /// Supplemental information.
    Sei,
    Other,
}

/// H.264 or H.265.
pub(super) trait Family {
    const HEADER_LEN: usize;
    /// The header of the carrier where there is no slice: of SEI, as packetizers drop delimiters and filler.
    const SEI_HEADER: &'static [u8];
    /// How many kinds of parameter sets there are. A slice refers to one of the first kind, that to one of the second, and so on.
    const SETS: usize;

    /// Tells what a header is of; `None` if it is no header.
    fn kind(header: &[u8]) -> Option<Kind>;

    /// Reads a slice header as far as the id of the parameter set that it refers to; returns its length in bytes, and the id.
    fn slice(header: &[u8], rbsp: &[u8]) -> Option<(usize, u32)>;

    /// Reads a parameter set's own id, and that of the one that it refers to (0 if to none).
    fn set_ids(set: usize, rbsp: &[u8]) -> Option<(u32, u32)>;
}

/// The first bit of each NAL header: packetizers may lose it, and nobody sets it.
const FORBIDDEN_ZERO_BIT: u8 = 0x80;
/// Ends what must not end in zeros, which would be taken for padding between NAL units (`rbsp_trailing_bits`).
const STOP: u8 = 0x80;
/// Packetizers that know the long code look for that alone if they find one, so it is the only one written.
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Writes what goes in front of the SFrame, and returns what of it is authenticated; `None` if it is no access unit.
pub(super) fn front<F: Family>(unit: &[u8], out: &mut BytesMut) -> Option<Short> {
    let mut clear = Short::new();
    // H.264 §7.4.1, H.265 §7.4.2.2: if one slice of a picture is of an IDR picture, all are. So the first tells enough.
    match first_slice::<F>(unit)? {
        Some(nal) => {
            let slice = unit.get(nal.clone())?;
            let (header, _) = slice.split_at_checked(F::HEADER_LEN)?;
            let rbsp = rbsp_start(slice.get(F::HEADER_LEN..)?);
            let (len, set) = F::slice(header, &rbsp)?;
            clear.extend(header)?;
            clear.extend(rbsp.get(..len)?)?;
            for set in parameter_sets::<F>(unit.get(..nal.start)?, set).into_iter().rev().flatten() {
                out.put_slice(&START_CODE);
                out.put_slice(set);
            }
        }
        None => clear.extend(F::SEI_HEADER)?,
    }
    out.put_slice(&START_CODE);
    out.put_slice(&clear);
    Some(clear)
}

/// Ends the NAL unit whose copied bytes stand before `sframe_at`, and keeps start codes out of it.
pub(super) fn back<F: Family>(out: &mut BytesMut, sframe_at: usize, clear: &Short) {
    out.put_u8(STOP);
    escape(out, sframe_at + F::HEADER_LEN - clear.len());
}

/// Leaves nothing but the SFrame, and returns what is authenticated with it.
///
/// Parameter sets are passed over, whatever they are. They are for the eyes of the stack alone, and stacks do not hand them on as they
/// were: libwebrtc rewrites the VUI of a received SPS, and adds sets that it knows from the SDP; others leave out what does not fit
/// into a packet.
pub(super) fn split<F: Family>(frame: &mut BytesMut) -> Result<Short, NotThisForm> {
    let carrier = carrier::<F>(frame)?;
    frame.truncate(carrier.end);
    frame.advance(carrier.start);

    let mut clear = Short::new();
    let header = frame.get(..F::HEADER_LEN).ok_or(NotThisForm::Malformed)?;
    let is_slice = F::kind(header) == Some(Kind::Slice);
    clear.extend(header).ok_or(NotThisForm::Malformed)?;
    frame.advance(F::HEADER_LEN);
    unescape(frame).ok_or(NotThisForm::Malformed)?;
    if frame.last() != Some(&STOP) {
        return Err(NotThisForm::Malformed);
    }
    frame.truncate(frame.len() - 1);
    if is_slice {
        let (len, _) = F::slice(&clear, frame).ok_or(NotThisForm::Malformed)?;
        let copied = frame.get(..len).and_then(|copied| clear.extend(copied));
        copied.ok_or(NotThisForm::Malformed)?;
        frame.advance(len);
    }
    Ok(clear)
}

/// Finds the one NAL unit that is no parameter set and no delimiter.
fn carrier<F: Family>(frame: &[u8]) -> Result<Range<usize>, NotThisForm> {
    let mut carrier = None;
    for nal in Nals::of(frame).ok_or(NotThisForm::Malformed)? {
        match F::kind(frame.get(nal.clone()).unwrap_or(&[])).ok_or(NotThisForm::Malformed)? {
            Kind::Set(_) | Kind::Delimiter => {}
            Kind::Slice | Kind::Sei if carrier.is_none() => carrier = Some(nal),
            Kind::Slice | Kind::Sei | Kind::Other => return Err(NotThisForm::Malformed),
        }
    }
    carrier.ok_or(NotThisForm::NoSframe)
}

/// Finds the first slice, if there is one; `None` if the bytes are no byte stream of NAL units.
fn first_slice<F: Family>(unit: &[u8]) -> Option<Option<Range<usize>>> {
    let mut is_empty = true;
    for nal in Nals::of(unit)? {
        is_empty = false;
        if F::kind(unit.get(nal.clone())?)? == Kind::Slice {
            return Some(Some(nal));
        }
    }
    (!is_empty).then_some(None)
}

/// The largest number of kinds.
const MAX_SETS: usize = 3;

/// Finds the parameter sets that a slice hangs on: none if one of them came before this access unit.
///
/// At most one of each kind is copied, as payloaders keep no more.
fn parameter_sets<F: Family>(before_slice: &[u8], id: u32) -> [Option<&[u8]>; MAX_SETS] {
    let mut sets = [None; MAX_SETS];
    let mut wanted = id;
    for (kind, set) in sets.iter_mut().enumerate().take(F::SETS) {
        let nals = Nals::of(before_slice).into_iter().flatten();
        let found = nals.filter_map(|nal| {
            let nal = before_slice.get(nal)?;
            if F::kind(nal) != Some(Kind::Set(kind)) {
                return None;
            }
            let (id, next) = F::set_ids(kind, &rbsp_start(nal.get(F::HEADER_LEN..)?))?;
            (id == wanted).then_some((nal, next))
        });
        let Some((nal, next)) = found.last() else { return [None; MAX_SETS] };
        *set = Some(nal);
        wanted = next;
    }
    sets
}

/// Checks the bit that both families' headers begin with.
pub(super) fn is_forbidden(header: u8) -> bool {
    header & FORBIDDEN_ZERO_BIT != 0
}

/// The NAL units of a byte stream (H.264 and H.265 Annex B), without the zeros behind them; empty ones are left out.
struct Nals<'a> {
    bytes: &'a [u8],
    next: Option<usize>,
}

impl<'a> Nals<'a> {
    /// `None` if the bytes do not begin with a start code; zeros may precede it.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let start = next_start_code(bytes, 0)?;
        bytes.get(..start)?.iter().all(|byte| *byte == 0).then_some(Self { bytes, next: Some(start + 3) })
    }
}

impl Iterator for Nals<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let start = self.next?;
            let code = next_start_code(self.bytes, start);
            self.next = code.map(|code| code + 3);
            let nal = self.bytes.get(start..code.unwrap_or(self.bytes.len()))?;
            let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
            if zeros < nal.len() {
                return Some(start..start + nal.len() - zeros);
            }
        }
    }
}

/// Where the next 00 00 01 begins.
fn next_start_code(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at = next_code(bytes, at)?;
        if bytes.get(at + 2) == Some(&1) {
            return Some(at);
        }
        at += 1;
    }
}

/// Where the next 00 00 00, 00 00 01, 00 00 02 or 00 00 03 begins: what may not be in a NAL unit, and what prevents it.
fn next_code(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // Mostly the third byte tells that none of the three places it could be at begins a code.
        match *bytes.get(at + 2)? {
            0..=3 if bytes.get(at..at + 2)? == [0, 0] => return Some(at),
            0 => at += 1,
            _ => at += 3,
        }
    }
}

/// Puts a 03 before each byte that would make a start code of the two before it (H.264 §7.4.1, H.265 §7.4.2).
fn escape(out: &mut BytesMut, from: usize) {
    // Of frames of 10 kB one in 400 has such bytes, so it does not matter that the rest of it is copied.
    let Some(first) = next_code(out, from) else { return };
    let tail = out.get(first..).unwrap_or(&[]).to_vec();
    out.truncate(first);
    let mut written = 0;
    while let Some(code) = next_code(&tail, written) {
        out.put_slice(tail.get(written..code + 2).unwrap_or(&[]));
        out.put_u8(3);
        written = code + 2;
    }
    out.put_slice(tail.get(written..).unwrap_or(&[]));
}

/// Takes out what [`escape`] put in; `None` if it did not write this, so that of each content there is one form.
fn unescape(payload: &mut BytesMut) -> Option<()> {
    let (mut read, mut kept) = (0, 0);
    while let Some(code) = next_code(payload, read) {
        let prevention = code + 2;
        if payload.get(prevention) != Some(&3) || *payload.get(prevention + 1)? > 3 {
            return None;
        }
        payload.copy_within(read..prevention, kept);
        kept += prevention - read;
        read = prevention + 1;
    }
    if read > 0 {
        payload.copy_within(read.., kept);
        payload.truncate(kept + payload.len() - read);
    }
    Some(())
}

/// The first bytes of a NAL unit's payload without emulation prevention: enough for the fields that are read.
fn rbsp_start(payload: &[u8]) -> Short {
    let mut rbsp = Short::new();
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        if rbsp.extend(&[*byte]).is_none() {
            break; // it is full
        }
    }
    rbsp
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::super::h264::H264;
    use super::super::h265::H265;
    use super::*;

    /// Has the unit carried by these bytes instead of an SFrame.
    fn transformed<F: Family>(unit: &[u8], sframe: &[u8]) -> Option<(BytesMut, Vec<u8>)> {
        let mut out = BytesMut::new();
        let clear = front::<F>(unit, &mut out)?;
        let sframe_at = out.len();
        out.put_slice(sframe);
        back::<F>(&mut out, sframe_at, &clear);
        Some((out, clear.to_vec()))
    }

    fn escaped(payload: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::from(payload);
        escape(&mut out, 0);
        out.to_vec()
    }

    fn unescaped(payload: &[u8]) -> Option<Vec<u8>> {
        let mut payload = BytesMut::from(payload);
        unescape(&mut payload).map(|()| payload.to_vec())
    }

    #[test]
    fn what_would_be_a_start_code_is_escaped() {
        for (raw, expected) in [
            (&[1, 0, 0, 1, 0x80][..], &[1, 0, 0, 3, 1, 0x80][..]),
            (&[0, 0, 0, 0, 0, 0x80], &[0, 0, 3, 0, 0, 3, 0, 0x80]),
            (&[0, 0, 2, 0, 0, 3, 0, 0, 4], &[0, 0, 3, 2, 0, 0, 3, 3, 0, 0, 4]),
            (&[0, 0, 0x80], &[0, 0, 0x80]),
            (&[0, 1, 0, 2, 0x80], &[0, 1, 0, 2, 0x80]),
        ] {
            assert_eq!(escaped(raw), expected);
            assert_eq!(unescaped(expected).as_deref(), Some(raw));
        }
    }

    #[test]
    fn only_what_was_written_so_is_unescaped() {
        for bytes in [&[0, 0, 1, 9][..], &[0, 0, 2, 9], &[0, 0, 0, 9], &[0, 0, 3, 4], &[5, 0, 0, 3]] {
            assert_eq!(unescaped(bytes), None);
        }
        assert_eq!(unescaped(&[0, 0]).as_deref(), Some(&[0, 0][..]));
    }

    #[test]
    fn every_payload_of_few_values_goes_there_and_back() {
        // All of 6 bytes out of five values. (Miri takes a thousand times as long.)
        let len = if cfg!(miri) { 3 } else { 6 };
        for number in 0..5_usize.pow(len) {
            let payload: Vec<u8> =
                (0..len).map(|place| [0, 1, 3, 4, 0x80][number / 5_usize.pow(place) % 5]).collect();
            let payload = [&payload[..], &[STOP]].concat();
            let escaped = escaped(&payload);
            assert!(!escaped.windows(3).any(|window| window[..2] == [0, 0] && window[2] < 3));
            assert_eq!(unescaped(&escaped).as_ref(), Some(&payload));
        }
    }

    #[test]
    fn headers_are_read_without_emulation_prevention() {
        assert_eq!(rbsp_start(&[0, 0, 3, 1, 0, 0, 3, 0, 3]).to_vec(), [0, 0, 1, 0, 0, 0, 3]);
        assert_eq!(rbsp_start(&[0, 3, 0, 4, 0, 3]).to_vec(), [0, 3, 0, 4, 0, 3]);
        assert_eq!(rbsp_start(&[1; 200]).to_vec(), [1; 128]);
    }

    #[test]
    fn units_are_found_between_start_codes_of_either_length() {
        let nals = |bytes: &[u8]| -> Option<Vec<Vec<u8>>> {
            Some(Nals::of(bytes)?.map(|nal| bytes[nal].to_vec()).collect())
        };
        let stream = [0, 0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0, 0, 0, 1, 0, 0, 1, 6, 5, 0, 0];
        assert_eq!(nals(&stream), Some(vec![vec![9, 0xf0], vec![0x65, 0, 0, 3, 1], vec![6, 5]]));
        assert_eq!(nals(&[0, 0, 1]), Some(vec![]));
        for bytes in [&[][..], &[0, 0], &[0, 0, 0], &[1, 0, 0, 1, 0x65], &[0x65, 1, 2, 3]] {
            assert_eq!(nals(bytes), None);
        }
    }

    #[test]
    fn a_key_frame_shows_the_sets_that_its_first_slice_refers_to() {
        // SPS 0, SPS 1, PPS 0 (of SPS 1), PPS 1 (of SPS 0), an IDR slice with PPS 1; ids in Exp-Golomb: 0 is 1, 1 is 010.
        let unit = [
            &[0, 0, 0, 1, 0x67, 77, 0, 30, 0b1000_0000][..],
            &[0, 0, 0, 1, 0x67, 77, 0, 31, 0b0100_0001],
            &[0, 0, 1, 0x68, 0b1010_0001, 0, 0, 1, 0x68, 0b0101_1001],
            &[0, 0, 1, 0x65, 0b1011_0101, 0x11, 0x22], // first_mb 0 (1), slice_type 2 (011), PPS 1 (010)
        ]
        .concat();
        let (mut out, clear) = transformed::<H264>(&unit, &[7, 0, 0, 1]).expect("an access unit");
        let expected = [
            &[0, 0, 0, 1, 0x67, 77, 0, 30, 0b1000_0000][..],
            &[0, 0, 0, 1, 0x68, 0b0101_1001, 0, 0, 0, 1, 0x65, 0b1011_0101, 7, 0, 0, 3, 1, 0x80],
        ]
        .concat();
        assert_eq!((&out[..], &clear[..]), (&expected[..], &[0x65, 0b1011_0101][..]));
        assert_eq!(split::<H264>(&mut out).expect("this form").to_vec(), clear);
        assert_eq!(out, [7, 0, 0, 1][..]);
    }

    #[test]
    fn a_key_frame_of_h265_shows_three_sets() {
        let video = [0x40, 1, 0b0010_1111]; // VPS 2
        let sequence = [&[0x42, 1, 0b0010_0001][..], &[0xff; 12], &[0b0101_1111]].concat(); // SPS 1, of VPS 2
        let picture = [0x44, 1, 0b0010_0010, 0xff]; // PPS 3, of SPS 1
        let slice = [0x28, 1, 0b1000_1001]; // IDR_N_LP, with PPS 3
        let unit = |nals: &[&[u8]]| -> Vec<u8> {
            nals.iter().flat_map(|nal| [&START_CODE[..], nal].concat()).collect()
        };
        let encoded = unit(&[&video, &[0x40, 1, 0b0011_1111], &sequence, &picture, &slice, &slice]);
        let (out, clear) = transformed::<H265>(&encoded, &[7]).expect("an access unit");
        let carrier = [&slice[..], &[7, STOP]].concat();
        assert_eq!(out, unit(&[&video, &sequence, &picture, &carrier])[..]);
        assert_eq!(clear, slice);
    }

    #[test]
    fn sets_are_shown_together_or_not_at_all() {
        let unit = [0, 0, 1, 0x68, 0b1100_0001, 0, 0, 1, 0x65, 0b1011_1000]; // a PPS without its SPS
        let (out, clear) = transformed::<H264>(&unit, &[7]).expect("an access unit");
        assert_eq!(
            (&out[..], &clear[..]),
            (&[0, 0, 0, 1, 0x65, 0b1011_1000, 7, 0x80][..], &[0x65, 0b1011_1000][..])
        );
    }

    #[test]
    fn a_unit_without_a_slice_is_carried_by_sei() {
        let (mut out, clear) = transformed::<H264>(&[0, 0, 1, 0x67, 77, 0, 30, 0x80], &[7]).expect("a unit");
        assert_eq!((&out[..], &clear[..]), (&[0, 0, 0, 1, 6, 7, 0x80][..], &[6][..]));
        assert!(split::<H264>(&mut out).is_ok());
        let (out, clear) = transformed::<H265>(&[0, 0, 1, 0x46, 1, 0x50], &[7]).expect("a unit");
        assert_eq!((&out[..], &clear[..]), (&[0, 0, 0, 1, 0x4e, 1, 7, 0x80][..], &[0x4e, 1][..]));
    }

    #[test]
    fn irap_slices_of_h265_have_a_bit_more() {
        // TRAIL_R: 1, PPS 0 (1); IDR_N_LP: 1, 0, PPS 0 (1). Both with the first bytes of what follows.
        let (_, clear) = transformed::<H265>(&[0, 0, 1, 0x02, 1, 0b1101_0000, 9], &[7]).expect("a unit");
        assert_eq!(clear, [0x02, 1, 0b1101_0000]);
        // PPS 63 (13 bits): 2 + 13 bits, or 1 + 13.
        let (_, clear) =
            transformed::<H265>(&[0, 0, 1, 0x28, 1, 0b1000_0000, 0b1000_0000, 9], &[7]).expect("a unit");
        assert_eq!(clear.len(), 4);
        // Types 16 to 23 are IRAP pictures. Without the bit that they have more, this is PPS 0, with it a longer one.
        for kind in 0..32 {
            let unit = [0, 0, 1, kind << 1, 1, 0b1100_0001, 9];
            let (_, clear) = transformed::<H265>(&unit, &[7]).expect("a unit");
            assert_eq!(clear.len(), if (16..24).contains(&kind) { 4 } else { 3 });
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for unit in [
            &[][..],
            &[0, 0, 1],
            &[0x65, 0x88],
            &[0, 0, 1, 0xe5, 0x88],
            &[0, 0, 1, 0x65],
            &[0, 0, 1, 0x65, 0, 0],
        ] {
            assert!(transformed::<H264>(unit, &[]).is_none(), "{unit:?}");
        }
        for unit in [&[0, 0, 1, 2][..], &[0, 0, 1, 2, 0, 0xff], &[0, 0, 1, 2, 1], &[0, 0, 1, 0x82, 1, 0xff]] {
            assert!(transformed::<H265>(unit, &[]).is_none(), "{unit:?}");
        }
        for (frame, error) in [
            (&[][..], NotThisForm::Malformed),
            (&[0, 0, 1], NotThisForm::NoSframe),
            (&[0, 0, 1, 9, 0xf0, 0, 0, 1, 0x67, 1], NotThisForm::NoSframe),
            (&[0, 0, 1, 0x65, 0b1011_1000, 7], NotThisForm::Malformed), // no stop
            (&[0, 0, 1, 0x65, 0x80], NotThisForm::Malformed),           // no slice header
            (&[0, 0, 1, 12, 0xff, 0x80], NotThisForm::Malformed),       // filler
            (&[0, 0, 1, 6, 7, 0x80, 0, 0, 1, 6, 7, 0x80], NotThisForm::Malformed),
        ] {
            assert_eq!(split::<H264>(&mut BytesMut::from(frame)).err(), Some(error), "{frame:?}");
        }
    }
}
