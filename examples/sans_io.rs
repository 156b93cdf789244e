//! Two people, one encrypted call, no sockets and no runtime: what stands beneath `two_party`.

use std::error::Error;

use bytes::BytesMut;
use subrosa::{
    Call, CallConfig, Codec, Event, Guest, HostAnswer, Invite, Lane, Message, Metadata, Opening, Output,
    Profile, Random, Time, TrackKind,
};

/// The one contract: after every input, drain the outputs until `Timeout`. Returns what is to be sent.
fn drain(call: &mut Call, now: Time) -> Result<Vec<Message>, Box<dyn Error>> {
    let mut to_send = Vec::new();
    loop {
        match call.poll_output() {
            Output::Send(message) => to_send.push(message),
            Output::Event(Event::Roster(roster)) => {
                let names: Vec<_> = roster.members.iter().map(|member| member.name.as_str()).collect();
                println!("in the call, epoch {}: {}", roster.epoch, names.join(", "));
                call.roster_taken(roster.epoch, now)?; // shown; only now do frames of this epoch open
            }
            Output::Event(Event::Knock(knock)) => call.admit(&[knock.id], now)?, // a real app asks its user
            Output::Event(_) => {}
            Output::Timeout(_) => return Ok(to_send), // a real app calls `handle_timeout` at that moment
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Time::ZERO; // the library reads no clock

    // Ann founds a call and sends Bob the link; what follows the # never reaches a server.
    let mut ann = Call::create(&Profile::person("Ann")?, &CallConfig::default(), Random::os(), now)?;
    drain(&mut ann, now)?;
    let link = ann.invite().to_link("https://meet.example/standup");

    // Bob knocks. Ann hears it and admits him: her commit goes to the log, where position 0 is still empty.
    let (bob, knock) = Guest::knock(Invite::parse(&link)?, &Profile::person("Bob")?, Random::os())?;
    ann.handle_message(&knock, now)?; // a real app goes on after `HandleError::Knock`: anybody can post garbage
    let log = drain(&mut ann, now)?;
    assert_eq!(log[0].lane, Lane::Log { position: 0 });

    // Ann reads her own commit back from the log: it won. Only now does Bob get his answer, and the keys change.
    ann.handle_message(&log[0], now)?;
    let answer = drain(&mut ann, now)?.pop().ok_or("no answer")?;
    let HostAnswer::Admitted(admission) = bob.open_answer(&answer.payload)? else {
        return Err("turned away".into());
    };
    let mut bob = bob.accept(admission, now)?;

    // Bob says that he has the keys, in a mailbox that Ann reads for it; she says on the talk lane that all have them. There
    // hosts also show that they are alive: everybody listens to it, and without their heartbeats nobody seals for long.
    for message in drain(&mut bob, now)? {
        ann.handle_message(&message, now)?;
    }
    for message in drain(&mut ann, now)? {
        bob.handle_message(&message, now)?;
    }
    drain(&mut bob, now)?;

    // A sealer for each track and an opener for each thread; they live on media threads and follow the call by themselves.
    let mut microphone = bob.sealer(TrackKind::Microphone)?;
    let mut opener = ann.opener();
    for second in 0..3 {
        let mut frame = BytesMut::new();
        microphone.seal(Metadata::frame(Codec::Opus), format!("sound {second}").as_bytes(), &mut frame)?;
        // … `frame` travels by RTP through any server: header, ciphertext, tag …
        match opener.open(Metadata::frame(Codec::Opus), &mut frame)? {
            Opening::Opened(from) => {
                let name = ann.roster().member(from.sender).map_or("?", |member| member.name.as_str());
                println!("{:?} of {name}: {}", from.track.kind(), String::from_utf8_lossy(&frame));
            }
            Opening::Held(_) => {} // it overtook its key: it comes out of `opener.released()` when the epoch opens
        }
    }
    Ok(())
}
