//! Who has taken an epoch that this host committed (R20).

use core::time::Duration;
use std::collections::BTreeMap;

use crate::id::{Epoch, MailboxId, ParticipantId};
use crate::time::Time;

/// One epoch of an own commit.
struct Awaited {
    mailbox: MailboxId,
    /// Who has not acknowledged yet; and whether it is he who came with this epoch.
    missing: BTreeMap<ParticipantId, bool>,
    /// Leaves that have, lowest bit first.
    acknowledged: Vec<u8>,
    /// At this time at the latest the epoch is announced.
    announce_at: Time,
    announced: bool,
    /// Until then the mailbox is read for those who are late. For a newcomer it is read until he is removed (R13): time does not count
    /// while nothing can be heard.
    until: Time,
}

impl Awaited {
    fn is_over(&self, now: Time) -> bool {
        let awaits_newcomer = self.missing.values().any(|is_newcomer| *is_newcomer);
        self.announced && !awaits_newcomer && (self.until <= now || self.missing.is_empty())
    }
}

/// An epoch to be announced.
pub(super) struct Due {
    pub(super) epoch: Epoch,
    /// A bit for each leaf that acknowledged, lowest first.
    pub(super) acknowledged: Vec<u8>,
    /// Who did not, although the deadline is over.
    pub(super) missing: Vec<ParticipantId>,
}

/// The epochs whose acknowledgements this host collects.
#[derive(Default)]
pub(super) struct Acks(BTreeMap<Epoch, Awaited>);

impl Acks {
    pub(super) fn begin(
        &mut self,
        epoch: Epoch,
        mailbox: MailboxId,
        others: impl IntoIterator<Item = (ParticipantId, bool)>,
        width: usize,
        now: Time,
        [deadline, newcomer]: [Duration; 2],
    ) {
        let awaited = Awaited {
            mailbox,
            missing: others.into_iter().collect(),
            acknowledged: vec![0; width.div_ceil(8)],
            announce_at: now + deadline,
            announced: false,
            until: now + newcomer.max(deadline),
        };
        self.0.insert(epoch, awaited);
    }

    /// Notes an acknowledgement.
    pub(super) fn acknowledged(&mut self, epoch: Epoch, id: ParticipantId, leaf: usize) {
        for newcomer in self.0.values_mut().filter_map(|awaited| awaited.missing.get_mut(&id)) {
            *newcomer = false;
        }
        let Some(awaited) = self.0.get_mut(&epoch) else { return };
        if let Some(byte) = awaited.acknowledged.get_mut(leaf / 8) {
            *byte |= 1 << (leaf % 8);
        }
        awaited.missing.remove(&id);
    }

    /// Returns the epochs to announce now, each once.
    pub(super) fn due(&mut self, now: Time) -> Vec<Due> {
        let is_due = |a: &Awaited| !a.announced && (a.missing.is_empty() || a.announce_at <= now);
        let mut announced = Vec::new();
        for (epoch, awaited) in self.0.iter_mut().filter(|(_, awaited)| is_due(awaited)) {
            awaited.announced = true;
            let (acknowledged, missing) = (awaited.acknowledged.clone(), awaited.missing.keys().copied());
            announced.push(Due { epoch: *epoch, acknowledged, missing: missing.collect() });
        }
        self.0.retain(|_, awaited| !awaited.is_over(now));
        announced
    }

    pub(super) fn next_due_at(&self, now: Time) -> Time {
        let due = |a: &Awaited| if a.announced { a.until } else { a.announce_at };
        self.0.values().map(due).filter(|at| *at > now).min().unwrap_or(Time::NEVER)
    }

    pub(super) fn mailboxes(&self) -> impl Iterator<Item = MailboxId> {
        self.0.values().map(|awaited| awaited.mailbox)
    }

    /// Returns the epoch whose acknowledgements go to a mailbox.
    pub(super) fn reads(&self, mailbox: MailboxId) -> bool {
        self.0.values().any(|awaited| awaited.mailbox == mailbox)
    }

    /// Whoever is gone acknowledges nothing any more.
    pub(super) fn retain(&mut self, is_member: impl Fn(ParticipantId) -> bool) {
        self.0.values_mut().for_each(|awaited| awaited.missing.retain(|id, _| is_member(*id)));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
