//! The cipher suites of RFC 9605 §4.5, and who computes them.

/// Bytes of the longest authentication tag of any suite.
pub const MAX_TAG_LEN: usize = 16;

/// A cipher suite of RFC 9605 §4.5 (IANA registry "SFrame Cipher Suites").
///
/// The suites with **short tags** are for peers that have nothing else, and for links where each byte counts. Whoever sends forged
/// frames gets one of them accepted in 2^80, 2^64 or 2^32 tries; each try is a packet, as nobody can tell a good guess without
/// sending it. With 4 bytes, 10,000 forged frames a second make one accepted frame in five days on average, at the first
/// try by chance; with 8 bytes, one in 58 million years. A forged frame is noise, not words: the forger does not know the key. But one accepted
/// moves the replay window. Never sign or hash such tags in place of what they protect. [`Call`](crate::Call)s refuse these suites
/// (`danger::create_with_short_tags`, `danger::accept_short_tags`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// `AES_128_CTR_HMAC_SHA256_80`, 0x0001: tags of 10 bytes.
    #[cfg(feature = "ctr-hmac")]
    Aes128CtrHmacSha256_80,
    /// `AES_128_CTR_HMAC_SHA256_64`, 0x0002: tags of 8 bytes.
    #[cfg(feature = "ctr-hmac")]
    Aes128CtrHmacSha256_64,
    /// `AES_128_CTR_HMAC_SHA256_32`, 0x0003: tags of 4 bytes.
    #[cfg(feature = "ctr-hmac")]
    Aes128CtrHmacSha256_32,
    /// `AES_128_GCM_SHA256_128`, 0x0004: the default.
    #[default]
    Aes128GcmSha256,
    /// `AES_256_GCM_SHA512_128`, 0x0005.
    Aes256GcmSha512,
}

impl CipherSuite {
    /// All that are built, by number.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "ctr-hmac")]
        Self::Aes128CtrHmacSha256_80,
        #[cfg(feature = "ctr-hmac")]
        Self::Aes128CtrHmacSha256_64,
        #[cfg(feature = "ctr-hmac")]
        Self::Aes128CtrHmacSha256_32,
        Self::Aes128GcmSha256,
        Self::Aes256GcmSha512,
    ];

    /// Returns the registered number (RFC 9605 §8.1).
    pub const fn id(self) -> u16 {
        match self {
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_80 => 1,
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_64 => 2,
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_32 => 3,
            Self::Aes128GcmSha256 => 4,
            Self::Aes256GcmSha512 => 5,
        }
    }

    /// Finds the suite with a registered number, if it is built.
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            #[cfg(feature = "ctr-hmac")]
            1 => Some(Self::Aes128CtrHmacSha256_80),
            #[cfg(feature = "ctr-hmac")]
            2 => Some(Self::Aes128CtrHmacSha256_64),
            #[cfg(feature = "ctr-hmac")]
            3 => Some(Self::Aes128CtrHmacSha256_32),
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
            #[cfg(feature = "ctr-hmac")]
            _ => 48, // §4.5.1: 16 for the cipher, 32 for the MAC
        }
    }

    /// Returns the length of its tags in bytes (`AEAD.Nt`).
    pub const fn tag_len(self) -> usize {
        match self {
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_80 => 10,
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_64 => 8,
            #[cfg(feature = "ctr-hmac")]
            Self::Aes128CtrHmacSha256_32 => 4,
            Self::Aes128GcmSha256 | Self::Aes256GcmSha512 => 16,
        }
    }

    /// Tells whether its tags are shorter than 16 bytes.
    pub const fn has_short_tags(self) -> bool {
        self.tag_len() < MAX_TAG_LEN
    }

    /// The suite for what is not media: the same, but never with short tags.
    #[cfg(feature = "mls")]
    pub(crate) const fn with_full_tags(self) -> Self {
        if self.has_short_tags() { Self::Aes128GcmSha256 } else { self }
    }
}

/// Whose AES-GCM seals and opens. All make the same bytes, so each participant chooses for himself. (The suites with CTR and HMAC are
/// always computed by RustCrypto.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// ring.
    #[default]
    Ring,
    /// aws-lc-rs: faster on long frames where the machine has AVX-512.
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}

impl Backend {
    /// All that are built.
    pub const ALL: &[Self] = &[
        Self::Ring,
        #[cfg(feature = "aws-lc-rs")]
        Self::AwsLcRs,
    ];
}
