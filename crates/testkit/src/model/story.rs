//! What everybody in a room went through, in lines: for whoever looks into a seed that fails.

use crate::room::Room;
use subrosa::{Cause, Event, ParticipantId, Time};

/// Returns what the members' calls said, in order.
pub fn tell(room: &Room) -> Vec<String> {
    let mut lines: Vec<(Time, usize, String)> = Vec::new();
    for person in room.people() {
        for (at, event) in person.events() {
            if let Some(what) = say(room, event) {
                lines.push((*at, lines.len(), format!("    {:?} {}: {what}", at.elapsed(), person.name())));
            }
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, _, line)| line).collect()
}

fn say(room: &Room, event: &Event) -> Option<String> {
    let name = |id: &ParticipantId| {
        let owner = room.people().find(|person| person.ids().contains(id));
        owner.map_or(format!("?{:02x}{:02x}", id.0[0], id.0[1]), |owner| owner.name().to_owned())
    };
    let names = |ids: &[ParticipantId]| ids.iter().map(name).collect::<Vec<_>>().join("+");
    Some(match event {
        Event::Mailboxes | Event::EpochOpened(_) | Event::KeyframeNeeded { .. } | Event::Trouble(_) => {
            return None;
        }
        Event::Roster(roster) => {
            let cause = match &roster.cause {
                Cause::Commit { by, admitted, removed, left, policy } => {
                    let policy = policy.map_or(String::new(), |change| format!(", {change:?}"));
                    let [admitted, removed, left] = [admitted, removed, left].map(|ids| names(ids));
                    format!("{} lets in [{admitted}], removes [{removed}], [{left}] left{policy}", name(by))
                }
                Cause::Joined { by } => format!("joined by {}", name(by)),
                other => format!("{other:?}"),
            };
            let member = |m: &subrosa::Member| {
                let role = if m.may_admit {
                    "*"
                } else if m.is_host {
                    "'"
                } else {
                    ""
                };
                format!("{}{role}", name(&m.id))
            };
            let members = roster.members.iter().map(member).collect::<Vec<_>>().join(" ");
            format!("epoch {}: {cause}; {members}", roster.epoch)
        }
        Event::Knock(knock) => format!("hears {} knock", knock.name),
        Event::KnockGone(id) => format!("{} does not wait any more", name(id)),
        Event::Leaving(id) => format!("{} asks to leave", name(id)),
        Event::Silent(id) => format!("{} is silent", name(id)),
        Event::CutOff { silent } => format!("cut off from {}", names(silent)),
        other => format!("{other:?}"),
    })
}
