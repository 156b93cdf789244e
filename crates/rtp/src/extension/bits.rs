//! Bits from high to low, as the dependency descriptor has them (AV1 RTP, A.8.2).

/// The data ended inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Truncated;

/// Reads bits from the front of a slice.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// The next bit, counted from the first byte's highest one.
    next: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, next: 0 }
    }

    pub(super) fn flag(&mut self) -> Result<bool, Truncated> {
        let byte = self.data.get(self.next / 8).ok_or(Truncated)?;
        let bit = byte >> (7 - self.next % 8) & 1;
        self.next += 1;
        Ok(bit == 1)
    }

    /// `f(n)` of at most 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, Truncated> {
        debug_assert!(count <= 32);
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    /// `f(n)` of at most 8 bits.
    pub(super) fn small(&mut self, count: u32) -> Result<u8, Truncated> {
        debug_assert!(count <= 8);
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u8::from(self.flag()?)))
    }

    /// `ns(n)`: one of `values` values, of which there are 1 to 128; what it returns is below `values`.
    pub(super) fn non_symmetric(&mut self, values: u8) -> Result<u8, Truncated> {
        let (width, short) = non_symmetric(values);
        let value = self.small(width - 1)?;
        if value < short {
            return Ok(value);
        }
        Ok((value << 1) - short + u8::from(self.flag()?))
    }
}

/// Appends bits; the last byte is filled up with zeros.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits written.
    len: usize,
}

impl BitWriter {
    pub(super) fn flag(&mut self, flag: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(flag) << (7 - self.len % 8);
        }
        self.len += 1;
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) {
        debug_assert!(count == 32 || value >> count == 0);
        for place in (0..count).rev() {
            self.flag(value >> place & 1 == 1);
        }
    }

    pub(super) fn non_symmetric(&mut self, value: u8, values: u8) {
        debug_assert!(value < values);
        let (width, short) = non_symmetric(values);
        if value < short {
            self.bits(value.into(), width - 1);
        } else {
            self.bits(u32::from(value) + u32::from(short), width);
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Returns the bits of a long code, and how many values have the one bit shorter code.
fn non_symmetric(values: u8) -> (u32, u8) {
    debug_assert!((1..=128).contains(&values));
    let width = u8::BITS - values.leading_zeros();
    let short = (1_u16 << width).saturating_sub(values.into());
    (width, u8::try_from(short).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_values_are_coded_as_in_the_table_of_the_specification() {
        let table = [(0, "00"), (1, "01"), (2, "10"), (3, "110"), (4, "111")];
        for (value, code) in table {
            let mut writer = BitWriter::default();
            writer.non_symmetric(value, 5);
            assert_eq!(writer.len, code.len());
            let bits = u8::from_str_radix(code, 2).expect("binary digits") << (8 - code.len());
            assert_eq!(writer.into_bytes(), [bits]);
            assert_eq!(BitReader::new(&[bits]).non_symmetric(5), Ok(value));
        }
    }

    #[test]
    fn every_value_of_every_range_comes_back() {
        let most = if cfg!(miri) { 12 } else { 128_u8 };
        for values in 1..=most {
            for value in 0..values {
                let mut writer = BitWriter::default();
                writer.non_symmetric(value, values);
                let bytes = writer.into_bytes();
                assert_eq!(BitReader::new(&bytes).non_symmetric(values), Ok(value));
            }
        }
    }

    #[test]
    fn one_value_takes_no_bits() {
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Ok(0));
    }

    #[test]
    fn fields_cross_bytes_and_end_with_the_data() {
        let mut reader = BitReader::new(&[0b1010_1111, 0b0000_0101]);
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.bits(9), Ok(0b0_1111_0000));
        assert_eq!(reader.bits(5), Err(Truncated));
    }
}
