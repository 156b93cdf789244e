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
    // If a picture has one slice of an IDR picture, all are: H.264 §7.4.1.2.4, H.265 §7.4.2.2. So the first tells enough.
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

/// Puts a 03 before each byte that would make a start code of the two before it (H.264 and H.265 §7.4.1).
fn escape(out: &mut BytesMut, from: usize) {
    // In ciphertext of 10 kB there is one now and then, so the copy costs nothing that matters.
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
