//! Where an app begins.

use std::sync::Arc;

use subrosa::{Call, CallConfig, CreateError, FreshKeys, Guest, Invite, Profile, Random};
use subrosa_delivery::DeliveryService;

use crate::clock::Clock;
use crate::driver;
use crate::error::KnockError;
use crate::events::Events;
use crate::handle::CallHandle;
use crate::knocking::Knocking;

/// A delivery service and a clock, and with them calls. A clone has the same ones.
///
/// Its methods have to be called within a tokio runtime with its timer enabled.
#[derive(Clone)]
pub struct Client {
    pub(crate) service: Arc<dyn DeliveryService>,
    pub(crate) clock: Clock,
    pub(crate) report_refused: bool,
}

impl Client {
    /// Calls over this service.
    pub fn new(service: impl DeliveryService + 'static) -> Self {
        Self::over(Arc::new(service))
    }

    /// Calls over a service that was chosen at run time.
    pub fn over(service: Arc<dyn DeliveryService>) -> Self {
        Self { service, clock: Clock::start(), report_refused: false }
    }

    /// With a clock that others read, too.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Has each message that a call refuses told ([`CallEvent::Refused`](crate::CallEvent::Refused)). For diagnosis: anybody can send
    /// garbage, and an app that is told of all of it has to read all of it.
    #[must_use]
    pub fn report_refused(self) -> Self {
        Self { report_refused: true, ..self }
    }

    /// Founds a call, whose host this participant is.
    ///
    /// # Errors
    /// As [`Call::create`].
    pub async fn create(
        &self,
        profile: &Profile,
        config: &CallConfig,
    ) -> Result<(CallHandle, Events), CreateError> {
        Ok(self.drive(Call::create(profile, config, Random::os(), self.clock.now())?))
    }

    /// Asks to be let into a call.
    ///
    /// # Errors
    /// [`KnockError`].
    pub async fn knock(&self, invite: Invite, profile: &Profile) -> Result<Knocking, KnockError> {
        let (guest, knock) = Guest::knock(invite, profile, Random::os()).map_err(KnockError::Knock)?;
        Knocking::start(self.clone(), guest, knock).await
    }

    /// Asks to be let in with keys that were made before, and with a proof for the hosts' verifier.
    ///
    /// # Errors
    /// [`KnockError`].
    pub async fn knock_with(
        &self,
        invite: Invite,
        profile: &Profile,
        keys: FreshKeys,
        proof: &[u8],
    ) -> Result<Knocking, KnockError> {
        let (guest, knock) =
            Guest::knock_with(invite, profile, keys, proof, Random::os()).map_err(KnockError::Knock)?;
        Knocking::start(self.clone(), guest, knock).await
    }

    /// Drives a call that was made otherwise. This clock is its time from now on, so it must not have seen a later one.
    pub fn drive(&self, call: Call) -> (CallHandle, Events) {
        driver::start(self.clone(), call)
    }
}
