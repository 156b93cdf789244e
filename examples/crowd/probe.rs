//! How much memory one participant takes: what is allocated and freed while his call is at work, on the thread that drives it.

use allocation_counter::measure;
use subrosa::{Call, CallConfig, Event, Output, Profile, Time};

use crate::Failed;
use crate::draws::random;

/// Live bytes of one participant.
#[derive(Clone, Copy, Default)]
pub(crate) struct Probe {
    pub(crate) live: i64,
    pub(crate) peak: i64,
}

impl Probe {
    /// Does something, and counts what it leaves if there is a probe.
    pub(crate) fn measure<T>(probe: &mut Option<Self>, act: impl FnOnce() -> T) -> T {
        let Some(probe) = probe else { return act() };
        let mut done = None;
        let counted = measure(|| done = Some(act()));
        let most = i64::try_from(counted.bytes_max).unwrap_or(i64::MAX);
        probe.peak = probe.peak.max(probe.live.saturating_add(most));
        probe.live += counted.bytes_current;
        done.expect("it was done just now")
    }

    /// A participant with nobody else in the call.
    pub(crate) fn alone(config: &CallConfig) -> Result<Self, Failed> {
        let mut probe = Some(Self::default());
        let profile = Profile::person("Alone")?;
        let founded = Self::measure(&mut probe, || {
            let mut call = Call::create(&profile, config, random(0, 0), Time::ZERO)?;
            loop {
                match call.poll_output() {
                    Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, Time::ZERO)?,
                    Output::Timeout(_) => return Ok::<_, Failed>(call),
                    _ => {}
                }
            }
        });
        drop(founded?);
        Ok(probe.unwrap_or_default())
    }
}
