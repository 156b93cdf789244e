//! A member's clock, which is not the room's.

use core::time::Duration;

use subrosa::Time;

const MILLION: i128 = 1_000_000;

/// A clock with an origin of its own, that runs a little fast or slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// What it read when the room began.
    origin: Duration,
    /// How many millionths it runs fast, or slow if below 0.
    ppm: i32,
}

impl Clock {
    /// Makes a clock that read `origin` when the room began, and runs fast by so many millionths (slow, if below 0).
    pub const fn new(origin: Duration, ppm: i32) -> Self {
        Self { origin, ppm }
    }

    /// Returns what it reads at a moment of the room.
    pub fn reads(&self, at: Time) -> Time {
        let elapsed = at.elapsed().as_nanos() as i128;
        let since = elapsed + elapsed * i128::from(self.ppm) / MILLION;
        Time::since_origin(self.origin + nanos(since))
    }

    /// Returns the first moment of the room at which it reads that, or more.
    pub fn when(&self, reads: Time) -> Time {
        if reads == Time::NEVER {
            return Time::NEVER;
        }
        let since = (reads - Time::since_origin(self.origin)).as_nanos() as i128;
        let rate = MILLION + i128::from(self.ppm);
        let mut at = Time::since_origin(nanos((since * MILLION).div_euclid(rate)));
        while self.reads(at) < reads {
            at = at + Duration::from_nanos(1);
        }
        at
    }
}

fn nanos(nanos: i128) -> Duration {
    const SECOND: i128 = 1_000_000_000;
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_on_a_crooked_clock_is_met_and_not_before_its_time() {
        for ppm in [-10_000, -3, 0, 7, 10_000] {
            let clock = Clock::new(Duration::from_secs(12_345), ppm);
            for millis in [0, 1, 999, 30_000, 86_400_123] {
                let wanted = clock.reads(Time::ZERO) + Duration::from_millis(millis);
                let at = clock.when(wanted);
                assert!(clock.reads(at) >= wanted);
                let before = Time::since_origin(at.elapsed().saturating_sub(Duration::from_nanos(2)));
                assert!(at == Time::ZERO || clock.reads(before) < wanted, "{ppm} {millis}");
            }
            assert_eq!(clock.when(Time::NEVER), Time::NEVER);
        }
        let fast = Clock::new(Duration::ZERO, 10_000);
        assert_eq!(fast.reads(Time::ZERO + Duration::from_secs(100)), Time::ZERO + Duration::from_secs(101));
    }
}
