//! The delivery service of a run: in this process, or on NATS servers; and all that whoever runs it can see.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use subrosa::{CallId, MailboxId};
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{DeliveryService, InProcess, Limits, Outcome, Record, RecordLane};
use tokio_stream::StreamExt;

use crate::failure::{Context, Failure};

/// What ended calls and closed mailboxes held stays for so long: it is to be looked at in the end.
const LINGER: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes that the servers set aside: much more than a run needs, and not so much that a small machine has not got it.
const STORED: usize = 64 << 20;

/// Where messages go.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    InProcess,
    /// The addresses of one server or several of a cluster.
    Nats(Vec<String>),
}

/// Reads the command line's word for it.
pub(crate) fn place(text: &str) -> Result<Place, String> {
    let is_address = |part: &str| ["nats://", "tls://"].iter().any(|scheme| part.starts_with(scheme));
    match text {
        "in-process" => Ok(Place::InProcess),
        _ if text.split(',').all(is_address) => Ok(Place::Nats(text.split(',').map(str::to_owned).collect())),
        _ => Err("neither in-process nor nats://HOST:PORT[,nats://…]".to_owned()),
    }
}

/// A running delivery service.
pub(crate) struct Delivery {
    pub(crate) service: Arc<dyn DeliveryService>,
    operator: Option<Operator>,
}

/// A message that NATS servers stored.
pub(crate) struct Stored {
    pub(crate) subject: String,
    /// Its headers, as text.
    pub(crate) headers: String,
    pub(crate) payload: Bytes,
}

/// Whoever runs the NATS servers: he sees what is published and what is stored.
struct Operator {
    client: Client,
    space: String,
}

impl Delivery {
    /// Starts one of its own, and shows everything that reaches it to `tap`.
    pub(crate) async fn start(
        place: &Place,
        tap: impl Fn(&Record) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        match place {
            Place::InProcess => {
                let service = Arc::new(InProcess::with_tap(Limits::default(), tap));
                Ok(Self { service, operator: None })
            }
            Place::Nats(servers) => {
                // Servers are used again and again, and nobody is to find somebody else's call.
                let number = RandomState::new().hash_one(std::process::id());
                Self::on_nats(servers, format!("group-call-{number:016x}"), tap).await
            }
        }
    }

    async fn on_nats(
        servers: &[String],
        space: String,
        tap: impl Fn(&Record) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let service = Arc::new(nats(servers, &space).await?);
        let client = async_nats::connect(servers).await.or_input("--delivery")?;
        let everything = client.subscribe(format!("{space}.>")).await.or_broken("listening to NATS")?;
        client.flush().await.or_broken("listening to NATS")?;
        tokio::spawn(watch(everything, space.clone(), tap));
        Ok(Self { service, operator: Some(Operator { client, space }) })
    }

    /// Everything that the servers have stored; nothing where there are none. They forget it then.
    pub(crate) async fn stored(&self) -> Result<Vec<Stored>, Failure> {
        let Some(Operator { client, space }) = &self.operator else { return Ok(Vec::new()) };
        let context = jetstream::new(client.clone());
        let mut stored = Vec::new();
        for name in [format!("{space}-log"), format!("{space}-mail")] {
            let stream = context.get_stream(&name).await.or_broken("reading what NATS stored")?;
            let state = stream.cached_info().state.clone();
            for sequence in state.first_sequence..=state.last_sequence {
                match stream.get_raw_message(sequence).await {
                    Ok(message) => stored.push(Stored {
                        subject: message.subject.to_string(),
                        headers: format!("{:?}", message.headers),
                        payload: message.payload,
                    }),
                    Err(error) if error.kind() == stream::RawMessageErrorKind::NoMessageFound => {}
                    Err(error) => return Err(error).or_broken("reading what NATS stored"),
                }
            }
            context.delete_stream(&name).await.or_broken("deleting what NATS stored")?;
        }
        Ok(stored)
    }
}

/// The service as a participant has it.
pub(crate) async fn nats(servers: &[String], space: &str) -> Result<Nats, Failure> {
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    // One that fails takes nothing with it where there are three.
    let replicas = if servers.len() < 3 { 1 } else { 3 };
    let config = NatsConfig {
        replicas,
        space: space.to_owned(),
        linger: LINGER,
        limits: Limits { max_stored_bytes: STORED, ..Limits::default() },
        ..NatsConfig::default()
    };
    Nats::connect(&servers, config).await.or_input("--delivery")
}

/// Makes records of what is published, as a server has it: an entry of the log is accepted when the server says that it has stored it.
async fn watch(mut everything: Subscriber, space: String, tap: impl Fn(&Record)) {
    let mut accepted: BTreeMap<u64, Bytes> = BTreeMap::new();
    let mut undecided: Vec<(u64, Record)> = Vec::new();
    while let Some(Message { subject, payload, .. }) = everything.next().await {
        let Some(said) = subject.strip_prefix(&format!("{space}.")) else { continue };
        let said: Vec<&str> = said.split('.').collect();
        match said[..] {
            ["talk", call, "say"] => {
                let Some(call) = id(call).map(CallId) else { continue };
                tap(&Record { lane: RecordLane::Talk { call }, bytes: payload, outcome: Outcome::Accepted });
            }
            ["mail", mailbox, "in"] => {
                let Some(mailbox) = id(mailbox).map(MailboxId) else { continue };
                tap(&Record {
                    lane: RecordLane::Mailbox { mailbox },
                    bytes: payload,
                    outcome: Outcome::Accepted,
                });
            }
            ["call", call, "log", position] => {
                let (Some(call), Ok(position)) = (id(call).map(CallId), position.parse()) else { continue };
                let lane = RecordLane::Log { call, position };
                let record = Record { lane, bytes: payload, outcome: Outcome::Taken };
                match accepted.get(&position) {
                    // The same again, since nobody knew whether it had come.
                    Some(there) if *there == record.bytes => {}
                    Some(_) => tap(&record),
                    None => undecided.push((position, record)),
                }
            }
            ["new", "call", call, "log", position] => {
                let (Some(call), Ok(position)) = (id(call).map(CallId), position.parse()) else { continue };
                let lane = RecordLane::Log { call, position };
                tap(&Record { lane, bytes: payload.clone(), outcome: Outcome::Accepted });
                let of_this = undecided.extract_if(.., |(at, _)| *at == position);
                of_this.filter(|(_, record)| record.bytes != payload).for_each(|(_, record)| tap(&record));
                accepted.insert(position, payload);
            }
            _ => {} // the ends of lanes, and mail said again
        }
    }
}

fn id(hex: &str) -> Option<[u8; 16]> {
    HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()
}
