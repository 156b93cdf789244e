//! What happens, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use subrosa::{ParticipantId, TrackKind};

use crate::failure::Failure;
use crate::join::{Handle, Person, found, knock};
use crate::names::NAMES;
use crate::participant::{Outcome, Wish};
use crate::progress::Show;
use crate::setting::Setting;

/// In a large call not everybody speaks: of those there from the start, so many have a camera on, and so many a
/// microphone. Two processors that play all 50 participants and the server could not carry more.
const CAMERAS: usize = 6;
const MICROPHONES: usize = 16;

/// How long after all are there, or after what happened before, the next thing happens; in the story's time.
const LATE_GUEST: Duration = Duration::from_secs(4);
const LEAVING: Duration = Duration::from_secs(3);
const REMOVAL: Duration = Duration::from_secs(2);
/// Longer than the switch deadline: what the removed one tries is sealed after it.
const END: Duration = Duration::from_secs(4);
/// In real time: what was sent before arrives meanwhile.
const DRAIN: Duration = Duration::from_millis(400);

/// The second to join leaves, the third is removed. In a call of two, that is the late guest.
const LEAVES: usize = 1;
const IS_REMOVED: usize = 2;

/// Everybody's part in the story, when it is over.
pub(crate) struct Told {
    /// In the order of joining.
    pub(crate) people: Vec<(&'static str, Outcome)>,
    pub(crate) removed: ParticipantId,
}

impl Told {
    pub(crate) fn names(&self) -> BTreeMap<ParticipantId, &'static str> {
        self.people.iter().map(|(name, outcome)| (outcome.id, *name)).collect()
    }
}

/// How long the story takes in reality, about.
pub(crate) fn length(setting: &Setting) -> Duration {
    setting.clock.scaled(LATE_GUEST + LEAVING + REMOVAL + END) + DRAIN + DRAIN
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
pub(crate) async fn play(setting: &Arc<Setting>, count: usize) -> Result<Told, Failure> {
    let show = Show::start(setting, length(setting));
    let (host, link) = found(person(0, false), setting).await?;
    let mut people = vec![host];
    host_of(&people).order(Wish::AdmitWhen(count - 1)).await?;
    people.extend((1..count).map(|number| knock(person(number, false), link.clone(), setting)));
    for somebody in &mut people {
        somebody.reaches("all to be there", |progress| progress.members >= count).await?;
    }
    let after = |gap: Duration| tokio::time::sleep(setting.clock.scaled(gap));
    show.tell(&format!("{count} participants are in the call"));

    after(LATE_GUEST).await;
    show.tell(&format!("{} knocks", NAMES[count]));
    host_of(&people).order(Wish::AdmitWhen(1)).await?;
    people.push(knock(person(count, true), link, setting));
    for somebody in &mut people {
        somebody.reaches("the late guest to be there", |progress| progress.members > count).await?;
    }

    after(LEAVING).await;
    show.tell(&format!("{} leaves", NAMES[LEAVES]));
    leave(setting, &mut people[LEAVES]).await?;

    after(REMOVAL).await;
    show.tell(&format!("{} is removed, and keeps the old keys", NAMES[IS_REMOVED]));
    let removed = remove(setting, &mut people, count).await?;

    after(END).await;
    show.tell("all stop");
    for (number, somebody) in people.iter().enumerate() {
        if number != LEAVES && number != IS_REMOVED {
            somebody.order(Wish::StopSending).await?;
        }
    }
    tokio::time::sleep(DRAIN).await;
    people[IS_REMOVED].order(Wish::ObeyLog).await?;
    host_of(&people).order(Wish::Leave).await?; // the last host's leaving ends the call
    let mut told = Vec::new();
    for somebody in people {
        told.push((somebody.name, somebody.outcome().await?));
    }
    Ok(Told { people: told, removed })
}

fn host_of(people: &[Handle]) -> &Handle {
    &people[0]
}

/// Somebody hangs up: what was sent to him before that arrives meanwhile, then he leaves.
async fn leave(setting: &Setting, somebody: &mut Handle) -> Result<(), Failure> {
    let id = somebody.joined().await?;
    somebody.order(Wish::StopSending).await?;
    setting.ledger.gone(id, setting.clock.now());
    tokio::time::sleep(DRAIN).await;
    somebody.order(Wish::Leave).await?;
    somebody.reaches("to be out", |progress| progress.ended.is_some()).await?;
    Ok(())
}

/// The host removes somebody, who withholds the commit from his own call: he has his old keys for as long as he likes,
/// and the media server goes on sending him everything.
async fn remove(setting: &Setting, people: &mut [Handle], count: usize) -> Result<ParticipantId, Failure> {
    let id = people[IS_REMOVED].joined().await?;
    people[IS_REMOVED].order(Wish::StopSending).await?;
    people[IS_REMOVED].order(Wish::WithholdLog).await?;
    setting.ledger.gone(id, setting.clock.now());
    host_of(people).order(Wish::Remove(id)).await?;
    for (number, somebody) in people.iter_mut().enumerate() {
        if number != LEAVES && number != IS_REMOVED {
            somebody.reaches("the removal", |progress| progress.members < count).await?;
        }
    }
    Ok(id)
}
