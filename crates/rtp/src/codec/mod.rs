//! The codec-aware form: sealed frames for RTP stacks that parse what they carry.
//!
//! Browsers, the frame mode of str0m, the payloaders of webrtc-rs and some SFUs read a media frame: they look for start codes, OBU
//! sizes, key frames. Here a frame becomes another frame that they take for one of the codec. **All of the original is inside one
//! SFrame**, byte for byte; what the stack has to see stands before it as a *copy*, and the receiver throws the copies away. So
//! what comes out is what went in, whatever the stack understood of it. Where the stack lets payloads alone,
//! [`Packetizer`](crate::Packetizer) is the simpler form, and shows nothing of the media.
//!
//! ```text
//! Opus          SFrame
//! VP8, VP9      the first bytes of the frame | SFrame
//! H.264, H.265  parameter sets | NAL unit: its header, the start of the slice header | SFrame | 80
//! AV1           sequence header OBU | OBU: header, size | SFrame
//! ```
//!
//! | codec | in clear of a key frame | of another frame |
//! | --- | --- | --- |
//! | Opus | nothing | nothing |
//! | VP8 | 10 bytes: tag, start code, size of the picture | 3 bytes: the tag |
//! | VP9 | 9 or 10 bytes: the header up to the size of the picture | 1 byte |
//! | H.264, H.265 | the parameter sets, the first slice's NAL header, its slice header as far as the PPS id | the same, without sets |
//! | AV1 | the sequence header, the first frame's OBU header | the latter |
//!
//! What is in clear is authenticated with the frame as the SFrame's metadata, but for what no stack hands on as it was: start codes,
//! emulation prevention, AV1's OBU sizes and temporal delimiters, and the parameter sets of H.264 and H.265, which are rewritten,
//! added and left out on the way. None of these has any influence on what [`open`] gives back.
//!
//! # What is left to the app
//!
//! There is no adapter here, and so none of what adapters do:
//!
//! * **The stack stays as it is**: it packetizes, repairs and asks for keyframes as for media in clear (str0m in its frame mode, not as
//!   `subrosa_str0m::configure` sets it). `a=sframe` is not for this form, since it promises the payload format of the draft.
//! * **The form is authenticated**: what an adapter sealed does not open here, nor the other way round. A call's apps agree on one.
//! * **R16**: route by `opened.sender` and `opened.track`, never by what the stack says.
//! * **Frames that came before their key** come out of [`Opener::released`], under the number that [`Opening::Held`] gave: keep codec
//!   and timestamp by it, and call it until `None` after `Event::EpochOpened`, and now and then. Here the app has to look that the track
//!   is of the codec's kind, as [`open`] does: drop a frame where `opened.track.kind().is_audio() != codec.is_audio()`.
//! * **Keyframes**: somebody who was let in needs one. `Event::KeyframeNeeded` names the tracks ([`Sealer::track`]).
//! * **A sealer for each track**, which is each simulcast layer and each microphone; an opener for each thread that receives.
//! * **Errors of [`seal`]** are no reason to send the frame as it is: it is for nobody. `NotReady` and `Paused` pass.
//!
//! ```
//! use bytes::BytesMut;
//! use subrosa::{Codec, Opener, Opening, Sealer};
//! use subrosa_rtp::codec;
//!
//! /// On the sender's media thread: what goes to the stack instead of the encoder's frame.
//! fn outgoing(sealer: &mut Sealer, encoded: &[u8]) -> Result<BytesMut, codec::SealError> {
//!     let mut frame = BytesMut::with_capacity(encoded.len() + codec::TYPICAL_OVERHEAD);
//!     codec::seal(sealer, Codec::H264, encoded, &mut frame)?;
//!     Ok(frame)
//! }
//!
//! /// On a receiver's: what goes to the decoder instead of the stack's frame.
//! fn incoming(opener: &mut Opener, mut frame: BytesMut) -> Result<Option<BytesMut>, codec::OpenError> {
//!     match codec::open(opener, Codec::H264, &mut frame)? {
//!         Opening::Opened(_) => Ok(Some(frame)),
//!         Opening::Held(_) => Ok(None), // it comes back, opened, from `Opener::released`
//!     }
//! }
//! # use subrosa::TrackKind;
//! # let table = subrosa_testkit::table::Table::of(&["Ann", "Bob"]);
//! # let (mut sealer, mut opener) = (table.sealer("Ann", TrackKind::Camera), table.opener("Bob"));
//!
//! // An access unit of one slice.
//! let encoded = [0, 0, 0, 1, 0x41, 0x9a, 0x24, 0x6c, 0x41, 0x4f];
//! let frame = outgoing(&mut sealer, &encoded)?;
//! assert_eq!(frame[..6], encoded[..6]);
//! assert_eq!(incoming(&mut opener, frame)?.as_deref(), Some(&encoded[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod av1;
mod bits;
mod h264;
mod h265;
mod nal;
mod vp8;
mod vp9;

use core::fmt;
use core::ops::Deref;

use bytes::{Buf, BytesMut};
use subrosa::{Codec, FrameError, Metadata, Opened, Opener, Opening, Sealed, Sealer};
use thiserror::Error;

use bits::Short;
use h264::H264;
use h265::H265;

/// How much room a buffer needs beside the frame so that [`seal`] need not grow it, in most cases.
///
/// More is needed for long parameter sets, and for emulation prevention, which takes one byte in about 4 MB.
pub const TYPICAL_OVERHEAD: usize = 160;

