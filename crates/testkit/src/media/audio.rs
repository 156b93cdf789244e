#![warn(clippy::indexing_slicing)]

use std::{path::Path, time::Duration};

use bytes::Bytes;

use super::{MediaError, Place, file, ogg_opus};

/// An audio clip, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioClip {
    /// What the packets are.
    pub format: AudioFormat,
    /// The packets in their order, at least one.
    pub packets: Vec<AudioPacket>,
}

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioPacket {
    /// The length of its sound in samples of 48 kHz.
    pub samples: u32,
    /// The packet, never empty.
    pub data: Bytes,
}

/// What the packets of a clip are: the two headers of an Ogg Opus file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFormat {
    channels: u8,
    pre_skip: u16,
    head: Bytes,
    tags: Bytes,
}

impl AudioClip {
    /// Reads a clip from an Ogg Opus file.
    ///
    /// # Errors
    ///
    /// As [`AudioClip::parse`], and if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, MediaError> {
        Self::parse(&file::read(path)?)
    }

    /// Reads a clip from the bytes of an Ogg Opus file.
    ///
    /// # Errors
    ///
    /// If the bytes are not a whole Ogg file of one Opus stream, mono or stereo, or hold no packet.
    pub fn parse(bytes: &[u8]) -> Result<Self, MediaError> {
        ogg_opus::parse(bytes)
    }

    /// The length of the clip's sound.
    pub fn duration(&self) -> Duration {
        let samples: u64 = self.packets.iter().map(|packet| u64::from(packet.samples)).sum();
        sound(samples)
    }
}

impl AudioPacket {
    /// The length of the packet's sound.
    pub fn duration(&self) -> Duration {
        sound(self.samples.into())
    }
}

fn sound(samples: u64) -> Duration {
    Duration::from_nanos(samples.saturating_mul(62_500) / 3) // 10^9 / 48,000 = 62,500 / 3
}

impl AudioFormat {
    /// How many channels the sound has: 1 or 2.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// How many samples of 48 kHz a player drops from the start, while the decoder settles.
    pub fn pre_skip(&self) -> u16 {
        self.pre_skip
    }

    /// The identification header, RFC 7845 §5.1.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// The comment header, RFC 7845 §5.2.
    pub fn tags(&self) -> &Bytes {
        &self.tags
    }

    /// Checks the two headers of a stream.
    pub(super) fn parse(head: Bytes, tags: Bytes) -> Result<Self, MediaError> {
        let broken = |why| MediaError::Broken { at: Place::Header, why };
        // RFC 7845 §5.1: magic, version, channels, pre-skip, input rate, gain, mapping family.
        let fields = head.strip_prefix(ogg_opus::HEAD_MAGIC).ok_or(MediaError::NotOggOpus)?;
        let Some(([version, channels, skip_low, skip_high, _, _, _, _, _, _, family], _)) =
            fields.split_first_chunk::<11>()
        else {
            return Err(broken("the Opus header is too short"));
        };
        if version >> 4 != 0 {
            return Err(broken("an Opus header of an unknown version"));
        }
        if *family != 0 || !(1..=2).contains(channels) {
            return Err(broken("neither mono nor stereo"));
        }
        if !tags.starts_with(ogg_opus::TAGS_MAGIC) {
            return Err(broken("no comment header"));
        }
        let pre_skip = u16::from_le_bytes([*skip_low, *skip_high]);
        Ok(Self { channels: *channels, pre_skip, head, tags })
    }
}
