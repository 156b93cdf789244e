//! What the intruder can make of what he knows: guesses at secrets, and messages of a call of his own.

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use subrosa::{
    Call, CallConfig, CallId, Event, Guest, Invite, Lane, MailboxId, Message, Output, Profile, Random, Time,
};
use subrosa_delivery::Record;

use crate::failure::{Context, Failure};

/// Secrets of 32 bytes that a careless design could have: constants, and whatever the server knows.
pub(crate) fn secrets(
    call: CallId,
    mailboxes: &[MailboxId],
    records: &[Record],
) -> impl Iterator<Item = [u8; 32]> {
    let ids = [call.0].into_iter().chain(mailboxes.iter().take(3).map(|mailbox| mailbox.0));
    let of_ids = ids.flat_map(|id| [twice(id), Sha256::digest(id).into()]);
    let messages = records.iter().take(3);
    let of_messages = messages.flat_map(|record| {
        let prefix = record.bytes.first_chunk().copied();
        prefix.into_iter().chain([Sha256::digest(&record.bytes).into()])
    });
    let all = [[0; 32], [0xFF; 32]].into_iter().chain(of_ids).chain(of_messages);
    all.collect::<Vec<_>>().into_iter()
}

fn twice(id: [u8; 16]) -> [u8; 32] {
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(&id);
    secret[16..].copy_from_slice(&id);
    secret
}

/// An invite to a call with a guessed secret; the lobby's key is a guess, too.
pub(crate) fn invite(call: CallId, secret: &[u8; 32]) -> Result<String, Failure> {
    let (own, _) = own_call()?;
    let fragment = BASE64URL_NOPAD.decode(own.invite().to_fragment().as_bytes()).or_broken("a fragment")?;
    // version (1) | call id (16) | number (4) | secret (32) | lobby's public key (32)
    let mut guessed = fragment;
    guessed[1..17].copy_from_slice(&call.0);
    guessed[21..53].copy_from_slice(secret);
    Ok(BASE64URL_NOPAD.encode(&guessed))
}

/// A real commit, but of another call.
pub(crate) fn foreign_commit() -> Result<Bytes, Failure> {
    let (mut call, profile) = own_call()?;
    outputs(&mut call)?;
    let (_, knock) =
        Guest::knock(call.invite(), &profile, Random::os()).or_broken("knocking at one's own call")?;
    call.handle_message(&knock, Time::ZERO).or_broken("one's own knock")?;
    let commit = outputs(&mut call)?.into_iter().find(|message| matches!(message.lane, Lane::Log { .. }));
    commit.map(|message| message.payload).ok_or(Failure::Broken("no commit".to_owned()))
}

fn own_call() -> Result<(Call, Profile), Failure> {
    let profile = Profile::person("Somebody").or_broken("a name")?;
    let call =
        Call::create(&profile, &CallConfig::default(), Random::os(), Time::ZERO).or_broken("a call")?;
    Ok((call, profile))
}

fn outputs(call: &mut Call) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    loop {
        match call.poll_output() {
            Output::Send(message) => messages.push(message),
            Output::Event(Event::Knock(knock)) => {
                call.admit(&[knock.id], Time::ZERO).or_broken("admitting")?
            }
            Output::Event(_) => {}
            Output::Timeout(_) => return Ok(messages),
        }
    }
}

/// Checks that an invite made by hand is what the library takes: otherwise the intruder would only seem to try.
pub(crate) fn self_check() -> Result<(), Failure> {
    let call = CallId([7; 16]);
    let invite = Invite::parse(&invite(call, &[9; 32])?).or_broken("the intruder's link")?;
    if invite.call() == call { Ok(()) } else { Err(Failure::Broken("the intruder's link".to_owned())) }
}
