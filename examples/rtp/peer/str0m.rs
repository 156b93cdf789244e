//! str0m in RTP mode: a task for each connection, with a UDP socket of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec as Format, CodecConfig, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use subrosa::{Codec, Opener, SealError, Sealed};
use subrosa_str0m::{FrameReceiver, FrameSender, MediaFrame, Received, SendError, configure};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use super::{Medium, Sealers, Setting, Sink};
use crate::failure::{Context, Failure};

/// ICE and DTLS on one machine take a tenth of a second.
const CONNECT: Duration = Duration::from_secs(20);
/// For the time that a busy machine does not run a peer. The system grants what it may.
const BUFFER: usize = 4 << 20;
/// No datagram of a peer is longer.
const LONGEST_DATAGRAM: usize = 2048;

/// A publishing connection, run by a task.
#[derive(Debug)]
pub(crate) struct Publisher {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

/// A receiving connection, run by a task.
#[derive(Debug)]
pub(crate) struct Subscriber {
    task: JoinHandle<()>,
}

/// What a publisher's task is asked to do.
#[derive(Debug)]
enum Order {
    Connect { answer: String, done: oneshot::Sender<Result<(), Failure>> },
    Send { medium: Medium, frame: Bytes, timestamp: u32, done: oneshot::Sender<Result<Sealed, SendError>> },
}

impl Publisher {
    pub(crate) async fn offer(setting: &Setting, sealers: Sealers) -> Result<(Self, String), Failure> {
        let mut line = Line::open(setting).await?;
        let mut changes = line.rtc.sdp_api();
        let mut add = |kind| changes.add_media(kind, Direction::SendOnly, None, None, None);
        let mids = [add(MediaKind::Audio), add(MediaKind::Video)];
        let (offer, pending) = changes.apply().expect("two media were added");
        let publishing = Publishing {
            line,
            pending: Some(pending),
            audio: FrameSender::new(sealers.audio, Codec::Opus, mids[0]),
            video: FrameSender::new(sealers.video, setting.video, mids[1]),
            connected: None,
        };
        let (orders, taken) = mpsc::unbounded_channel();
        let task = tokio::spawn(publishing.run(taken));
        Ok((Self { orders, task }, offer.to_sdp_string()))
    }

    pub(crate) async fn connect(&self, answer: String) -> Result<(), Failure> {
        let (done, result) = oneshot::channel();
        self.order(Order::Connect { answer, done })?;
        let result = timeout(CONNECT, result).await.or_broken("waited for a publisher's connection")?;
        result.or_broken("a publisher's task")?
    }

    pub(crate) async fn send(
        &self,
        medium: Medium,
        frame: Bytes,
        timestamp: u32,
    ) -> Result<Result<Sealed, SealError>, Failure> {
        let (done, result) = oneshot::channel();
        self.order(Order::Send { medium, frame, timestamp, done })?;
        match result.await.or_broken("a publisher's task")? {
            Ok(sealed) => Ok(Ok(sealed)),
            Err(SendError::Seal(error)) => Ok(Err(error)),
            Err(error) => Err(Failure::Broken(format!("a frame was not sent: {error}"))),
        }
    }

