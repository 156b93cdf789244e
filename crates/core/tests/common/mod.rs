//! What the tests of this folder share.

#![allow(dead_code)] // each test binary uses its share of it

use bytes::BytesMut;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use subrosa::sframe::{CipherSuite, Header};

#[cfg(feature = "mls")]
pub(crate) mod room;

/// All suites that are built, the default first.
pub(crate) const SUITES: &[CipherSuite] = &[
    CipherSuite::Aes128GcmSha256,
    CipherSuite::Aes256GcmSha512,
    #[cfg(feature = "ctr-hmac")]
    CipherSuite::Aes128CtrHmacSha256_80,
    #[cfg(feature = "ctr-hmac")]
    CipherSuite::Aes128CtrHmacSha256_64,
    #[cfg(feature = "ctr-hmac")]
    CipherSuite::Aes128CtrHmacSha256_32,
];

/// Random test data, the same in each run.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number with a random count of bits, so that short encodings are met as often as long ones.
    pub(crate) fn number_of_any_length(&mut self) -> u64 {
        self.number() >> self.below(64)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    pub(crate) fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).expect("test data is short")];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// Reads a frame's header, which must be one.
pub(crate) fn header(frame: &[u8]) -> Header {
    Header::decode(frame).expect("a sealed frame begins with a header").0
}

/// A frame with one bit turned.
pub(crate) fn with_bit_turned(frame: &[u8], bit: usize) -> BytesMut {
    let mut turned = BytesMut::from(frame);
    turned[bit / 8] ^= 1 << (bit % 8);
    turned
}

/// Holds that a text shows no three bytes in a row of a secret, neither in hex nor in decimal.
pub(crate) fn assert_hides(text: &str, secret: &[u8]) {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    for window in secret.windows(3) {
        let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
        let separated = |form: fn(&u8) -> String| window.iter().map(form).collect::<Vec<_>>().join(",");
        for shown in [hex, separated(|b| format!("{b}")), separated(|b| format!("{b:02x}"))] {
            assert!(!plain.contains(&shown), "{shown} in {text}");
        }
    }
}
