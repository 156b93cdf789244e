#![warn(clippy::indexing_slicing)]

use std::{
    fs::File,
    io::{BufWriter, Cursor, Write},
    path::Path,
};

use bytes::Bytes;
use ogg::{
    OggReadError, PacketReader,
    writing::{PacketWriteEndInfo, PacketWriter},
};

use super::{AudioClip, AudioFormat, AudioPacket, MediaError, Place, file, opus};

pub(super) const HEAD_MAGIC: &[u8; 8] = b"OpusHead";
pub(super) const TAGS_MAGIC: &[u8; 8] = b"OpusTags";
/// How many packets precede the sound: one with each magic.
const HEADERS: usize = 2;
/// RFC 7845 §6: a longer audio packet of one Opus stream should be taken for invalid.
const MAX_PACKET_LEN: usize = 61_440;
/// How much sound ends a page, in samples of 48 kHz: a second, as encoders do, so that players can seek.
const PAGE_SAMPLES: u64 = 48_000;
/// The number of the only stream in a written file; any does.
const SERIAL: u32 = 0x5375_6272;

/// Reads an Ogg file with one Opus stream.
pub(super) fn parse(bytes: &[u8]) -> Result<AudioClip, MediaError> {
    pages::check(bytes)?;
    let mut reader = PacketReader::new(Cursor::new(bytes));
    let head = next(&mut reader, Place::Header)?.ok_or(MediaError::NotOggOpus)?;
    let tags = next(&mut reader, Place::Header)?.ok_or(MediaError::Truncated(Place::Header))?;
    let format = AudioFormat::parse(head, tags)?;

    let mut packets = Vec::new();
    while let Some(data) = next(&mut reader, Place::Frame(packets.len()))? {
        let samples = samples(&data, packets.len())?;
        packets.push(AudioPacket { samples, data });
    }
    if packets.is_empty() {
        return Err(MediaError::NoFrames);
    }
    Ok(AudioClip { format, packets })
}

fn next(reader: &mut PacketReader<Cursor<&[u8]>>, at: Place) -> Result<Option<Bytes>, MediaError> {
    match reader.read_packet() {
        Ok(packet) => Ok(packet.map(|packet| packet.data.into())),
        Err(OggReadError::ReadError(_)) => Err(MediaError::Truncated(at)),
        Err(OggReadError::HashMismatch(..)) => Err(MediaError::Broken { at, why: "a wrong checksum" }),
        Err(_) => Err(MediaError::Broken { at, why: "not an Ogg page" }),
    }
}

/// The length of the sound in a packet that a file may hold.
fn samples(packet: &[u8], number: usize) -> Result<u32, MediaError> {
    let broken = |why| MediaError::Broken { at: Place::Frame(number), why };
    if packet.len() > MAX_PACKET_LEN {
        return Err(broken("it is longer than any Opus packet"));
    }
    opus::samples(packet).ok_or(broken("not an Opus packet"))
}

/// What the crate does not check: that the file is whole.
///
/// Where a page is damaged, missing or cut off at the end, the crate goes on with the next one it finds.
mod pages {
    use super::{HEADERS, MediaError, Place};

    /// What of the header of a page is looked at, RFC 3533 §6.
    struct Page<'a> {
        ends_stream: bool,
        serial: u32,
        sequence: u32,
        lacing: &'a [u8],
    }

    /// Checks that the bytes are pages and nothing else, of one stream, none missing, the last marked as such.
    pub(super) fn check(bytes: &[u8]) -> Result<(), MediaError> {
        if !bytes.starts_with(b"OggS") {
            return Err(MediaError::NotOggOpus);
        }
        let mut rest = bytes;
        let mut before: Option<Page<'_>> = None;
        let mut in_packet = false;
        let mut packets: usize = 0;
        while !rest.is_empty() {
            let at = packets.checked_sub(HEADERS).map_or(Place::Header, Place::Frame);
            let page = read(&mut rest, at)?;
            follows(before.as_ref(), &page).map_err(|why| MediaError::Broken { at, why })?;
            // RFC 3533 §5: a packet ends with the first value below 255.
            packets += page.lacing.iter().filter(|value| **value < 255).count();
            in_packet = page.lacing.last().map_or(in_packet, |value| *value == 255);
            before = Some(page);
        }
        if in_packet || !before.is_some_and(|last| last.ends_stream) {
            return Err(MediaError::Truncated(
                packets.checked_sub(HEADERS).map_or(Place::Header, Place::Frame),
            ));
        }
        Ok(())
    }

    fn read<'a>(rest: &mut &'a [u8], at: Place) -> Result<Page<'a>, MediaError> {
        let cut = MediaError::Truncated(at);
        let Some((header, after)) = rest.split_first_chunk::<27>() else { return Err(cut) };
        let [b'O', b'g', b'g', b'S', _, flags, numbers @ .., segments] = header else {
            return Err(MediaError::Broken { at, why: "not an Ogg page" });
        };
        // granule position: 8, serial: 4, sequence: 4, checksum: 4
        let [.., s0, s1, s2, s3, n0, n1, n2, n3, _, _, _, _] = *numbers;
        let Some((lacing, after)) = after.split_at_checked(usize::from(*segments)) else { return Err(cut) };
        let body = lacing.iter().map(|value| usize::from(*value)).sum();
        *rest = after.get(body..).ok_or(cut)?;
        Ok(Page {
            ends_stream: flags & 4 != 0,
            serial: u32::from_le_bytes([s0, s1, s2, s3]),
            sequence: u32::from_le_bytes([n0, n1, n2, n3]),
            lacing,
        })
    }

    fn follows(before: Option<&Page<'_>>, page: &Page<'_>) -> Result<(), &'static str> {
        match before {
            None => Ok(()),
            Some(before) if before.serial != page.serial => Err("more than one stream"),
            Some(before) if before.ends_stream => Err("it comes after the end of the stream"),
            Some(before) if before.sequence.wrapping_add(1) != page.sequence => Err("a page is missing"),
            Some(_) => Ok(()),
        }
    }
}

