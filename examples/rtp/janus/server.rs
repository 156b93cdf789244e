//! Janus as a child process: one plugin, one transport, nothing that listens on a network port but the media.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::signalling::Connection;
use subrosa_rtp_examples::failure::{Context, Failure};

/// It takes a third of a second on an idle machine.
const START: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Of the log, when something went wrong.
const SHOWN_LINES: usize = 40;

/// What Debian's package has beside VideoRoom and WebSocket. A plugin that lacks its configuration may still start.
const UNUSED_PLUGINS: [&str; 11] = [
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
];
const UNUSED_TRANSPORTS: [&str; 5] = ["http", "mqtt", "nanomsg", "pfunix", "rabbitmq"];

/// A running Janus. Ends with this value, also when the program panics.
#[derive(Debug)]
pub(crate) struct Janus {
    pub(crate) version: String,
    child: Child,
    log: PathBuf,
    /// Its configuration and its socket.
    dir: TempDir,
}

impl Janus {
    /// Starts `program`, to be reached for media at `ip`, and waits until it answers. Its log is kept at `log`. For the main thread:
    /// Janus ends with the thread that starts it.
    pub(crate) async fn start(program: &Path, ip: IpAddr, log: &Path) -> Result<Self, Failure> {
        if !program.exists() {
            let program = program.display();
            return Err(Failure::Input(format!("there is no {program} (on Debian: apt-get install janus)")));
        }
        let mut janus = Self::spawn(program, ip, log)?;
        match janus.wait_until_up().await {
            Ok(version) => {
                janus.version = version;
                Ok(janus)
            }
            Err(why) => Err(Failure::Input(format!("{why}\n{}", janus.last_lines()))),
        }
    }

    fn spawn(program: &Path, ip: IpAddr, log: &Path) -> Result<Self, Failure> {
        // Not in the directory of the report: the path of a Unix socket is at most 107 bytes long.
        let dir = TempDir::with_prefix("janus-").or_input("a temporary directory")?;
        write_configuration(dir.path(), ip)?;
        let output = File::create(log).or_input(log.display())?;
        let errors = output.try_clone().or_input(log.display())?;
        // util-linux's `setpriv` becomes Janus, and has the system end it with this thread, should nobody be left to do so.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .arg("--config")
            .arg(dir.path().join("janus.jcfg"))
            .arg("--configs-folder")
            .arg(dir.path())
            .args(["--disable-colors", "--debug-timestamps"])
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .or_input("setpriv (util-linux)")?;
        Ok(Self { version: String::new(), child, log: log.to_owned(), dir })
    }

    /// Opens a connection to its API.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(&socket_in(self.dir.path())).await.or_broken("Janus' socket")
    }

    /// What it wrote last, for whoever looks for the reason of a failure.
    pub(crate) fn last_lines(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        format!("Janus' log ends with:\n{}", last.join("\n"))
    }

    /// Returns the version it says.
    async fn wait_until_up(&mut self) -> Result<String, String> {
        let socket = socket_in(self.dir.path());
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("Janus ended at its start: {status}"));
            }
            // Whatever goes wrong here, the socket may not be there yet.
            if let Ok(connection) = Connection::open(&socket).await
                && let Ok(version) = connection.version().await
            {
                return Ok(version);
            }
            if started.elapsed() > START {
                return Err(format!("Janus did not answer within {START:?}"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        // It has nothing to save. An error says that it ended before.
        self.child.kill().unwrap_or_default();
        if let Err(error) = self.child.wait() {
            eprintln!("Janus was not waited for: {error}");
        }
    }
}

fn socket_in(dir: &Path) -> PathBuf {
    dir.join("api")
}

fn write_configuration(dir: &Path, ip: IpAddr) -> Result<(), Failure> {
    let main = format!(
        r#"general: {{
    debug_level = 4
    admin_secret = "not used"
    session_timeout = 60
}}
media: {{
    ipv6 = {ipv6}
}}
nat: {{
    ice_enforce_list = "{ip}"
    ignore_mdns = true
}}
plugins: {{
    disable = "{plugins}"
}}
transports: {{
    disable = "{transports}"
}}
loggers: {{
    disable = "libjanus_jsonlog.so"
}}
events: {{
    broadcast = false
}}
"#,
        ipv6 = ip.is_ipv6(),
        plugins = libraries(&UNUSED_PLUGINS),
        transports = libraries(&UNUSED_TRANSPORTS),
    );
    let transport = format!(
        r#"general: {{
    json = "compact"
    ws = true
    ws_unix = "{}"
    wss = false
}}
admin: {{
    admin_ws = false
    admin_wss = false
}}
"#,
        socket_in(dir).display(),
    );
    for (name, text) in [
        ("janus.jcfg", main.as_str()),
        ("janus.transport.websockets.jcfg", &transport),
        ("janus.plugin.videoroom.jcfg", "general: {\n}\n"),
    ] {
        fs::write(dir.join(name), text).or_input(name)?;
    }
    Ok(())
}

fn libraries<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    names.into_iter().map(|name| format!("libjanus_{name}.so")).collect::<Vec<_>>().join(",")
}
