//! What happens, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use subrosa::{Guest, HostAnswer, ParticipantId, TrackKind};
use subrosa_runtime::Knocking;
use tokio::time::timeout;

use crate::codes::{self, Codes};
use crate::failure::{Context, Failure};
use crate::join::{Handle, PATIENCE, Person, found, knock, wait};
use crate::names::{CHEATS, DENIED, LEAVES, NAMES, TOO_LATE};
use crate::notes::{Outcome, Progress};
use crate::orders::{Door, Wish};
use crate::progress::Show;
use crate::setting::Setting;
use crate::unruly::Unruly;
use crate::view::View;

/// In a large call not everybody speaks: of those there from the start, so many have a camera on, and so many a
/// microphone. Two processors that play all 50 participants and the server could not carry more.
const CAMERAS: usize = 6;
const MICROPHONES: usize = 16;

/// How long after all are there, or after what happened before, the next thing happens; in the story's time.
const DENIAL: Duration = Duration::from_secs(2);
const LATE_GUEST: Duration = Duration::from_secs(2);
const LETTING_IN: Duration = Duration::from_secs(1);
const LEAVING: Duration = Duration::from_secs(2);
const REMOVAL: Duration = Duration::from_secs(2);
/// Longer than the switch deadline: what the removed one tries is sealed after it.
const END: Duration = Duration::from_secs(4);
/// In real time: what was sent before arrives meanwhile.
const DRAIN: Duration = Duration::from_millis(400);

/// Everybody's part in the story, when it is over.
pub(crate) struct Told {
    /// In the order of joining.
    pub(crate) people: Vec<(&'static str, Outcome)>,
    /// The cheater, who is removed.
    pub(crate) removed: ParticipantId,
    pub(crate) guests: Guests,
    pub(crate) codes: Codes,
}

/// Those who knocked and did not get in.
pub(crate) struct Guests {
    /// Who was denied; he is also the cheater's friend.
    pub(crate) friend: ParticipantId,
    /// He learned from a host that he was denied.
    pub(crate) learned_it: bool,
    /// Who knocked at the locked call.
    pub(crate) locked_out: ParticipantId,
    /// He was let in all the same.
    pub(crate) came_in: bool,
    /// What they got that no host made.
    pub(crate) refused: Vec<Bytes>,
}

impl Told {
    pub(crate) fn names(&self) -> BTreeMap<ParticipantId, &'static str> {
        self.people.iter().map(|(name, outcome)| (outcome.id, *name)).collect()
    }
}

/// How long the story takes in reality, about.
pub(crate) fn length(setting: &Setting) -> Duration {
    setting.clock.scaled(DENIAL + LATE_GUEST + LETTING_IN + LEAVING + REMOVAL + END) + DRAIN + DRAIN
}

fn person(number: usize, late: bool) -> Person {
    let mut tracks = Vec::new();
    if late || number < MICROPHONES {
        tracks.push(TrackKind::Microphone);
    }
    if late || number < CAMERAS {
        tracks.push(TrackKind::Camera);
    }
    Person { name: NAMES[number], number, tracks }
}

/// Plays the story with so many at the start; the late guest comes on top.
pub(crate) async fn play(setting: &Arc<Setting>, unruly: &Unruly, count: usize) -> Result<Told, Failure> {
    let mut stage = Stage::set(setting, count).await?;
    let early_code = codes::told(stage.host()).await?;
    stage.after(DENIAL).await;
    let (denied, learned_it) = stage.somebody_is_denied().await?;
    stage.after(LATE_GUEST).await;
    stage.somebody_comes_late().await?;
    stage.host_locks().await?;
    let codes = stage.all_compare_codes(early_code).await?;
    let mut too_late = stage.somebody_is_locked_out().await?;
    stage.after(LETTING_IN).await;
    let (friends_id, refused) = (denied.id(), denied.refused().to_vec());
    stage.somebody_lets_his_friend_in(denied.into_guest()).await?;
    stage.after(LEAVING).await;
    stage.somebody_leaves().await?;
    stage.after(REMOVAL).await;
    let removed = stage.the_cheater_is_removed().await?;
    stage.after(END).await;
    unruly.behave();
    let people = stage.all_stop().await?;
    // By now whoever waited in vain has his answer: the call is over.
    let answer = timeout(PATIENCE, too_late.answer()).await;
    let came_in = !matches!(answer, Ok(Ok(HostAnswer::CallOver)));
    let guests = Guests {
        friend: friends_id,
        learned_it,
        locked_out: too_late.id(),
        came_in,
        refused: [&refused, too_late.refused()].concat(),
    };
    Ok(Told { people, removed, guests, codes })
}

/// Where the story is.
struct Stage {
    setting: Arc<Setting>,
    show: Show,
    /// How many were there at the start.
    count: usize,
    link: String,
    people: Vec<Handle>,
}

impl Stage {
    /// The host founds the call, and all who are there from the start come in together.
    async fn set(setting: &Arc<Setting>, count: usize) -> Result<Self, Failure> {
        let show = Show::start(setting, length(setting));
        let (host, link) = found(person(0, false), setting).await?;
        let mut stage = Self { setting: Arc::clone(setting), show, count, link, people: vec![host] };
        stage.host().order(Wish::Answer(Door::AdmitWhen(count - 1))).await?;
        for number in 1..count {
            stage.people.push(knock(person(number, false), stage.link.clone(), setting));
        }
        stage.all_reach("all to be there", |progress| progress.members >= count).await?;
        stage.show.tell(&format!("{count} participants are in the call"));
        Ok(stage)
    }

    fn host(&self) -> &Handle {
        &self.people[0]
    }

