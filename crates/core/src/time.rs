//! Time as an argument: the core reads no clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment on a monotonic clock of the caller's choice, as the time since an origin that never moves.
///
/// Natively `Time::since_origin(start.elapsed())`, in a browser `performance.now()`, in a test any number.
///
/// These clocks stand still while a machine sleeps, on many systems. To a call that is as if nothing had happened in that time, so tell it
/// with `Call::woke_up`; or use a clock that goes on (`CLOCK_BOOTTIME`, `mach_continuous_time`,
/// `QueryInterruptTime`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Time(Duration);

impl Time {
    /// The origin.
    pub const ZERO: Self = Self(Duration::ZERO);
    /// Later than any other moment: nothing is due.
    pub const NEVER: Self = Self(Duration::MAX);

    /// Makes the moment that is `elapsed` after the origin.
    pub const fn since_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Returns the moment that is so much before this one, or the origin.
    pub(crate) const fn earlier_by(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }

    /// Returns the time since the origin.
    pub const fn elapsed(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
