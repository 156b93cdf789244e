//! How an app reaches its NATS servers.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Limits;

/// How to reach NATS, and what to keep there.
///
/// ```
/// use std::time::Duration;
/// use subrosa_delivery::nats::{Credentials, NatsConfig};
///
/// let config = NatsConfig {
///     space: "room-17".to_owned(),
///     replicas: 3,
///     max_age: Duration::from_secs(24 * 60 * 60),
///     credentials: Credentials::UserAndPassword { user: "room-17".to_owned(), password: "…".to_owned() },
///     ..NatsConfig::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// The name of the space: letters, digits, `-` and `_`, at most 64. Default `subrosa`.
    ///
    /// Calls of one space share two streams; whoever may read one may read all of it. Servers that are to keep the participants of
    /// one call from the messages of another give each call a space and an account of its own: see [`Permissions`](super::Permissions).
    pub space: String,
    /// On how many servers each message is stored: 1 (default), 3 or 5. With 3 one server can fail. Only for whoever makes the streams.
    pub replicas: usize,
    /// How long a message is kept at most, whether or not its call has ended. Default 2 days. A call in which nothing
    /// changes for longer than that cannot go on. Only for whoever makes the streams.
    pub max_age: Duration,
    /// How long the messages of an ended call or a closed mailbox are kept, for those who have still to read them. Default 30 s.
    /// Then the client that ended it has them deleted; if it is gone by then, one that connects later does, after as long.
    pub linger: Duration,
    /// Whether what ended calls and closed mailboxes held is deleted after that. Default `true`. Streams that allow it allow it to every client, whatever
    /// [`Permissions`](super::Permissions) say: who may publish at all can have the server's acknowledgement delivered to where deletions
    /// are asked for. So [`confined`](NatsConfig::confined) spaces are made without: the entries of one call go with
    /// [`Nats::delete_space`](super::Nats::delete_space), or with their age.
    pub purge_ended: bool,
    /// How long an operation is tried again before [`Unavailable`](crate::DeliveryError::Unavailable). Default 10 s: a cluster that has
    /// lost a server needs some 4 s to agree on who leads.
    pub patience: Duration,
    /// The bounds. NATS holds [`max_entry_bytes`](Limits::max_entry_bytes), [`max_mailbox_messages`](Limits::max_mailbox_messages) and, half
    /// of it for each stream, [`max_stored_bytes`](Limits::max_stored_bytes), which it sets aside; this crate holds
    /// [`max_log_entries`](Limits::max_log_entries) and [`talk_backlog`](Limits::talk_backlog). Nobody counts calls and mailboxes.
    ///
    /// Servers before 2.10.5 lose messages at a bound in bytes; theirs is a number of messages, one for each 8 KiB. Bound their bytes with
    /// `max_file_store` in their own configuration.
    pub limits: Limits,
    /// Who this is to the servers.
    pub credentials: Credentials,
    /// Whether the connection is encrypted. It is, too, where a server's address begins with `tls://` or the server asks for it.
    pub tls: Tls,
    /// Under which subjects answers come. Default `_INBOX`. Where there are [`Permissions`](super::Permissions) it has to be
    /// [`Permissions::inbox`](super::Permissions::inbox): whoever may subscribe to all of `_INBOX` can read everybody's answers.
    pub inbox: String,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            space: "subrosa".to_owned(),
            replicas: 1,
            max_age: Duration::from_secs(2 * 24 * 60 * 60),
            linger: Duration::from_secs(30),
            purge_ended: true,
            patience: Duration::from_secs(10),
            limits: Limits::default(),
            credentials: Credentials::None,
            tls: Tls::default(),
            inbox: "_INBOX".to_owned(),
        }
    }
}

/// Who a client is to the servers.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Nobody in particular; or what stands in the server's address (`nats://user:password@host`).
    #[default]
    None,
    /// A user of the server's configuration.
    UserAndPassword {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// The content of a `.creds` file: a JWT that an operator's account has signed, and the key (an nkey seed) that it is about.
    Jwt(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::UserAndPassword { .. } => "UserAndPassword(…)",
            Self::Token(_) => "Token(…)",
            Self::Jwt(_) => "Jwt(…)",
        })
    }
}

/// TLS to the servers.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Refuse servers without it.
    pub required: bool,
    /// Files in PEM with the certificates of those who vouch for servers. Where there are none, those that the system trusts.
    pub roots: Vec<PathBuf>,
    /// Files in PEM with the client's own certificate and its key, for servers that ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}
