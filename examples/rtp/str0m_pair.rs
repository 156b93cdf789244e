//! Ann sends Bob video and sound over str0m, with ICE, DTLS and SRTP on 127.0.0.1, and no server could see or hear it.
//!
//! ```sh
//! cargo run --release -p subrosa-rtp-examples --example str0m_pair [FILE.ivf | FILE.opus.ogg]…
//! ```
//!
//! Sends the files, or else the built-in clips, at their own pace; writes what arrived to `target/str0m_pair`, and fails unless that
//! is every frame, identical. How str0m is used is in `plumbing/str0m.rs`; what Subrosa adds is all of this file.

#[path = "plumbing/str0m.rs"]
mod plumbing;

use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use plumbing::Peer;
use str0m::Rtc;
use str0m::media::{Direction, MediaKind, Mid};
use subrosa_rtp::sdp;
use subrosa_rtp_examples::clips::{Arrivals, Clip};
use subrosa_str0m::{FrameReceiver, FrameSender, MediaFrame, Received, SendError, configure};
use subrosa_testkit::table::Table;

/// How long after the last frame was sent the rest is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn Error>> {
    let clips = Clip::of_arguments()?;
    // The call: in an app its messages go through a delivery service, here around a table.
    let mut table = Table::of(&["Ann", "Bob"]);

    // Two connections, one media for each clip. str0m cannot say in SDP that the media is sealed; the text can.
    let mut ann = Peer::new(configure(Rtc::builder()))?;
    let mut bob = Peer::new(configure(Rtc::builder()))?;
    let kind = |clip: &Clip| if clip.codec.is_audio() { MediaKind::Audio } else { MediaKind::Video };
    let (offer, mids) = ann.offer(|sdp| {
        let add = |clip| sdp.add_media(kind(clip), Direction::SendOnly, None, None, None);
        clips.iter().map(add).collect::<Vec<Mid>>()
    })?;
    let offer = sdp::offer(&offer);
    let answer = sdp::answer(&offer, &bob.answer(&offer)?)?;
    sdp::check(&offer, &answer)?;
    ann.accept(&answer)?;

    // A sender for each track, a receiver for the connection.
    let mut receiver = FrameReceiver::new(table.opener("Bob"), Instant::now());
    let sender =
        |(clip, mid): (&Clip, &Mid)| FrameSender::new(table.sealer("Ann", clip.kind), clip.codec, *mid);
    let mut senders: Vec<_> = clips.iter().zip(&mids).map(sender).collect();

    let mut arrivals = Arrivals::of(&clips);
    let mut sent = vec![0; clips.len()];
    let (began, opened) = (table.now(), Instant::now());
    let mut start = None; // of the clips: when Ann is connected
    while !arrivals.is_complete() {
        let now = Instant::now();
        table.advance(began + (now - opened));
        let needed = table.keyframes_needed("Ann");

        // Ann's encoders: each clip is one.
        if ann.rtc.is_connected() {
            start.get_or_insert(now);
        }
        for ((sender, sent), clip) in senders.iter_mut().zip(&mut sent).zip(&*clips) {
            sender.keyframe_needed(&needed);
            if sender.take_keyframe_request() {
                println!("Ann: a keyframe is wanted; a file has none to spare");
            }
            let is_due = |at| start.is_some_and(|start| start + at <= now);
            while let Some(frame) = clip.frames.get(*sent).filter(|frame| is_due(frame.at)) {
                match sender.send(&mut ann.rtc, &MediaFrame::new(&frame.data, frame.timestamp), now) {
                    Ok(_) => {}
                    Err(SendError::Seal(error)) => println!("Ann: a frame is for nobody: {error}"),
                    Err(error) => return Err(error.into()),
                }
                *sent += 1;
            }
        }
        while let Some(event) = ann.next_event()? {
            senders.iter_mut().for_each(|sender| sender.handle_event(&event));
        }

        // Bob.
        while let Some(event) = bob.next_event()? {
            receiver.handle_event(&bob.rtc, &event, now).ok(); // duplicates and late packets are ordinary
        }
        receiver.handle_timeout(now);
        while let Some(received) = receiver.poll() {
            match received {
                Received::Frame(frame) => {
                    let clip = senders.iter().position(|sender| sender.track() == frame.from.track);
                    arrivals.add(clip.ok_or("an unknown track")?, frame.timestamp, frame.data.freeze());
                }
                Received::Lost { ssrc, .. } => receiver.request_keyframe(&mut bob.rtc, ssrc)?,
                Received::Refused { refusal, .. } => println!("Bob: refused: {refusal}"),
            }
        }

        if start.unwrap_or(opened) + arrivals.duration() + PATIENCE < now {
            break;
        }
        sleep(Duration::from_millis(1));
    }
    arrivals.report(Path::new("target/str0m_pair"))
}
