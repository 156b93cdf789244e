//! The cipher suites of RFC 9605 §4.5 that are built.

/// Bytes of the authentication tag in both suites.
pub const TAG_LEN: usize = 16;

/// A cipher suite of RFC 9605 §4.5 (IANA registry "SFrame Cipher Suites").
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// `AES_128_GCM_SHA256_128`, 0x0004: the default.
    #[default]
    Aes128GcmSha256,
    /// `AES_256_GCM_SHA512_128`, 0x0005.
    Aes256GcmSha512,
}

impl CipherSuite {
    /// Returns the registered number (RFC 9605 §8.1).
    pub const fn id(self) -> u16 {
        match self {
            Self::Aes128GcmSha256 => 4,
            Self::Aes256GcmSha512 => 5,
        }
    }

    /// Finds the suite with a registered number, if it is built.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            4 => Some(Self::Aes128GcmSha256),
            5 => Some(Self::Aes256GcmSha512),
            _ => None,
        }
    }

    /// Returns the AEAD's key length in bytes (`AEAD.Nk`), also the length of an epoch's base key (§5.2).
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128GcmSha256 => 16,
            Self::Aes256GcmSha512 => 32,
        }
    }
}
