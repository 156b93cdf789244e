//! Janus' API, as far as this program uses it: JSON in a WebSocket on a Unix socket, a session for each participant, and VideoRoom in it.

mod connection;
mod error;
mod room;
mod session;

pub(crate) use connection::Connection;
pub(crate) use error::SignalError;
pub(crate) use room::{Operator, RoomSpec, Seat, Subscription};
