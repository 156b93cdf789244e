//! The one clock of a run. The library reads none; every time in it comes from here.

use std::time::{Duration, Instant};

use subrosa::Time;

/// One origin for all participants, and how many times as fast as in reality the story goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    speed: f64,
}

impl Clock {
    pub(crate) fn start(speed: f64) -> Self {
        Self { origin: Instant::now(), speed }
    }

    pub(crate) fn now(&self) -> Time {
        Time::since_origin(self.origin.elapsed())
    }

    /// A duration of the story, in real time.
    pub(crate) fn scaled(&self, of_story: Duration) -> Duration {
        of_story.div_f64(self.speed)
    }

    /// Sleeps until a moment; for ever, if it is `Time::NEVER`.
    pub(crate) async fn until(&self, moment: Time) {
        match self.origin.checked_add(moment.elapsed()) {
            Some(instant) => tokio::time::sleep_until(instant.into()).await,
            None => std::future::pending().await,
        }
    }
}
