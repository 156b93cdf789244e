//! What the program is told.

use std::time::Duration;

use clap::Parser;
use subrosa::CallConfig;

/// A crowd joins a call, stays, comes and goes: everybody is real, time and network are simulated.
#[derive(Parser, Debug)]
#[command(name = "crowd", version)]
pub(crate) struct Arguments {
    /// How many are in the call when all have come, the two hosts included
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(4..=2_000))]
    pub(crate) participants: u32,
    /// How many guests knock in a second
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) joins_per_second: u32,
    /// Minutes of coming and going after all are in; 0 measures the rush alone
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=120))]
    pub(crate) minutes: u32,
    /// Somebody leaves each so many seconds; 0: nobody
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) leave_every: u32,
    /// Somebody falls silent each so many seconds; 0: nobody
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) drop_every: u32,
    /// Somebody comes each so many seconds; 0: nobody
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub(crate) arrive_every: u32,
    /// Hosts alone commit, as in a call without `members_repair`
    #[arg(long)]
    pub(crate) hosts_alone: bool,
    /// All that is random, keys included, follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads that the participants are driven on; nothing but CPU times depends on it
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,
}

impl Arguments {
    /// How long people come and go.
    pub(crate) fn steady(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.minutes))
    }

    /// The call's configuration: the default, but for what a large call needs.
    pub(crate) fn config(&self) -> CallConfig {
        let arrivals = match self.arrive_every {
            0 => 0,
            seconds => 60 * self.minutes / seconds + 1,
        };
        CallConfig {
            max_participants: self.participants + arrivals,
            members_repair: !self.hosts_alone,
            ..CallConfig::default()
        }
    }
}
