//! Safety codes: what people compare aloud to know that no server sits between them (R23).

mod read;
mod words;

use core::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::crypto::hash;
use crate::id::{CallId, Epoch};

pub use read::{CodeError, ReadCode};

// What Argon2id (RFC 9106) is asked for. Part of the protocol: another value gives other codes, so all members must use the same.
//
// RFC 9106 §4's second recommendation, for where memory is scarce, is 64 MiB in three passes over four lanes; OWASP's least
// for stored passwords is 19 MiB in two passes. Between them in memory, since a phone's browser has to do it; one lane, since
// there may be one thread; and one pass more, which makes 70 to 100 ms where R23 asks for 50.
const MEMORY_KIB: u32 = 32 * 1024;
const PASSES: u32 = 4;
const LANES: u32 = 1;

/// Bytes for one group of five digits. 2^40 is no multiple of 100,000, so some groups are likelier than others, by less than one
/// part in 2^23.
const GROUP_LEN: usize = 5;
const GROUPS_OF_CALL: usize = 6;
const GROUPS_OF_PAIR: usize = 9;
const WORDS: usize = 9;
/// 9 groups of digits (45 bytes); of a call 6 groups of digits (30), 9 words (the first 99 bits of 13), and 2 bytes unused.
const OUTPUT_LEN: usize = GROUPS_OF_PAIR * GROUP_LEN;

/// What a [`SafetyCode`] is computed from.
///
/// Computing is slow on purpose, so this can be sent to a thread that has the time for it. Zeroized on drop; `Debug` shows nothing.
pub struct CodeInput {
    of: Of,
    /// The salt: what was computed for one call helps with no other.
    call: CallId,
    /// Of a call's code.
    epoch: Option<Epoch>,
    /// A hash of everything else, under a label of its own for each kind of code.
    rest: Zeroizing<[u8; 32]>,
}

/// In constant time. Equal inputs have equal codes, and others have not.
impl PartialEq for CodeInput {
    fn eq(&self, other: &Self) -> bool {
        let same = self.call.0.ct_eq(&other.call.0) & self.rest.ct_eq(&other.rest[..]);
        self.of == other.of && bool::from(same)
    }
}

impl Eq for CodeInput {}

/// Of whom a code speaks.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Call,
    Pair,
}

impl CodeInput {
    /// Takes the epoch authenticator (RFC 9420 §8.7), which is the same for two members only if their whole group state is.
    pub(super) fn of_call(call: CallId, epoch: Epoch, authenticator: &[u8]) -> Self {
        let rest = hash::labelled("subrosa call code", &[authenticator]);
        Self { of: Of::Call, call, epoch: Some(epoch), rest: Zeroizing::new(rest) }
    }

    /// Takes signature key and credential of two participants, in whichever order.
    pub(super) fn of_pair(call: CallId, one: (&[u8], &[u8]), other: (&[u8], &[u8])) -> Self {
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let rest = hash::labelled("subrosa pair code", &[low.0, low.1, high.0, high.1]);
        Self { of: Of::Pair, call, epoch: None, rest: Zeroizing::new(rest) }
    }

    /// Returns the epoch whose code it is of; `None` for a pair's. People who compare codes of different epochs find them different
    /// although nothing is wrong: show it beside the code, or compare once more.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// Computes the code, which takes 32 MiB of memory and some 80 ms of one core of a server (release build); two to five times
    /// as long on a phone or in a browser.
    pub fn compute(&self) -> SafetyCode {
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_LEN)).expect("RFC 9106 §3.1 allows these");
        let mut memory = Zeroizing::new(vec![Block::new(); params.block_count()]);
        let mut output = Zeroizing::new([0; OUTPUT_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(&self.rest[..], &self.call.0, &mut output[..], &mut memory[..])
            .expect("memory and output have the lengths that the parameters ask for");
        SafetyCode::new(self.of, &output)
    }
}

impl fmt::Debug for CodeInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeInput").finish_non_exhaustive()
    }
}

/// A code that people compare, over a channel in which they know each other: by voice, by sight, by a scan.
///
/// | form | of a call | of a pair | a second input with the same code | two inputs with the same code |
/// | --- | --- | --- | --- | --- |
/// | 9 words | 99 bits | | 2^99 guesses | 2^49.5 guesses |
/// | 30 digits | 99.6 bits | | 2^99.6 | 2^49.8 |
/// | 45 digits | | 149.4 bits | 2^149.4 | 2^74.7 |
///
/// Every guess costs one [`compute`](CodeInput::compute). The last column is for whoever makes both sides himself: a call with
/// each of two guests whom he wants to believe that they are in one. 2^49.5 guesses take one processor core more than
/// a million years, and one graphics card thousands, going by the bandwidth of its memory. Half a code is worth far less than half
/// of that, so compare it whole.
///
/// No secret, but `Debug` does not show it: who finds a code in a log has not heard it from the other.
#[derive(Clone)]
pub struct SafetyCode {
    /// Each below 100,000.
    groups: Vec<u64>,
    /// Numbers of words; of a call only.
    words: Option<[u16; WORDS]>,
}

impl SafetyCode {
    /// The two forms of a call's code are taken from different bytes, so neither says anything about the other.
    fn new(of: Of, output: &[u8; OUTPUT_LEN]) -> Self {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        let groups = |count| {
            let groups = output.chunks_exact(GROUP_LEN).take(count);
            groups.map(|bytes| (number(bytes) % 100_000) as u64).collect()
        };
        match of {
            Of::Pair => Self { groups: groups(GROUPS_OF_PAIR), words: None },
            Of::Call => {
                let (_, rest) = output.split_at(GROUPS_OF_CALL * GROUP_LEN);
                let (bits, _) = rest.split_at((WORDS * words::BITS).div_ceil(8));
                let spare = bits.len() * 8 - WORDS * words::BITS;
                let bits = number(bits) >> spare;
                let word = |at| (bits >> ((WORDS - 1 - at) * words::BITS)) as u16 & words::LAST;
                Self { groups: groups(GROUPS_OF_CALL), words: Some(core::array::from_fn(word)) }
            }
        }
    }

    /// Returns the digits in groups of five, with spaces between: 6 groups of a call, 9 of a pair.
    pub fn digits(&self) -> String {
        self.groups.iter().map(|group| format!("{group:05}")).collect::<Vec<_>>().join(" ")
    }

    /// Returns a call's code as 9 words of the [BIP-39 English list](https://github.com/bitcoin/bips/blob/master/bip-0039/english.txt),
    /// with spaces between; nothing for a pair, whose code would take 14.
    pub fn words(&self) -> Option<String> {
        self.words.map(|numbers| numbers.map(words::word).join(" "))
    }

    /// Tells whether what was read is this code, whole and in one of its forms; in constant time.
    pub fn matches(&self, read: &ReadCode) -> bool {
        match read {
            ReadCode(read::Form::Digits(groups)) => self.groups.ct_eq(groups),
            ReadCode(read::Form::Words(words)) => self.words.map_or(Choice::from(0), |own| own.ct_eq(words)),
        }
        .into()
    }
}

impl fmt::Debug for SafetyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafetyCode").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