/// A frame could not be sealed in this form. Nothing of it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SealError {
    /// The bytes do not begin as a frame of the codec does, so no stack could carry them as one.
    #[error("not a frame of this codec")]
    NotThisCodec,
    /// The sealer refused.
    #[error(transparent)]
    Seal(#[from] subrosa::SealError),
}

/// A frame of this form could not be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No SFrame was found in it.
    #[error("not a sealed frame of this codec: {0}")]
    NotThisForm(#[from] NotThisForm),
    /// The SFrame was refused.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It is authentic, but sound on a picture's track or the other way round (R16).
    #[error("{codec:?} on a track of kind {:?}", from.track.kind())]
    WrongKind {
        /// Who sealed it, and on which track.
        from: Opened,
        /// The codec.
        codec: Codec,
    },
}

/// Why no SFrame was found in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum NotThisForm {
    /// It is not built as [`seal`] builds frames of the codec.
    #[error("not of the codec-aware form")]
    Malformed,
    /// There are but parameter sets, sequence headers or delimiters.
    #[error("nothing but headers")]
    NoSframe,
    /// The codec has no such form.
    #[error("no such form of the codec")]
    UnknownCodec,
}

/// Seals `frame`, as the codec's encoder made it, and appends what the RTP stack gets in its place to `out`.
///
/// H.264 and H.265 frames are access units of a byte stream (Annex B), AV1 frames are temporal units of low-overhead OBUs.
/// To the SFrame (see [`Sealer::seal`]) it adds 0 bytes for Opus, 10 or 3 for VP8, 10 to 1 for VP9; for the others some 7 to 9 and
/// the copied headers. Allocates nothing where `out` has that much room, but where ciphertext looks like a start code.
///
/// # Errors
/// [`SealError::NotThisCodec`], and whatever [`Sealer::seal`] says. `out` is then as it was.
pub fn seal(
    sealer: &mut Sealer,
    codec: Codec,
    frame: &[u8],
    out: &mut BytesMut,
) -> Result<Sealed, SealError> {
    let start = out.len();
    let sealed = append(sealer, codec, frame, out);
    if sealed.is_err() {
        out.truncate(start);
    }
    sealed
}

fn append(sealer: &mut Sealer, codec: Codec, frame: &[u8], out: &mut BytesMut) -> Result<Sealed, SealError> {
    let front = match codec {
        // RFC 6716 §3.4, R1: a packet has at least one byte.
        Codec::Opus => (!frame.is_empty()).then(Short::new),
        Codec::Vp8 => vp8::clear(frame).inspect(|clear| out.extend_from_slice(clear)),
        Codec::Vp9 => vp9::clear(frame).inspect(|clear| out.extend_from_slice(clear)),
        Codec::H264 => nal::front::<H264>(frame, out),
        Codec::H265 => nal::front::<H265>(frame, out),
        Codec::Av1 => av1::front(frame, out),
        _ => None,
    };
    let clear = front.ok_or(SealError::NotThisCodec)?;
    let sframe_at = out.len();
    let sealed = sealer.seal(Metadata::codec_aware(codec).with(&clear), frame, out)?;
    match codec {
        Codec::H264 => nal::back::<H264>(out, sframe_at, &clear),
        Codec::H265 => nal::back::<H265>(out, sframe_at, &clear),
        Codec::Av1 => av1::back(out, sframe_at),
        _ => {}
    }
    Ok(sealed)
}

/// Opens `frame`, as the RTP stack gave it, where it stands: it becomes the frame that was sealed. A refused frame's bytes are spoilt.
///
/// # Errors
/// [`OpenError::NotThisForm`] before anything is decrypted, or [`OpenError::Frame`] as of [`Opener::open`]: its fault is
/// `Unauthentic` where a copy in clear is not as the sender wrote it, or where the codec is another. [`OpenError::WrongKind`] if the
/// track is of another kind than the codec.
pub fn open(opener: &mut Opener, codec: Codec, frame: &mut BytesMut) -> Result<Opening, OpenError> {
    let clear = split(codec, frame)?;
    match opener.open(Metadata::codec_aware(codec).with(&clear), frame)? {
        // R16: receivers drop what does not match.
        Opening::Opened(from) if from.track.kind().is_audio() != codec.is_audio() => {
            frame.clear();
            Err(OpenError::WrongKind { from, codec })
        }
        opening => Ok(opening),
    }
}

/// What of a frame travels in clear and is authenticated with it, in the form in which no stack changes it.
#[derive(Clone, Copy)]
pub struct Clear(Short);

impl Deref for Clear {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Clear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clear").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Takes a frame of this form apart without opening it: leaves the SFrame alone in `frame`, and returns what its metadata is made of.
///
/// That is all the parsing that [`open`] does. The work is linear in the length, and nothing is allocated.
///
/// # Errors
/// Whatever is wrong with the form; `frame` is spoilt then.
pub fn split(codec: Codec, frame: &mut BytesMut) -> Result<Clear, NotThisForm> {
    let clear = match codec {
        Codec::Opus => Short::new(),
        Codec::Vp8 => cut(vp8::clear(frame), frame)?,
        Codec::Vp9 => cut(vp9::clear(frame), frame)?,
        Codec::H264 => nal::split::<H264>(frame)?,
        Codec::H265 => nal::split::<H265>(frame)?,
        Codec::Av1 => av1::split(frame)?,
        _ => return Err(NotThisForm::UnknownCodec),
    };
    Ok(Clear(clear))
}

/// Takes the copy off whose end it tells itself.
fn cut(clear: Option<Short>, frame: &mut BytesMut) -> Result<Short, NotThisForm> {
    let clear = clear.ok_or(NotThisForm::Malformed)?;
    frame.advance(clear.len());
    Ok(clear)
}
