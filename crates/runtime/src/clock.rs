//! The time, for calls that do not read any clock.

use std::time::{Duration, SystemTime};

use subrosa::Time;
use tokio::time::{Instant, sleep_until};

/// So much more has gone by outside than on the clock if the machine slept; less can be somebody who sets its time.
const ASLEEP: Duration = Duration::from_secs(2);

/// A clock that only rises: tokio's, so that tests can hold it. A copy shows the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at [`Time::ZERO`].
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time since it was started.
    pub fn now(&self) -> Time {
        Time::since_origin(self.origin.elapsed())
    }

    /// Waits until a moment; for ever, if it is [`Time::NEVER`].
    pub async fn until(&self, moment: Time) {
        match self.origin.checked_add(moment.elapsed()) {
            Some(instant) => sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }
}

/// Notices that the machine slept: its clock stands still then, the time of day does not.
pub(crate) struct Sleep {
    awake_at: (Instant, SystemTime),
}

impl Sleep {
    pub(crate) fn watch() -> Self {
        Self { awake_at: (Instant::now(), SystemTime::now()) }
    }

    /// Whether it slept since it was asked last.
    pub(crate) fn slept(&mut self) -> bool {
        let now = (Instant::now(), SystemTime::now());
        let (instant, of_day) = std::mem::replace(&mut self.awake_at, now);
        // Somebody may set the time of day back.
        let outside = now.1.duration_since(of_day).unwrap_or_default();
        outside > now.0.duration_since(instant) + ASLEEP
    }
}
