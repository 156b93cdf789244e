//! What a room is like.

use core::ops::RangeInclusive;
use core::time::Duration;

use subrosa::CallConfig;

const ZERO: Duration = Duration::ZERO;

/// One way of a connection.
#[derive(Clone, PartialEq, Debug)]
pub struct Way {
    /// The least that a message takes; drawn once for each member.
    pub latency: RangeInclusive<Duration>,
    /// How much longer one can take; drawn for each message, so that one overtakes another.
    pub jitter: Duration,
    /// The share that is lost. Only talk and media are; the log and mailboxes are reliable.
    pub loss: f64,
    /// The share that arrives twice.
    pub doubled: f64,
}

impl Way {
    /// A way that takes no time and loses nothing.
    pub const PERFECT: Self = Self { latency: ZERO..=ZERO, jitter: ZERO, loss: 0.0, doubled: 0.0 };

    /// A way that takes so long, and up to `jitter` longer.
    pub const fn taking(latency: Duration, jitter: Duration) -> Self {
        Self { latency: latency..=latency, jitter, ..Self::PERFECT }
    }
}

/// What a room is like.
#[derive(Clone, PartialEq, Debug)]
pub struct RoomConfig {
    /// Of the call.
    pub call: CallConfig,
    /// Between a member and the delivery service; each way is like that.
    pub handshake: Way,
    /// The share of deliveries of log entries that take longer, and how much longer.
    pub late_entries: (f64, Duration),
    /// From one member through the media server to another.
    pub media: Way,
    /// How often a microphone has a frame; `None` in a room where nobody speaks.
    pub frames_every: Option<Duration>,
    /// How long an app shows a roster before it says so; drawn for each.
    pub rosters_take: RangeInclusive<Duration>,
    /// Whether an app shows one roster after the other, or several at once.
    pub rosters_in_order: bool,
    /// How many millionths a member's clock is fast or slow at most; drawn for each member, as is what it reads at first.
    pub crooked_clocks_ppm: u32,
    /// How long a guest waits for an answer before he knocks again.
    pub patience: Duration,
    /// Whether a stranger is handed every frame.
    pub stranger: bool,
}

impl Default for RoomConfig {
    /// A good network: 20 to 40 ms to the service and back again, as much for media, nothing lost; five frames a second, which
    /// are enough to see what keys do and cost a tenth of fifty.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            call: CallConfig::default(),
            handshake: Way { latency: millis(20)..=millis(40), ..Way::taking(ZERO, millis(10)) },
            late_entries: (0.0, ZERO),
            media: Way { latency: millis(20)..=millis(40), ..Way::taking(ZERO, millis(10)) },
            frames_every: Some(millis(200)),
            rosters_take: ZERO..=ZERO,
            rosters_in_order: true,
            crooked_clocks_ppm: 0,
            patience: Duration::from_secs(30),
            stranger: true,
        }
    }
}

impl RoomConfig {
    /// A room in which nothing takes any time, and nobody speaks.
    pub fn quiet() -> Self {
        Self {
            handshake: Way::PERFECT,
            media: Way::PERFECT,
            frames_every: None,
            stranger: false,
            ..Self::default()
        }
    }
}

/// What a host's app does when somebody knocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Door {
    /// Lets everybody in.
    #[default]
    Open,
    /// Turns everybody away.
    Closed,
    /// Leaves it to whoever writes the story; see [`Person::knocks`](super::Person::knocks).
    Asks,
}

/// What a member is cut off from by a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// The delivery service. Media go on.
    Service,
    /// The media server.
    Media,
    /// Both.
    All,
}

/// At which moment of an append of his a member vanishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Append {
    /// The entry never reaches the service.
    Before,
    /// The service writes it, and the member never sees it.
    After,
}

/// What the client of a member who means harm does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treason {
    /// It keeps the log from its call, which never learns of its removal, and goes on to beat and challenge in its last epoch.
    Deaf,
    /// It keeps everything from its call, and the clock too: no deadline ever comes, so no key is ever wiped.
    Frozen,
}
