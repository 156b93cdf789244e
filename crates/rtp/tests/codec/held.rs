//! Frames of an epoch that is not reached yet wait, and come back as they were before sealing.

use subrosa::Opening;
use subrosa_rtp::codec;

use crate::clips::{self, frames};
use crate::pair::Pair;

#[test]
fn held_frames_come_back_whole() {
    let mut pair = Pair::new();
    pair.table.is_deaf("Bob");
    pair.table.admit("Carol");

    let mut waiting = Vec::new();
    for codec in clips::ALL {
        for original in frames(codec).into_iter().take(2) {
            let mut frame = pair.seal(codec, &original.data).unwrap();
            match codec::open(&mut pair.opener, codec, &mut frame).unwrap() {
                Opening::Held(id) => waiting.push((id, original.data)),
                Opening::Opened(_) => panic!("Bob has not seen the commit"),
            }
        }
    }
    pair.table.hears("Bob");
    for (id, original) in waiting {
        let released = pair.opener.released().unwrap();
        assert!(released.outcome.is_ok());
        assert_eq!((released.id, &released.payload[..]), (id, &original[..]));
    }
    assert!(pair.opener.released().is_none());
}
