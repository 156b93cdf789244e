//! One connection to Janus: requests with their answers, and the events between them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::SignalError;

/// How long an answer may take, or an event that was provoked. Generous: a shared machine stalls.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// What a client has to say that it speaks.
const PROTOCOL: &str = "janus-protocol";

type Socket = WebSocketStream<UnixStream>;

/// A connection with a task that reads.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: tokio::sync::Mutex<SplitSink<Socket, Message>>,
    inbox: Arc<Inbox>,
    transactions: AtomicU64,
    reading: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Inbox {
    mail: Mutex<Mail>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Mail {
    /// Who waits for an answer, by transaction.
    asked: HashMap<String, oneshot::Sender<Value>>,
    /// What nobody asked for, in order.
    events: Vec<Value>,
    closed: bool,
}

impl Connection {
    /// Connects to the Unix socket at `path`, on which Janus speaks WebSocket: nobody else can come in between, and no port is taken.
    pub(crate) async fn open(path: &Path) -> Result<Self, SignalError> {
        let stream = UnixStream::connect(path).await?;
        let mut request = "ws://localhost/".into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(PROTOCOL));
        let (socket, _) = client_async(request, stream).await?;
        let (socket, events) = socket.split();
        let inbox = Arc::new(Inbox::default());
        let reading = tokio::spawn(read(events, Arc::clone(&inbox)));
        Ok(Self { socket: socket.into(), inbox, transactions: AtomicU64::new(0), reading })
    }

    /// Asks for the server's version.
    pub(crate) async fn version(&self) -> Result<String, SignalError> {
        let info = self.ask("info", json!({ "janus": "info" })).await?;
        let missing = || SignalError::Unexpected { request: "info".to_owned(), missing: "a version" };
        info["version_string"].as_str().map(str::to_owned).ok_or_else(missing)
    }

    /// Sends a request and waits for what answers it: for a request to a plugin that is not the acknowledgement but the event
    /// that comes after it. `request` names it in errors.
    pub(super) async fn ask(&self, request: &str, mut message: Value) -> Result<Value, SignalError> {
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed).to_string();
        message["transaction"] = json!(transaction);
        let (asked, answer) = oneshot::channel();
        {
            let mut mail = self.inbox.lock();
            if mail.closed {
                return Err(SignalError::Closed);
            }
            mail.asked.insert(transaction, asked);
        }
        self.send(&message).await?;
        let answer = timeout(PATIENCE, answer).await.map_err(|_| SignalError::TimedOut {
            what: format!("the answer to `{request}`"),
            waited: PATIENCE,
        })?;
        refusal(request, answer.map_err(|_| SignalError::Closed)?)
    }

    /// Waits for an event and takes it: the first of those that came and of which `pick` makes something.
    pub(super) async fn event<T>(
        &self,
        what: &str,
        mut pick: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, SignalError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = self.inbox.arrived.notified();
            tokio::pin!(arrived);
            // From here on nothing is missed: what comes after the look at the mail wakes this up.
            arrived.as_mut().enable();
            {
                let mut mail = self.inbox.lock();
                let mut picked = mail.events.iter().enumerate();
                let picked = picked.find_map(|(at, event)| pick(event).map(|picked| (at, picked)));
                if let Some((at, picked)) = picked {
                    mail.events.remove(at);
                    return Ok(picked);
                }
                if mail.closed {
                    return Err(SignalError::Closed);
                }
            }
            let timed_out = |_| SignalError::TimedOut { what: what.to_owned(), waited: PATIENCE };
            timeout_at(deadline, arrived).await.map_err(timed_out)?;
        }
    }

    /// Sends a request that nobody answers but with an acknowledgement.
    pub(super) async fn tell(&self, mut message: Value) -> Result<(), SignalError> {
        let transaction = self.transactions.fetch_add(1, Ordering::Relaxed).to_string();
        message["transaction"] = json!(transaction);
        self.send(&message).await
    }

    async fn send(&self, message: &Value) -> Result<(), SignalError> {
        let text = message.to_string();
        Ok(self.socket.lock().await.send(Message::text(text)).await?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, message: Value) {
        let mut mail = self.lock();
        let is_acknowledgement = message["janus"] == "ack";
        let asked = message["transaction"].as_str().filter(|_| !is_acknowledgement);
        match asked.and_then(|transaction| mail.asked.remove(transaction)) {
            // Who asked may have given up.
            Some(asked) => drop(asked.send(message)),
            None if is_acknowledgement => {}
            None => mail.events.push(message),
        }
        drop(mail);
        self.arrived.notify_waiters();
    }

    fn close(&self) {
        let mut mail = self.lock();
        mail.closed = true;
        mail.asked.clear();
        drop(mail);
        self.arrived.notify_waiters();
    }
}

/// Reads until the connection ends.
async fn read(mut events: SplitStream<Socket>, inbox: Arc<Inbox>) {
    while let Some(Ok(message)) = events.next().await {
        // What is not JSON answers nothing, and whoever waits says so.
        if let Message::Text(text) = message
            && let Ok(message) = serde_json::from_str(&text)
        {
            inbox.take(message);
        }
    }
    inbox.close();
}

/// The core says `{"janus": "error", "error": {…}}`, a plugin `{"plugindata": {"data": {"error_code": …, "error": …}}}`.
fn refusal(request: &str, answer: Value) -> Result<Value, SignalError> {
    let data = &answer["plugindata"]["data"];
    let said = if answer["janus"] == "error" {
        Some((&answer["error"]["code"], &answer["error"]["reason"]))
    } else {
        data.get("error_code").map(|code| (code, &data["error"]))
    };
    let Some((code, reason)) = said else { return Ok(answer) };
    Err(SignalError::Refused {
        request: request.to_owned(),
        code: code.as_i64().unwrap_or_default(),
        reason: reason.as_str().unwrap_or("no reason given").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: Value) -> String {
        refusal("create", answer).map_or_else(|error| error.to_string(), |_| "nothing".to_owned())
    }

    #[test]
    fn refusals_of_the_core_and_of_the_plugin_keep_code_and_reason() {
        let core = json!({ "janus": "error", "error": { "code": 458, "reason": "No such session" } });
        assert_eq!(said(core), "Janus refuses `create`: No such session (code 458)");
        let data = json!({ "videoroom": "event", "error_code": 427, "error": "Room exists" });
        let plugin = json!({ "janus": "success", "plugindata": { "data": data } });
        assert_eq!(said(plugin), "Janus refuses `create`: Room exists (code 427)");
    }

    #[test]
    fn an_answer_is_no_refusal() {
        assert_eq!(said(json!({ "janus": "success", "data": { "id": 1 } })), "nothing");
        let data = json!({ "videoroom": "created", "room": 1 });
        assert_eq!(said(json!({ "janus": "success", "plugindata": { "data": data } })), "nothing");
    }
}
