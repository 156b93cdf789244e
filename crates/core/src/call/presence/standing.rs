//! Whether this participant may seal and open: without a fresh beat of every host he does not (R21, R22).

use super::super::Offered;
use super::super::message::Event;
use super::{Call, CallError, Time};
use crate::id::ParticipantId;

/// Whether this member may seal and open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Connected,
    /// R21; `all` hosts are silent (R22) or some.
    CutOff {
        all: bool,
    },
    /// R22: the user goes on although all hosts are silent.
    GoingOn,
}

impl Call {
    /// R21, R22: without a fresh beat of every host nothing is sealed or opened, unless the user wants it so.
    pub(super) fn stand(&mut self) {
        let mut stale = self.presence.freshness.stale(self.now);
        let all = stale.len() == self.presence.freshness.hosts() && !self.presence.hosting;
        stale.extend(self.unconfirmed_hosts());
        let (before, after) = match (self.presence.standing, stale.is_empty()) {
            (before, true) => (before, Standing::Connected),
            (Standing::GoingOn, false) if all => (Standing::GoingOn, Standing::GoingOn),
            (before, false) => (before, Standing::CutOff { all }),
        };
        if before == after {
            return;
        }
        self.presence.standing = after;
        match after {
            Standing::Connected => {
                self.ring.resume();
                if matches!(before, Standing::CutOff { .. } | Standing::GoingOn) {
                    self.event(Event::Resumed);
                }
                if matches!(before, Standing::CutOff { .. }) {
                    self.ask_for_keyframes();
                }
            }
            Standing::CutOff { all } => {
                self.ring.pause();
                self.presence.freshness.challenge_soon(self.now);
                let window = self.policy.liveness_window();
                let newer_epoch = self.presence.ahead_at.is_some_and(|at| self.now - at < window);
                self.event(match all {
                    true => Event::HostSilent { newer_epoch },
                    false => Event::CutOff { silent: stale },
                });
            }
            Standing::GoingOn => {}
        }
    }

    /// R21: the only host has nobody to listen for. But if the server withholds from him that his own commit stands in the log, those
    /// whom it made hosts may have removed somebody; so that is not waited for any longer than for a beat.
    fn unconfirmed_hosts(&self) -> Vec<ParticipantId> {
        let window = self.policy.liveness_window();
        let is_overdue = |offered: &&Offered| offered.slept || offered.at + window <= self.now;
        let is_alone = self.presence.freshness.hosts() == 0;
        let overdue = self.offered.iter().filter(|_| is_alone).filter(is_overdue);
        overdue.flat_map(|offered| offered.hosts.iter().copied()).collect()
    }

    /// Says that this participant's machine was asleep, or may have been: until every host has shown that he is there once more, nothing
    /// is sealed or opened (R21). To be called on waking up. Without it, and with a clock that stood still meanwhile (see
    /// [`Time`](crate::Time)), a server could play what it recorded during the sleep, and keep back that somebody was removed.
    pub fn woke_up(&mut self, now: Time) {
        if self.ended.is_none() {
            self.set_time(now);
            self.presence.freshness.forget(self.now);
            self.offered.iter_mut().for_each(|offered| offered.slept = true);
            self.tick();
            self.pursue();
        }
    }

    /// Goes on although every host is silent (R22): frames are sealed and opened again, among those who are on the roster now. With no
    /// host nobody can join or be removed, so this is an explicit act of the user, who has to know it. When a host comes back, the
    /// call is again what it was.
    ///
    /// It gives up what R21 protects: if the hosts are there and the server keeps them from this participant, whoever they
    /// remove goes on reading him, for as long as he goes on. Where [`Event::HostSilent`] says that there may be a newer epoch, that is
    /// likely.
    ///
    /// # Errors
    /// [`CallError::HostsThere`] unless [`Event::HostSilent`] was the last word, [`CallError::Ended`].
    pub fn go_on_without_host(&mut self, now: Time) -> Result<(), CallError> {
        self.living()?;
        if self.presence.standing != (Standing::CutOff { all: true }) {
            return Err(CallError::HostsThere);
        }
        self.presence.standing = Standing::GoingOn;
        self.ring.resume();
        self.ask_for_keyframes();
        self.after_command(now)
    }

    /// What the encoders made during a pause was not sealed: to the others it is missing.
    fn ask_for_keyframes(&mut self) {
        let tracks = self.ring.picture_tracks();
        if let Some(epoch) = self.ring.sealing_epoch().filter(|_| !tracks.is_empty()) {
            self.event(Event::KeyframeNeeded { epoch, tracks });
        }
    }

    /// Returns whether frames are neither sealed nor opened, because a host's heartbeats are missing (R21).
    pub fn is_cut_off(&self) -> bool {
        matches!(self.presence.standing, Standing::CutOff { .. })
    }

    /// Returns whether this participant goes on without a host, as his user wished (R22).
    pub fn is_going_on(&self) -> bool {
        self.presence.standing == Standing::GoingOn
    }
}
