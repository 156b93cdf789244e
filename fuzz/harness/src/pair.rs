//! A call of two, the same in each run.

use std::time::Duration;

use bytes::Bytes;
use subrosa::{
    Call, CallConfig, Codec, Event, Guest, HostAnswer, Lane, Message, Metadata, Output, Profile, Time,
    danger, fuzzing,
};

/// The metadata of the targets' frames.
pub const METADATA: Metadata<'static> = Metadata::frame(Codec::Vp8);

/// Ann, who founded the call, and Bob, whom she admitted.
pub struct Pair {
    /// Who founded it.
    pub ann: Call,
    /// Whom she admitted.
    pub bob: Call,
    /// The log's first entry, by which Bob came in.
    pub first_entry: Vec<u8>,
    /// What Bob has said, and Ann has not heard: that he has the keys.
    pub said_by_bob: Vec<Message>,
}

impl Pair {
    /// Makes the call.
    pub fn new() -> Self {
        Self::founded(1)
    }

    /// Makes a call of this seed and the next.
    pub fn founded(seed: u8) -> Self {
        let now = Time::ZERO;
        let random = |of: u8| danger::seeded_random([seed + of; 32]);
        let profile = |name| Profile::person(name).expect("a name");
        let mut ann = Call::create(&profile("Ann"), &CallConfig::default(), random(0), now).expect("a call");
        drain(&mut ann, now);
        let (bob, knock) = Guest::knock(ann.invite(), &profile("Bob"), random(1)).expect("a knock");
        ann.handle_message(&knock, now).expect("a knock");
        let commit = drain(&mut ann, now).pop().expect("a commit");
        ann.handle_message(&commit, now).expect("her own commit");
        let answer = drain(&mut ann, now).pop().expect("an answer");
        let HostAnswer::Admitted(admission) = bob.open_answer(&answer.payload).expect("an answer") else {
            panic!("denied");
        };
        let mut bob = bob.accept(admission, now).expect("it is in order");
        let said_by_bob = drain(&mut bob, now);
        Self { ann, bob, first_entry: commit.payload.to_vec(), said_by_bob }
    }
}

impl Pair {
    /// Has Ann admit a guest of this name, ten seconds later, whose randomness has this seed; returns her answer.
    pub fn admit(&mut self, name: &str, seed: u8) -> Vec<u8> {
        let now = Time::ZERO + Duration::from_secs(10);
        let profile = Profile::person(name).expect("a name");
        let random = danger::seeded_random([seed; 32]);
        let (guest, knock) = Guest::knock(self.ann.invite(), &profile, random).expect("a knock");
        self.ann.handle_message(&knock, now).expect("a knock");
        let sent = drain(&mut self.ann, now);
        let commit = sent.iter().find(|message| matches!(message.lane, Lane::Log { .. })).expect("a commit");
        self.ann.handle_message(commit, now).expect("her own commit");
        let sent = drain(&mut self.ann, now);
        let lane = Lane::Mailbox(guest.answer_mailbox());
        sent.iter().find(|message| message.lane == lane).expect("an answer").payload.to_vec()
    }

    /// Has time pass at both, and each hear what the other says meanwhile.
    pub fn pass(&mut self, now: Time) {
        let mut said = core::mem::take(&mut self.said_by_bob);
        for call in [&mut self.ann, &mut self.bob] {
            call.handle_timeout(now);
            said.extend(drain(call, now));
        }
        while !said.is_empty() {
            for message in core::mem::take(&mut said) {
                for call in [&mut self.ann, &mut self.bob] {
                    let _ = call.handle_message(&message, now);
                    said.extend(drain(call, now));
                }
            }
        }
    }

    /// Returns a guest's key package.
    pub fn key_package() -> Vec<u8> {
        let profile = Profile::person("Carl").expect("a name");
        let invite = Self::new().ann.invite();
        let (carl, _) = Guest::knock(invite, &profile, danger::seeded_random([3; 32])).expect("a knock");
        fuzzing::knock_content(&carl)
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

/// Drains the outputs until `Timeout`: takes rosters, admits guests, returns what is to be sent.
pub fn drain(call: &mut Call, now: Time) -> Vec<Message> {
    let mut to_send = Vec::new();
    loop {
        match call.poll_output() {
            Output::Send(message) => to_send.push(message),
            Output::Event(Event::Roster(roster)) => {
                call.roster_taken(roster.epoch, now).expect("it was just shown");
            }
            Output::Event(Event::Knock(knock)) => call.admit(&[knock.id], now).expect("he waits"),
            Output::Event(_) => {}
            Output::Timeout(_) => return to_send,
        }
    }
}

/// The message with other bytes in it.
pub fn with_payload(message: &Message, payload: Vec<u8>) -> Message {
    Message { lane: message.lane, payload: Bytes::from(payload) }
}
