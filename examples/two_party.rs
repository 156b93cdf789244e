//! Two people, one encrypted call: what an app does with Subrosa.

use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use subrosa::{CallConfig, Codec, Event, Invite, Metadata, Opening, Profile, TrackKind};
use subrosa_delivery::InProcess;
use subrosa_runtime::{CallEvent, CallHandle, Client, CommandError, Events};

/// The control side of an app: it shows who is in the call, and asks its user about those who knock.
async fn take_part(me: &str, call: CallHandle, mut events: Events) -> Result<(), CommandError> {
    while let Some(event) = events.next().await {
        match event {
            CallEvent::Call(Event::Roster(roster)) => {
                let names: Vec<_> = roster.members.iter().map(|member| member.name.as_str()).collect();
                println!("{me} sees in epoch {}: {}", roster.epoch, names.join(", "));
                call.roster_taken(roster.epoch).await?; // shown; only now do frames of this epoch open
            }
            CallEvent::Call(Event::Knock(knock)) => call.admit(&[knock.id]).await?, // a real app asks its user
            CallEvent::Call(Event::CutOff { .. }) => {
                println!("{me}: nothing is sealed until hosts are heard again")
            }
            CallEvent::ServiceLost => println!("{me}: no connection; the call goes on for half a minute"),
            CallEvent::Call(Event::Ended(reason)) => println!("{me}: {reason:?}"),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(InProcess::default()); // on more than one machine: `Nats::connect(…)`

    // Ann founds a call and sends Bob the link; what follows the # never reaches a server.
    let (ann, events) = client.create(&Profile::person("Ann")?, &CallConfig::default()).await?;
    let anns_app = tokio::spawn(take_part("Ann", ann.clone(), events));
    let link = ann.invite().await?.to_link("https://meet.example/standup");

    // Bob knocks, and waits until he is let in.
    let waiting = client.knock(Invite::parse(&link)?, &Profile::person("Bob")?).await?;
    let (bob, events) = waiting.admitted().await?;
    let bobs_app = tokio::spawn(take_part("Bob", bob.clone(), events));

    // A sealer for each track and an opener for each thread; they live on media threads and follow the call by themselves.
    let mut microphone = bob.sealer(TrackKind::Microphone).await?;
    let mut opener = ann.opener().await?;
    let mut seconds = 0..3;
    while !seconds.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await; // a real app: until there is a frame
        let (sound, mut frame) = (format!("sound {}", seconds.start), BytesMut::new());
        if microphone.seal(Metadata::frame(Codec::Opus), sound.as_bytes(), &mut frame).is_err() {
            continue; // Bob's app has not shown yet who is there, so nobody hears him
        }
        seconds.next();
        // … `frame` travels by RTP through any server: header, ciphertext, tag …
        match opener.open(Metadata::frame(Codec::Opus), &mut frame)? {
            Opening::Opened(from) => {
                let roster = ann.roster().await?;
                let name = roster.member(from.sender).map_or("?", |member| member.name.as_str());
                println!(
                    "Ann hears the {:?} of {name}: {}",
                    from.track.kind(),
                    String::from_utf8_lossy(&frame)
                );
            }
            Opening::Held(_) => {} // it overtook its key: it comes out of `opener.released()` when the epoch opens
        }
    }
    bob.hang_up().await;
    ann.hang_up().await; // the last host, and with her the call
    bobs_app.await??;
    Ok(anns_app.await??)
}
