//! Frames of an epoch that is not reached yet wait, and come back as they were before sealing.

use std::time::Duration;

use bytes::BytesMut;
use subrosa::{Opening, Time, TrackKind};
use subrosa_rtp::codec;

use crate::clips::{self, frames};
use crate::pair::{Pair, admit, drain};

#[test]
fn held_frames_come_back_whole() {
    let Pair { mut ann, mut bob, mut opener, .. } = Pair::new();
    let now = Time::since_origin(Duration::from_secs(5));
    let (mut carol, commit) = admit(&mut ann, "Carol", 3, now);
    drain(&mut carol, now);
    let mut sealer = carol.sealer(TrackKind::Camera).unwrap();

    let mut waiting = Vec::new();
    for codec in clips::ALL {
        for original in frames(codec).into_iter().take(2) {
            let mut frame = BytesMut::new();
            codec::seal(&mut sealer, codec, &original.data, &mut frame).unwrap();
            match codec::open(&mut opener, codec, &mut frame).unwrap() {
                Opening::Held(id) => waiting.push((id, original.data)),
                Opening::Opened(_) => panic!("Bob has not seen the commit"),
            }
        }
    }
    bob.handle_message(&commit, now).unwrap();
    drain(&mut bob, now);
    for (id, original) in waiting {
        let released = opener.released().unwrap();
        assert!(released.outcome.is_ok());
        assert_eq!((released.id, &released.payload[..]), (id, &original[..]));
    }
    assert!(opener.released().is_none());
}
