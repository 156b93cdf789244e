//! The one clock of a run. The library reads none; every time in it comes from here.

use std::time::Duration;

use subrosa::Time;

/// One origin for all participants, and how many times as fast as in reality the story goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    of_calls: subrosa_runtime::Clock,
    speed: f64,
}

impl Clock {
    pub(crate) fn start(speed: f64) -> Self {
        Self { of_calls: subrosa_runtime::Clock::start(), speed }
    }

    /// As calls read it.
    pub(crate) fn of_calls(&self) -> subrosa_runtime::Clock {
        self.of_calls
    }

    pub(crate) fn now(&self) -> Time {
        self.of_calls.now()
    }

    /// A duration of the story, in real time.
    pub(crate) fn scaled(&self, of_story: Duration) -> Duration {
        of_story.div_f64(self.speed)
    }

    /// Sleeps until a moment; for ever, if it is `Time::NEVER`.
    pub(crate) async fn until(&self, moment: Time) {
        self.of_calls.until(moment).await;
    }
}