    fn order(&self, order: Order) -> Result<(), Failure> {
        self.orders.send(order).or_broken("a publisher's task")
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    pub(crate) async fn answer(
        setting: &Setting,
        offer: String,
        opener: Opener,
        sink: Sink,
    ) -> Result<(Self, String), Failure> {
        let mut line = Line::open(setting).await?;
        let offer = SdpOffer::from_sdp_string(&offer).or_broken("the other side's offer")?;
        let answer = line.rtc.sdp_api().accept_offer(offer).or_broken("the other side's offer")?;
        let receiver = FrameReceiver::with_limits(opener, line.started, setting.limits);
        let receiving = Receiving { line, receiver, sink, calls: setting.calls.clone() };
        Ok((Self { task: tokio::spawn(receiving.run()) }, answer.to_sdp_string()))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A peer connection and its socket.
struct Line {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    started: Instant,
}

impl Line {
    async fn open(setting: &Setting) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((setting.ip, 0)).await.or_broken("a peer's socket")?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(BUFFER).or_broken("a peer's socket")?;
        let local = socket.local_addr().or_broken("a peer's socket")?;
        let started = Instant::now();
        let mut config = configure(RtcConfig::new()).clear_codecs();
        repaired_opus(config.codec_config());
        let config = match setting.video {
            Codec::H264 => config.enable_h264(true),
            Codec::Av1 => config.enable_av1(true),
            Codec::Vp9 => config.enable_vp9(true),
            _ => config.enable_vp8(true),
        };
        let mut rtc = config.build(started);
        let candidate = Candidate::host(local, "udp").or_broken("a peer's candidate")?;
        rtc.add_local_candidate(candidate);
        Ok(Self { rtc, socket, local, started })
    }

    /// Sends what is to be sent; returns the next event, or when to call again.
    async fn next(&mut self) -> Result<Next, Failure> {
        loop {
            match self.rtc.poll_output().or_broken("str0m")? {
                Output::Timeout(at) => return Ok(Next::Wait(at)),
                Output::Event(event) => return Ok(Next::Event(Box::new(event))),
                Output::Transmit(out) => {
                    // A peer that is gone answers with an ICMP error; ICE notices by itself.
                    self.socket.send_to(&out.contents, out.destination).await.unwrap_or_default();
                }
            }
        }
    }

    /// Waits for a datagram or for the time, and hands it in.
    async fn step(&mut self, at: Instant) -> Result<(), Failure> {
        let mut buffer = [0; LONGEST_DATAGRAM];
        tokio::select! {
            () = sleep_until(at.into()) => {
                self.rtc.handle_input(Input::Timeout(Instant::now())).or_broken("str0m")
            }
            received = self.socket.recv_from(&mut buffer) => {
                let Ok((len, from)) = received else { return Ok(()) };
                let Ok(receive) = Receive::new(Protocol::Udp, from, self.local, &buffer[..len]) else { return Ok(()) };
                self.rtc.handle_input(Input::Receive(Instant::now(), receive)).or_broken("str0m")
            }
        }
    }
}

/// Opus whose lost packets are sent again to str0m, if the other side can. str0m's own Opus has no RTX, and what str0m offers of sound
/// has none either way.
fn repaired_opus(codecs: &mut CodecConfig) {
    let format = FormatParams { min_p_time: Some(10), use_inband_fec: Some(true), ..FormatParams::default() };
    let rate = Frequency::FORTY_EIGHT_KHZ;
    codecs.add_config(111.into(), Some(112.into()), Format::Opus, rate, Some(2), format);
    codecs.iter_mut().for_each(|params| params.set_fb_nack(true));
}

enum Next {
    Event(Box<Event>),
    Wait(Instant),
}

struct Publishing {
    line: Line,
    pending: Option<SdpPendingOffer>,
    audio: FrameSender,
    video: FrameSender,
    connected: Option<oneshot::Sender<Result<(), Failure>>>,
}

impl Publishing {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        if let Err(failure) = self.work(&mut orders).await {
            eprintln!("a publisher's connection: {failure:?}");
        }
    }

    async fn work(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<(), Failure> {
        loop {
            let wait = loop {
                match self.line.next().await? {
                    Next::Wait(at) => break at,
                    Next::Event(event) => self.hear(&event),
                }
            };
            tokio::select! {
                stepped = self.line.step(wait) => stepped?,
                order = orders.recv() => match order {
                    None => return Ok(()),
                    Some(order) => self.obey(order),
                },
            }
        }
    }

    fn hear(&mut self, event: &Event) {
        if let Event::Connected = event
            && let Some(connected) = self.connected.take()
        {
            connected.send(Ok(())).unwrap_or_default(); // who waits may have given up
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Connect { answer, done } => {
                let pending = self.pending.take().expect("an offer is answered once");
                let accepted = SdpAnswer::from_sdp_string(&answer)
                    .or_broken("the other side's answer")
                    .and_then(|answer| {
                        self.line
                            .rtc
                            .sdp_api()
                            .accept_answer(pending, answer)
                            .or_broken("the other side's answer")
                    });
                match accepted {
                    Ok(()) => self.connected = Some(done),
                    Err(failure) => done.send(Err(failure)).unwrap_or_default(),
                }
            }
            Order::Send { medium, frame, timestamp, done } => {
                let sender = match medium {
                    Medium::Audio => &mut self.audio,
                    Medium::Video => &mut self.video,
                };
                let frame = MediaFrame::new(&frame, timestamp);
                done.send(sender.send(&mut self.line.rtc, &frame, Instant::now())).unwrap_or_default();
            }
        }
    }
}

struct Receiving {
    line: Line,
    receiver: FrameReceiver,
    sink: Sink,
    calls: watch::Receiver<u64>,
}

impl Receiving {
    async fn run(mut self) {
        if let Err(failure) = self.work().await {
            eprintln!("a subscriber's connection: {failure:?}");
        }
    }

    async fn work(&mut self) -> Result<(), Failure> {
        loop {
            let wait = loop {
                match self.line.next().await? {
                    Next::Wait(at) => break at,
                    Next::Event(event) => {
                        // Copies and late packets are ordinary; a frame that is missing for it is noticed by the ledger.
                        self.receiver
                            .handle_event(&self.line.rtc, &event, Instant::now())
                            .unwrap_or_default();
                    }
                }
            };
            self.receiver.handle_timeout(Instant::now());
            while let Some(received) = self.receiver.poll() {
                if let Received::Lost { ssrc, .. } = received {
                    self.receiver.request_keyframe(&mut self.line.rtc, ssrc).unwrap_or_default();
                }
                self.sink.send(received).unwrap_or_default(); // the run is over
            }
            let wait = self.receiver.next_timeout().map_or(wait, |due| due.min(wait));
            tokio::select! {
                stepped = self.line.step(wait) => stepped?,
                changed = self.calls.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }
}
