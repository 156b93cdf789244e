//! Subrosa.
mod id;
mod time; mod track;
#[cfg(feature = "mls")]
mod keyring;
pub use id::{CallId, MailboxId, Epoch, ParticipantId};
pub use keyring::*;
pub use time::Time;
pub use track::*;
pub mod sframe;