    async fn after(&self, gap: Duration) {
        tokio::time::sleep(self.setting.clock.scaled(gap)).await;
    }

    async fn all_reach(&mut self, what: &str, there: impl Fn(&Progress) -> bool) -> Result<(), Failure> {
        for somebody in &mut self.people {
            somebody.reaches(what, &there).await?;
        }
        Ok(())
    }

    async fn knock(&self, name: &str) -> Result<Knocking, Failure> {
        wait(name, &self.link, &self.setting, &View::of(&self.setting.service)).await
    }

    /// A guest knocks, and learns from the host that he is not to come in. (Anybody can post into his mailbox, but only a host can
    /// make what he takes for an answer.)
    async fn somebody_is_denied(&mut self) -> Result<(Knocking, bool), Failure> {
        self.show.tell(&format!("{DENIED} knocks, and is denied"));
        self.host().order(Wish::Answer(Door::Deny)).await?;
        let mut knocking = self.knock(DENIED).await?;
        let answer = timeout(PATIENCE, knocking.answer()).await;
        let answer = answer
            .map_err(|_| Failure::Broken(format!("{DENIED} gets no answer")))?
            .or_broken("an answer")?;
        Ok((knocking, matches!(answer, HostAnswer::Denied)))
    }

    async fn somebody_comes_late(&mut self) -> Result<(), Failure> {
        let count = self.count;
        self.show.tell(&format!("{} knocks, and comes in", NAMES[count]));
        self.host().order(Wish::Answer(Door::AdmitWhen(1))).await?;
        self.people.push(knock(person(count, true), self.link.clone(), &self.setting));
        self.all_reach("the late guest to be there", |progress| progress.members > count).await
    }

    async fn host_locks(&mut self) -> Result<(), Failure> {
        self.show.tell("the host locks the call");
        self.host().order(Wish::Lock).await?;
        self.all_reach("the call to be locked", |progress| progress.locked).await
    }

    async fn all_compare_codes(&mut self, early: codes::Told) -> Result<Codes, Failure> {
        let mut all = Vec::new();
        for somebody in &self.people {
            all.push(codes::told(somebody).await?);
        }
        let codes = codes::compare(all, early).await?;
        self.show.tell(&format!("all compare the safety code: {}, or {}", codes.digits, codes.words));
        Ok(codes)
    }

    /// A guest knocks at the locked call. The host would let her in, but the call does not take that; so she waits.
    async fn somebody_is_locked_out(&mut self) -> Result<Knocking, Failure> {
        self.show.tell(&format!("{TOO_LATE} knocks; the host would let her in, but the call is locked"));
        let knocking = self.knock(TOO_LATE).await?;
        self.people[0].reaches("a guest to be locked out", |progress| progress.locked_out > 0).await?;
        Ok(knocking)
    }

    /// Who is no host commits that his friend comes in. All the others notice, and nothing else comes of it.
    async fn somebody_lets_his_friend_in(&mut self, friend: Guest) -> Result<(), Failure> {
        self.show.tell(&format!("{}, who is no host, tries to let {DENIED} in", NAMES[CHEATS]));
        self.people[CHEATS].order(Wish::LetIn(Box::new(friend))).await?;
        for (_, somebody) in self.people.iter_mut().enumerate().filter(|(number, _)| *number != CHEATS) {
            somebody.reaches("the forged commit", |progress| progress.violations > 0).await?;
        }
        Ok(())
    }

    /// Somebody hangs up: what was sent to him before that arrives meanwhile, then he leaves.
    async fn somebody_leaves(&mut self) -> Result<(), Failure> {
        self.show.tell(&format!("{} leaves", NAMES[LEAVES]));
        let somebody = &mut self.people[LEAVES];
        let id = somebody.joined().await?;
        somebody.order(Wish::StopSending).await?;
        self.setting.ledger.gone(id, self.setting.clock.now());
        tokio::time::sleep(DRAIN).await;
        somebody.order(Wish::Leave).await?;
        somebody.reaches("to be out", |progress| progress.ended.is_some()).await?;
        Ok(())
    }

    /// The host removes somebody, who withholds the commit from his own call: he has his old keys for as long as he likes, and the
    /// media server goes on sending him everything.
    async fn the_cheater_is_removed(&mut self) -> Result<ParticipantId, Failure> {
        self.show.tell(&format!("{} is removed, and keeps the old keys", NAMES[CHEATS]));
        let id = self.people[CHEATS].joined().await?;
        self.people[CHEATS].order(Wish::StopSending).await?;
        self.people[CHEATS].order(Wish::WithholdLog).await?;
        self.setting.ledger.gone(id, self.setting.clock.now());
        self.host().order(Wish::Remove(id)).await?;
        let count = self.count;
        for (number, somebody) in self.people.iter_mut().enumerate() {
            if number != LEAVES && number != CHEATS {
                somebody.reaches("the removal", |progress| progress.members < count).await?;
            }
        }
        Ok(id)
    }

    async fn all_stop(self) -> Result<Vec<(&'static str, Outcome)>, Failure> {
        self.show.tell("all stop");
        for (number, somebody) in self.people.iter().enumerate() {
            if number != LEAVES && number != CHEATS {
                somebody.order(Wish::StopSending).await?;
            }
        }
        tokio::time::sleep(DRAIN).await;
        self.people[CHEATS].order(Wish::ObeyLog).await?;
        self.host().order(Wish::Leave).await?; // the last host's leaving ends the call
        let mut told = Vec::new();
        for somebody in self.people {
            told.push((somebody.name, somebody.outcome().await?));
        }
        Ok(told)
    }
}
