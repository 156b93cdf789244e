//! Sessions and the handles to plugins in them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Connection, SignalError};

/// A third of the time after which Janus drops a silent session.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A session, kept alive as long as this value.
#[derive(Debug)]
pub(super) struct Session {
    connection: Arc<Connection>,
    id: u64,
    keeping: JoinHandle<()>,
}

/// A session's handle to VideoRoom: at most one peer connection.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    session: Arc<Session>,
    id: u64,
}

/// What VideoRoom answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) data: Value,
    /// Its SDP, if there is one.
    pub(super) sdp: Option<String>,
}

impl Session {
    pub(super) async fn create(connection: Connection) -> Result<Arc<Self>, SignalError> {
        let connection = Arc::new(connection);
        let created = connection.ask("create session", json!({ "janus": "create" })).await?;
        let id = number(&created["data"]["id"], "create session")?;
        let keeping = tokio::spawn(keep_alive(Arc::clone(&connection), id));
        Ok(Arc::new(Self { connection, id, keeping }))
    }

    pub(super) async fn attach(self: &Arc<Self>) -> Result<Handle, SignalError> {
        let attach = json!({ "janus": "attach", "session_id": self.id, "plugin": "janus.plugin.videoroom" });
        let attached = self.connection.ask("attach", attach).await?;
        let id = number(&attached["data"]["id"], "attach")?;
        Ok(Handle { session: Arc::clone(self), id })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

async fn keep_alive(connection: Arc<Connection>, session: u64) {
    loop {
        tokio::time::sleep(KEEP_ALIVE).await;
        let message = json!({ "janus": "keepalive", "session_id": session });
        if connection.tell(message).await.is_err() {
            return; // the next request says why
        }
    }
}

impl Handle {
    /// Sends a request to VideoRoom, perhaps with an SDP.
    pub(super) async fn ask(&self, body: Value, sdp: Option<(&str, &str)>) -> Result<Answer, SignalError> {
        let request = body["request"].as_str().unwrap_or_default().to_owned();
        let mut message = self.message("message");
        message["body"] = body;
        if let Some((kind, sdp)) = sdp {
            message["jsep"] = json!({ "type": kind, "sdp": sdp });
        }
        let mut answer = self.session.connection.ask(&request, message).await?;
        let sdp = answer["jsep"]["sdp"].as_str().map(str::to_owned);
        Ok(Answer { data: answer["plugindata"]["data"].take(), sdp })
    }

    /// Says that the SDP named all candidates.
    pub(super) async fn no_more_candidates(&self) -> Result<(), SignalError> {
        let mut message = self.message("trickle");
        message["candidate"] = json!({ "completed": true });
        self.session.connection.tell(message).await
    }

    /// Ends the handle, and with it its peer connection.
    pub(super) async fn detach(&self) -> Result<(), SignalError> {
        self.session.connection.ask("detach", self.message("detach")).await.map(drop)
    }

    /// Waits until the peer connection stands on Janus' side.
    pub(super) async fn up(&self, what: &str) -> Result<(), SignalError> {
        let said = |event: &Value| {
            (event["sender"] == self.id)
                .then(|| match event["janus"].as_str() {
                    Some("webrtcup") => Some(Ok(())),
                    Some("hangup") => {
                        Some(Err(event["reason"].as_str().unwrap_or("no reason given").to_owned()))
                    }
                    _ => None,
                })
                .flatten()
        };
        let up = self.session.connection.event(what, said).await?;
        up.map_err(|reason| SignalError::HungUp { what: what.to_owned(), reason })
    }

    /// Waits for something that VideoRoom says without being asked.
    pub(super) async fn said<T>(
        &self,
        what: &str,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, SignalError> {
        let of_this = |event: &Value| {
            (event["sender"] == self.id).then(|| pick(&event["plugindata"]["data"])).flatten()
        };
        self.session.connection.event(what, of_this).await
    }

    fn message(&self, kind: &str) -> Value {
        json!({ "janus": kind, "session_id": self.session.id, "handle_id": self.id })
    }
}

pub(super) fn number(value: &Value, request: &str) -> Result<u64, SignalError> {
    let missing = || SignalError::Unexpected { request: request.to_owned(), missing: "a number" };
    value.as_u64().ok_or_else(missing)
}
