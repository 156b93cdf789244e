//! A participant: one camera, and everybody else's.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::Rtc;
use str0m::media::{Direction, MediaKind, Mid};
use subrosa::{Codec, ParticipantId, TrackKind};
use subrosa_rtp::extension::{Layer, ScalabilityMode};
use subrosa_rtp::sdp;
use subrosa_str0m::{FrameReceiver, FrameSender, MediaFrame, Received, SendError, configure};
use subrosa_testkit::media::{VideoClip, VideoCodec, VideoFrame};
use subrosa_testkit::table::Table;

use crate::forwarder::Sfu;
use crate::plumbing::Peer;

/// What a person's encoder makes: a clip over and over, and a keyframe when it is asked for one.
pub(crate) struct Camera {
    pub(crate) clip: VideoClip,
    /// The temporal layers of its frames, over and over.
    pub(crate) layers: &'static [u8],
    pub(crate) mode: ScalabilityMode,
    pub(crate) per_second: u32,
}

pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) id: ParticipantId,
    pub(crate) camera: Camera,
    peer: Peer,
    sender: FrameSender,
    receiver: FrameReceiver,
    /// Which of the clip's frames is next.
    next: usize,
    due: Instant,
    pub(crate) sent: Vec<Sent>,
    /// By who sent it: the numbers of the frames that came, and what they were.
    pub(crate) got: BTreeMap<ParticipantId, Vec<(u64, Bytes)>>,
    /// In which streams: for feedback.
    ssrcs: BTreeMap<ParticipantId, u32>,
    pub(crate) lost: usize,
    pub(crate) keyframes_asked_for: usize,
}

/// A frame that was sent; its number is its place among all.
pub(crate) struct Sent {
    pub(crate) layer: u8,
    pub(crate) is_keyframe: bool,
    pub(crate) data: Bytes,
}

impl Person {
    /// Connects to the server. `others` are the numbers of the others there, and the highest temporal layer that is wanted of them.
    pub(crate) fn join(
        name: &'static str,
        camera: Camera,
        table: &Table,
        sfu: &mut Sfu,
        others: &[(usize, u8)],
    ) -> Result<Self, Box<dyn Error>> {
        let mut peer = Peer::new(configure(Rtc::builder()))?;
        let (offer, (mid, mids)) = peer.offer(|sdp| {
            let mut add = |direction| sdp.add_media(MediaKind::Video, direction, None, None, None);
            let mid = add(Direction::SendOnly);
            (mid, others.iter().map(|_| add(Direction::RecvOnly)).collect::<Vec<Mid>>())
        })?;
        let subscribes = others.iter().zip(mids).map(|((from, wanted), mid)| (*from, mid, *wanted));
        // The server need not know of the line `a=sframe`, so its answer is not checked for it.
        peer.accept(&sfu.join(&sdp::offer(&offer), mid, subscribes)?)?;
        let now = Instant::now();
        let codec = match camera.clip.format.codec {
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
        };
        Ok(Self {
            name,
            id: table.id(name),
            peer,
            sender: FrameSender::new(table.sealer(name, TrackKind::Camera), codec, mid).layers(camera.mode),
            receiver: FrameReceiver::new(table.opener(name), now),
            next: 0,
            due: now,
            camera,
            sent: Vec::new(),
            got: BTreeMap::new(),
            ssrcs: BTreeMap::new(),
            lost: 0,
            keyframes_asked_for: 0,
        })
    }

    /// Throws away every so many packets of media that arrive.
    pub(crate) fn lose(&mut self, every: Option<u64>) {
        self.peer.loses = every;
    }

    /// Asks for a keyframe of what a person sends, as a decoder does that starts anew.
    pub(crate) fn ask_for_keyframe(&mut self, of: ParticipantId) -> Result<(), Box<dyn Error>> {
        let ssrc = self.ssrcs.get(&of).copied().ok_or("nothing came of him yet")?;
        Ok(self.receiver.request_keyframe(&mut self.peer.rtc, ssrc)?)
    }

    /// Does what there is to do, and sends the next frame if it is due and there is still one to be sent.
    pub(crate) fn run(&mut self, is_sending: bool) -> Result<(), Box<dyn Error>> {
        let now = Instant::now();
        if is_sending && self.due <= now {
            self.send(now)?;
        }
        while let Some(event) = self.peer.next_event()? {
            self.sender.handle_event(&event);
            self.receiver.handle_event(&self.peer.rtc, &event, now).ok(); // duplicates and late packets are ordinary
        }
        self.receiver.handle_timeout(now);
        while let Some(received) = self.receiver.poll() {
            match received {
                Received::Frame(frame) => {
                    self.ssrcs.insert(frame.from.sender, frame.ssrc);
                    let got = self.got.entry(frame.from.sender).or_default();
                    got.push((frame.from.counter, frame.data.freeze()));
                }
                Received::Lost { ssrc, .. } => {
                    // The beginning of a stream may be missed, and nobody knows what to ask for again.
                    self.lost += usize::from(self.ssrcs.values().any(|known| *known == ssrc));
                    self.receiver.request_keyframe(&mut self.peer.rtc, ssrc)?;
                }
                Received::Refused { refusal, .. } => return Err(refusal.into()),
            }
        }
        Ok(())
    }

    fn send(&mut self, now: Instant) -> Result<(), Box<dyn Error>> {
        self.due += Duration::from_secs(1) / self.camera.per_second;
        let Camera { clip, layers, per_second, .. } = &self.camera;
        if self.sender.take_keyframe_request() {
            self.keyframes_asked_for += 1;
            self.next = 0; // clips begin with one
        }
        let VideoFrame { data, keyframe: is_keyframe, .. } = clip.frames[self.next].clone();
        let temporal_id = layers[self.next % layers.len()];
        let timestamp = (self.sent.len() as u32).wrapping_mul(90_000 / per_second);
        let layer = Layer { spatial_id: 0, temporal_id };
        let frame = MediaFrame::new(&data, timestamp).keyframe(is_keyframe).layer(layer);
        match self.sender.send(&mut self.peer.rtc, &frame, now) {
            Ok(_) => {
                self.next = (self.next + 1) % clip.frames.len();
                self.sent.push(Sent { layer: temporal_id, is_keyframe, data });
            }
            Err(SendError::NotConnected) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
