//! Ogg pages with any contents and a right checksum, so that a test gets past it.

/// One page of a stream, RFC 3533 §6.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) flags: u8,
    pub(crate) granule: u64,
    pub(crate) serial: u32,
    pub(crate) sequence: u32,
    /// The lengths of the segments.
    pub(crate) lacing: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

pub(crate) const CONTINUED: u8 = 1;
pub(crate) const FIRST: u8 = 2;
pub(crate) const LAST: u8 = 4;

impl Page {
    /// A page that holds one short packet.
    pub(crate) fn of(flags: u8, sequence: u32, packet: &[u8]) -> Self {
        let lacing = vec![u8::try_from(packet.len()).unwrap()];
        Self { flags, granule: 0, serial: 1, sequence, lacing, body: packet.to_vec() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"OggS\0".to_vec();
        bytes.push(self.flags);
        bytes.extend(self.granule.to_le_bytes());
        bytes.extend(self.serial.to_le_bytes());
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.push(u8::try_from(self.lacing.len()).unwrap());
        bytes.extend(&self.lacing);
        bytes.extend(&self.body);
        let checksum = checksum(&bytes);
        bytes[22..26].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// The pages one after another.
pub(crate) fn file(pages: &[Page]) -> Vec<u8> {
    pages.iter().flat_map(Page::bytes).collect()
}

/// The headers of a mono stream, on the first two pages.
pub(crate) fn headers() -> Vec<Page> {
    let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    vec![Page::of(FIRST, 0, head), Page::of(0, 1, b"OpusTags\0\0\0\0\0\0\0\0")]
}

fn checksum(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc >> 31 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 };
    bytes.iter().fold(0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| shift(crc)))
}
