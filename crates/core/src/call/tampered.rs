//! What a tampered client could send; see [`danger::tampered`](crate::danger::tampered).

use bytes::Bytes;

use super::message::{Lane, Message};
use super::{Call, Guest};
use crate::group::{EngineError, Plan, Spoils};
use crate::id::ParticipantId;

impl Call {
    /// A commit that lets a guest in, whether or not this participant may.
    pub(crate) fn forge_admission(&mut self, guest: &Guest) -> Result<Message, EngineError> {
        let psk_id = self.invite().psk_id();
        let unsuitable = EngineError("not a key package");
        let added = self.group.verify_key_package(&guest.key_package()?).ok_or(unsuitable)?;
        let plan = Plan { adds: vec![&added], psk_id: &psk_id, ..Plan::default() };
        let commit = self.group.stage_own(plan, self.next)?.commit;
        self.group.drop_own()?;
        Ok(self.forged(commit))
    }

    /// An empty commit that some cannot apply.
    pub(crate) fn forge_path(&mut self, spoils: Spoils) -> Result<Message, EngineError> {
        let commit = self.group.forge_path(Plan::default(), spoils, self.next)?;
        Ok(self.forged(commit))
    }

    /// A beat in the name of somebody else.
    pub(crate) fn forge_beat(&mut self, of: ParticipantId, number: u64) -> Option<Message> {
        let leaf = self.roster.member(of)?.leaf;
        Some(Message { lane: Lane::Talk, payload: self.forge_beat_of(leaf, number)? })
    }

    fn forged(&self, commit: Vec<u8>) -> Message {
        Message { lane: Lane::Log { position: self.next }, payload: Bytes::from(commit) }
    }
}
