//! The delivery service as one participant's client has it: it can stop reading the log, as a tampered client would that does not want to
//! know of its own removal.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use subrosa::CallId;
use subrosa_delivery::{DeliveryError, DeliveryService, Layer, LogStream, Subscription};
use tokio::sync::watch;
use tokio_stream::StreamExt;

/// A participant's view of the service.
pub(crate) struct View {
    service: Arc<dyn DeliveryService>,
    /// The log is read.
    obeys: watch::Sender<bool>,
    /// Where it was read from.
    from: OnceLock<u64>,
}

impl View {
    pub(crate) fn of(service: &Arc<dyn DeliveryService>) -> Arc<Self> {
        Arc::new(Self {
            service: Arc::clone(service),
            obeys: watch::Sender::new(true),
            from: OnceLock::new(),
        })
    }

    /// Reads the log from now on, or does not.
    pub(crate) fn obey_log(&self, obeys: bool) {
        self.obeys.send_replace(obeys);
    }

    /// The first position of the log that was asked for.
    pub(crate) fn from(&self) -> u64 {
        self.from.get().copied().unwrap_or_default()
    }
}

#[async_trait]
impl Layer for View {
    fn inner(&self) -> &dyn DeliveryService {
        &*self.service
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        self.from.get_or_init(|| from);
        let (log, obeys) = (self.service.follow(call, from).await?, self.obeys.subscribe());
        Ok(Subscription::new(log.then(move |entry| {
            let mut obeys = obeys.clone();
            async move {
                obeys.wait_for(|obeys| *obeys).await.map(|_| ()).unwrap_or_default(); // or all is over
                entry
            }
        })))
    }
}
