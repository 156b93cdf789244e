//! An app's hold on a call.

use std::fmt;
use std::time::Duration;

use subrosa::{
    Call, CallConfig, CallError, CallId, CodeInput, Diagnostics, Epoch, Invite, Knock, Opener, ParticipantId,
    Random, Roster, Sealer, Time, TrackKind, Verdict,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::client::Client;
use crate::error::{CommandError, KnockError};
use crate::knocking::Knocking;

type Deed = Box<dyn FnOnce(&mut Call, Time) + Send>;

/// What is done to a call between its other inputs.
pub(crate) enum Job {
    Do(Deed),
    /// Gives the call away.
    Take(oneshot::Sender<Call>),
}

/// How long taking leave may take: a host has to commit it, and a service that is away to come back.
const LEAVE_PATIENCE: Duration = Duration::from_secs(15);

/// A call that drives itself. A clone is another hold on the same call; with the last one the call goes. Where the call has ended it can still
/// be asked.
///
/// A command returns when the call has accepted it. What comes of it is told by [`Events`](crate::Events): an admission, say, by a roster.
#[derive(Clone)]
pub struct CallHandle {
    pub(crate) id: CallId,
    pub(crate) me: ParticipantId,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// Becomes `true` when the task is done.
    pub(crate) over: watch::Receiver<bool>,
    pub(crate) client: Client,
}

type Done = Result<(), CommandError>;

impl CallHandle {
    /// The call.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// This participation's name.
    pub fn me(&self) -> ParticipantId {
        self.me
    }

    // What there is to know. Each has one error, `CommandError::Over`.

    /// Who is in the call.
    ///
    /// # Errors
    /// [`CommandError::Over`], as of all questions.
    pub async fn roster(&self) -> Result<Roster, CommandError> {
        self.ask(|call| call.roster().clone()).await
    }

    /// The current invite: send it as a link.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn invite(&self) -> Result<Invite, CommandError> {
        self.ask(Call::invite).await
    }

    /// The guests who wait (host).
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn waiting(&self) -> Result<Vec<Knock>, CommandError> {
        self.ask(Call::waiting).await
    }

    /// What the safety code is computed from (R23). Computing it takes some 100 ms, so do that on a thread of its own.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn code(&self) -> Result<CodeInput, CommandError> {
        self.ask(Call::code).await
    }

    /// What the code with one other participant is computed from; `None` if he is not there.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn pair_code(&self, with: ParticipantId) -> Result<Option<CodeInput>, CommandError> {
        self.ask(move |call| call.pair_code(with)).await
    }

    /// What went wrong so far, in numbers.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn diagnostics(&self) -> Result<Diagnostics, CommandError> {
        self.ask(Call::diagnostics).await
    }

    /// Asks the call something that has no method here.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Call) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        self.danger_with_call(|call, _| question(call)).await
    }

    // Media.

    /// Makes the sealer of a new outgoing track; it follows the call's keys by itself, on any thread.
    ///
    /// # Errors
    /// [`CommandError::Tracks`], [`CommandError::Over`].
    pub async fn sealer(&self, kind: TrackKind) -> Result<Sealer, CommandError> {
        Ok(self.ask(move |call| call.sealer(kind)).await??)
    }

    /// Makes an opener; one for each thread that receives.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn opener(&self) -> Result<Opener, CommandError> {
        self.ask(Call::opener).await
    }

    // Commands: each as the call's own of that name, whose errors come as `CommandError::Call`.

    /// Says that an epoch's roster was taken by the app (R14): the answer to [`Event::Roster`](subrosa::Event::Roster).
    ///
    /// A roster that comes late, because the next one is there already, is taken all the same: that is no error here.
    ///
    /// # Errors
    /// As [`Call::roster_taken`], but for that; [`CommandError::Over`].
    pub async fn roster_taken(&self, epoch: Epoch) -> Done {
        match self.tell(move |call, now| call.roster_taken(epoch, now)).await {
            Err(CommandError::Call(CallError::EpochGone)) => Ok(()),
            answer => answer,
        }
    }

    /// Lets guests in, all in one commit.
    ///
    /// # Errors
    /// As [`Call::admit`]; [`CommandError::Over`].
    pub async fn admit(&self, guests: &[ParticipantId]) -> Done {
        let guests = guests.to_vec();
        self.tell(move |call, now| call.admit(&guests, now)).await
    }

    /// Turns a guest away.
    ///
    /// # Errors
    /// As [`Call::deny`]; [`CommandError::Over`].
    pub async fn deny(&self, guest: ParticipantId) -> Done {
        self.tell(move |call, now| call.deny(guest, now)).await
    }

    /// Answers [`Event::Vouch`](subrosa::Event::Vouch).
    ///
    /// # Errors
    /// As [`Call::vouch`]; [`CommandError::Over`].
    pub async fn vouch(&self, guest: ParticipantId, verdict: Verdict) -> Done {
        self.tell(move |call, now| call.vouch(guest, verdict, now)).await
    }

    /// Removes participants.
    ///
    /// # Errors
    /// As [`Call::remove`]; [`CommandError::Over`].
    pub async fn remove(&self, participants: &[ParticipantId]) -> Done {
        let participants = participants.to_vec();
        self.tell(move |call, now| call.remove(&participants, now)).await
    }

    /// Makes a participant a host.
    ///
    /// # Errors
    /// As [`Call::make_host`]; [`CommandError::Over`].
    pub async fn make_host(&self, participant: ParticipantId) -> Done {
        self.tell(move |call, now| call.make_host(participant, now)).await
    }

    /// Makes a participant a host who may not let anybody in.
    ///
    /// # Errors
    /// As [`Call::make_moderator`]; [`CommandError::Over`].
    pub async fn make_moderator(&self, participant: ParticipantId) -> Done {
        self.tell(move |call, now| call.make_moderator(participant, now)).await
    }

    /// Makes a host an ordinary participant.
    ///
    /// # Errors
    /// As [`Call::unmake_host`]; [`CommandError::Over`].
    pub async fn unmake_host(&self, participant: ParticipantId) -> Done {
        self.tell(move |call, now| call.unmake_host(participant, now)).await
    }

    /// Locks the call.
    ///
    /// # Errors
    /// As [`Call::lock`]; [`CommandError::Over`].
    pub async fn lock(&self) -> Done {
        self.tell(Call::lock).await
    }

    /// Unlocks it.
    ///
    /// # Errors
    /// As [`Call::unlock`]; [`CommandError::Over`].
    pub async fn unlock(&self) -> Done {
        self.tell(Call::unlock).await
    }

    /// Changes the configuration.
    ///
    /// # Errors
    /// As [`Call::set_config`]; [`CommandError::Over`].
    pub async fn set_config(&self, config: CallConfig) -> Done {
        self.tell(move |call, now| call.set_config(&config, now)).await
    }

    /// Replaces the invite.
    ///
    /// # Errors
    /// As [`Call::rotate_invite`]; [`CommandError::Over`].
    pub async fn rotate_invite(&self) -> Done {
        self.tell(Call::rotate_invite).await
    }

    /// Goes on although no host is there (R22): an explicit act of the user.
    ///
    /// # Errors
    /// As [`Call::go_on_without_host`]; [`CommandError::Over`].
    pub async fn go_on_without_host(&self) -> Done {
        self.tell(Call::go_on_without_host).await
    }

    /// Says that the machine slept. Where its clock shows that, the call learns it without this.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn woke_up(&self) -> Done {
        self.danger_with_call(Call::woke_up).await
    }

    /// Asks to be taken off the roster; [`Event::Ended`](subrosa::Event::Ended) says when it is done.
    ///
    /// # Errors
    /// As [`Call::leave`]; [`CommandError::Over`].
    pub async fn leave(&self) -> Done {
        self.tell(Call::leave).await
    }

    /// Leaves, waits until that is done and what was to be sent is sent, and lets go of the call. Where nobody answers it is over after 15 s
    /// all the same, as far as this participant is concerned, and the hosts remove him for his silence.
    pub async fn hang_up(self) {
        if self.leave().await.is_ok() {
            self.ended(LEAVE_PATIENCE).await;
        }
    }

    /// Waits until the call is over for this participant, and its task done; `false` if that takes longer.
    pub async fn ended(&self, patience: Duration) -> bool {
        let mut over = self.over.clone();
        // Where the sender is gone the task is, too.
        timeout(patience, over.wait_for(|over| *over)).await.is_ok()
    }

    /// Knocks again at this call, under the same name: for whoever is stranded (R7), was removed while he was away, or whose engine failed. It
    /// uses up this side of the call.
    ///
    /// # Errors
    /// As [`Call::rejoin`]; [`KnockError::Over`] if another handle has taken the call before.
    pub async fn rejoin(self) -> Result<Knocking, KnockError> {
        let (taker, taken) = oneshot::channel();
        self.jobs.send(Job::Take(taker)).await.map_err(|_| KnockError::Over)?;
        let call = taken.await.map_err(|_| KnockError::Over)?;
        let (guest, knock) = call.rejoin(Random::os()).map_err(KnockError::Knock)?;
        Knocking::start(self.client, guest, knock).await
    }

    /// Does something to the call itself, between its other inputs: for what has no method here.
    ///
    /// The task takes out what the call has to say, and hands in what comes for it. Whoever polls the call in here steals events, and
    /// whoever hands in messages out of turn makes gaps.
    ///
    /// # Errors
    /// [`CommandError::Over`].
    pub async fn danger_with_call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Call, Time) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let (answer, answered) = oneshot::channel();
        let job = move |call: &mut Call, now| {
            answer.send(job(call, now)).unwrap_or_default(); // nobody may wait any more
        };
        self.jobs.send(Job::Do(Box::new(job))).await.map_err(|_| CommandError::Over)?;
        answered.await.map_err(|_| CommandError::Over)
    }

    async fn tell(
        &self,
        command: impl FnOnce(&mut Call, Time) -> Result<(), CallError> + Send + 'static,
    ) -> Done {
        Ok(self.danger_with_call(command).await??)
    }
}

impl fmt::Debug for CallHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallHandle").field("id", &self.id).field("me", &self.me).finish_non_exhaustive()
    }
}
