//! The contract: what a call needs of the service that delivers its handshake messages.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{CallId, DeliveryError, MailboxId, Subscription};

/// Orders and forwards the handshake messages of calls; sees ciphertext only.
///
/// One service carries many calls, and calls do not see each other. A call begins with the first entry of its log
/// and ends with [`end_call`](Self::end_call). Mailboxes have no visible tie to a call, on purpose: the service
/// need not learn who knocks where.
///
/// The trait is object-safe, so that an app can choose its service at run time and keep it as
/// `Arc<dyn DeliveryService>`. That takes boxed futures, which the `async-trait` crate writes: implementations are
/// plain `async fn`s under `#[async_trait]`, and a box per handshake message costs nothing that matters.
///
/// Each method takes effect when its future is polled to its end. Whoever drops a future of `append` or `post`
/// early does not know whether it took effect; repeating an `append` is always safe.
#[async_trait]
pub trait DeliveryService: Send + Sync {
    /// Writes `entry` at `position` of the call's log, if that position is still empty.
    ///
    /// Positions count from 0 and are filled in order: whoever writes `n` has processed `0 … n − 1`. What is
    /// written stays, unchanged, until the call ends. Of several writers who race for one position, exactly one
    /// gets [`Appended::Written`].
    ///
    /// Repeating is safe: where the position already holds these very bytes, the answer is `Written` again, so a
    /// writer whose acknowledgement was lost just asks once more.
    ///
    /// (An engine that can only "create if absent" conforms if it first looks whether `position − 1` is filled:
    /// what is filled stays filled, so nothing can come between.)
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Gap`] where an earlier position is empty, [`DeliveryError::TooLarge`], and
    /// [`DeliveryError::Full`] where the log is at its bound. The log is then as it was. Not so, perhaps, after
    /// [`DeliveryError::Unavailable`]: repeat it, or read the position back.
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError>;

    /// Returns the entry at `position` of the call's log, or `None` while that position is empty.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Unavailable`].
    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError>;

    /// Follows the call's log from position `from`: first what is stored, then what comes.
    ///
    /// Entries arrive in order and without gaps. `from` may lie beyond the end, or the call may not have begun;
    /// the stream then waits.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Full`] where the service cannot take one more call.
    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError>;

    /// Publishes `message` to those who listen to the call's talk lane at this moment.
    ///
    /// The messages of one publisher arrive in the order in which they were published. Nothing is kept for those
    /// who come later, and where nobody listens the message is gone.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::TooLarge`], and [`DeliveryError::Full`] where the service is at its bound of bytes.
    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError>;

    /// Listens to the call's talk lane: to everything that is published after this method has returned.
    ///
    /// A listener who falls behind by more than [`Limits::talk_backlog`](crate::Limits::talk_backlog) messages
    /// loses the oldest, and [`Talk::Lagged`] says how many; publishers never wait for him.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Full`] where the service cannot take one more call.
    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError>;

    /// Puts `message` into a mailbox, where it stays until the mailbox is closed.
    ///
    /// Who repeats a post after [`DeliveryError::Unavailable`] may have posted twice.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::TooLarge`], and [`DeliveryError::Full`] where the mailbox or the service is at its bound.
    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError>;

    /// Opens a mailbox: every message in it, from the first, then what comes, in one order for all readers.
    ///
    /// Reading takes nothing out, so several hosts can read one mailbox, and one who comes later sees the earlier
    /// knocks.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Full`] where the service cannot take one more mailbox.
    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError>;

    /// Ends a call: its log and talk are forgotten, and their streams end after what they still hold.
    ///
    /// The id is then as if never used, and ending a call that is not there is no error. The call's mailboxes
    /// stay, because the service does not know which those are: see [`close_mailbox`](Self::close_mailbox).
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Unavailable`].
    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError>;

    /// Closes a mailbox: its messages are forgotten, and its streams end after what they still hold.
    ///
    /// Hosts close the knock mailbox when the invite changes or the call ends, a guest closes his answer's mailbox
    /// when he has read the answer.
    ///
    /// # Errors
    ///
    /// [`DeliveryError::Unavailable`].
    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError>;
}

/// What became of an entry that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "an entry that was not written has to be decided anew"]
pub enum Appended {
    /// The position holds this entry.
    Written,
    /// The position holds another entry: somebody was first. Read it, process it, and decide anew.
    Taken,
}

/// One thing that a listener of the talk lane is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A message.
    Message(Bytes),
    /// The listener was too slow, and this many messages before the next one are lost to him.
    Lagged(u64),
}

/// The entries of a call's log, each with its position.
pub type LogStream = Subscription<(u64, Bytes)>;

/// The messages of a call's talk lane.
pub type TalkStream = Subscription<Talk>;

/// The messages of a mailbox.
pub type MailboxStream = Subscription<Bytes>;
