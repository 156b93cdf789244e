//! Everything on its way in: RTP packets become sealed frames, and these are opened. A task for each participant.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_rtp::Packet;
use rtc_shared::marshal::Unmarshal;
use subrosa::{FrameFault, HeldId, Metadata, Opened, Opener, Opening, ParticipantId};
use subrosa_rtp::{Assembled, Form, Limits, Reassembler, RtpPayload, SealedFrame};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::failure::Failure;
use crate::ledger::{PacketName, Serial};
use crate::line::MAX_DATAGRAM;
use crate::media::Medium;
use crate::received::Received;
use crate::setting::Setting;

/// How often gaps are given up and held frames asked for.
const TICK: Duration = Duration::from_millis(10);
/// Packets that a guest in the waiting room keeps: he cannot open them yet, and perhaps never.
const MAX_EARLY: usize = 1 << 14;

/// What a receiver measured.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Frames that are byte for byte what their sender sealed.
    pub(crate) opened: Vec<Serial>,
    /// Frames that opened and are something else. There are none.
    pub(crate) mismatched: u64,
    /// Where others are in other processes: how many frames of each were opened that are of the clip, and how many that are not.
    pub(crate) heard: Option<BTreeMap<(ParticipantId, bool), u64>>,
    /// Every frame that was handed to the opener.
    pub(crate) tried: Vec<PacketName>,
    pub(crate) undecryptable: BTreeMap<&'static str, u64>,
    /// Packets that never came, as far as later ones tell.
    pub(crate) packets_lost: u64,
    pub(crate) open_nanos: Vec<u32>,
}

/// A receiver's task.
pub(crate) struct Receiving {
    opener: Option<oneshot::Sender<Opener>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<(Tally, Received)>,
}

impl Receiving {
    /// Receives from now on, and opens once there is an opener.
    pub(crate) fn start(socket: Arc<UdpSocket>, setting: Arc<Setting>) -> Self {
        let (opener, has_opener) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(receive(socket, setting, has_opener, stopped));
        Self { opener: Some(opener), stop, task }
    }

    pub(crate) fn open_with(&mut self, opener: Opener) {
        if let Some(waiting) = self.opener.take() {
            waiting.send(opener).unwrap_or_default(); // a task that panicked says so when it is joined
        }
    }

    pub(crate) async fn finish(self) -> Result<(Tally, Received), Failure> {
        drop(self.opener);
        self.stop.send(()).unwrap_or_default();
        self.task.await.map_err(|_| Failure::Broken("a receiver panicked".to_owned()))
    }
}

async fn receive(
    socket: Arc<UdpSocket>,
    setting: Arc<Setting>,
    has_opener: oneshot::Receiver<Opener>,
    mut stopped: oneshot::Receiver<()>,
) -> (Tally, Received) {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut early = VecDeque::new();
    tokio::pin!(has_opener);
    let opener = loop {
        tokio::select! {
            opener = &mut has_opener => break opener,
            _ = socket.readable() => while let Ok(len) = socket.try_recv(&mut buffer) {
                early.push_back(Bytes::copy_from_slice(&buffer[..len]));
                if early.len() > MAX_EARLY {
                    early.pop_front();
                }
            },
        }
    };
    let Ok(opener) = opener else { return Default::default() }; // turned away
    let alone = setting.alone;
    let mut receiver = Receiver {
        opener,
        setting,
        streams: HashMap::new(),
        held: HashMap::new(),
        tally: Tally { heard: alone.then(BTreeMap::new), ..Tally::default() },
        received: Received::default(),
    };
    early.into_iter().for_each(|datagram| receiver.datagram(datagram));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return receiver.finish(),
            _ = tick.tick() => receiver.tick(),
            _ = socket.readable() => while let Ok(len) = socket.try_recv(&mut buffer) {
                receiver.datagram(Bytes::copy_from_slice(&buffer[..len]));
            },
        }
    }
}

struct Receiver {
    opener: Opener,
    setting: Arc<Setting>,
    /// By SSRC.
    streams: HashMap<u32, Reassembler>,
    /// What is known of frames that wait for their epoch: payload type and RTP timestamp.
    held: HashMap<HeldId, (u8, u32)>,
    tally: Tally,
    received: Received,
}

impl Receiver {
    fn datagram(&mut self, mut datagram: Bytes) {
        let Ok(Packet { header, payload }) = Packet::unmarshal(&mut datagram) else { return };
        if header.version != 2 || self.setting.media.by_payload_type(header.payload_type).is_none() {
            return;
        }
        let packet = RtpPayload {
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            payload_type: header.payload_type,
            marker: header.marker,
            payload,
        };
        let now = self.setting.clock.now().elapsed();
        let stream = self
            .streams
            .entry(header.ssrc)
            .or_insert_with(|| Reassembler::new(Form::Frame, Limits::default()));
        stream.push(packet, now).unwrap_or_default(); // refused packets are in its counters
        self.frames_of(header.ssrc);
    }

