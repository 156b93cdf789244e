//! The SFrame payload descriptor: the first byte of every payload.
//!
//! This is the layout of **draft-ietf-avtcore-rtp-sframe-02** (January 2026), section 4. The draft still moves
//! and earlier revisions differ (a descriptor of five bytes; no T bit), so this module is the only one that
//! knows the bits:
//!
//! ```text
//!  0 1 2 3 4 5 6 7     S  first fragment of the SFrame ciphertext
//! +-+-+-+-+-+-+-+-+    E  last fragment
//! |S|E|T|x x x x x|    T  what was sealed: 0 a media frame, 1 an RTP payload
//! +-+-+-+-+-+-+-+-+    x  reserved: sent as 0, ignored on receipt
//! ```

const FIRST: u8 = 0b1000_0000;
const LAST: u8 = 0b0100_0000;
const PACKETIZED: u8 = 0b0010_0000;

/// The byte in front of every fragment: where it stands in its SFrame ciphertext, and what was sealed.
///
/// ```
/// use subrosa_rtp::{Descriptor, Form};
///
/// let alone = Descriptor { first: true, last: true, form: Form::Frame };
/// assert_eq!(alone.to_byte(), 0xC0);
/// assert_eq!(Descriptor::parse(0xC0), alone);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// The S bit: this is the first fragment.
    pub first: bool,
    /// The E bit: this is the last fragment.
    pub last: bool,
    /// The T bit: equal in all fragments of one ciphertext.
    pub form: Form,
}

/// What one SFrame ciphertext protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Form {
    /// A whole media frame as the encoder made it (T = 0, "per frame").
    #[default]
    Frame,
    /// One RTP payload as the codec's packetizer made it (T = 1, "per packet").
    Packet,
}

impl Descriptor {
    /// The length of a descriptor on the wire, in bytes.
    pub const LEN: usize = 1;

    /// Returns the byte as sent, its reserved bits 0.
    pub const fn to_byte(self) -> u8 {
        let mut byte = 0;
        if self.first {
            byte |= FIRST;
        }
        if self.last {
            byte |= LAST;
        }
        if matches!(self.form, Form::Packet) {
            byte |= PACKETIZED;
        }
        byte
    }

    /// Reads a descriptor; every byte is one, as the reserved bits are ignored.
    pub const fn parse(byte: u8) -> Self {
        Self {
            first: byte & FIRST != 0,
            last: byte & LAST != 0,
            form: if byte & PACKETIZED == 0 { Form::Frame } else { Form::Packet },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(first: bool, last: bool, form: Form) -> Descriptor {
        Descriptor { first, last, form }
    }

    #[test]
    fn the_bytes_are_those_of_the_draft() {
        let vectors = [
            (0xC0, descriptor(true, true, Form::Frame)),
            (0x80, descriptor(true, false, Form::Frame)),
            (0x00, descriptor(false, false, Form::Frame)),
            (0x40, descriptor(false, true, Form::Frame)),
            (0xE0, descriptor(true, true, Form::Packet)),
            (0xA0, descriptor(true, false, Form::Packet)),
            (0x20, descriptor(false, false, Form::Packet)),
            (0x60, descriptor(false, true, Form::Packet)),
        ];
        for (byte, expected) in vectors {
            assert_eq!(Descriptor::parse(byte), expected, "parsing {byte:#04x}");
            assert_eq!(expected.to_byte(), byte);
        }
    }

    #[test]
    fn reserved_bits_are_ignored_on_receipt_and_sent_as_zero() {
        for byte in 0..=u8::MAX {
            let parsed = Descriptor::parse(byte);
            assert_eq!(parsed, Descriptor::parse(byte & 0xE0));
            assert_eq!(parsed.to_byte(), byte & 0xE0);
        }
    }
}
