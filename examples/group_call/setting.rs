//! What all participants of a run have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use subrosa::CallConfig;
use subrosa_delivery::DeliveryService;

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::media::Media;
use crate::unruly::Unruly;

/// The least that a configuration may ask for; three of them make the shortest liveness window.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// The world around the participants.
pub(crate) struct Setting {
    pub(crate) clock: Clock,
    pub(crate) media: Media,
    pub(crate) ledger: Ledger,
    /// As the participants have it: not an honest one.
    pub(crate) service: Arc<dyn DeliveryService>,
    /// The same, for those who know.
    pub(crate) unruly: Arc<Unruly>,
    /// The media server.
    pub(crate) server: SocketAddr,
}

impl Setting {
    /// The defaults, as much faster as the run is, within what a configuration may be.
    pub(crate) fn call_config(&self) -> CallConfig {
        let default = CallConfig::default();
        let scaled = |duration: Duration| self.clock.scaled(duration);
        CallConfig {
            switch_deadline: scaled(default.switch_deadline),
            retention: scaled(default.retention),
            removal_retention: scaled(default.removal_retention),
            heartbeat: scaled(default.heartbeat).max(SHORTEST_HEARTBEAT),
            liveness_window: scaled(default.liveness_window).max(SHORTEST_HEARTBEAT * 3),
            // A newcomer is somebody at a machine that is busy with all the others.
            newcomer_window: scaled(default.newcomer_window).max(Duration::from_secs(10)),
            silence_limit: scaled(default.silence_limit).max(Duration::from_secs(10)),
            ..default
        }
    }
}
