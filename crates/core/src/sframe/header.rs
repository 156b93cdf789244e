//! The SFrame header (RFC 9605 §4.3).
//!
//! ```text
//! config byte: X KKK Y CCC
//!   X = 0: KKK is the KID itself (0 to 7)        X = 1: the KID follows in KKK + 1 bytes, big endian
//!   Y = 0: CCC is the counter itself (0 to 7)    Y = 1: the counter follows in CCC + 1 bytes, big endian
//! ```
//!
//! Both numbers use the fewest bytes possible. Others are refused: one frame has one header.

#![deny(clippy::indexing_slicing)]

use core::fmt;

use super::error::HeaderError;

/// Bytes of the longest header: a config byte and two 8-byte numbers.
pub const MAX_HEADER_LEN: usize = 17;

/// The key id (KID) of a frame: which key sealed it (RFC 9605 §4.3).
///
/// In a call its layout is `context << (S + E) | leaf index << E | epoch mod 2^E` (§5.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyId(pub u64);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// A decoded header. What it says is a claim until the frame is authenticated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Which key sealed the frame.
    pub kid: KeyId,
    /// The frame's number under that key (CTR).
    pub counter: u64,
}

impl Header {
    /// Writes the header and returns how many bytes of `out` it took.
    #[inline]
    pub fn encode(self, out: &mut [u8; MAX_HEADER_LEN]) -> usize {
        let (kid_flag, kid_bytes) = config_bits(self.kid.0);
        let (counter_flag, counter_bytes) = config_bits(self.counter);
        // Both numbers side by side in one: copies of whole words, none whose length is known at run time only.
        let numbers = left_aligned(self.kid.0, kid_bytes)
            | left_aligned(self.counter, counter_bytes) >> (8 * kid_bytes);
        let [config, rest @ ..] = out;
        *config = kid_flag << 4 | counter_flag;
        *rest = numbers.to_be_bytes();
        1 + kid_bytes + counter_bytes
    }

    /// Returns how many bytes [`encode`](Self::encode) takes.
    pub fn encoded_len(self) -> usize {
        1 + config_bits(self.kid.0).1 + config_bits(self.counter).1
    }

    /// Reads a header and returns it with its length in bytes. Nothing of it is authenticated yet.
    ///
    /// # Errors
    /// [`HeaderError`] when the bytes end too early or a number is not encoded minimally.
    #[inline(always)] // as what calls it on the frame path
    pub fn decode(frame: &[u8]) -> Result<(Self, usize), HeaderError> {
        let (&config, rest) = frame.split_first().ok_or(HeaderError::Truncated)?;
        let (kid, rest) = take(config >> 4, rest)?.ok_or(HeaderError::KeyIdNotMinimal)?;
        let (counter, rest) = take(config & 0x0f, rest)?.ok_or(HeaderError::CounterNotMinimal)?;
        Ok((Self { kid: KeyId(kid), counter }, frame.len() - rest.len()))
    }
}

/// A KID as headers have it, which a sealer works out once for all its frames.
#[derive(Clone, Copy)]
pub(crate) struct EncodedKid {
    pub(crate) kid: KeyId,
    /// Its four config bits, where they are in the config byte.
    config: u64,
    /// What follows the config byte, and how many bytes that are. A number that stands in the config byte is not written once more.
    digits: u64,
    bytes: usize,
}

impl EncodedKid {
    pub(crate) fn of(kid: KeyId) -> Self {
        let (flag, bytes) = config_bits(kid.0);
        let digits = if bytes == 0 { 0 } else { kid.0 };
        Self { kid, config: u64::from(flag) << 4, digits, bytes }
    }

    /// Returns the bytes of a header with this KID as one number, big endian, and how many they are; `None` if they are more than 8.
    #[inline(always)]
    pub(super) fn encode_short(&self, counter: u64) -> Option<(u64, usize)> {
        let (counter_flag, counter_bytes) = config_bits(counter);
        let counter = if counter_bytes == 0 { 0 } else { counter };
        let numbers = self.bytes + counter_bytes;
        let config = self.config | u64::from(counter_flag);
        let word = || config << (8 * numbers) | self.digits << (8 * counter_bytes) | counter;
        (numbers < 8).then(|| (word(), 1 + numbers))
    }
}

/// Returns a number's four config bits and how many bytes follow for it.
#[inline]
fn config_bits(value: u64) -> (u8, usize) {
    if value < 8 {
        return (value as u8, 0);
    }
    let bytes = 8 - value.leading_zeros() as usize / 8;
    (0x08 | (bytes as u8 - 1), bytes)
}

/// Returns the low `bytes` bytes of `value` as the highest of 16.
#[inline]
fn left_aligned(value: u64, bytes: usize) -> u128 {
    // A number without bytes of its own is in the config byte. (And a shift by all 128 bits is none.)
    if bytes == 0 { 0 } else { u128::from(value) << (128 - 8 * bytes) }
}

/// Reads the number that four config bits announce; `None` if fewer bytes had sufficed.
#[inline]
fn take(bits: u8, input: &[u8]) -> Result<Option<(u64, &[u8])>, HeaderError> {
    if bits & 0x08 == 0 {
        return Ok(Some((u64::from(bits), input)));
    }
    let len = usize::from(bits & 0x07) + 1;
    let (digits, rest) = input.split_at_checked(len).ok_or(HeaderError::Truncated)?;
    let value = match input.first_chunk() {
        // Nearly always: a frame has a tag behind its header.
        Some(word) => u64::from_be_bytes(*word) >> (64 - 8 * len),
        None => digits.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
    };
    let minimal = config_bits(value).1 == len;
    Ok(minimal.then_some((value, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers on both sides of where they get a byte longer, and 0.
    fn lengths() -> impl Iterator<Item = u64> + Clone {
        let steps = [3].into_iter().chain((8..64).step_by(8)).map(|bits| 1_u64 << bits);
        steps.flat_map(|step| [step - 1, step]).chain([0, u64::MAX])
    }

    /// Sealers write short headers in a register; every length of both numbers, as one word and as bytes.
    #[test]
    fn a_header_in_a_register_has_the_bytes_of_any_other_and_is_read_back() {
        let (mut short, mut long) = (0, 0);
        for (kid, counter) in lengths().flat_map(|kid| lengths().map(move |counter| (kid, counter))) {
            let header = Header { kid: KeyId(kid), counter };
            let mut bytes = [0; MAX_HEADER_LEN];
            let len = header.encode(&mut bytes);
            let bytes = bytes.get(..len).expect("it fits");
            assert_eq!((Header::decode(bytes), header.encoded_len()), (Ok((header, len)), len));
            match EncodedKid::of(header.kid).encode_short(counter) {
                Some((word, in_word)) => {
                    assert_eq!((word.to_be_bytes().get(8 - in_word..), in_word), (Some(bytes), len));
                    short += 1;
                }
                None => {
                    assert!(len > 8);
                    long += 1;
                }
            }
        }
        assert!(short > 80 && long > 80, "{short} and {long}");
    }
}
