//! A member's way to the service, which writes down what was acknowledged.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use subrosa_delivery::nats::Nats;
use subrosa_delivery::{Appended, CallId, DeliveryError, DeliveryService, Layer};

/// Entries that somebody was told are written.
#[derive(Clone, Default)]
pub(crate) struct Books(Arc<Mutex<Vec<(u64, Bytes)>>>);

impl Books {
    pub(crate) fn acknowledged(&self) -> Vec<(u64, Bytes)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) struct Booked {
    pub(crate) service: Nats,
    pub(crate) books: Books,
}

#[async_trait]
impl Layer for Booked {
    fn inner(&self) -> &dyn DeliveryService {
        &self.service
    }

    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        let appended = self.service.append(call, position, entry.clone()).await?;
        if appended == Appended::Written {
            self.books.0.lock().unwrap_or_else(PoisonError::into_inner).push((position, entry));
        }
        Ok(appended)
    }
}
