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

/// Layout: the codec, or, from 0xC0 on, the same on a track of another kind (1 byte), the length of a frame (2 bytes), the frame, [`Hostile`].
pub const TARGET: Target = Target { name: "codec_frame", run: |data| _ = run(data), seeds };

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let (which, len): (u8, u16) = input.arbitrary()?;
    let codec = CODECS[usize::from(which) % CODECS.len()];
    let len = usize::from(len).min(input.len());
    let original = input.bytes(len)?;
    let hostile = Hostile::read(&mut input)?;
    STATE.with_borrow_mut(|state| {
        if which >= 0xC0 {
            is_refused_on_another_track(state, codec, original);
            return;
        }
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

/// R16: sound on a picture's track, or the other way round, is authentic and refused.
fn is_refused_on_another_track(state: &mut State, codec: Codec, original: &[u8]) {
    let mut sealed = BytesMut::new();
    let other = usize::from(!codec.is_audio());
    if codec::seal(&mut state.sealers[other], codec, original, &mut sealed).is_ok() {
        let outcome = codec::open(&mut state.opener, codec, &mut sealed);
        assert!(matches!(outcome, Err(codec::OpenError::WrongKind { .. })), "{outcome:?}");
        assert!(sealed.is_empty());
    }
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

/// Short frames of the codecs that stacks take apart, each with something that the clips do not have.
pub(crate) fn units() -> Vec<(&'static str, u8, Vec<u8>)> {
    const VP9: u8 = 2;
    const H264: u8 = 3;
    const H265: u8 = 4;
    const AV1: u8 = 5;
    let nals =
        |list: &[&[u8]]| list.iter().flat_map(|nal| [&[0, 0, 0, 1], *nal].concat()).collect::<Vec<u8>>();
    let (sps, pps): (&[u8], &[u8]) = (&[0x67, 66, 0, 30, 0xF4], &[0x68, 0xF0]);
    let (vps5, sps5, pps5): (&[u8], [&[u8]; 2], &[u8]) = (
        &[0x40, 1, 0x0C],
        // Of no sub-layers; of two, of which one says its profile and its level.
        [
            &[0x42, 1, 1, 1, 0x60, 9, 9, 9, 9, 9, 9, 9, 9, 9, 93, 0xA0],
            &[[0x42, 1, 5, 1, 0x60].as_slice(), &[9; 8], &[93, 0xC0, 0], &[9; 12], &[0x80]].concat(),
        ],
        &[0x44, 1, 0xC0],
    );
    let vp9_key = |first: u8, color: u8| [&[first, 0x49, 0x83, 0x42, color], &[0x11; 8][..]].concat();
    let shifted =
        |color: u32| [&[0b1011_0001][..], &(0x49_83_42_u32 << 7 | color).to_be_bytes(), &[0x11; 8]].concat();
    vec![
        ("vp9-profile-0", VP9, vp9_key(0b1000_0010, 0)),
        ("vp9-profile-0-rgb", VP9, vp9_key(0b1000_0010, 0xE0)),
        ("vp9-profile-1", VP9, vp9_key(0b1010_0010, 0)),
        ("vp9-profile-1-rgb", VP9, vp9_key(0b1010_0010, 0xE0)),
        ("vp9-profile-2", VP9, vp9_key(0b1001_0010, 0)),
        ("vp9-profile-3", VP9, shifted(0)),
        ("vp9-profile-3-rgb", VP9, shifted(0b0_111_000)),
        ("vp9-reserved", VP9, vec![0b1011_1000, 1, 2]),
        ("vp9-existing", VP9, vec![0b1000_1000]),
        ("vp9-no-sync", VP9, vec![0b1000_0010; 20]),
        ("h264-sets", H264, nals(&[&[9, 0xF0], sps, pps, &[0x65, 0x88, 0x84, 0, 0x10]])),
        ("h264-other-sets", H264, nals(&[sps, &[0x68, 0x40], &[0x65, 0x88, 0x84, 0, 0x10]])),
        // Numbers of many bits have zeros in front, which have to be told from start codes.
        ("h264-prevented", H264, nals(&[&[0x41, 0, 0, 3, 1, 0xFF, 0xFF, 0xF0, 9]])),
        ("h264-prevented-often", H264, nals(&[&[0x41, 0, 0, 3, 0, 0x80, 0, 0, 3, 0, 9, 9]])),
        ("h264-sei", H264, nals(&[&[6, 5, 1, 7, 0x80]])),
        ("h264-filler", H264, nals(&[&[0x0C, 0xFF, 0x80], &[0x41, 0x9A, 9]])),
        ("h264-empty", H264, vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 1]),
        ("h264-forbidden", H264, nals(&[&[0xE5, 1]])),
        ("h265-sets", H265, nals(&[vps5, sps5[0], pps5, &[0x26, 1, 0xB0, 9, 9]])),
        ("h265-sub-layers", H265, nals(&[vps5, sps5[1], pps5, &[0x26, 1, 0xB0, 9, 9]])),
        ("h265-picture", H265, nals(&[&[2, 1, 0xD0, 9, 9]])),
        ("h265-delimiter-sei", H265, nals(&[&[0x46, 1, 0x50], &[0x4E, 1, 5, 1, 7, 0x80]])),
        ("h265-other", H265, nals(&[&[0x60, 1, 9]])),
        ("h265-no-layer", H265, nals(&[&[0x26, 0, 9]])),
        ("av1-extension", AV1, vec![0x12, 0, 0x0A, 3, 7, 8, 9, 0x36, 0x28, 3, 1, 2, 3]),
        ("av1-no-size", AV1, vec![0x30, 1, 2, 3]),
        ("av1-no-size-extension", AV1, vec![0x34, 0x28, 1, 2, 3]),
        ("av1-metadata", AV1, vec![0x2A, 2, 1, 1]),
        ("av1-delimiter", AV1, vec![0x12, 0]),
        ("av1-two-sequence-headers", AV1, vec![0x0A, 1, 7, 0x0A, 1, 8, 0x32, 1, 5]),
        ("av1-tile-group", AV1, vec![0x1A, 1, 7, 0x22, 1, 5]),
        ("av1-forbidden", AV1, vec![0xB2, 1, 7]),
        (
            "av1-long-size",
            AV1,
            [&[0x0A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0][..], &[1; 9]].concat(),
        ),
        ("av1-huge-size", AV1, vec![0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 1]),
        ("av1-long-sequence-header", AV1, [&[0x0A, 0xAC, 2][..], &[1; 300], &[0x32, 1, 5]].concat()),
    ]
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let clips = Clip::all().into_iter().filter(|clip| clip.frame.len() < 4_000);
    let input = |clip: &Clip, hostile: &[u8]| {
        let len = u16::try_from(clip.frame.len()).expect("it is short").to_le_bytes();
        [&[clip.which], &len[..], &clip.frame, hostile].concat()
    };
    let units = units().into_iter().map(|(name, which, frame)| {
        let len = u16::try_from(frame.len()).expect("it is short").to_le_bytes();
        (name.to_owned(), [&[which], &len[..], &frame, &[0]].concat())
    });
    // 192 is a multiple of 6.
    let odd = [("Opus-on-a-camera", 192), ("Vp8-on-a-microphone", 193)];
    let odd = odd.map(|(name, which)| (name.to_owned(), vec![which, 3, 0, 1, 2, 3, 0]));
    clips
        .flat_map(|clip| {
            let changed = [1, 2, 0, 0, 1, 5, 0, 0x80, 0];
            [
                (clip.name.clone(), input(&clip, &[0])),
                (format!("{}-changed", clip.name), input(&clip, &changed)),
            ]
        })
        .chain(units)
        .chain(odd)
        .collect()
}
