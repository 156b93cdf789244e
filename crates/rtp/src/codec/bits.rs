//! The little reading of bits that the codecs' headers take: total, and of at most a few bytes.

use core::ops::Deref;

/// At most so many bytes are ever looked at, or authenticated, of what stands in clear.
const MAX_LEN: usize = 128;

/// A few bytes, without an allocation.
#[derive(Clone, Copy)]
pub(super) struct Short {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Short {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; MAX_LEN], len: 0 }
    }

    /// Appends, or says that there is no room.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.bytes.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

impl Deref for Short {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).expect("`extend` keeps the length within the array")
    }
}

/// Reads bits, the most significant first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// Reads a number of up to 32 bits.
    pub(super) fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number: u32, _| Some(number << 1 | u32::from(self.bit()?)))
    }

    /// Passes over some bits, which need not be there: then the next read fails.
    pub(super) fn skip(&mut self, bits: usize) {
        self.position = self.position.saturating_add(bits);
    }

    /// Reads an unsigned Exp-Golomb number, H.264 §9.1, H.265 §9.2: some zeros, a one, and as many bits as zeros.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros == 32 {
                return None; // no field that is read here is so large
            }
        }
        Some((1 << zeros) - 1 + self.number(zeros)?)
    }

    /// Returns how many bytes were looked at; `None` where [`skip`](Self::skip) left the bytes.
    pub(super) fn bytes_read(&self) -> Option<usize> {
        let bytes = self.position.div_ceil(8);
        (bytes <= self.bytes.len()).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, Short};

    #[test]
    fn exp_golomb_numbers_are_read_as_the_standard_tables_them() {
        // Table 9-2: 1 | 010 | 011 | 00100 | 00111, then a one for the rest of the bytes.
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0011, 0b1111_1111]);
        let read: Vec<_> = (0..5).map(|_| bits.exp_golomb()).collect();
        assert_eq!(read, [Some(0), Some(1), Some(2), Some(3), Some(6)]);
        assert_eq!(bits.bytes_read(), Some(3));
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        assert_eq!(Bits::new(&[]).bit(), None);
        assert_eq!(Bits::new(&[0; 16]).exp_golomb(), None);
        assert_eq!(Bits::new(&[0, 0, 0, 1]).exp_golomb(), None);
        let mut bits = Bits::new(&[0xff]);
        bits.skip(usize::MAX);
        assert_eq!((bits.bit(), bits.bytes_read()), (None, None));
    }

    #[test]
    fn the_largest_number_fits() {
        let mut bytes = [0; 8];
        bytes[3] = 1; // 31 zeros, a one
        assert_eq!(Bits::new(&bytes).exp_golomb(), Some((1 << 31) - 1));
    }

    #[test]
    fn a_short_takes_what_has_room_or_nothing() {
        let mut short = Short::new();
        assert_eq!(short.extend(&[1; 100]), Some(()));
        assert_eq!(short.extend(&[2; 29]), None);
        assert_eq!(short.extend(&[3; 28]), Some(()));
        assert_eq!((short.len(), short[99], short[100]), (128, 1, 3));
    }
}
