//! What a member with a tampered client could say, and a look inside; for tests.

use bytes::Bytes;

use super::Call;
use super::talk::{Beat, Talk};
#[cfg(test)]
use super::{
    Presence,
    talk::{self, Announcement, KnockHash, Outside},
};

#[cfg(test)]
impl Presence {
    pub(in crate::call) fn lines_for_tests(&self) -> usize {
        self.lines.len()
    }

    pub(in crate::call) fn ahead_for_tests(&self) -> usize {
        self.ahead.len()
    }
}

fn beat(number: u64) -> Talk {
    Talk::Beat(Beat {
        number,
        next: 0,
        authenticator: [0; 16],
        has_lobby_key: 0,
        deaf: 0,
        echoes: Vec::new(),
    })
}

impl Call {
    /// A beat in the name of whoever sits at another leaf; `None` after the call's end.
    pub(in crate::call) fn forge_beat_of(&mut self, leaf: u32, number: u64) -> Option<Bytes> {
        let line = self.presence.lines.values_mut().next_back()?;
        Some(line.keys.seal_as(leaf, number, &self.group, &beat(number)))
    }
}

#[cfg(test)]
impl Call {
    /// Sends the key in somebody's handover on, with a list of his own.
    pub(in crate::call) fn forge_handover(
        &mut self,
        bytes: &Bytes,
        settled: Vec<KnockHash>,
    ) -> Option<Bytes> {
        let outside = Outside::read(bytes).ok()?;
        let line = self.presence.lines.values_mut().next_back()?;
        let (_, Talk::Handover(handover)) = line.keys.open(&outside, bytes, true).ok()?? else { return None };
        self.forge_said(&Talk::Handover(talk::Handover { settled, ..handover }))
    }

    /// A beat and an announcement, whether or not he is entitled to them.
    pub(in crate::call) fn forge_talk(&mut self, number: u64) -> (Bytes, Bytes) {
        let announcement = Announcement { acknowledged: vec![0xff] };
        let said = [beat(number), Talk::Announcement(announcement)].map(|talk| self.forge_said(&talk));
        let [Some(beat), Some(announcement)] = said else { panic!("there is an epoch") };
        (beat, announcement)
    }

    pub(in crate::call) fn forge_settled(&mut self, knocks: Vec<KnockHash>) -> Bytes {
        self.forge_said(&Talk::Settled(knocks)).expect("there is an epoch")
    }

    /// Says that he cannot follow.
    pub(in crate::call) fn forge_stranded(&mut self) -> Bytes {
        self.forge_said(&Talk::Stranded(self.next)).expect("there is an epoch")
    }

    fn forge_said(&mut self, talk: &Talk) -> Option<Bytes> {
        let said = self.say(talk);
        self.outputs.clear();
        said
    }
}
