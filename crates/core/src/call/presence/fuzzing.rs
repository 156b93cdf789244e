//! Talk's entry points for fuzzers: [`crate::fuzzing`].

use bytes::Bytes;

use super::Call;
use super::talk::Talk;

pub(in crate::call) fn talk(kind: u32, content: &[u8]) {
    let Some(talk) = Talk::decode(kind, content) else { return };
    assert_eq!((talk.kind(), &talk.encode()[..]), (kind, content));
}

pub(in crate::call) fn say_anything(call: &mut Call, kind: u32, content: &[u8]) -> Option<Bytes> {
    let line = call.presence.lines.values_mut().next_back()?;
    line.keys.seal_content(&call.group, kind, content)
}
