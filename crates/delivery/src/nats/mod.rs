//! The delivery service on NATS JetStream, for calls that outgrow one machine (feature `nats`).
//!
//! ```no_run
//! use std::sync::Arc;
//! use subrosa_delivery::DeliveryService;
//! use subrosa_delivery::nats::{Nats, NatsConfig};
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let servers = ["nats://10.0.0.1:4222", "nats://10.0.0.2:4222", "nats://10.0.0.3:4222"];
//! let config = NatsConfig { replicas: 3, ..NatsConfig::default() };
//! let service: Arc<dyn DeliveryService> = Arc::new(Nats::connect(&servers, config).await?);
//! # Ok(())
//! # }
//! ```
//!
//! How the contract is kept:
//!
//! - **One subject for each position of a log**, written with *expected last sequence of the subject: 0*, that is, if there is none. The
//!   stream keeps one message a subject and refuses a second, so that a client that forgets to say what it expects overwrites nothing either.
//!   (One subject for a whole log, with an expected sequence that grows, is the obvious way, and it is not safe: replicated streams of
//!   servers before 2.9.21 let two writers win. `docs/nats.md` has the race.)
//! - **A lost acknowledgement costs nothing.** The entry is sent again; if the position is filled by then, it is read back and compared.
//! - **Streams do not depend on consumers**, of which a server would have to keep one for each participant, and which are lost with a
//!   connection or a server. The server says again what it has stored; a follower listens to that, takes what is next, and reads what it
//!   missed by position: when there is a gap, after each reconnection, and now and then in case that the last word was lost.
//! - **Ending a call is a message, too**, stored behind its entries, so that all who follow it read them first. The entries
//!   are deleted a little later ([`NatsConfig::linger`]), by whoever ended it or, where he is gone by then, by whoever connects next; and in any
//!   case with their age.
//! - **The talk lane** is plain NATS, and nothing of it is stored. While a client has no connection it hears nothing, and publishing says
//!   [`Unavailable`](crate::DeliveryError::Unavailable). In a cluster it takes some milliseconds until other servers know of a new listener.
//!
//! Nothing in here waits without bound, and what waits for a reader is bounded by [`Limits`](crate::Limits). `docs/nats.md` has a
//! server configuration with TLS and with permissions for each call, and what was tried: servers killed and restarted, connections cut, disks
//! full.

mod config;
mod ending;
mod error;
mod log;
mod mailbox;
mod news;
mod permissions;
mod space;
mod streams;
mod talk;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::rustls::{self, ClientConfig, RootCertStore};
use async_nats::{Client, ConnectOptions, Event};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::queue::Budget;
use crate::{
    Appended, CallId, DeliveryError, DeliveryService, LogStream, MailboxId, MailboxStream, TalkStream,
};
pub use config::{Credentials, NatsConfig, Tls};
pub use error::NatsError;
use error::{Refusal, found};
pub use permissions::Permissions;
use space::{Place, Space};

/// How long one request may take before it is repeated.
const REQUEST: Duration = Duration::from_secs(2);
/// How long to wait before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// Of how many calls a handle remembers how long their logs are.
const MAX_REMEMBERED: usize = 1 << 12;
/// Messages that wait in the client for a reader, for each subscription; what does not fit is read from the stream.
const NEWS_BACKLOG: usize = 1 << 10;
/// Beside a message's bytes: its headers, and the little more of those that the server adds.
const HEADER_ROOM: usize = 512;

/// The delivery service on NATS JetStream: see the [module](self).
///
/// A clone is another handle on the same connection, which reconnects by itself and is closed when the last handle and the last stream are
/// dropped. It needs a tokio runtime with its timer enabled.
#[derive(Clone)]
pub struct Nats {
    shared: Arc<Shared>,
}

/// What all handles of a connection share.
struct Shared {
    config: NatsConfig,
    space: Space,
    client: Client,
    context: Context,
    log: Stream,
    mail: Stream,
    /// Counts the connections: what was said meanwhile has to be read.
    connections: watch::Receiver<u64>,
    /// Positions that are known to be filled, the highest of each call: what is filled stays filled.
    filled: Mutex<HashMap<CallId, u64>>,
    /// For talk that waits for its listeners.
    budget: Arc<Budget>,
}

impl Nats {
    /// Connects to one or several servers of one cluster, and makes the space's streams where there are none.
    ///
    /// # Errors
    /// [`NatsError`] says whose fault it is.
    pub async fn connect(servers: &[&str], config: NatsConfig) -> Result<Self, NatsError> {
        let space = Space::new(&config.space).ok_or(NatsError::Space)?;
        let (connected, connections) = watch::channel(0);
        let connected = Arc::new(connected);
        let options = options(&config)?.event_callback(move |event| {
            if matches!(event, Event::Connected) {
                connected.send_modify(|count| *count += 1);
            }
            std::future::ready(())
        });
        let client = options.connect(servers).await.map_err(|error| NatsError::Unreachable(error.into()))?;
        let context = ContextBuilder::new().timeout(REQUEST).ack_timeout(REQUEST).build(client.clone());
        let [log, mail] = streams::open(&context, &space, &config).await?;
        let budget = Budget::new(config.limits.max_stored_bytes);
        let filled = Mutex::default();
        let shared =
            Arc::new(Shared { config, space, client, context, log, mail, connections, filled, budget });
        if shared.config.purge_ended {
            tokio::spawn(ending::sweep(Arc::downgrade(&shared)));
        }
        Ok(Self { shared })
    }

