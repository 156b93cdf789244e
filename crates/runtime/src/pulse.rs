//! Whether the delivery service is there.

use std::sync::Arc;
use std::time::Duration;

use subrosa::CallId;
use subrosa_delivery::{Bound, DeliveryError, DeliveryService};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::tasks::Task;

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It takes what it is given.
    Well,
    /// It answers, and has no room.
    Full(Bound),
    /// It does not answer.
    Lost,
}

/// What is known of it. A clone knows the same.
#[derive(Clone)]
pub(crate) struct Pulse {
    health: Arc<watch::Sender<Health>>,
    doubt: Arc<Notify>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { health: Arc::new(watch::Sender::new(Health::Well)), doubt: Arc::default() }
    }

    /// The service did what it was asked, or has no room for it.
    pub(crate) fn is(&self, health: Health) {
        self.health.send_if_modified(|was| std::mem::replace(was, health) != health);
    }

    /// Something failed: it is to be asked at once.
    pub(crate) fn missed(&self) {
        self.doubt.notify_one();
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Asks the service for something small, now and then and where there is doubt.
    pub(crate) fn feel(&self, service: Arc<dyn DeliveryService>, call: CallId, window: Duration) -> Task {
        let pulse = self.clone();
        // Often enough to be told before the window closes.
        let (every, patience) = (window / 6, window / 10);
        Task::spawn(async move {
            loop {
                timeout(every, pulse.doubt.notified()).await.unwrap_or_default();
                match timeout(patience, service.read(call, 0)).await {
                    Err(_) | Ok(Err(DeliveryError::Unavailable(_))) => pulse.is(Health::Lost),
                    // Whether there is room again a write has to show.
                    Ok(_) if matches!(*pulse.health.borrow(), Health::Full(_)) => {}
                    Ok(_) => pulse.is(Health::Well),
                }
            }
        })
    }
}
