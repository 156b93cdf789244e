use std::io;
use std::time::Duration;

use tokio_tungstenite::tungstenite;

/// Why a request to Janus failed, or why what was waited for did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalError {
    /// The core or the plugin said no; code and reason are theirs.
    #[error("Janus refuses `{request}`: {reason} (code {code})")]
    Refused { request: String, code: i64, reason: String },
    #[error("Janus answers `{request}` without {missing}")]
    Unexpected { request: String, missing: &'static str },
    #[error("waited {waited:?} for {what}")]
    TimedOut { what: String, waited: Duration },
    #[error("Janus gave up the peer connection while {what} was waited for: {reason}")]
    HungUp { what: String, reason: String },
    #[error("Janus closed its connection")]
    Closed,
    #[error("Janus' socket: {0}")]
    Io(#[from] io::Error),
    #[error("Janus' socket: {0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
}

impl From<tungstenite::Error> for SignalError {
    fn from(error: tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}
