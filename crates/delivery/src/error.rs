//! What can go wrong, by whose fault it is.

use std::error::Error;

use thiserror::Error;

/// Why a delivery service did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The caller's fault: it wrote beyond the end of the log, without having processed what comes before.
    #[error("the log ends at position {end}, and positions are filled in order")]
    Gap {
        /// The first empty position.
        end: u64,
    },

    /// The caller's fault: the message is longer than the service takes.
    #[error("a message of {len} bytes is longer than the {limit} that the service takes")]
    TooLarge {
        /// The message's length.
        len: usize,
        /// The longest that is taken: [`Limits::max_entry_bytes`](crate::Limits::max_entry_bytes).
        limit: usize,
    },

    /// Nobody's fault: the service is at one of its bounds.
    #[error("the service is at its bound of {0}")]
    Full(Bound),

    /// The service's fault: it cannot be reached, or did not answer. Whether the operation took effect is unknown.
    #[error("the delivery service is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// A bound that a service is at; each is a field of [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Bound {
    /// [`Limits::max_log_entries`](crate::Limits::max_log_entries): this call's log takes no more.
    #[error("entries in one log")]
    LogEntries,
    /// [`Limits::max_mailbox_messages`](crate::Limits::max_mailbox_messages): this mailbox takes no more.
    #[error("messages in one mailbox")]
    MailboxMessages,
    /// [`Limits::max_mailboxes`](crate::Limits::max_mailboxes): no further mailbox can be made.
    #[error("mailboxes")]
    Mailboxes,
    /// [`Limits::max_calls`](crate::Limits::max_calls): no further call can be made.
    #[error("calls")]
    Calls,
    /// [`Limits::max_stored_bytes`](crate::Limits::max_stored_bytes): the service stores no more.
    #[error("stored bytes")]
    StoredBytes,
}
