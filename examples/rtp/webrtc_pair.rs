//! Ann sends Bob video and sound over webrtc-rs, with ICE, DTLS and SRTP on 127.0.0.1, and no server could see or hear it.
//!
//! ```sh
//! cargo run --release -p subrosa-rtp-examples --example webrtc_pair [FILE.ivf | FILE.opus.ogg]…
//! ```
//!
//! Sends the files, or else the built-in clips, at their own pace; writes what arrived to `target/webrtc_pair`, and fails unless that
//! is every frame, identical. How webrtc-rs is used is in `plumbing/webrtc.rs`; what Subrosa adds is all of this file.

#[path = "plumbing/webrtc.rs"]
mod plumbing;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plumbing::Peer;
use subrosa_rtp::sdp;
use subrosa_rtp_examples::clips::{Arrivals, Clip};
use subrosa_testkit::table::Table;
use subrosa_webrtc::{FrameReceiver, FrameSender, MediaFrame, Received, SendError, configure};
use tokio::time::{Instant, interval, sleep_until};
use webrtc::runtime::default_runtime;

/// How long after the last frame was sent the rest is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clips = Clip::of_arguments()?;
    // The call: in an app its messages go through a delivery service, here around a table.
    let mut table = Table::of(&["Ann", "Bob"]);

    // Two connections. Ann's hears keyframe requests, Bob's gives its tracks to the receiver.
    let (mut ann, requests) = Peer::new(configure, |_| {}).await?;
    let runtime = default_runtime().ok_or("webrtc-rs has no runtime")?;
    let mut receiver = FrameReceiver::new(table.opener("Bob"), runtime);
    let (tracks, call_tracks) = (receiver.tracks(), receiver.tracks());
    let on_track = move |track| tracks.add(track).expect("as many tracks as clips");
    let (mut bob, _) = Peer::new(configure, on_track).await?;

    let mut rtp_senders = Vec::new();
    for (clip, ssrc) in clips.iter().zip(1..) {
        rtp_senders.push(ann.send_track(clip.mime_type, ssrc).await?);
    }
    // webrtc-rs cannot say in SDP that the media is sealed; the text can.
    let offer = sdp::offer(&ann.offer().await?);
    let answer = sdp::answer(&offer, &bob.answer(&offer).await?)?;
    sdp::check(&offer, &answer)?;
    ann.accept(&answer).await?;
    ann.connected().await?;
    bob.connected().await?;

    // Ann's encoders: each clip is one, in a task of its own.
    let start = Instant::now();
    let mut numbers = BTreeMap::new(); // of the clips, by the tracks as Bob sees them
    for (number, (clip, rtp_sender)) in clips.iter().zip(&rtp_senders).enumerate() {
        let sealer = table.sealer("Ann", clip.kind);
        let mut sender = FrameSender::new(sealer, clip.codec, rtp_sender, &requests).await?;
        numbers.insert(sender.track(), number);
        let clips = Arc::clone(&clips);
        tokio::spawn(async move {
            for frame in &clips[number].frames {
                sleep_until(start + frame.at).await;
                if sender.take_keyframe_request() {
                    println!("Ann: a keyframe is wanted; a file has none to spare");
                }
                match sender.send(&MediaFrame::new(&frame.data, frame.timestamp)).await {
                    Ok(_) => {}
                    Err(SendError::Seal(error)) => println!("Ann: a frame is for nobody: {error}"),
                    Err(error) => return println!("Ann: {error}"),
                }
            }
        });
    }

    // Bob, and the clock of the call.
    let mut arrivals = Arrivals::of(&clips);
    let end = start + arrivals.duration() + PATIENCE;
    let (began, mut tick) = (table.now(), interval(Duration::from_millis(100)));
    while !arrivals.is_complete() && Instant::now() < end {
        tokio::select! {
            received = receiver.recv() => match received {
                Some(Received::Frame(frame)) => {
                    arrivals.add(numbers[&frame.from.track], frame.timestamp, frame.data.freeze());
                }
                Some(Received::Lost { ssrc, .. }) => receiver.request_keyframe(ssrc).await?,
                Some(Received::Refused { refusal, .. }) => println!("Bob: refused: {refusal}"),
                None => break,
            },
            _ = tick.tick() => {
                table.advance(began + start.elapsed());
                requests.keyframe_needed(&table.keyframes_needed("Ann"));
                call_tracks.wake(); // an epoch may have opened, for frames that came before
            }
        }
    }
    ann.connection.close().await?;
    bob.connection.close().await?;
    arrivals.report(Path::new("target/webrtc_pair"))
}
