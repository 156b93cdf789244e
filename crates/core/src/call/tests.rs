//! Stories of small calls, told with everybody in one thread and one honest log.

mod room;

use room::Room;

use super::*;
use crate::keyring::Opening;
use crate::track::{Codec, Metadata};
use bytes::BytesMut;

#[test]
fn two_people_talk() {
    let mut room = Room::new(1);
    room.admit(&["Bob"]);
    let sealed = room.seal("Ann", b"hello");
    let (from, payload) = room.open("Bob", &sealed).expect("it opens");
    assert_eq!((from, &payload[..]), (room.id("Ann"), &b"hello"[..]));
}
