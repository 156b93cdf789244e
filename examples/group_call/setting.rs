//! What all participants of a run have in common.

use std::net::SocketAddr;
use std::time::Duration;

use subrosa::CallConfig;
use subrosa_delivery::InProcess;

use crate::clock::Clock;
use crate::ledger::Ledger;
use crate::media::Media;

/// The world around the participants.
pub(crate) struct Setting {
    pub(crate) clock: Clock,
    pub(crate) media: Media,
    pub(crate) ledger: Ledger,
    pub(crate) service: InProcess,
    /// The media server.
    pub(crate) server: SocketAddr,
}

impl Setting {
    /// The defaults, as much faster as the run is.
    pub(crate) fn call_config(&self) -> CallConfig {
        let default = CallConfig::default();
        let scaled = |duration: Duration| self.clock.scaled(duration);
        CallConfig {
            switch_deadline: scaled(default.switch_deadline),
            retention: scaled(default.retention),
            removal_retention: scaled(default.removal_retention),
            ..default
        }
    }
}
