//! What an app on str0m has anyway: a socket, the loop around `Rtc`, offer and answer. Nothing in this file knows of Subrosa.

use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One side of a peer connection, on a socket of 127.0.0.1.
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    buffer: Vec<u8>,
    /// Throws away each packet of media whose number, as they arrive, is a multiple of this: a bad network.
    pub(crate) loses: Option<u64>,
    /// How many packets of media arrived, those thrown away among them.
    arrived: u64,
}

impl Peer {
    /// Opens a socket.
    pub(crate) fn new(config: RtcConfig) -> Result<Self> {
        str0m::crypto::from_feature_flags().install_process_default();
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let mut rtc = config.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        Ok(Self { rtc, socket, address, pending: None, buffer: vec![0; 2_000], loses: None, arrived: 0 })
    }

    /// Makes an offer of what `change` adds; returns its text, and what `change` returns.
    pub(crate) fn offer<T>(&mut self, change: impl FnOnce(&mut SdpApi<'_>) -> T) -> Result<(String, T)> {
        let mut sdp = self.rtc.sdp_api();
        let added = change(&mut sdp);
        let (offer, pending) = sdp.apply().ok_or("nothing to offer")?;
        self.pending = Some(pending);
        Ok((offer.to_sdp_string(), added))
    }

    /// Answers an offer.
    pub(crate) fn answer(&mut self, offer: &str) -> Result<String> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        Ok(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string())
    }

    /// Takes the answer to its offer.
    pub(crate) fn accept(&mut self, answer: &str) -> Result<()> {
        let pending = self.pending.take().ok_or("no offer was made")?;
        Ok(self.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(answer)?)?)
    }

    /// Does what there is to do; returns the next event, or `None` when there is nothing left to do but wait.
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            match self.rtc.poll_output()? {
                Output::Event(event) => return Ok(Some(event)),
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination)?;
                }
                Output::Timeout(at) if at <= Instant::now() => {
                    self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
                Output::Timeout(_) => {
                    let (length, source) = match self.socket.recv_from(&mut self.buffer) {
                        Ok(datagram) => datagram,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                        Err(error) => return Err(error.into()),
                    };
                    let contents = &self.buffer[..length];
                    self.arrived += u64::from(is_rtp(contents));
                    if is_rtp(contents) && self.loses.is_some_and(|every| self.arrived.is_multiple_of(every))
                    {
                        continue;
                    }
                    let datagram = Receive::new(Protocol::Udp, source, self.address, contents)?;
                    self.rtc.handle_input(Input::Receive(Instant::now(), datagram))?;
                }
            }
        }
    }
}

/// RFC 7983 §7 tells RTP from STUN and DTLS, RFC 5761 §4 from RTCP.
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..192, second, ..] if !(192..224).contains(second))
}
