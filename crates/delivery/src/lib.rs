//! How the handshake messages of a Subrosa call travel.
//!
//! An MLS group needs one thing of whoever delivers its messages: one order of commits, the same for all. This
//! crate states that as a contract, [`DeliveryService`], and implements it in one process, [`InProcess`]. A call
//! has three lanes:
//!
//! - **the log**, in which a message can be appended at position *n* only while *n* is empty, so that of all who
//!   race for a position one wins, and the others are told and read what won;
//! - **the talk lane**, published in order and forgotten: heartbeats and announcements;
//! - **mailboxes**, which keep their messages for whoever opens them later: knocks and the answers to them.
//!
//! ```
//! use bytes::Bytes;
//! use subrosa_delivery::{Appended, CallId, DeliveryError, DeliveryService, InProcess};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), DeliveryError> {
//! let service = InProcess::default();
//! let call = CallId([7; 16]);
//!
//! // Two hosts commit at the same time. One is first; the other is told, and reads what won.
//! assert_eq!(service.append(call, 0, Bytes::from("add Carol")).await?, Appended::Written);
//! assert_eq!(service.append(call, 0, Bytes::from("add Dave")).await?, Appended::Taken);
//! assert_eq!(service.read(call, 0).await?, Some(Bytes::from("add Carol")));
//!
//! // The second host has processed position 0, so it may now write position 1.
//! assert_eq!(service.append(call, 1, Bytes::from("add Dave")).await?, Appended::Written);
//!
//! // Everybody sees the same log, whenever they come.
//! let mut log = service.follow(call, 0).await?;
//! assert_eq!(log.next().await, Some((0, Bytes::from("add Carol"))));
//! assert_eq!(log.next().await, Some((1, Bytes::from("add Dave"))));
//! # Ok(())
//! # }
//! ```
//!
//! The service is not trusted with anything but delivery: what it carries is ciphertext, and what it reorders,
//! repeats, withholds or makes up is the business of the call's rules, not of this crate. It does not know who its
//! callers are either: a deployment decides who may reach which call, and whoever knows an id can write under it.
//!
//! Feature `conformance` adds the test suite `conformance`, which every implementation of the contract has to pass.
//!
//! The public interface is:

mod contract;
mod error;
mod layer;
mod limits;
mod memory;
#[cfg(feature = "nats")]
pub mod nats;
mod queue;
mod subscription;

#[cfg(feature = "conformance")]
pub mod conformance;

pub use contract::{Appended, DeliveryService, LogStream, MailboxStream, Talk, TalkStream};
pub use error::{Bound, DeliveryError};
pub use layer::Layer;
pub use limits::Limits;
pub use memory::{InProcess, Outcome, Record, RecordLane};
pub use subrosa::{CallId, MailboxId};
pub use subscription::Subscription;
