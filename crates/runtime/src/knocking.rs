//! Waiting to be let in.

use std::fmt;

use bytes::Bytes;
use subrosa::{Fingerprint, Guest, HostAnswer, Lane, Message, ParticipantId};
use subrosa_delivery::{DeliveryError, MailboxStream};

use crate::client::Client;
use crate::error::{AdmissionError, KnockError};
use crate::events::Events;
use crate::handle::CallHandle;

/// Somebody who has knocked.
pub struct Knocking {
    client: Client,
    guest: Guest,
    answers: MailboxStream,
    refused: Vec<Bytes>,
}

/// How many messages that are no answer are kept to be looked at.
const MAX_REFUSED: usize = 256;

impl Knocking {
    pub(crate) async fn start(client: Client, guest: Guest, knock: Message) -> Result<Self, KnockError> {
        let answers = client.service.open_mailbox(guest.answer_mailbox()).await;
        let answers = answers.map_err(KnockError::Delivery)?;
        send(&client, knock).await.map_err(KnockError::Delivery)?;
        Ok(Self { client, guest, answers, refused: Vec::new() })
    }

    /// The name that this participation will have, as the hosts see it beside the knock.
    pub fn id(&self) -> ParticipantId {
        self.guest.id()
    }

    /// The fingerprint that hosts see beside the knock.
    pub fn fingerprint(&self) -> Fingerprint {
        self.guest.fingerprint()
    }

    /// Waits for a host's answer, and comes in if it is "come in". However long that takes: put a timeout around it, or a button beside it.
    /// Whoever drops it has not told the hosts: see [`withdraw`](Self::withdraw).
    ///
    /// # Errors
    /// [`AdmissionError`] says who did not want it.
    pub async fn admitted(mut self) -> Result<(CallHandle, Events), AdmissionError> {
        let answer = self.answer().await?;
        self.accept(answer)
    }

    /// Waits for a host's answer, as [`admitted`](Self::admitted) does, for those who want to see it first. Dropping the future loses
    /// nothing, so this may stand in a `select!`.
    ///
    /// # Errors
    /// [`AdmissionError::MailboxGone`].
    pub async fn answer(&mut self) -> Result<HostAnswer, AdmissionError> {
        loop {
            let message = self.answers.next().await.ok_or(AdmissionError::MailboxGone)?;
            // Whatever was not made by a host for this knock is anybody's, and means nothing (R11).
            let Ok(answer) = self.guest.open_answer(&message) else {
                if self.client.report_refused && self.refused.len() < MAX_REFUSED {
                    self.refused.push(message);
                }
                continue;
            };
            let (service, mailbox) = (self.client.service.clone(), self.guest.answer_mailbox());
            tokio::spawn(async move { service.close_mailbox(mailbox).await.ok() });
            return Ok(answer);
        }
    }

    /// Comes in with a host's answer.
    ///
    /// # Errors
    /// [`AdmissionError`], if it is not "come in", or not one to accept.
    pub fn accept(self, answer: HostAnswer) -> Result<(CallHandle, Events), AdmissionError> {
        match answer {
            HostAnswer::Admitted(admission) => {
                let call = self.guest.accept(admission, self.client.clock.now())?;
                Ok(self.client.drive(call))
            }
            HostAnswer::Denied => Err(AdmissionError::Denied),
            HostAnswer::LinkExpired => Err(AdmissionError::LinkExpired),
            HostAnswer::CallOver => Err(AdmissionError::CallOver),
        }
    }

    /// What came instead of an answer, the first 256 of it; only for those who [want to know](Client::report_refused).
    pub fn refused(&self) -> &[Bytes] {
        &self.refused
    }

    /// Stops listening, and gives back who waits.
    pub fn into_guest(self) -> Guest {
        self.guest
    }

    /// Gives up waiting, and tells the hosts.
    ///
    /// # Errors
    /// [`DeliveryError`]; then they learn it by and by.
    pub async fn withdraw(self) -> Result<(), DeliveryError> {
        send(&self.client, self.guest.withdraw()).await
    }
}

async fn send(client: &Client, Message { lane, payload }: Message) -> Result<(), DeliveryError> {
    match lane {
        Lane::Mailbox(mailbox) => client.service.post(mailbox, payload).await,
        Lane::Log { .. } | Lane::Talk => unreachable!("a guest has no other way to speak"),
    }
}

impl fmt::Debug for Knocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knocking").field("guest", &self.guest).finish_non_exhaustive()
    }
}
