//! A hostile frame of the codec-aware form never panics and never opens as anything but the original; what seals, opens.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Opener, Opening, Sealer, TrackKind};
use subrosa_rtp::codec;
use subrosa_testkit::media::{
    AudioClip, VideoClip, VideoCodec, VideoFormat, fixture_audio, fixture_video, fixture_video_av1,
    fixture_video_h264, fixture_video_h265, fixture_video_vp9,
};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::Pair;

pub(crate) const CODECS: [Codec; 6] =
    [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

struct State {
    sealers: [Sealer; 2],
    opener: Opener,
    /// The call has to live.
    _pair: Pair,
}

impl State {
    fn new() -> Self {
        let pair = Pair::new();
        let sealers =
            [TrackKind::Camera, TrackKind::Microphone].map(|kind| pair.bob.sealer(kind).expect("a track"));
        Self { sealers, opener: pair.ann.opener(), _pair: pair }
    }

    fn seal(&mut self, codec: Codec, frame: &[u8]) -> Option<BytesMut> {
        let mut sealed = BytesMut::new();
        let outcome =
            codec::seal(&mut self.sealers[usize::from(codec.is_audio())], codec, frame, &mut sealed);
        assert!(outcome.is_ok() || sealed.is_empty(), "something of a frame that was not sealed");
        outcome.ok().map(|_| sealed)
    }
}

thread_local!(static STATE: RefCell<State> = RefCell::new(State::new()));

/// Layout: the codec (1 byte), the length of a frame (2 bytes), the frame, [`Hostile`].
pub const TARGET: Target = Target { name: "codec_frame", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let (which, len): (u8, u16) = input.arbitrary()?;
    let codec = CODECS[usize::from(which) % CODECS.len()];
    let len = usize::from(len).min(input.len());
    let original = input.bytes(len)?;
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow_mut(|state| {
        let Some(mut genuine) = state.seal(codec, original) else {
            let _ = codec::split(codec, &mut BytesMut::from(original));
            return;
        };
        let mut hostile = BytesMut::from(&hostile.bytes(&genuine)[..]);
        if let Ok(Opening::Opened(_)) = codec::open(&mut state.opener, codec, &mut hostile) {
            // Parameter sets and the like may change on the way.
            assert_eq!(hostile[..], original[..], "a forged frame opened");
            return;
        }
        let outcome = codec::open(&mut state.opener, codec, &mut genuine);
        assert!(matches!(outcome, Ok(Opening::Opened(_))), "a genuine frame did not open: {outcome:?}");
        assert_eq!(genuine[..], original[..]);
    });
    Ok(())
}

/// A frame of a clip.
pub(crate) struct Clip {
    pub(crate) name: String,
    /// Its codec's place in [`CODECS`].
    pub(crate) which: u8,
    frame: Bytes,
}

impl Clip {
    /// The first keyframe and the shortest frame of each clip: what is in front of the pixels is in both.
    pub(crate) fn all() -> Vec<Self> {
        let h26x = |bytes, codec| VideoClip::parse_annex_b(bytes, VideoFormat::of_h26x_fixture(codec));
        let video = |codec| match codec {
            Codec::Vp8 => VideoClip::parse(fixture_video()),
            Codec::Vp9 => VideoClip::parse(fixture_video_vp9()),
            Codec::Av1 => VideoClip::parse(fixture_video_av1()),
            Codec::H264 => h26x(fixture_video_h264(), VideoCodec::H264),
            _ => h26x(fixture_video_h265(), VideoCodec::H265),
        };
        let mut clips = Vec::new();
        for (which, codec) in (0..).zip(CODECS) {
            let frames: Vec<Bytes> = match codec {
                Codec::Opus => {
                    let clip = AudioClip::parse(fixture_audio()).expect("our own clip");
                    clip.packets.into_iter().map(|packet| packet.data).collect()
                }
                codec => {
                    video(codec).expect("our own clip").frames.into_iter().map(|frame| frame.data).collect()
                }
            };
            let short = frames.iter().min_by_key(|frame| frame.len()).expect("it is not empty");
            clips.push(Self { name: format!("{codec:?}-key"), which, frame: frames[0].clone() });
            clips.push(Self { name: format!("{codec:?}-short"), which, frame: short.clone() });
        }
        clips
    }

    /// As it is in a payload of the codec-aware form.
    pub(crate) fn sealed(&self) -> BytesMut {
        STATE.with_borrow_mut(|state| {
            state.seal(CODECS[usize::from(self.which)], &self.frame).expect("it is a frame")
        })
    }
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let clips = Clip::all().into_iter().filter(|clip| clip.frame.len() < 4_000);
    let input = |clip: &Clip, hostile: &[u8]| {
        let len = u16::try_from(clip.frame.len()).expect("it is short").to_le_bytes();
        [&[clip.which], &len[..], &clip.frame, hostile].concat()
    };
    clips
        .flat_map(|clip| {
            let changed = [1, 2, 0, 0, 1, 5, 0, 0x80, 0];
            [
                (clip.name.clone(), input(&clip, &[0])),
                (format!("{}-changed", clip.name), input(&clip, &changed)),
            ]
        })
        .collect()
}
