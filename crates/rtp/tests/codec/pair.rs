//! A sender and a receiver in one call.

use bytes::BytesMut;
use subrosa::{
    Call, CallConfig, Codec, Event, Guest, HostAnswer, Message, Opener, Opening, Output, Profile, Sealer,
    Time, TrackKind, danger,
};
use subrosa_rtp::codec::{self, OpenError, SealError};

/// Ann seals, Bob opens.
pub(crate) struct Pair {
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
    /// The keys are theirs.
    _calls: [Call; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
        let random = |seed| danger::seeded_random([seed; 32]);
        let profile = |name| Profile::person(name).unwrap();
        let mut ann = Call::create(&profile("Ann"), &CallConfig::default(), random(1), Time::ZERO).unwrap();
        drain(&mut ann);
        let (bob, knock) = Guest::knock(ann.invite(), &profile("Bob"), random(2)).unwrap();
        ann.handle_message(&knock, Time::ZERO).unwrap();
        let commit = drain(&mut ann).pop().unwrap();
        ann.handle_message(&commit, Time::ZERO).unwrap();
        let answer = drain(&mut ann).pop().unwrap();
        let HostAnswer::Admitted(admission) = bob.open_answer(&answer.payload).unwrap() else {
            panic!("denied");
        };
        let mut bob = bob.accept(admission, Time::ZERO).unwrap();
        // That he has the keys: only then are they sealed with.
        for message in drain(&mut bob) {
            ann.handle_message(&message, Time::ZERO).unwrap();
        }
        drain(&mut ann);
        let sealer = ann.sealer(TrackKind::Camera).unwrap();
        Self { sealer, opener: bob.opener(), _calls: [ann, bob] }
    }

    pub(crate) fn seal(&mut self, codec: Codec, frame: &[u8]) -> Result<BytesMut, SealError> {
        let mut out = BytesMut::new();
        codec::seal(&mut self.sealer, codec, frame, &mut out)?;
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

/// Drains the outputs until `Timeout`: takes rosters, admits guests, returns what is to be sent.
fn drain(call: &mut Call) -> Vec<Message> {
    let mut to_send = Vec::new();
    loop {
        match call.poll_output() {
            Output::Send(message) => to_send.push(message),
            Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, Time::ZERO).unwrap(),
            Output::Event(Event::Knock(knock)) => call.admit(&[knock.id], Time::ZERO).unwrap(),
            Output::Event(_) => {}
            Output::Timeout(_) => return to_send,
        }
    }
}
