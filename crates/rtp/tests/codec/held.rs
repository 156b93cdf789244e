//! Frames of an epoch that is not reached yet wait, and come back as they were before sealing.

use bytes::BytesMut;
use subrosa::Opening;
use subrosa_rtp::codec;

use crate::clips::{self, frames};
use crate::pair::Pair;

#[test]
fn held_frames_come_back_whole() {
    let Pair { mut table, mut sealer, mut opener } = Pair::new();
    table.is_deaf("Bob");
    table.admit("Carol");

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
    table.hears("Bob");
    for (id, original) in waiting {
        let released = opener.released().unwrap();
        assert!(released.outcome.is_ok());
        assert_eq!((released.id, &released.payload[..]), (id, &original[..]));
    }
    assert!(opener.released().is_none());
}
