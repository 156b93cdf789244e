//! Tracks, and what of a frame's surroundings is authenticated with it (R16).

/// What a track carries: the low two bits of its context number (R16).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TrackKind {
    /// Microphone.
    Microphone = 0,
    /// Camera.
    Camera = 1,
    /// Shared screen.
    Screen = 2,
    /// The shared screen's sound.
    ScreenAudio = 3,
}

impl TrackKind {
    /// All kinds, by number.
    pub const ALL: [Self; 4] = [Self::Microphone, Self::Camera, Self::Screen, Self::ScreenAudio];

    /// Tells whether it is heard, not seen.
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Microphone | Self::ScreenAudio)
    }
}

/// One outgoing stream of a participant, as the authenticated KID names it.
///
/// The number is `instance << 2 | kind`. Receivers route by participant and kind, never by SSRC, MID or payload type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(u32);

impl TrackId {
    pub(crate) const fn new(kind: TrackKind, instance: u32) -> Self {
        Self(instance << 2 | kind as u32)
    }

    pub(crate) const fn from_context(context: u32) -> Self {
        Self(context)
    }

    /// Returns what the track carries.
    pub const fn kind(self) -> TrackKind {
        TrackKind::ALL[(self.0 & 3) as usize]
    }

    /// Returns which track of its kind it is: simulcast layers and re-created sealers differ in it.
    pub const fn instance(self) -> u32 {
        self.0 >> 2
    }

    /// Returns the context number in the KID.
    pub const fn context(self) -> u32 {
        self.0
    }
}

/// The codec of a track, authenticated with each frame (R16) so that a server cannot have one read as another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// Opus.
    Opus = 1,
    /// VP8.
    Vp8 = 2,
    /// VP9.
    Vp9 = 3,
    /// H.264.
    H264 = 4,
    /// H.265.
    H265 = 5,
    /// AV1.
    Av1 = 6,
}

impl Codec {
    /// Tells whether it is heard, not seen.
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Opus)
    }
}

/// What is authenticated with a frame although it is not in it (the SFrame metadata, RFC 9605 §4.4.3).
///
/// Costs nothing on the wire: sender and receiver each state it, and a frame opens only if they agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata<'a> {
    /// Form (0 whole frame, 1 packet, 2 whole frame behind clear copies) and codec.
    prefix: Option<[u8; 2]>,
    extra: &'a [u8],
}

impl<'a> Metadata<'a> {
    /// The metadata of a whole media frame of a codec.
    pub const fn frame(codec: Codec) -> Self {
        Self { prefix: Some([0, codec as u8]), extra: &[] }
    }

    /// The metadata of one RTP payload of a codec (per-packet SFrame).
    pub const fn packet(codec: Codec) -> Self {
        Self { prefix: Some([1, codec as u8]), extra: &[] }
    }

    /// The metadata of a whole media frame that travels behind copies of the codec's headers, for RTP stacks that parse payloads.
    /// Add those with [`with`](Self::with).
    pub const fn codec_aware(codec: Codec) -> Self {
        Self { prefix: Some([2, codec as u8]), extra: &[] }
    }

    /// Exactly these bytes and nothing else, for peers that are not Subrosa; often none.
    pub const fn raw(extra: &'a [u8]) -> Self {
        Self { prefix: None, extra }
    }

    /// Adds bytes that travel in clear beside the frame and must arrive unchanged.
    #[must_use]
    pub const fn with(self, extra: &'a [u8]) -> Self {
        Self { extra, ..self }
    }

    /// Returns the bytes that are authenticated, for use with [`sframe`](crate::sframe) alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    pub(crate) fn parts(&self) -> [&[u8]; 2] {
        [self.prefix.as_ref().map_or(&[], <[u8; 2]>::as_slice), self.extra]
    }
}
