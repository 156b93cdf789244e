//! A sender and a receiver in one call.

use bytes::BytesMut;
use subrosa::{Codec, Opener, Opening, Sealer, TrackKind};
use subrosa_rtp::codec::{self, OpenError, SealError};
use subrosa_testkit::table::Table;

/// Ann seals, Bob opens.
pub(crate) struct Pair {
    pub(crate) table: Table,
    /// Of her camera.
    pub(crate) sealer: Sealer,
    microphone: Sealer,
    pub(crate) opener: Opener,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let table = Table::of(&["Ann", "Bob"]);
        let (sealer, microphone) =
            (table.sealer("Ann", TrackKind::Camera), table.sealer("Ann", TrackKind::Microphone));
        let opener = table.opener("Bob");
        Self { table, sealer, microphone, opener }
    }

    /// The sealer of a track of the codec's kind.
    pub(crate) fn sealer_for(&mut self, codec: Codec) -> &mut Sealer {
        if codec.is_audio() { &mut self.microphone } else { &mut self.sealer }
    }

    pub(crate) fn seal(&mut self, codec: Codec, frame: &[u8]) -> Result<BytesMut, SealError> {
        let mut out = BytesMut::new();
        codec::seal(self.sealer_for(codec), codec, frame, &mut out)?;
        Ok(out)
    }

    pub(crate) fn open(&mut self, codec: Codec, frame: &[u8]) -> Result<Vec<u8>, OpenError> {
        self.try_open(codec, frame).map(|opened| opened.expect("it is of the epoch that is here"))
    }

    /// Whether nothing comes out: the frame is refused, or held until an epoch comes to which it does not belong.
    pub(crate) fn refuses(&mut self, codec: Codec, frame: &[u8]) -> bool {
        !matches!(self.try_open(codec, frame), Ok(Some(_)))
    }

    /// `None` if the frame is held, for an epoch that it claims to be of.
    pub(crate) fn try_open(&mut self, codec: Codec, frame: &[u8]) -> Result<Option<Vec<u8>>, OpenError> {
        let mut frame = BytesMut::from(frame);
        match codec::open(&mut self.opener, codec, &mut frame)? {
            Opening::Opened(_) => Ok(Some(frame.to_vec())),
            Opening::Held(_) => Ok(None),
        }
    }
}
