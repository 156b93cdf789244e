//! What a participant may do at a NATS server.

use super::config::NatsConfig;
use super::error::NatsError;
use super::space::Space;

/// What to allow a user of NATS, so that he can take part in the calls of one space and in nothing else.
///
/// Give each call a space of its own **in an account of its own**, and its participants a user there with these permissions: in the server's
/// configuration, in a JWT, or in the answer of an auth callout. Then nobody of another call can read its messages, write any, or learn that
/// there are some. Servers see ciphertext all the same; this keeps *clients* apart, which otherwise could read whose mailbox fills when, and
/// fill logs and mailboxes of others.
///
/// Permissions alone are not enough: they say nothing of the subjects to which answers go. Whoever may publish into a stream can have its
/// acknowledgement sent to any subject of his account, and so write into other logs, or ask for deletions. Accounts do not share subjects; and
/// the streams of a [`confined`](NatsConfig::confined) space let nothing be deleted.
///
/// ```
/// use subrosa_delivery::nats::Permissions;
///
/// let participant = Permissions::participant("room-17")?;
/// assert!(participant.publish.contains(&"room-17.call.*.log.*".to_owned()));
/// println!("{}", participant.to_config()); // for nats-server.conf
/// # Ok::<(), subrosa_delivery::nats::NatsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects that he may publish to.
    pub publish: Vec<String>,
    /// Subjects that he may subscribe to.
    pub subscribe: Vec<String>,
}

impl Permissions {
    /// What everybody in a call needs. He cannot end it for others: nobody says so to the server then, and its messages go with
    /// [`NatsConfig::max_age`].
    ///
    /// # Errors
    /// [`NatsError::Space`] if that is no name for one.
    pub fn participant(space: &str) -> Result<Self, NatsError> {
        let space = Space::new(space).ok_or(NatsError::Space)?;
        let streams = [space.log_stream(), space.mail_stream()];
        let api = |what: &'static str| streams.iter().map(move |stream| format!("$JS.API.{what}.{stream}"));
        let mut publish = vec![
            format!("{space}.call.*.log.*"),
            format!("{space}.mail.*.in"),
            format!("{space}.mail.*.end"), // a guest closes the mailbox of his answer
            format!("{space}.talk.*.say"),
        ];
        publish.extend(api("STREAM.INFO").chain(api("STREAM.MSG.GET")));
        // Not what is published: what the server says that it has stored, and answers.
        let inbox = Self::inbox(&space.to_string());
        let subscribe = vec![format!("{space}.new.>"), format!("{space}.talk.>"), format!("{inbox}.>")];
        Ok(Self { publish, subscribe })
    }

    /// What the app's own backend needs beside that: it makes the streams, ends calls, and deletes the streams.
    ///
    /// # Errors
    /// As [`participant`](Self::participant).
    pub fn backend(space: &str) -> Result<Self, NatsError> {
        let mut permissions = Self::participant(space)?;
        let space = Space::new(space).ok_or(NatsError::Space)?;
        permissions.publish.extend([format!("{space}.call.*.end"), format!("{space}.talk.*.end")]);
        for stream in [space.log_stream(), space.mail_stream()] {
            let api = |what: &str| format!("$JS.API.STREAM.{what}.{stream}");
            permissions.publish.extend(["CREATE", "DELETE"].map(api));
        }
        Ok(permissions)
    }

    /// Where the answers to such a user come: for [`NatsConfig::inbox`].
    pub fn inbox(space: &str) -> String {
        format!("_INBOX_{space}")
    }

    /// As it stands in the configuration of `nats-server`.
    pub fn to_config(&self) -> String {
        let list = |subjects: &[String]| {
            subjects.iter().map(|subject| format!("\"{subject}\"")).collect::<Vec<_>>().join(", ")
        };
        format!(
            "{{ publish: {{ allow: [{}] }}, subscribe: {{ allow: [{}] }} }}",
            list(&self.publish),
            list(&self.subscribe)
        )
    }
}

impl NatsConfig {
    /// The configuration of somebody whom the servers allow [`Permissions::participant`] or [`Permissions::backend`], and for streams from which
    /// nothing can be deleted by itself.
    pub fn confined(space: &str) -> Self {
        Self {
            space: space.to_owned(),
            inbox: Permissions::inbox(space),
            purge_ended: false,
            ..Self::default()
        }
    }
}
