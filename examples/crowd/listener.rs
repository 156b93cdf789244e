//! Media, as much of it as shows what a change of keys does to it: one talks, a few listen.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use subrosa::{Codec, Epoch, Metadata, Opener, Opening, Time};

/// How often the founder seals a frame.
pub(crate) const FRAME_EVERY: Duration = Duration::from_millis(20);

/// A sealed frame, under way.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) epoch: Epoch,
    pub(crate) bytes: Bytes,
}

pub(crate) fn metadata() -> Metadata<'static> {
    Metadata::frame(Codec::Opus)
}

/// What somebody hears of the founder.
pub(crate) struct Listener {
    opener: Opener,
    /// The first epoch that he is in: frames of older ones are not for him.
    since: Epoch,
    opened_at: Option<Time>,
    pub(crate) frames: Frames,
}

/// What became of the frames.
#[derive(Clone, Copy, Default)]
pub(crate) struct Frames {
    /// Came while he was in, under an epoch that he is in.
    pub(crate) due: u64,
    pub(crate) opened: u64,
    /// Came before the commit that opens them, and waited for it.
    pub(crate) held: u64,
    /// Between two opened frames.
    pub(crate) longest_gap: Duration,
}

impl Listener {
    pub(crate) fn new(opener: Opener, since: Epoch) -> Self {
        Self { opener, since, opened_at: None, frames: Frames::default() }
    }

    /// A frame comes.
    pub(crate) fn hear(&mut self, frame: &Frame, now: Time) {
        if frame.epoch < self.since {
            return;
        }
        self.frames.due += 1;
        match self.opener.open(metadata(), &mut BytesMut::from(&frame.bytes[..])) {
            Ok(Opening::Opened(_)) => self.opened(now),
            Ok(Opening::Held(_)) => self.frames.held += 1,
            Err(_) => {} // lost: it is due and is not opened
        }
    }

    /// The call has moved: perhaps what waited can be opened now.
    pub(crate) fn release(&mut self, now: Time) {
        while let Some(released) = self.opener.released() {
            if released.outcome.is_ok() {
                self.opened(now);
            }
        }
    }

    fn opened(&mut self, now: Time) {
        self.frames.opened += 1;
        if let Some(before) = self.opened_at.replace(now) {
            self.frames.longest_gap = self.frames.longest_gap.max(now - before);
        }
    }
}
