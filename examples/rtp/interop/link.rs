//! A line between two peers on which media packets get lost.
//!
//! Each peer is told the line's address in place of the other's, so that everything passes here: a relay that knows nothing but what
//! stands in clear in an SRTP packet's header. ICE, DTLS and RTCP pass unharmed, so that a run differs from another in its media alone.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use subrosa_testkit::room::Dice;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use subrosa_rtp_examples::failure::{Context, Failure};

const LONGEST_DATAGRAM: usize = 2_048;

/// What passed the line, and what did not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    /// The media frames by SSRC and RTP timestamp.
    pub(crate) frames: BTreeMap<(u32, u32), Fate>,
}

/// What became of a frame's packets in a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) passed: u32,
    pub(crate) lost: u32,
}

/// A line with two ends.
#[derive(Debug)]
pub(crate) struct Link {
    /// What the publisher sends to, and what the subscriber sends to.
    pub(crate) ends: [SocketAddr; 2],
    sockets: [Arc<UdpSocket>; 2],
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    /// Of a hundred media packets.
    percent: u32,
    passed: Passed,
}

impl Link {
    /// Makes a line that loses nothing yet; which packets it loses later follows from the seed.
    pub(crate) async fn open(ip: IpAddr, seed: u64) -> Result<Self, Failure> {
        let bind = || UdpSocket::bind(SocketAddr::new(ip, 0));
        let sockets =
            [bind().await.or_broken("the line's socket")?, bind().await.or_broken("the line's socket")?];
        let mut ends = [SocketAddr::new(ip, 0); 2];
        for (end, socket) in ends.iter_mut().zip(&sockets) {
            *end = socket.local_addr().or_broken("the line's address")?;
        }
        let state = State { dice: Dice::new(seed, 0), percent: 0, passed: Passed::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        Ok(Self { ends, sockets: sockets.map(Arc::new), shared, tasks: Vec::new() })
    }

    /// Begins to carry datagrams between the two peers.
    pub(crate) fn connect(&mut self, publisher: SocketAddr, subscriber: SocketAddr) {
        let [left, right] = &self.sockets;
        for (from, to, address) in [(left, right, subscriber), (right, left, publisher)] {
            let carry = carry(Arc::clone(from), Arc::clone(to), address, Arc::clone(&self.shared));
            self.tasks.push(tokio::spawn(carry));
        }
    }

    /// From now on, of a hundred media packets so many get lost.
    pub(crate) fn lose(&self, percent: u32) {
        self.shared.state().percent = percent;
    }

    /// Returns what has passed.
    pub(crate) fn passed(&self) -> Passed {
        self.shared.state().passed.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn carry(from: Arc<UdpSocket>, to: Arc<UdpSocket>, address: SocketAddr, shared: Arc<Shared>) {
    let mut buffer = [0; LONGEST_DATAGRAM];
    loop {
        let Ok(len) = from.recv(&mut buffer).await else { continue }; // an ICMP error of a peer that is gone
        if shared.state().lets_pass(&buffer[..len]) {
            to.send_to(&buffer[..len], address).await.unwrap_or_default(); // as a network
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

impl State {
    fn lets_pass(&mut self, datagram: &[u8]) -> bool {
        let Some((ssrc, timestamp)) = media(datagram) else { return true };
        let lost = self.percent > 0 && self.dice.below(100) < u64::from(self.percent);
        let fate = self.passed.frames.entry((ssrc, timestamp)).or_default();
        *(if lost { &mut fate.lost } else { &mut fate.passed }) += 1;
        !lost
    }
}

/// SSRC and timestamp of an SRTP packet (RFC 3550 §5.1), told from everything else as RFC 7983 and RFC 5761 §4 say.
fn media(datagram: &[u8]) -> Option<(u32, u32)> {
    let (header, _) = datagram.split_first_chunk::<12>()?;
    if !(128..192).contains(&header[0]) || (192..224).contains(&header[1]) {
        return None;
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    Some((number(8), number(4)))
}
