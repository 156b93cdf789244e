/// Ten seconds of a moving test picture: VP8 in IVF, 320x180, 30 frames a second, a key frame every 1.5 s.
///
/// How the fixtures were made is in `media/README.md`.
pub fn fixture_video() -> &'static [u8] {
    include_bytes!("../../media/video.vp8.ivf")
}

/// Two seconds of a moving test picture in three temporal layers: VP8 in IVF, 160x90, 30 frames a second, a key frame first and as
/// frame 32. Frames are of the layers 0, 2, 1, 2 in turn; without the layer 2 half of them are left, without 1 a quarter.
pub fn fixture_video_layers() -> &'static [u8] {
    include_bytes!("../../media/layers.vp8.ivf")
}

/// Two seconds of a moving test picture: VP9 in IVF, 160x90, 15 frames a second, a key frame every second.
pub fn fixture_video_vp9() -> &'static [u8] {
    include_bytes!("../../media/video.vp9.ivf")
}

/// Two seconds of a moving test picture: AV1 in IVF, 160x90, 15 frames a second, a key frame every second.
pub fn fixture_video_av1() -> &'static [u8] {
    include_bytes!("../../media/video.av1.ivf")
}

/// Two seconds of a moving test picture: H.264 as a byte stream, 160x90, 15 frames a second, a key frame every second.
///
/// Each access unit has a delimiter and three slices; key frames have SPS and PPS, the first an SEI message.
/// [`VideoClip::parse_annex_b`](super::VideoClip::parse_annex_b) reads it, given [`VideoFormat::of_h26x_fixture`](super::VideoFormat::of_h26x_fixture).
pub fn fixture_video_h264() -> &'static [u8] {
    include_bytes!("../../media/video.h264")
}

/// Two seconds of a moving test picture: H.265 as a byte stream, otherwise as [`fixture_video_h264`], with a slice to a picture.
pub fn fixture_video_h265() -> &'static [u8] {
    include_bytes!("../../media/video.h265")
}

/// Ten seconds of synthesised speech: Opus in Ogg, mono, packets of 20 ms, constant 32 kbit/s.
pub fn fixture_audio() -> &'static [u8] {
    include_bytes!("../../media/speech.opus.ogg")
}

/// The sizes in bytes of 10 s of pictures, 720p, 30 a second, VP8 at 2 Mbit/s, and which are keyframes.
pub fn sizes_of_720p30() -> impl Iterator<Item = (usize, bool)> {
    include_str!("../../media/720p30.vp8.sizes").lines().map(|line| {
        let (len, kind) = line.split_once(' ').expect("a size and a kind");
        (len.parse().expect("a number"), kind == "key")
    })
}