    fn frames_of(&mut self, ssrc: u32) {
        while let Some(assembled) = self.streams.get_mut(&ssrc).and_then(Reassembler::poll) {
            match assembled {
                Assembled::Frame(frame) => self.frame(ssrc, frame),
                Assembled::Lost(loss) => self.tally.packets_lost += loss.missing_packets,
            }
        }
    }

    fn frame(&mut self, ssrc: u32, mut frame: SealedFrame) {
        let setting = Arc::clone(&self.setting);
        let Some(medium) = setting.media.by_payload_type(frame.payload_type) else { return };
        self.tally.tried.push((ssrc, frame.first_sequence as u16));
        let began = Instant::now();
        let opening = self.opener.open(Metadata::frame(medium.codec), &mut frame.data);
        let nanos = began.elapsed().as_nanos().try_into().unwrap_or(u32::MAX);
        match opening {
            Ok(Opening::Opened(opened)) => {
                self.tally.open_nanos.push(nanos);
                self.opened(&opened, medium, frame.timestamp, &frame.data);
            }
            Ok(Opening::Held(id)) => {
                self.held.insert(id, (frame.payload_type, frame.timestamp));
            }
            Err(error) => self.refused(error.reason),
        }
    }

    fn tick(&mut self) {
        let now = self.setting.clock.now().elapsed();
        let due = |stream: &Reassembler| stream.next_timeout().is_some_and(|at| at <= now);
        let due =
            self.streams.iter().filter(|(_, stream)| due(stream)).map(|(ssrc, _)| *ssrc).collect::<Vec<_>>();
        for ssrc in due {
            if let Some(stream) = self.streams.get_mut(&ssrc) {
                stream.handle_timeout(now);
            }
            self.frames_of(ssrc);
        }
        self.released();
    }

    fn released(&mut self) {
        let setting = Arc::clone(&self.setting);
        while let Some(released) = self.opener.released() {
            let Some((payload_type, timestamp)) = self.held.remove(&released.id) else { continue };
            let Some(medium) = setting.media.by_payload_type(payload_type) else { continue };
            match released.outcome {
                Ok(opened) => self.opened(&opened, medium, timestamp, &released.payload),
                Err(error) => self.refused(error.reason),
            }
        }
    }

    /// An authentic frame goes where its authenticated sender and track say, whatever packets it came in (R16).
    fn opened(&mut self, opened: &Opened, claimed: &Medium, timestamp: u32, payload: &BytesMut) {
        let medium = self.setting.media.of(opened.track.kind());
        if medium.kind != claimed.kind {
            self.count("wrong_kind_of_track");
            return;
        }
        if let Some(heard) = &mut self.tally.heard {
            // From another process: it should be a frame of the clip that all play.
            let is_known = medium.frames.iter().any(|frame| frame.data == *payload);
            *heard.entry((opened.sender, is_known)).or_default() += 1;
            return;
        }
        // From here on it is checked, with a knowledge that no receiver has, whether this is the very frame.
        match self.setting.ledger.find(opened) {
            Some((serial, sealed)) if medium.frames[sealed.place].data == *payload => {
                self.tally.opened.push(serial);
                self.received.keep(opened.sender, medium.kind, timestamp, payload);
            }
            _ => self.tally.mismatched += 1,
        }
    }

    fn refused(&mut self, fault: FrameFault) {
        self.count(match fault {
            FrameFault::Malformed(_) => "malformed",
            FrameFault::EpochClosed => "epoch_closed",
            FrameFault::UnknownSender => "unknown_sender",
            FrameFault::UnknownTrack => "unknown_track",
            FrameFault::Reflected => "reflected",
            FrameFault::Replayed => "replayed",
            FrameFault::Unauthentic => "unauthentic",
            FrameFault::HoldFull => "hold_full",
            FrameFault::HeldTooLong => "held_too_long",
            FrameFault::Paused => "paused",
            FrameFault::Ended => "ended",
            _ => "other",
        });
    }

    fn count(&mut self, reason: &'static str) {
        *self.tally.undecryptable.entry(reason).or_default() += 1;
    }

    fn finish(mut self) -> (Tally, Received) {
        self.released();
        for _ in std::mem::take(&mut self.held) {
            self.count("still_held");
        }
        (self.tally, self.received)
    }
}
