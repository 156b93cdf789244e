//! The media server: it forwards RTP by track. It has no key, no name, and nothing of Subrosa.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use rtc_rtp::Header;
use rtc_shared::marshal::Unmarshal;

use crate::capture::{Handled, Packet};
use crate::clock::Clock;
use crate::failure::{Context, Failure};
use crate::line::{self, JOIN, MAX_DATAGRAM, PART};

/// How soon it notices that it is to stop.
const PATIENCE: Duration = Duration::from_millis(50);
/// RTP version 2 in the two highest bits (RFC 3550 §5.1).
const RTP_VERSION: u8 = 2;

/// A running server.
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Takes the port.
    pub(crate) fn bind(port: u16) -> Result<UdpSocket, Failure> {
        line::bind(port).or_input(format_args!("UDP port {port} cannot be used"))
    }

    /// Forwards on a thread of its own; all that it handles goes to `capture` too.
    pub(crate) fn start(
        socket: UdpSocket,
        clock: Clock,
        capture: SyncSender<Handled>,
    ) -> Result<Self, Failure> {
        socket.set_read_timeout(Some(PATIENCE)).or_broken("the server's socket")?;
        let stop = Arc::new(AtomicBool::new(false));
        let forwarder = Forwarder { socket, clock, capture, parties: Vec::new(), tracks: HashMap::new() };
        let until = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("media server".to_owned())
            .spawn(move || forwarder.run(&until))
            .or_broken("the server's thread")?;
        Ok(Self { stop, thread })
    }

    /// Stops; the capture is complete then.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::Broken("the media server panicked".to_owned()))
    }
}

struct Forwarder {
    socket: UdpSocket,
    clock: Clock,
    capture: SyncSender<Handled>,
    /// To whom to forward.
    parties: Vec<SocketAddr>,
    /// Whose each track (SSRC) is: the first to send it.
    tracks: HashMap<u32, SocketAddr>,
}

impl Forwarder {
    fn run(mut self, stop: &AtomicBool) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, from)) => self.handle(&buffer[..len], from),
                // What was sent before it was to stop is handled, and in the capture.
                Err(_) if stop.load(Ordering::Relaxed) => return,
                // Nothing came for a while; or somebody's socket is gone, and the others go on.
                Err(_) => {}
            }
        }
    }

    fn handle(&mut self, datagram: &[u8], from: SocketAddr) {
        let to = match datagram {
            JOIN => self.join(from),
            PART => self.part(from),
            media => self.forward(media, from),
        };
        let payload = Bytes::copy_from_slice(datagram);
        let packet = Packet { at: self.clock.now(), from, payload, to };
        // Where the capture has failed, the run fails with it, later.
        self.capture.send(Handled::Packet(packet)).unwrap_or_default();
    }

    /// Registers a party and answers with its own word.
    fn join(&mut self, from: SocketAddr) -> Vec<SocketAddr> {
        if !self.parties.contains(&from) {
            self.parties.push(from);
        }
        self.send(JOIN, &[from])
    }

    fn part(&mut self, from: SocketAddr) -> Vec<SocketAddr> {
        self.parties.retain(|party| *party != from);
        self.tracks.retain(|_, owner| *owner != from);
        Vec::new()
    }

    /// Forwards a packet of a track to everybody but its sender, as it is.
    fn forward(&mut self, datagram: &[u8], from: SocketAddr) -> Vec<SocketAddr> {
        let mut rest = datagram;
        let ssrc = match Header::unmarshal(&mut rest) {
            Ok(header) if header.version == RTP_VERSION => header.ssrc,
            _ => return Vec::new(),
        };
        if !self.parties.contains(&from) || *self.tracks.entry(ssrc).or_insert(from) != from {
            return Vec::new();
        }
        let others = self.parties.iter().copied().filter(|party| *party != from).collect::<Vec<_>>();
        self.send(datagram, &others)
    }

    /// Returns to whom it was sent.
    fn send(&self, datagram: &[u8], to: &[SocketAddr]) -> Vec<SocketAddr> {
        let sent = |party: &&SocketAddr| self.socket.send_to(datagram, **party).is_ok();
        to.iter().filter(sent).copied().collect()
    }
}
