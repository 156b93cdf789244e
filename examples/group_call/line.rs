//! A participant's line to the media server: a socket, and the two words that the server understands.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::failure::{Context, Failure};

/// "Forward to me", and the server's answer. RTP begins with a byte of 0x80 or more.
pub(crate) const JOIN: &[u8] = &[0];
/// "Forward to me no longer".
pub(crate) const PART: &[u8] = &[1];
/// More than any datagram of the call has.
pub(crate) const MAX_DATAGRAM: usize = 2048;

/// How often a server is asked whether it is there.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);
/// As much as a busy moment may pile up; the system gives what it allows.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Opens a UDP socket of this machine alone.
pub(crate) fn bind(port: u16) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // A smaller buffer still works, and what it loses is measured.
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap_or_default();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    Ok(socket.into())
}

/// Opens a line; the server forwards from now on.
pub(crate) async fn open(server: SocketAddr) -> Result<UdpSocket, Failure> {
    let socket = bind(0).or_broken("a participant's socket")?;
    socket.set_nonblocking(true).or_broken("a participant's socket")?;
    let socket = UdpSocket::from_std(socket).or_broken("a participant's socket")?;
    socket.connect(server).await.or_broken("a participant's socket")?;
    let mut answer = [0; MAX_DATAGRAM];
    for _ in 0..ATTEMPTS {
        let next = Instant::now() + PAUSE;
        let answered = async {
            socket.send(JOIN).await?;
            socket.recv(&mut answer).await // an error where nobody has that port
        };
        if let Ok(Ok(_)) = timeout_at(next, answered).await {
            return Ok(socket);
        }
        sleep_until(next).await;
    }
    Err(Failure::Broken("the media server does not answer".to_owned()))
}
