//! The bounds of a service.

/// How much a service takes before it says [`DeliveryError::Full`](crate::DeliveryError::Full) or
/// [`DeliveryError::TooLarge`](crate::DeliveryError::TooLarge). Nothing grows without bound.
///
/// ```
/// use subrosa_delivery::{InProcess, Limits};
///
/// let service = InProcess::new(Limits { max_calls: 50, ..Limits::default() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message of any lane, in bytes. Default 1 MiB: the answer to a guest holds the whole tree of the
    /// group, a few hundred bytes per participant.
    pub max_entry_bytes: usize,
    /// How many entries the log of one call holds. Default 65,536: a commit a second for 18 hours.
    pub max_log_entries: usize,
    /// How many messages one mailbox holds. Default 4,096: every guest of a large call, knocking more than once.
    pub max_mailbox_messages: usize,
    /// How many mailboxes the service holds. Default 65,536: one per guest who waits for his answer. A mailbox that
    /// is empty and that nobody reads does not count.
    pub max_mailboxes: usize,
    /// How many calls the service holds. Default 4,096. A call that has no entry and no listener does not count.
    pub max_calls: usize,
    /// How many talk messages are kept for a listener who is behind, before he loses the oldest; at least 1.
    /// Default 1,024: the participants of a large call, all speaking up at once.
    pub talk_backlog: usize,
    /// How many bytes the service stores in all, with a small allowance for each message's bookkeeping.
    /// Default 1 GiB. The other bounds multiply to far more than a machine has; this one is what it can use up.
    pub max_stored_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entry_bytes: 1 << 20,
            max_log_entries: 1 << 16,
            max_mailbox_messages: 1 << 12,
            max_mailboxes: 1 << 16,
            max_calls: 1 << 12,
            talk_backlog: 1 << 10,
            max_stored_bytes: 1 << 30,
        }
    }
}
