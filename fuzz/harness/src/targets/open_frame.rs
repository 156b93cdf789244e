//! Frames on their way through a server that replays, changes and mixes them: a genuine frame opens once, at whichever opener, as what
//! it was; nothing else opens, and nothing keeps the genuine one from opening.

use std::cell::RefCell;

use arbitrary::{Result, Unstructured};
use bytes::BytesMut;
use subrosa::{Codec, FrameFault, Metadata, Opener, Opening, Sealer, TrackId, TrackKind};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::Pair;

/// Layout: steps, see `State::step`.
pub const TARGET: Target = Target { name: "open_frame", run: |data| _ = run(data), seeds };

const STEPS: usize = 100;
const CODECS: [Codec; 2] = [Codec::Vp8, Codec::Opus];

struct State {
    sealers: [Sealer; 2],
    /// On two threads, as it were: they share what was opened.
    openers: [Opener; 2],
    /// The call has to live.
    _pair: Pair,
}

/// A frame that Bob sealed.
struct Frame {
    payload: Vec<u8>,
    sealed: Vec<u8>,
    track: TrackId,
    codec: Codec,
    opened: bool,
}

impl State {
    fn new() -> Self {
        let pair = Pair::new();
        let sealers =
            [TrackKind::Camera, TrackKind::Microphone].map(|kind| pair.bob.sealer(kind).expect("a track"));
        Self { sealers, openers: [pair.ann.opener(), pair.ann.opener()], _pair: pair }
    }

    /// A step: bits 0 to 2 say what happens, 3 at which opener, 4 on which track, the rest to which frame (1 byte).
    ///
    /// 0 and 1: Bob seals a frame of so many bytes (1). 2 and 3: it comes as it is. 4 to 6: it comes changed, by [`Hostile`] in so many
    /// bytes (1). 7: it comes as another codec's.
    fn step(&mut self, input: &mut Unstructured<'_>, frames: &mut Vec<Frame>) -> Result<()> {
        let what: u8 = input.arbitrary()?;
        let opener = &mut self.openers[usize::from(what >> 3 & 1)];
        let which = usize::from(what >> 4 & 1);
        if what & 7 < 2 || frames.is_empty() {
            let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
            let (payload, codec) = (input.bytes(len)?.to_vec(), CODECS[which]);
            let mut sealed = BytesMut::new();
            let sealer = &mut self.sealers[which];
            sealer.seal(Metadata::frame(codec), &payload, &mut sealed).expect("he may");
            let (sealed, track) = (sealed.to_vec(), sealer.track());
            frames.push(Frame { payload, sealed, track, codec, opened: false });
            return Ok(());
        }
        let at = usize::from(what >> 5) % frames.len();
        match what & 7 {
            2 | 3 => {
                let frame = &mut frames[at];
                frame.comes_to(opener);
            }
            4..=6 => {
                let len = usize::from(input.arbitrary::<u8>()?).min(input.len());
                let hostile = Hostile::read(&mut Unstructured::new(input.bytes(len)?));
                let Ok(hostile) = hostile.map(|hostile| hostile.bytes(&frames[at].sealed)) else {
                    return Ok(());
                };
                if frames.iter().all(|frame| frame.sealed != hostile) {
                    refuses(opener, frames[at].codec, &hostile);
                }
            }
            _ => {
                let frame = &frames[at];
                let other = if frame.codec == Codec::Opus { Codec::Av1 } else { Codec::Opus };
                refuses(opener, other, &frame.sealed);
            }
        }
        Ok(())
    }
}

impl Frame {
    fn comes_to(&mut self, opener: &mut Opener) {
        let mut frame = BytesMut::from(&self.sealed[..]);
        match opener.open(Metadata::frame(self.codec), &mut frame) {
            Ok(Opening::Opened(opened)) => {
                assert!(!self.opened, "opened twice");
                assert_eq!((&frame[..], opened.track), (&self.payload[..], self.track));
                self.opened = true;
            }
            Ok(Opening::Held(_)) => panic!("both are in one epoch"),
            Err(error) => {
                assert!(self.opened, "a genuine frame did not open: {error:?}");
                assert_eq!(error.reason, FrameFault::Replayed);
            }
        }
    }
}

fn refuses(opener: &mut Opener, codec: Codec, hostile: &[u8]) {
    let outcome = opener.open(Metadata::frame(codec), &mut BytesMut::from(hostile));
    // Low bits of an epoch that is not reached yet: it waits, and nothing comes of it.
    assert!(!matches!(outcome, Ok(Opening::Opened(_))), "a forged frame opened: {outcome:?}");
    while let Some(released) = opener.released() {
        assert!(released.outcome.is_err(), "a forged frame opened after all");
    }
}

thread_local!(static STATE: RefCell<State> = RefCell::new(State::new()));

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    STATE.with_borrow_mut(|state| {
        let mut frames = Vec::new();
        for _ in 0..STEPS {
            if input.is_empty() || state.step(&mut input, &mut frames).is_err() {
                break;
            }
        }
        for frame in &mut frames {
            frame.comes_to(&mut state.openers[0]);
            assert!(frame.opened);
        }
        Ok(())
    })
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let seal = |track: u8| [&[track << 4, 5][..], b"frame"].concat();
    let changed = |at: u16| {
        let [low, high] = at.to_le_bytes();
        vec![4, 6, 1, 1, low, high, 1, 0]
    };
    let raw = |bytes: &[u8]| [&[4, bytes.len() as u8 + 1, 0][..], bytes].concat();
    let sealed = seal(0);
    vec![
        ("once".to_owned(), [&sealed[..], &[2]].concat()),
        ("twice".to_owned(), [&sealed[..], &seal(1), &[2, 0b1010, 0b10_0010, 2]].concat()),
        ("another-codec".to_owned(), [&sealed[..], &[7, 7]].concat()),
        ("changed".to_owned(), [sealed.clone(), (0..30).flat_map(changed).collect()].concat()),
        (
            "malformed".to_owned(),
            [&sealed[..], &raw(&[]), &raw(&[0x88]), &raw(&[0x80, 1]), &raw(&[0; 17])].concat(),
        ),
        (
            "no-key".to_owned(),
            [&sealed[..], &raw(&[0x21; 30]), &raw(&[0x92, 9, 9, 0, 0, 1, 1, 1, 1, 1])].concat(),
        ),
        (
            "other-epochs".to_owned(),
            [sealed, (0..16).flat_map(|low| raw(&[&[0x90, 3, low][..], &[0; 30]].concat())).collect()]
                .concat(),
        ),
    ]
}
