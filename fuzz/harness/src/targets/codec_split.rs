//! Any bytes taken for a frame of the codec-aware form, without keys: what is left is a part of the frame, and asking again says the same.

use bytes::BytesMut;
use subrosa_rtp::codec;

use super::codec_frame::{CODECS, Clip};
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
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let sealed = |clip: &Clip| [&[clip.which], &clip.sealed()[..]].concat();
    Clip::all().iter().map(|clip| (clip.name.clone(), sealed(clip))).collect()
}
