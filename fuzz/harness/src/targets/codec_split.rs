//! Any bytes taken for a frame of the codec-aware form, without keys: what is left is a part of the frame, and asking again says the same.

use bytes::BytesMut;
use subrosa_rtp::codec;

use super::codec_frame::{CODECS, Clip, units};
use crate::Target;

/// Layout: the codec (1 byte), the frame.
pub const TARGET: Target = Target { name: "codec_split", run, seeds };

fn run(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    let codec = CODECS[usize::from(*which) % CODECS.len()];
    let mut frame = BytesMut::from(data);
    let Ok(clear) = codec::split(codec, &mut frame) else { return };
    assert!(clear.len() + frame.len() <= data.len() + 16, "{} of {}", clear.len() + frame.len(), data.len());
    let mut again = BytesMut::from(data);
    let same = codec::split(codec, &mut again).expect("it was one before");
    assert_eq!((&same[..], again), (&clear[..], frame));
    assert!(!format!("{clear:?}").contains('['), "what it holds stays out of logs");
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let sealed = |clip: &Clip| [&[clip.which], &clip.sealed()[..]].concat();
    let clips: Vec<_> = Clip::all().iter().map(|clip| (clip.name.clone(), sealed(clip))).collect();
    let units =
        units().into_iter().map(|(name, which, frame)| (name.to_owned(), [&[which][..], &frame].concat()));
    // As what is sealed, but shorter, and with what in ciphertext is rare.
    let of_h26x = [
        ("stop", vec![0, 0, 1, 0x41, 0x9A, 1, 2, 0x80]),
        ("no-stop", vec![0, 0, 1, 0x41, 0x9A, 1, 2, 3]),
        ("escaped", vec![0, 0, 1, 0x41, 0x9A, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 0x80]),
        ("escaped-in-vain", vec![0, 0, 1, 0x41, 0x9A, 0, 0, 3, 4, 0x80]),
        ("not-escaped", vec![0, 0, 1, 0x41, 0x9A, 0, 0, 2, 4, 0x80]),
        ("escape-at-the-end", vec![0, 0, 1, 0x41, 0x9A, 0, 0, 3]),
        ("two", vec![0, 0, 1, 0x41, 0x9A, 1, 0x80, 0, 0, 1, 0x41, 0x9A, 1, 0x80]),
        ("sei", vec![0, 0, 1, 6, 1, 2, 3, 0x80]),
        ("sets", vec![0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1]),
        ("filler", vec![0, 0, 1, 0x0C, 1]),
        ("before-start-code", vec![1, 0, 0, 1, 0x41]),
    ];
    let of_h26x =
        of_h26x.into_iter().map(|(name, frame)| (format!("h264-{name}"), [vec![3], frame].concat()));
    clips.into_iter().chain(units).chain(of_h26x).collect()
}
