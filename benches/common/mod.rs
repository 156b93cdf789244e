//! Calls to measure in.

use subrosa::sframe::CipherSuite;
use subrosa::{
    Call, CallConfig, Event, Guest, HostAnswer, Message, Opener, Output, Profile, Random, Sealer, Time,
    TrackKind,
};

/// A call of two: one who seals, one who opens.
pub(crate) fn sealer_and_opener(suite: CipherSuite) -> (Sealer, Opener, [Call; 2]) {
    let now = Time::ZERO;
    let config = CallConfig { suite, ..CallConfig::default() };
    let profile = |name| Profile::person(name).expect("a name");
    let mut ann = Call::create(&profile("Ann"), &config, Random::os(), now).expect("a call");
    drain(&mut ann, now);
    let (bob, knock) = Guest::knock(ann.invite(), &profile("Bob"), Random::os()).expect("a knock");
    ann.handle_message(&knock, now).expect("a knock");
    let commit = drain(&mut ann, now).pop().expect("a commit");
    ann.handle_message(&commit, now).expect("her own commit");
    let answer = drain(&mut ann, now).pop().expect("an answer");
    let HostAnswer::Admitted(admission) = bob.open_answer(&answer.payload).expect("an answer") else {
        panic!("denied");
    };
    let mut bob = bob.accept(admission, now).expect("it is in order");
    drain(&mut bob, now);
    (bob.sealer(TrackKind::Camera).expect("a track"), ann.opener(), [ann, bob])
}

pub(crate) fn drain(call: &mut Call, now: Time) -> Vec<Message> {
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
