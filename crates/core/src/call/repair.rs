//! Keeping the commits of a large call short, where the policy lets members do that (R1).
//!
//! Everybody sees in the tree which part of it needs a commit most, and so whose turn it is. He makes an empty commit, a little after
//! whatever was done last; should he not, the next one does. Hosts do not ask for it, and nothing waits for it: a removal, above all, is a
//! host's own commit at once, however long it has to be. (That is why removals are not handed to a member near the removed leaf, which
//! would keep the tree as well: who is removed would stay for as long as that member takes.)

use core::time::Duration;

use super::Call;
use super::commits::{Own, STAGGER};
use crate::group::{EngineError, Plan};
use crate::time::Time;

/// How long a part of the tree is left to those who commit anyway.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nobody's turn is later than that: then those who had theirs before are not going to do it.
const LAST_TURN: usize = 60;

impl Call {
    /// Looks at the tree of a new epoch.
    pub(super) fn plan_repair(&mut self) {
        self.repair_at = Time::NEVER;
        if !self.policy.members_repair() {
            return;
        }
        let (blocks, own) = (self.group.blocks_in_need(), self.group.own_leaf());
        let Some(nth) = blocks.iter().position(|block| block.leaves.contains(&own)) else { return };
        let place = blocks[nth].leaves.iter().position(|leaf| *leaf == own).unwrap_or_default();
        // First one of each part, then the second one of each.
        let turn = u32::try_from((nth + place * blocks.len()).min(LAST_TURN)).unwrap_or(u32::MAX);
        self.repair_at = self.now + PATIENCE + STAGGER.saturating_mul(turn);
    }

    /// Returns when this member repairs the tree, at the pace of R8.
    pub(super) fn next_repair_at(&self) -> Time {
        if self.repair_at == Time::NEVER || !self.presence.is_connected() {
            return Time::NEVER;
        }
        let (bits, retention) = (self.policy.epoch_bits(), self.policy.longest_retention());
        self.repair_at.max(self.pace.may_commit_at(bits, retention, self.now))
    }

    /// An empty commit, but for departures that stand in the log (R2).
    pub(super) fn send_repair(&mut self) -> Result<(), EngineError> {
        let own = self.group.stage_own(Plan::default(), self.next)?;
        let own = self.judge_own(own)?;
        self.launch(own.commit, Own::Commit { welcome: None, admitted: Vec::new(), lobby: None });
        Ok(())
    }
}
