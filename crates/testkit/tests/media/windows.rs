//! Media and names are found wherever they are, and nothing else is.

use std::collections::HashSet;

use proptest::prelude::*;
use subrosa_testkit::media::{
    AudioClip, VideoClip, fixture_audio, fixture_video,
    windows::{MIN_DISTINCT, NeedleError, Needles, WINDOW_LEN, WindowSet},
};

/// Bytes that look random, the same every time.
fn noise(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn media() -> WindowSet {
    let video = VideoClip::parse(fixture_video()).unwrap();
    let audio = AudioClip::parse(fixture_audio()).unwrap();
    let video = video.frames.into_iter().map(|frame| frame.data);
    WindowSet::new(video.chain(audio.packets.into_iter().map(|packet| packet.data)))
}

#[test]
fn one_window_of_media_in_a_large_buffer_is_found() {
    let media = media();
    assert!(media.len() > 300_000);
    let mut haystack = noise(1_000_000, 1);
    assert_eq!((media.count_in(&haystack), media.first_in(&haystack)), (0, None));

    let frame = &VideoClip::parse(fixture_video()).unwrap().frames[111].data;
    haystack[543_210..][..WINDOW_LEN].copy_from_slice(&frame[200..][..WINDOW_LEN]);
    assert_eq!((media.count_in(&haystack), media.first_in(&haystack)), (1, Some(543_210)));
}

#[test]
fn every_position_counts() {
    let frame = noise(100, 2);
    let media = WindowSet::new([&frame]);
    assert_eq!(media.len(), 85);
    assert_eq!(media.count_in(&frame), 85);
    assert_eq!(media.count_in(&frame.repeat(3)), 3 * 85);
    assert_eq!(media.count_in(&frame[3..50]), 47 - 15);
    assert_eq!(media.count_in(&frame[3..18]), 0);
}

#[test]
fn no_window_lies_across_two_frames() {
    let bytes = noise(32, 3);
    let media = WindowSet::new([&bytes[..16], &bytes[16..]]);
    assert_eq!(media.len(), 2);
    assert_eq!(media.count_in(&bytes), 2);
}

#[test]
fn windows_of_few_values_do_not_count() {
    let seven: Vec<u8> = (0..100).map(|place| place % 7).collect();
    let eight: Vec<u8> = (0..100).map(|place| place % 8).collect();
    assert!(WindowSet::new([&seven]).is_empty());
    assert_eq!(WindowSet::new([&seven, &eight]).count_in(&seven), 0);
    assert_eq!(WindowSet::new([&eight]).len(), 8);
    assert_eq!(WindowSet::new([&eight]).count_in(&eight), 85);

    let mut zeros = vec![0; 60];
    zeros[30..37].copy_from_slice(b"abcdefg");
    // Of the windows, only those with all seven letters and a zero have eight values.
    assert_eq!(WindowSet::new([&zeros]).len(), 10);
}

#[test]
fn a_set_of_nothing_finds_nothing() {
    let none = WindowSet::new([] as [&[u8]; 0]);
    assert!(none.is_empty());
    assert_eq!(none.count_in(&noise(100, 4)), 0);
    assert!(WindowSet::new([b"too short for 1"]).is_empty());
}

#[test]
fn names_are_found_also_where_they_overlap() {
    let names = Needles::new(["Zoë", "Ada", "Adam", "Zoë"]).unwrap();
    assert_eq!(names.count_in("Zoë called AdAdam; ada".as_bytes()), 3);
    assert_eq!(names.count_in(b"nobody"), 0);
    assert_eq!(names.first_in("to Zoë".as_bytes()), Some(("Zoë".as_bytes(), 3)));
    assert_eq!(names.first_in(b"Zoe"), None);
    assert_eq!(Needles::new(["aa"]).unwrap().count_in(b"aaaa"), 3);
}

#[test]
fn a_search_for_nothing_is_refused() {
    assert_eq!(Needles::new(["Ada", ""]).unwrap_err(), NeedleError::Empty);
    assert_eq!(Needles::new([] as [&str; 0]).unwrap_err(), NeedleError::None);
}

/// What the set should find, by the definition.
fn count(frames: &[Vec<u8>], haystack: &[u8]) -> usize {
    let values = |window: &[u8]| window.iter().collect::<HashSet<_>>().len();
    let wanted = |window: &[u8]| {
        values(window) >= MIN_DISTINCT
            && frames.iter().any(|frame| frame.windows(WINDOW_LEN).any(|other| other == window))
    };
    haystack.windows(WINDOW_LEN).filter(|window| wanted(window)).count()
}

proptest! {
    #[test]
    fn the_set_finds_what_the_definition_does(
        frames in prop::collection::vec(prop::collection::vec(0..12_u8, 0..60), 0..4),
        noise in prop::collection::vec(0..12_u8, 0..40),
        places in prop::collection::vec((0..4_usize, 0..60_usize, 0..60_usize), 0..4),
    ) {
        let mut haystack = noise;
        for (frame, from, to) in places {
            let frame = frames.get(frame).map_or(&[][..], |frame| &frame[..]);
            haystack.extend(frame.get(from..to.min(frame.len())).unwrap_or_default());
        }
        prop_assert_eq!(WindowSet::new(&frames).count_in(&haystack), count(&frames, &haystack));
    }
}
