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
use rtc::interceptor::Registry;
use subrosa_rtp_examples::clips::Clip;
use subrosa_testkit::table::Table;
use subrosa_webrtc::{FrameReceiver, FrameSender, KeyframeRequests, MediaFrame, Received, SendError};
use tokio::time::{Instant, interval, sleep_until};
use webrtc::runtime::default_runtime;

/// How long after the last frame was sent the rest is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    let clips: Result<Vec<_>, _> = files.iter().map(|file| Clip::open(Path::new(file))).collect();
    let clips = Arc::new(if files.is_empty() { Clip::built_in()? } else { clips? });

    // The call: in an app its messages go through a delivery service, here around a table.
    let mut table = Table::of(&["Ann", "Bob"]);

    // Two connections. Ann's hears keyframe requests, Bob's gives its tracks to the receiver.
    let (registry, requests) = KeyframeRequests::register(Registry::new());
    let mut ann = Peer::new(registry, |_| {}).await?;
    let runtime = default_runtime().ok_or("webrtc-rs has no runtime")?;
    let mut receiver = FrameReceiver::new(table.opener("Bob"), runtime);
    let tracks = receiver.tracks();
    let mut bob = Peer::new(Registry::new(), {
        let tracks = tracks.clone();
        move |track| tracks.add(track).unwrap_or_else(|error| eprintln!("Bob: {error}"))
    })
    .await?;
    let mut rtp_senders = Vec::new();
    for (clip, ssrc) in clips.iter().zip(1..) {
        rtp_senders.push(ann.send_track(clip.mime_type, ssrc).await?);
    }
    ann.connect(&mut bob).await?;

    // Ann's encoders: each clip is one, in a task of its own.
    let start = Instant::now();
    let mut names = BTreeMap::new(); // of the tracks, as Bob sees them
    for (place, rtp_sender) in rtp_senders.iter().enumerate() {
        let clip = &clips[place];
        let sealer = table.sealer("Ann", clip.kind);
        let mut sender = FrameSender::new(sealer, clip.codec, rtp_sender, &requests).await?;
        names.insert(sender.track(), place);
        let clips = Arc::clone(&clips);
        tokio::spawn(async move {
            for frame in &clips[place].frames {
                sleep_until(start + frame.at).await;
                if sender.take_keyframe_request() {
                    println!("Ann: a keyframe of {} is wanted; a file has none to spare", clips[place].name);
                }
                match sender.send(&MediaFrame::new(&frame.data, frame.timestamp)).await {
                    Ok(_) => {}
                    Err(SendError::Seal(error)) => eprintln!("Ann: a frame is for nobody: {error}"),
                    Err(error) => return eprintln!("Ann: {error}"),
                }
            }
        });
    }

    // Bob, and the call's clock.
    let sent: usize = clips.iter().map(|clip| clip.frames.len()).sum();
    let last = clips.iter().filter_map(|clip| clip.frames.last()).map(|frame| frame.at).max();
    let end = start + last.unwrap_or_default() + PATIENCE;
    let mut arrived = vec![BTreeMap::new(); clips.len()];
    let (mut identical, mut tick) = (0, interval(Duration::from_millis(100)));
    let (began, mut failed) = (table.now(), false);
    while identical < sent && Instant::now() < end {
        let received = tokio::select! {
            received = receiver.recv() => received,
            _ = tick.tick() => {
                table.advance(began + start.elapsed());
                requests.keyframe_needed(&table.keyframes_needed("Ann"));
                tracks.wake(); // a new epoch may have opened
                continue;
            }
        };
        match received {
            Some(Received::Frame(frame)) => {
                let place = names[&frame.from.track];
                identical += usize::from(clips[place].is_identical(frame.timestamp, &frame.data));
                arrived[place].insert(frame.timestamp, frame.data.freeze());
            }
            Some(Received::Lost { ssrc, loss }) => {
                eprintln!("Bob: {} packets are lost", loss.missing_packets);
                receiver.request_keyframe(ssrc).await?;
            }
            Some(Received::Refused { refusal, .. }) => eprintln!("Bob: refused: {refusal}"),
            None => break,
        }
    }
    ann.connection.close().await?;
    bob.connection.close().await?;

    let directory = Path::new("target/webrtc_pair");
    std::fs::create_dir_all(directory)?;
    for (clip, arrived) in clips.iter().zip(&arrived) {
        let (came, all) = (arrived.len(), clip.frames.len());
        match clip.write(arrived, directory) {
            Ok(path) => println!("{:?}: {came} of {all} frames, in {}", clip.codec, path.display()),
            Err(error) => println!("{:?}: {came} of {all} frames: {error}", clip.codec),
        }
        failed |= came < all;
    }
    println!("{sent} frames sent, {identical} arrived identical, in {:.1} s", start.elapsed().as_secs_f32());
    if failed || identical < sent { Err("not every frame arrived".into()) } else { Ok(()) }
}
