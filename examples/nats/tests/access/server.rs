//! A server with the configuration that ships, with certificates that are made for it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The shipped file.
pub(crate) const SHIPPED: &str = include_str!("../../server/nats-server.conf");
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    dir: PathBuf,
    port: u16,
    _process: Child,
}

impl Server {
    pub(crate) async fn as_shipped() -> Self {
        Self::with(SHIPPED).await
    }

    pub(crate) async fn with(config: &str) -> Self {
        let dir = directory();
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("a port").port();
        drop(free);
        certificates(&dir);
        std::fs::write(dir.join("nats-server.conf"), config).expect("the directory is writable");
        let process = Command::new("nats-server")
            .arg("-c")
            .arg(dir.join("nats-server.conf"))
            .env("SUBROSA_HOST", "127.0.0.1")
            .env("SUBROSA_PORT", port.to_string())
            .env("SUBROSA_STORE", dir.join("store"))
            .env("SUBROSA_CERT", dir.join("server.pem"))
            .env("SUBROSA_KEY", dir.join("server.key"))
            .env("SUBROSA_BACKEND_PASSWORD", "\"backend's word\"")
            .env("SUBROSA_ROOM_1_PASSWORD", "\"room-1's word\"")
            .env("SUBROSA_ROOM_2_PASSWORD", "\"room-2's word\"")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).expect("the directory is writable"))
            .kill_on_drop(true)
            .spawn();
        let process = process.expect("nats-server is there (on Debian: apt-get install nats-server)");
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the server does not come up: {log}");
            sleep(Duration::from_millis(50)).await;
        }
        Self { dir, port, _process: process }
    }

    pub(crate) fn url(&self) -> String {
        format!("tls://localhost:{}", self.port)
    }

    pub(crate) fn plain_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Who vouches for it.
    pub(crate) fn roots(&self) -> PathBuf {
        self.dir.join("roots.pem")
    }

    /// Who does not.
    pub(crate) fn other_roots() -> PathBuf {
        let dir = directory();
        certificates(&dir);
        dir.join("roots.pem")
    }

    /// Somebody with a client of his own.
    pub(crate) async fn raw(&self, user: &str) -> async_nats::Client {
        self.raw_with(user, &format!("{user}'s word")).await
    }

    pub(crate) async fn raw_with(&self, user: &str, password: &str) -> async_nats::Client {
        async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
            .add_root_certificates(self.roots())
            .require_tls(true)
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .connect(self.url())
            .await
            .expect("he has the password")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.dir).unwrap_or_default();
    }
}

fn directory() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("subrosa-access-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

/// A root, and what it says of the server.
fn certificates(dir: &std::path::Path) {
    let key = || KeyPair::generate().expect("a key");
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, key()).expect("a certificate");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let (server, server_key) = (CertificateParams::new(names).expect("names"), key());
    let server = server.signed_by(&server_key, &root).expect("a certificate");
    for (name, text) in
        [("roots.pem", root.pem()), ("server.pem", server.pem()), ("server.key", server_key.serialize_pem())]
    {
        std::fs::write(dir.join(name), text).expect("the directory is writable");
    }
}