    /// Deletes the space with everything in it: for the backend of an app, when the call that had it is over. All streams end by and by, and
    /// nothing can be written any more.
    ///
    /// # Errors
    /// [`DeliveryError::Unavailable`], also where this client may not.
    pub async fn delete_space(&self) -> Result<(), DeliveryError> {
        let shared = &self.shared;
        for stream in [shared.space.log_stream(), shared.space.mail_stream()] {
            let delete = || async {
                match shared.context.delete_stream(&stream).await {
                    Ok(_) => Ok(()),
                    Err(error) if streams::is_gone(&error) => Ok(()), // a second attempt, or somebody else's
                    Err(error) => Err(Refusal::Later(error.into())),
                }
            };
            shared.patiently(delete).await?;
        }
        Ok(())
    }

    /// Whether the client has a connection at this moment. Without one it tries to get one, again and again.
    pub fn is_connected(&self) -> bool {
        self.shared.is_connected()
    }
}

fn options(config: &NatsConfig) -> Result<ConnectOptions, NatsError> {
    let options = match &config.credentials {
        Credentials::None => ConnectOptions::new(),
        Credentials::UserAndPassword { user, password } => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        Credentials::Token(token) => ConnectOptions::with_token(token.clone()),
        Credentials::Jwt(creds) => {
            ConnectOptions::with_credentials(creds).map_err(|error| NatsError::Credentials(error.into()))?
        }
    };
    Ok(options
        .name("subrosa")
        .tls_client_config(tls(config)?)
        .require_tls(config.tls.required)
        .custom_inbox_prefix(&config.inbox)
        .request_timeout(Some(REQUEST))
        .subscription_capacity(NEWS_BACKLOG)
        // A cluster's other servers are a millisecond away; and somebody waits.
        .reconnect_delay_callback(|attempts| PAUSE * attempts.min(10) as u32))
}

/// With ring, whatever else a program is built with: rustls does not choose where there are several.
fn tls(config: &NatsConfig) -> Result<ClientConfig, NatsError> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let mut roots = RootCertStore::empty();
    let unusable = |error: Box<dyn std::error::Error + Send + Sync>| NatsError::Credentials(error);
    let read = |path| CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    for path in &config.tls.roots {
        let certificates = read(path).map_err(|error| unusable(error.into()))?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| unusable(error.into()))?;
        }
    }
    if config.tls.roots.is_empty() {
        // Those that cannot be read vouch for nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.into()))?
        .with_root_certificates(roots);
    match &config.tls.client {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let certificate = read(certificate).map_err(|error| unusable(error.into()))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(error.into()))?;
            builder.with_client_auth_cert(certificate, key).map_err(|error| unusable(error.into()))
        }
    }
}

impl Shared {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn stream(&self, place: Place) -> &Stream {
        self.stream_of(place.kind())
    }

    fn stream_of(&self, kind: &str) -> &Stream {
        if kind == Place::CALL { &self.log } else { &self.mail }
    }

    fn check_size(&self, message: &Bytes) -> Result<(), DeliveryError> {
        let room = self.client.max_payload().saturating_sub(HEADER_ROOM);
        let (len, limit) = (message.len(), self.config.limits.max_entry_bytes.min(room));
        if len > limit { Err(DeliveryError::TooLarge { len, limit }) } else { Ok(()) }
    }

    /// Stores a message; its sequence number in the stream.
    async fn store(&self, subject: String, message: PublishMessage) -> Result<u64, Refusal> {
        Ok(self.context.send_publish(subject, message).await?.await?.sequence)
    }

    /// The last message under a subject. The leader is asked: others may not have it yet.
    async fn last(&self, stream: &Stream, subject: String) -> Result<Option<StreamMessage>, Refusal> {
        found(stream.raw_message_builder().last_by_subject(subject).send().await)
    }

    /// Does something, again and again while the server is away, for as long as the configuration says.
    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, Refusal>>,
    {
        let until = Instant::now() + self.config.patience;
        loop {
            match attempt().await {
                Err(Refusal::Later(_)) if Instant::now() + PAUSE < until => sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// Remembers that a position is filled.
    fn filled(&self, call: CallId, position: u64) {
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if filled.len() >= MAX_REMEMBERED && !filled.contains_key(&call) {
            filled.clear(); // what is forgotten is asked for
        }
        let last = filled.entry(call).or_insert(position);
        *last = position.max(*last);
    }

    fn is_filled(&self, call: CallId, position: u64) -> bool {
        let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        filled.get(&call).is_some_and(|last| position <= *last)
    }

    fn forget(&self, call: CallId) {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
    }
}

#[async_trait]
impl DeliveryService for Nats {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        self.shared.append(call, position, entry).await
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        let shared = &self.shared;
        let entry = shared.patiently(|| shared.entry(call, position)).await?;
        Ok(entry.map(|entry| entry.payload))
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        log::follow(&self.shared, call, from).await
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        self.shared.publish_talk(call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        talk::listen(&self.shared, call).await
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.shared.post(mailbox, message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        mailbox::open(&self.shared, mailbox).await
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        self.shared.forget(call);
        self.shared.end(Place::Call(call)).await?;
        self.shared.end_talk(call).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        self.shared.end(Place::Mailbox(mailbox)).await
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("config", &self.shared.config)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
