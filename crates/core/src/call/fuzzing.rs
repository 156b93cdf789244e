//! The call's entry points for fuzzers: [`crate::fuzzing`].

use bytes::Bytes;

use super::identity::Credential;
use super::knock::{self, AnswerKey};
use super::policy::Policy;
use super::presence::fuzzing as presence;
use super::{Call, Guest, Invite};
use crate::crypto::Random;

/// What is read as a policy is written back as it was, and its configuration is one that a host could have chosen.
pub fn policy(bytes: &[u8]) {
    let Some(policy) = Policy::decode(bytes) else { return };
    assert_eq!(policy.encode(), bytes);
    let again = policy.clone().with_config(&policy.config()).expect("it was possible before");
    assert!(again == policy && policy.keeps_what_is_fixed(&again) && policy.invite_may_become(&again));
    assert!(!Policy::has_unknown_suite(bytes));
    assert!(format!("{policy:?}").len() < 100, "of others' keys nothing but their number");
}

/// What is read as a credential is written back as it was.
pub fn credential(bytes: &[u8]) {
    let Some(credential) = Credential::decode(bytes) else { return };
    assert_eq!(credential.encode(), bytes);
    let name = credential.profile.name();
    assert!(!format!("{:?}", credential.profile).contains("name"), "a name in a log");
    assert!(!name.trim().is_empty() && name.len() <= super::MAX_NAME_LEN, "{name:?}");
}

/// What is read as the content of a message of talk is written back as it was.
pub fn talk(kind: u32, content: &[u8]) {
    presence::talk(kind, content);
}

/// What is read as the content of an answer says the same when it is sealed again.
pub fn answer_body(content: &[u8]) {
    let key = AnswerKey::for_fuzzing();
    let Ok(answer) = key.open(&key.seal_content(content)) else { return };
    let again = key.seal(&answer, knock::nonce(&Random::seeded([1; 32])).expect("seeded"));
    let again = key.open(&again).unwrap_or_else(|_| panic!("it was an answer before"));
    assert!(again == answer, "it says something else");
}

pub(crate) fn seal_knock(invite: &Invite, content: &[u8], random: &Random) -> Option<Vec<u8>> {
    knock::seal(invite, content, random).ok().map(|(knock, _)| knock)
}

impl Guest {
    pub(crate) fn content_for_fuzzing(&self) -> Vec<u8> {
        self.joiner.key_package().expect("it was made before")
    }

    pub(crate) fn answer_key_for_fuzzing(&self) -> &AnswerKey {
        &self.answer
    }
}

impl Call {
    pub(crate) fn say_anything(&mut self, kind: u32, content: &[u8]) -> Option<Bytes> {
        presence::say_anything(self, kind, content)
    }

    pub(crate) fn enter_anything(&self, content: &[u8]) -> Vec<u8> {
        self.group.enter_anything(content)
    }
}
