//! A proxy between a client and a server, which cuts the connection, or lets nothing through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ServerError;

/// What is read at once: little, so that a message is cut in two now and then.
const PIECE: usize = 512;

/// One client's way to a server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    cut: watch::Sender<u64>,
    flows: watch::Sender<bool>,
    cuts: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Forwards connections to one of the servers, in turn, on a port of its own.
    ///
    /// # Errors
    /// [`ServerError::Machine`].
    pub async fn start(servers: Vec<u16>) -> Result<Self, ServerError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(ServerError::Machine)?;
        let address = listener.local_addr().map_err(ServerError::Machine)?;
        let (cut, flows) = (watch::Sender::new(0), watch::Sender::new(true));
        let cuts = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(accept(listener, servers, cut.clone(), flows.clone(), Arc::clone(&cuts)));
        Ok(Self { address, cut, flows, cuts, task })
    }

    /// Where the client connects to.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Cuts the connection that there is, wherever in a message it may be.
    pub fn cut(&self) {
        self.cut.send_modify(|cut| *cut += 1);
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Lets the server's words through to the client, or holds them back so that the server waits.
    pub fn flow(&self, flows: bool) {
        self.flows.send_replace(flows);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    servers: Vec<u16>,
    cut: watch::Sender<u64>,
    flows: watch::Sender<bool>,
    cuts: Arc<AtomicU64>,
) {
    for turn in 0.. {
        let Ok((client, _)) = listener.accept().await else { return };
        let mut cut = cut.subscribe();
        let Ok(server) = TcpStream::connect(("127.0.0.1", servers[turn % servers.len()])).await else {
            continue; // the client tries again
        };
        let (flows, always) = (flows.subscribe(), watch::Sender::new(true).subscribe());
        let cuts = Arc::clone(&cuts);
        tokio::spawn(async move {
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                Ok(()) = cut.changed() => { cuts.fetch_add(1, Ordering::Relaxed); }
                () = forward(from_client, to_server, always) => {}
                () = forward(from_server, to_client, flows) => {}
            }
        });
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flows: watch::Receiver<bool>) {
    let mut piece = [0; PIECE];
    loop {
        let Ok(len @ 1..) = from.read(&mut piece).await else { return };
        // Who may change it lives as long as the proxy.
        let may_go = flows.wait_for(|flows| *flows).await.is_ok() || *flows.borrow();
        if !may_go || to.write_all(&piece[..len]).await.is_err() {
            return;
        }
    }
}
