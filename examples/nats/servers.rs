//! `nats-server` processes.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use thiserror::Error;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long servers may take to come up and to agree.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A program or a file.
    #[error("nats-server cannot be started (on Debian: apt-get install nats-server)")]
    Start(#[source] io::Error),
    /// A directory, a port, a signal.
    #[error("the machine does not let servers be started")]
    Machine(#[source] io::Error),
    /// It runs, and does not answer.
    #[error("a server does not come up; it says: {0}")]
    Silent(String),
}

/// One server or several that replicate; they are stopped, and what they stored is deleted, when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    dir: PathBuf,
}

#[derive(Debug)]
struct Node {
    port: u16,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Child>,
}

impl Cluster {
    /// Starts `count` servers; of more than one, each knows the others.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(count: usize) -> Result<Self, ServerError> {
        Self::start_with(count, "").await
    }

    /// Starts servers with `more` in their configuration.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start_with(count: usize, more: &str) -> Result<Self, ServerError> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("subrosa-nats-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let ports = free_ports(2 * count).map_err(ServerError::Machine)?;
        let (clients, routes) = ports.split_at(count);
        let mut cluster = Self { nodes: Vec::new(), dir };
        for (number, (port, route)) in clients.iter().zip(routes).enumerate() {
            let dir = cluster.dir.join(number.to_string());
            std::fs::create_dir_all(&dir).map_err(ServerError::Machine)?;
            let config = config(&dir, *port, (count > 1).then_some((number, *route, routes)), more);
            let path = dir.join("nats-server.conf");
            std::fs::write(&path, config).map_err(ServerError::Machine)?;
            let arguments = vec!["-c".to_owned(), path.display().to_string()];
            cluster.nodes.push(Node { port: *port, arguments, log: dir.join("log"), process: None });
        }
        for number in 0..count {
            cluster.launch(number)?;
        }
        Ok(cluster)
    }

    /// The same, and waits until the servers answer, and agree on a leader.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn ready(count: usize) -> Result<Self, ServerError> {
        let cluster = Self::start(count).await?;
        cluster.is_ready().await?;
        Ok(cluster)
    }

    /// Waits until all running servers answer, and agree on a leader.
    ///
    /// # Errors
    /// [`ServerError::Silent`].
    pub async fn is_ready(&self) -> Result<(), ServerError> {
        let until = Instant::now() + PATIENCE;
        for node in self.nodes.iter().filter(|node| node.process.is_some()) {
            loop {
                if answers(node.port).await {
                    break;
                }
                if Instant::now() > until {
                    let log = std::fs::read_to_string(&node.log).unwrap_or_default();
                    return Err(ServerError::Silent(log.lines().last().unwrap_or("nothing").to_owned()));
                }
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// The address of each server.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| url(node.port)).collect()
    }

    /// The port of a server.
    pub fn port(&self, number: usize) -> u16 {
        self.nodes[number].port
    }

    /// Starts a server that was stopped, with what it has stored.
    ///
    /// # Errors
    /// [`ServerError::Start`].
    pub fn launch(&mut self, number: usize) -> Result<(), ServerError> {
        let node = &mut self.nodes[number];
        let log = std::fs::File::options().create(true).append(true).open(&node.log);
        let log = log.map_err(ServerError::Machine)?;
        let process = Command::new("nats-server")
            .args(&node.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        node.process = Some(process.map_err(ServerError::Start)?);
        Ok(())
    }

    /// Stops a server by its process id, at once and without a word to anybody, as a crash would.
    ///
    /// # Errors
    /// [`ServerError::Machine`].
    pub async fn kill(&mut self, number: usize) -> Result<(), ServerError> {
        match self.nodes[number].process.take() {
            Some(mut process) => process.kill().await.map_err(ServerError::Machine),
            None => Ok(()),
        }
    }

    /// Whether one of the servers has written that into its log.
    pub fn said(&self, what: &str) -> bool {
        let said = |node: &Node| std::fs::read_to_string(&node.log).is_ok_and(|log| log.contains(what));
        self.nodes.iter().any(said)
    }

    /// Which server leads a stream.
    pub async fn leader(&self, stream: &str) -> Option<usize> {
        for node in self.nodes.iter().filter(|node| node.process.is_some()) {
            let Ok(client) = async_nats::connect(url(node.port)).await else { continue };
            let Ok(info) = jetstream::new(client).get_stream(stream).await else { continue };
            let leader = info.cached_info().cluster.as_ref()?.leader.clone()?;
            return leader.strip_prefix('n')?.parse().ok();
        }
        None
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                process.start_kill().unwrap_or_default();
            }
        }
        std::fs::remove_dir_all(&self.dir).unwrap_or_default();
    }
}

fn url(port: u16) -> String {
    format!("nats://127.0.0.1:{port}")
}

/// Ports that nobody uses at this moment.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<io::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn config(dir: &Path, port: u16, cluster: Option<(usize, u16, &[u16])>, more: &str) -> String {
    let store = dir.join("store");
    let more = if more.is_empty() { "max_payload: 2MB" } else { more };
    let mut config =
        format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{more}\n", store.display());
    if let Some((number, route, routes)) = cluster {
        let routes = routes
            .iter()
            .filter(|other| **other != route)
            .map(|other| format!("\"nats://127.0.0.1:{other}\""));
        let routes = routes.collect::<Vec<_>>().join(", ");
        config += &format!(
            "server_name: n{number}\ncluster {{ name: subrosa, no_advertise: true, listen: \"127.0.0.1:{route}\", routes: [{routes}] }}\n"
        );
    }
    config
}

/// Whether a server's JetStream answers: alone at once, in a cluster when there is somebody who leads.
async fn answers(port: u16) -> bool {
    let options = async_nats::ConnectOptions::new().request_timeout(Some(Duration::from_secs(1)));
    let Ok(client) = options.connect(url(port)).await else { return false };
    let info = client.request("$JS.API.INFO", "".into()).await;
    info.is_ok_and(|info| !String::from_utf8_lossy(&info.payload).contains("\"error\""))
}
