//! Whether the delivery service is there.

use std::sync::Arc;
use std::time::Duration;

use subrosa::CallId;
use subrosa_delivery::{DeliveryError, DeliveryService};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::tasks::Task;

/// What is known of it. A clone knows the same.
#[derive(Clone)]
pub(crate) struct Pulse {
    is_there: Arc<watch::Sender<bool>>,
    doubt: Arc<Notify>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { is_there: Arc::new(watch::Sender::new(true)), doubt: Arc::default() }
    }

    /// The service answered.
    pub(crate) fn felt(&self) {
        self.is_there.send_if_modified(|is_there| !std::mem::replace(is_there, true));
    }

    /// Something failed: it is to be asked at once.
    pub(crate) fn missed(&self) {
        self.doubt.notify_one();
    }

    fn lost(&self) {
        self.is_there.send_if_modified(|is_there| std::mem::replace(is_there, false));
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.is_there.subscribe()
    }

    /// Asks the service for something small, now and then and where there is doubt, while nothing else tells.
    pub(crate) fn feel(&self, service: Arc<dyn DeliveryService>, call: CallId, window: Duration) -> Task {
        let pulse = self.clone();
        // Often enough to be told before the window closes.
        let (every, patience) = (window / 6, window / 10);
        Task::spawn(async move {
            loop {
                timeout(every, pulse.doubt.notified()).await.unwrap_or_default();
                match timeout(patience, service.read(call, 0)).await {
                    Err(_) | Ok(Err(DeliveryError::Unavailable(_))) => pulse.lost(),
                    Ok(_) => pulse.felt(),
                }
            }
        })
    }
}
