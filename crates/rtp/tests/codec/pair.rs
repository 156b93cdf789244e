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
    pub(crate) ann: Call,
    pub(crate) bob: Call,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let random = danger::seeded_random([1; 32]);
        let profile = Profile::person("Ann").unwrap();
        let mut ann = Call::create(&profile, &CallConfig::default(), random, Time::ZERO).unwrap();
        drain(&mut ann, Time::ZERO);
        let (mut bob, _) = admit(&mut ann, "Bob", 2, Time::ZERO);
        // That he has the keys: only then are they sealed with.
        for message in drain(&mut bob, Time::ZERO) {
            ann.handle_message(&message, Time::ZERO).unwrap();
        }
        drain(&mut ann, Time::ZERO);
        let sealer = ann.sealer(TrackKind::Camera).unwrap();
        Self { sealer, opener: bob.opener(), ann, bob }
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

/// Lets somebody into the call; returns his end of it, and the commit, which nobody else has seen yet.
pub(crate) fn admit(host: &mut Call, name: &str, seed: u8, now: Time) -> (Call, Message) {
    let random = danger::seeded_random([seed; 32]);
    let (guest, knock) = Guest::knock(host.invite(), &Profile::person(name).unwrap(), random).unwrap();
    host.handle_message(&knock, now).unwrap();
    host.handle_timeout(now); // hosts do not commit at every moment
    let commit = drain(host, now).pop().unwrap();
    host.handle_message(&commit, now).unwrap();
    let answer = drain(host, now).pop().unwrap();
    let HostAnswer::Admitted(admission) = guest.open_answer(&answer.payload).unwrap() else {
        panic!("denied");
    };
    (guest.accept(admission, now).unwrap(), commit)
}

/// Drains the outputs until `Timeout`: takes rosters, admits guests, returns what is to be sent.
pub(crate) fn drain(call: &mut Call, now: Time) -> Vec<Message> {
    let mut to_send = Vec::new();
    loop {
        match call.poll_output() {
            Output::Send(message) => to_send.push(message),
            Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, now).unwrap(),
            Output::Event(Event::Knock(knock)) => call.admit(&[knock.id], now).unwrap(),
            Output::Event(_) => {}
            Output::Timeout(_) => return to_send,
        }
    }
}
