//! What the story wants of a participant, and how he does it.

use std::time::Duration;

use subrosa::{Call, CodeInput, Epoch, Guest, Lane, Message, ParticipantId, danger};
use subrosa_delivery::Appended;
use tokio::sync::oneshot;

use crate::failure::{Context, Failure};
use crate::notes::Forged;
use crate::participant::Participant;

/// Whoever was faster is read meanwhile.
const LOST_A_RACE: Duration = Duration::from_millis(20);

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
        match wish {
            Wish::Answer(door) => {
                self.door = door;
                self.answer_door().await?;
            }
            Wish::Remove(participant) => self.call.remove(&[participant]).await.or_broken("removing")?,
            Wish::Lock => self.call.lock().await.or_broken("locking")?,
            // Computing it takes a while, so that is done elsewhere.
            Wish::TellCode(to) => {
                let told =
                    self.call.ask(|call| (call.epoch(), call.code())).await.or_broken("asking the call")?;
                to.send(told).unwrap_or_default();
            }
            Wish::StopSending => self.stop_sending().await?,
            Wish::Leave => self.call.leave().await.or_broken("leaving")?,
            Wish::LetIn(friend) => self.let_friend_in(friend).await?,
            Wish::WithholdLog => self.view.obey_log(false),
            Wish::ObeyLog => self.view.obey_log(true),
        }
        done.send(()).unwrap_or_default(); // the story may not care
        Ok(())
    }

    /// A tampered client: its own commit goes into the log past the call, which would not make it. Where somebody else's entry
    /// is first, it tries again after that.
    async fn let_friend_in(&mut self, mut friend: Box<Guest>) -> Result<(), Failure> {
        loop {
            let forge = move |call: &mut Call, _| (danger::tampered::admit(call, &friend), friend);
            let (forged, back) = self.call.danger_with_call(forge).await.or_broken("asking the call")?;
            friend = back;
            let Message { lane: Lane::Log { position }, payload } = forged.or_broken("forging a commit")?
            else {
                return Err(Failure::Broken("a commit that is not for the log".to_owned()));
            };
            let appended = self.setting.service.append(self.call.id(), position, payload.clone()).await;
            if appended.or_broken("appending a forged commit")? == Appended::Written {
                self.notes.forged = Some(Forged { position, commit: payload });
                return Ok(());
            }
            tokio::time::sleep(LOST_A_RACE).await;
        }
    }
}