/// Writes an Ogg Opus file that players open.
///
/// A file that is not [finished](Self::finish) lacks its last second or so, and the mark of its end.
pub struct OggOpusWriter<W: Write> {
    out: PacketWriter<'static, W>,
    /// The last packet, kept back until it is known whether it ends the stream.
    held: Option<Held>,
    packets: usize,
    /// How much sound all packets have, and those on the current page.
    samples: u64,
    page_samples: u64,
}

struct Held {
    data: Vec<u8>,
    ends_page: bool,
    /// RFC 7845 §4: the samples of all packets up to this one.
    granule: u64,
}

impl OggOpusWriter<BufWriter<File>> {
    /// Creates a file, or empties it, and writes the stream's headers.
    ///
    /// # Errors
    ///
    /// If the file cannot be created or written.
    pub fn create(path: &Path, format: &AudioFormat) -> Result<Self, MediaError> {
        Self::new(file::create(path)?, format)
    }
}

impl<W: Write> OggOpusWriter<W> {
    /// Writes the stream's headers to `out`.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written.
    pub fn new(out: W, format: &AudioFormat) -> Result<Self, MediaError> {
        let mut out = PacketWriter::new(out);
        // RFC 7845 §3: each header ends its page.
        for header in [format.head(), format.tags()] {
            out.write_packet(header.to_vec(), SERIAL, PacketWriteEndInfo::EndPage, 0)
                .map_err(MediaError::Write)?;
        }
        Ok(Self { out, held: None, packets: 0, samples: 0, page_samples: 0 })
    }

    /// Appends a packet.
    ///
    /// # Errors
    ///
    /// If the output fails, or the bytes are no Opus packet.
    pub fn write(&mut self, packet: &[u8]) -> Result<(), MediaError> {
        let samples = u64::from(samples(packet, self.packets)?);
        self.release(false)?;
        self.packets += 1;
        self.samples += samples;
        self.page_samples += samples;
        let ends_page = self.page_samples >= PAGE_SAMPLES;
        if ends_page {
            self.page_samples = 0;
        }
        self.held = Some(Held { data: packet.to_vec(), ends_page, granule: self.samples });
        Ok(())
    }

    /// Writes what is left, and gives the output back.
    ///
    /// # Errors
    ///
    /// If the output fails, or no packet was written.
    pub fn finish(mut self) -> Result<W, MediaError> {
        if self.held.is_none() {
            return Err(MediaError::NoFrames);
        }
        self.release(true)?;
        self.out.inner_mut().flush().map_err(MediaError::Write)?;
        Ok(self.out.into_inner())
    }

    fn release(&mut self, ends_stream: bool) -> Result<(), MediaError> {
        let Some(Held { data, ends_page, granule }) = self.held.take() else { return Ok(()) };
        let end = match (ends_stream, ends_page) {
            (true, _) => PacketWriteEndInfo::EndStream,
            (false, true) => PacketWriteEndInfo::EndPage,
            (false, false) => PacketWriteEndInfo::NormalPacket,
        };
        self.out.write_packet(data, SERIAL, end, granule).map_err(MediaError::Write)
    }
}

impl<W: Write> std::fmt::Debug for OggOpusWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OggOpusWriter").field("packets", &self.packets).finish_non_exhaustive()
    }
}
