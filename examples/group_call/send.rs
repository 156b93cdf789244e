//! One track on its way out: paced, sealed, cut into packets. A task for each.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_rtp::{Header, Packet};
use rtc_shared::marshal::Marshal;
use subrosa::sframe::{self, SealError};
use subrosa::{Metadata, ParticipantId, Sealer, TrackId, TrackKind};
use subrosa_rtp::{Form, MarkerBit, Packetizer};
use tokio::net::UdpSocket;
use tokio::sync::watch;

use crate::failure::{Context, Failure};
use crate::ledger::Sealed;
use crate::media::{Frame, Medium};
use crate::setting::Setting;

/// What fits behind the RTP header in a packet of 1,200 bytes.
const MTU: usize = 1_188;

/// What a sender measured.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) frames: u64,
    /// SFrame headers and tags.
    pub(crate) overhead: u64,
    pub(crate) seal_nanos: Vec<u32>,
}

/// A track that is being sent.
pub(crate) struct Sending {
    pub(crate) me: ParticipantId,
    /// The participant's number: where in the clip he starts.
    pub(crate) number: usize,
    pub(crate) sealer: Sealer,
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) setting: Arc<Setting>,
    /// The tracks that were asked for a keyframe last.
    pub(crate) keyframes: watch::Receiver<Vec<TrackId>>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// The RTP header fields that go on counting.
struct Rtp {
    ssrc: u32,
    sequence: u16,
    first_timestamp: u32,
    packetizer: Packetizer,
    packet: BytesMut,
}

impl Sending {
    /// Sends until it is told to stop, or the call is over.
    pub(crate) async fn run(mut self) -> Result<Sent, Failure> {
        let setting = Arc::clone(&self.setting);
        let medium = setting.media.of(self.sealer.track().kind());
        let mut rtp = Rtp::new();
        let mut sent = Sent::default();
        let mut sealed = BytesMut::new();
        let (mut place, mut elapsed) = (medium.start(self.number), Duration::ZERO);
        let begin = self.setting.clock.now();
        loop {
            let due = begin + self.setting.clock.scaled(elapsed);
            tokio::select! {
                stopped = self.stop.wait_for(|stop| *stop) => {
                    stopped.map(|_| ()).unwrap_or_default(); // or there is nobody left who could stop it
                    return Ok(sent);
                }
                () = self.setting.clock.until(due) => {}
            }
            if self.keyframes.has_changed().unwrap_or(false)
                && self.keyframes.borrow_and_update().contains(&self.sealer.track())
            {
                place = medium.keyframe_from(place);
            }
            let frame = &medium.frames[place];
            sealed.clear();
            match self.seal(medium, frame, &mut sealed, &mut sent) {
                Ok(()) => self.send(medium, place, elapsed, &sealed, &mut rtp).await?,
                Err(SealError::NotReady | SealError::Paused) => {} // nobody could open it, or should
                Err(SealError::Ended) => return Ok(sent),
                Err(error) => return Err(error).or_broken("sealing a frame"),
            }
            elapsed += frame.lasts;
            place = (place + 1) % medium.frames.len();
        }
    }

    fn seal(
        &mut self,
        medium: &Medium,
        frame: &Frame,
        sealed: &mut BytesMut,
        sent: &mut Sent,
    ) -> Result<(), SealError> {
        let began = Instant::now();
        self.sealer.seal(Metadata::frame(medium.codec), &frame.data, sealed)?;
        sent.seal_nanos.push(began.elapsed().as_nanos().try_into().unwrap_or(u32::MAX));
        sent.frames += 1;
        sent.overhead += (sealed.len() - frame.data.len()) as u64;
        Ok(())
    }

    async fn send(
        &mut self,
        medium: &Medium,
        place: usize,
        elapsed: Duration,
        sealed: &[u8],
        rtp: &mut Rtp,
    ) -> Result<(), Failure> {
        let (header, _) = sframe::Header::decode(sealed).or_broken("a frame that was just sealed")?;
        // Written down before anybody can have it.
        self.setting.ledger.sealed(Sealed {
            sender: self.me,
            track: self.sealer.track(),
            epoch: self.sealer.epoch().unwrap_or_default(),
            counter: header.counter,
            place,
            at: self.setting.clock.now(),
            packet: (rtp.ssrc, rtp.sequence),
        });
        let marker = match medium.kind {
            TrackKind::Camera | TrackKind::Screen => MarkerBit::OnLast,
            TrackKind::Microphone | TrackKind::ScreenAudio => MarkerBit::Never,
        };
        let fragments = rtp.packetizer.packetize(sealed, marker).or_broken("a frame that was just sealed")?;
        for fragment in fragments {
            let header = Header {
                version: 2,
                marker: fragment.marker,
                payload_type: medium.payload_type,
                sequence_number: rtp.sequence,
                timestamp: rtp.first_timestamp.wrapping_add(medium.timestamp(elapsed)),
                ssrc: rtp.ssrc,
                ..Header::default()
            };
            rtp.sequence = rtp.sequence.wrapping_add(1);
            rtp.packet = Packet { header, payload: fragment.payload }.marshal().or_broken("an RTP packet")?;
            self.socket.send(&rtp.packet).await.or_broken("sending a packet")?;
        }
        Ok(())
    }
}

impl Rtp {
    /// RFC 3550 §5.1: all three start at random.
    fn new() -> Self {
        let random = RandomState::new().hash_one(0) ^ u64::from(std::process::id());
        Self {
            ssrc: random as u32,
            sequence: (random >> 32) as u16,
            first_timestamp: (random >> 16) as u32,
            packetizer: Packetizer::new(Form::Frame, MTU).expect("room for a descriptor"),
            packet: BytesMut::new(),
        }
    }
}
