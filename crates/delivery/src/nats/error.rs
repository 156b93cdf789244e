//! What can go wrong when a NATS server is asked for the first time, and how what it answers is understood.

use std::error::Error;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::stream::{RawMessageError, RawMessageErrorKind};
use thiserror::Error;

use crate::{Bound, DeliveryError};

type Source = Box<dyn Error + Send + Sync>;

/// Why there is no delivery service on these NATS servers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The caller's fault: that is no name of a space.
    #[error("a space is named by 1 to 64 letters, digits, hyphens and underscores")]
    Space,
    /// The caller's fault, or of whoever made the files: credentials or certificates cannot be used.
    #[error("the credentials or certificates cannot be used")]
    Credentials(#[source] Source),
    /// No server answers, or none lets this client in.
    #[error("no NATS server can be reached")]
    Unreachable(#[source] Source),
    /// The servers have no JetStream, not enough of them or too little room for the streams, or this client may not ask for them.
    #[error(
        "the streams of the space cannot be used: is JetStream on, are there enough servers, and may this client make them?"
    )]
    Streams(#[source] Source),
    /// Somebody made a stream of that name which would not keep the contract.
    #[error("the stream {stream} is not made for this: {what}")]
    Mismatch {
        /// Its name.
        stream: String,
        /// What is different.
        what: &'static str,
    },
}

/// Why a request was not answered with what it asked for.
pub(super) enum Refusal {
    /// The subject holds something already.
    Taken,
    /// A bound is reached.
    Full(Bound),
    /// Perhaps it works later: the server is away, is electing a leader, or did not answer in time.
    Later(Source),
}

impl From<Refusal> for DeliveryError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full(bound) => Self::Full(bound),
            Refusal::Later(source) => Self::Unavailable(source),
            Refusal::Taken => Self::Unavailable("the server answered what it was not asked".into()),
        }
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        if error.kind() == PublishErrorKind::WrongLastSequence {
            return Self::Taken;
        }
        let said = error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
        let Some(said) = said else { return Self::Later(error.into()) };
        let text = said.to_string();
        match said.error_code() {
            // The code says that it was not stored, only the text why.
            ErrorCode::STREAM_STORE_FAILED if text.contains("per subject") => Self::Taken,
            ErrorCode::STREAM_STORE_FAILED if text.contains("maximum") => Self::Full(Bound::StoredBytes),
            ErrorCode::INSUFFICIENT_RESOURCES
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::MEMORY_RESOURCES_EXCEEDED => Self::Full(Bound::StoredBytes),
            _ => Self::Later(error.into()),
        }
    }
}

/// What a stream holds, or `None`; or that this cannot be said now.
pub(super) fn found<T>(answer: Result<T, RawMessageError>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(Refusal::Later(error.into())),
    }
}
