//! What all participants of a run have in common.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use subrosa::CallConfig;
use subrosa_delivery::DeliveryService;
use subrosa_runtime::Client;

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::media::Media;
use crate::view::View;

/// The least that a configuration may ask for; three of them make the shortest liveness window.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(1);

/// The world around the participants.
pub(crate) struct Setting {
    pub(crate) clock: Clock,
    pub(crate) media: Media,
    pub(crate) ledger: Ledger,
    /// As the participants have it: in the story not an honest one.
    pub(crate) service: Arc<dyn DeliveryService>,
    /// The others are in other processes, so that the ledger knows nothing of theirs.
    pub(crate) alone: bool,
    /// The media server.
    pub(crate) server: SocketAddr,
}

impl Setting {
    /// Calls as one participant has them.
    pub(crate) fn client(&self, view: &Arc<View>) -> Client {
        let service = Arc::clone(view) as Arc<dyn DeliveryService>;
        Client::over(service).with_clock(self.clock.of_calls()).report_refused()
    }

    /// What a link begins with: in this example it says where the media server is. What follows the # no server ever gets.
    pub(crate) fn link_base(&self) -> String {
        format!("subrosa://{}/standup", self.server)
    }

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
