//! What the story wants of a participant, and how he does it.

use subrosa::{CodeInput, Epoch, Guest, Lane, Message, ParticipantId, danger};
use subrosa_delivery::Appended;
use tokio::sync::oneshot;

use crate::failure::{Context, Failure};
use crate::notes::Forged;
use crate::participant::Participant;

/// What the story wants of a participant.
#[derive(Debug)]
pub(crate) enum Wish {
    /// What to do about guests (host).
    Answer(Door),
    /// Remove somebody (host).
    Remove(ParticipantId),
    /// Lock the call (host).
    Lock,
    /// Say what the safety code is computed from, and of which epoch.
    TellCode(oneshot::Sender<(Epoch, CodeInput)>),
    /// Switch camera and microphone off.
    StopSending,
    /// Leave the call.
    Leave,
    /// Cheat: let a friend in although one is no host.
    LetIn(Box<Guest>),
    /// Cheat: keep the log from one's own call, and with it the commit that removes one.
    WithholdLog,
    /// Give the call what was withheld.
    ObeyLog,
}

/// What a host does about guests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    /// Nobody minds them.
    Unwatched,
    /// Let them in once so many wait, all at once.
    AdmitWhen(usize),
    /// Turn them away.
    Deny,
}

/// A wish, and whom to tell that it is under way.
pub(crate) struct Order {
    pub(crate) wish: Wish,
    pub(crate) done: oneshot::Sender<()>,
}

impl Participant {
    pub(crate) async fn obey(&mut self, Order { wish, done }: Order) -> Result<(), Failure> {
        let now = self.setting.clock.now();
        match wish {
            Wish::Answer(door) => {
                self.door = door;
                self.answer_door()?;
            }
            Wish::Remove(participant) => self.call.remove(&[participant], now).or_broken("removing")?,
            Wish::Lock => self.call.lock(now).or_broken("locking")?,
            // Computing it takes a while, so that is done elsewhere.
            Wish::TellCode(to) => to.send((self.call.epoch(), self.call.code())).unwrap_or_default(),
            Wish::StopSending => self.stop_sending().await?,
            Wish::Leave => self.call.leave(now).or_broken("leaving")?,
            Wish::LetIn(friend) => {
                self.friend = Some(friend);
                self.let_friend_in().await?;
            }
            Wish::WithholdLog => self.withheld = Some(Vec::new()),
            Wish::ObeyLog => self.obey_log().await?,
        }
        done.send(()).unwrap_or_default(); // the story may not care
        Ok(())
    }

    async fn obey_log(&mut self) -> Result<(), Failure> {
        for message in self.withheld.take().unwrap_or_default() {
            self.take_in(message).await?;
            self.drain().await?;
            if self.notes.ended.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// A tampered client: its own commit goes into the log past the call, which would not make it. Where somebody else's entry
    /// is first, it tries again after that.
    pub(crate) async fn let_friend_in(&mut self) -> Result<(), Failure> {
        let Some(friend) = &self.friend else { return Ok(()) };
        let forged = danger::tampered::admit(&mut self.call, friend).or_broken("forging a commit")?;
        let Message { lane: Lane::Log { position }, payload } = forged else {
            return Err(Failure::Broken("a commit that is not for the log".to_owned()));
        };
        let appended = self.setting.service.append(self.call.id(), position, payload.clone()).await;
        if appended.or_broken("appending a forged commit")? == Appended::Written {
            self.notes.forged = Some(Forged { position, commit: payload });
            self.friend = None;
        }
        Ok(())
    }
}
