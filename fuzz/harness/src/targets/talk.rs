//! Talk: what a server makes up, damages or replays is refused and changes nothing; what a member says, whatever it is, panics nobody, ends
//! no call, and keeps nobody from hearing what comes next.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use subrosa::danger::tampered;
use subrosa::{Call, HandleError, Lane, Message, Time, fuzzing};

use crate::Target;
use crate::hostile::Hostile;
use crate::pair::{Pair, drain, with_payload};

/// Layout: steps: what happens (1 byte), how many bytes it takes (1), these. 0: something damaged comes to Bob, a member; 1: to Ann, the host
/// (from 128 on: made of what is said in another call);
/// 2 and 3: Bob says something of any kind (1), content follows; 4 and 5: Ann does; 6: time passes; 7: what was said last
/// comes once more, or, if a byte is given, a beat of Ann's with that number that Bob forges.
pub const TARGET: Target = Target { name: "talk", run: |data| _ = run(data), seeds };

const STEPS: usize = 30;
const BEAT: Duration = Duration::from_secs(10);

// What Bob said in another call.
thread_local!(static ELSEWHERE: Vec<u8> = {
    let said = Pair::founded(20).said_by_bob;
    said.last().expect("that he has the keys").payload.to_vec()
});

struct Room {
    pair: Pair,
    now: Time,
    /// What went over the talk lane last, of either.
    last: Option<Message>,
}

impl Room {
    fn new() -> Self {
        let mut room = Self { pair: Pair::new(), now: Time::ZERO, last: None };
        let said = std::mem::take(&mut room.pair.said_by_bob);
        room.deliver(said);
        room.pass();
        room
    }

    /// Everybody hears what the others say, until nobody says anything.
    fn deliver(&mut self, mut said: Vec<Message>) {
        for _ in 0..20 {
            let now = self.now;
            for message in std::mem::take(&mut said) {
                if message.lane == Lane::Talk {
                    self.last = Some(message.clone());
                }
                for call in [&mut self.pair.ann, &mut self.pair.bob] {
                    let _ = call.handle_message(&message, now);
                    said.extend(drain(call, now));
                }
            }
        }
    }

    fn pass(&mut self) {
        self.now = self.now + BEAT;
        let mut said = Vec::new();
        for call in [&mut self.pair.ann, &mut self.pair.bob] {
            call.handle_timeout(self.now);
            said.extend(drain(call, self.now));
        }
        self.deliver(said);
    }

    fn is_damaged(&mut self, at_ann: bool, is_of_another_call: bool, hostile: &Hostile) {
        let Some(genuine) = self.last.clone() else { return };
        let bytes = match is_of_another_call {
            true => ELSEWHERE.with(|said| hostile.bytes(said)),
            false => hostile.bytes(&genuine.payload),
        };
        let call = if at_ann { &mut self.pair.ann } else { &mut self.pair.bob };
        let before = (call.epoch(), call.ended(), call.is_cut_off());
        if bytes != genuine.payload[..] {
            let outcome = call.handle_message(&with_payload(&genuine, bytes), self.now);
            // Who said that he is stranded was removed by now.
            let is_over = outcome == Err(HandleError::Ended) && before.1.is_some();
            assert!(matches!(outcome, Ok(()) | Err(HandleError::Talk(_))) || is_over, "{outcome:?}");
            assert_eq!(drain(call, self.now), [], "something comes of it");
            assert_eq!((call.epoch(), call.ended(), call.is_cut_off()), before);
        }
    }

    /// Bob forges a beat of Ann's: nobody takes it for hers. (Who hears it is an honest participant with Bob's keys.)
    fn is_refused(&mut self, forged: &Message) {
        let call = &mut self.pair.bob;
        let outcome = call.handle_message(forged, self.now);
        assert!(matches!(outcome, Err(HandleError::Talk(_))), "{outcome:?}");
        assert_eq!(drain(call, self.now), [], "something comes of it");
    }

    fn says(&mut self, is_ann: bool, kind: u8, content: &[u8]) {
        let call: &mut Call = if is_ann { &mut self.pair.ann } else { &mut self.pair.bob };
        if let Some(payload) = fuzzing::say(call, u32::from(kind % 8), content) {
            self.deliver(vec![Message { lane: Lane::Talk, payload }]);
        }
    }
}

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let mut room = Room::new();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (what, len): (u8, u8) = input.arbitrary()?;
        let len = usize::from(len).min(input.len());
        let bytes = input.bytes(len)?;
        match what % 8 {
            at @ (0 | 1) => {
                if let Ok(hostile) = Hostile::read(&mut Unstructured::new(bytes)) {
                    room.is_damaged(at == 1, what >= 128, &hostile);
                }
            }
            who @ 2..=5 => {
                if let Some((kind, content)) = bytes.split_first() {
                    room.says(who >= 4, *kind, content);
                }
            }
            6 => room.pass(),
            _ if let Some(number) = bytes.first() => {
                let ann = room.pair.ann.me();
                let forged = tampered::beat(&mut room.pair.bob, ann, u64::from(*number) << 20);
                if let Some(forged) = forged {
                    room.is_refused(&forged);
                }
            }
            _ => {
                let said = room.last.clone();
                room.deliver(said.into_iter().collect());
            }
        }
    }
    // Whatever he said of himself (R7), she is there, and so is the call.
    room.pass();
    assert_eq!(room.pair.ann.ended(), None);
    assert!(!room.pair.ann.is_cut_off());
    Ok(())
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let changed = |to: u8, at: u8| [&[to, 6, 1, 1, at, 0, 1, 0][..], &[6, 0]].concat();
    seeds.push(("changed".to_owned(), (0..20).flat_map(|n| changed(n & 1, n * 9)).collect()));
    seeds.push(("of-another-call".to_owned(), vec![128, 3, 1, 0, 0, 129, 3, 1, 0, 0, 6, 0]));
    seeds.push(("forged".to_owned(), vec![6, 0, 7, 1, 9, 6, 0, 7, 1, 9]));
    seeds.push(("replayed".to_owned(), [7, 0, 6, 0, 7, 0, 7, 0].to_vec()));
    for (name, content) in super::talk_content::contents() {
        for who in [2, 4] {
            let Ok(len) = u8::try_from(content.len()) else { continue };
            seeds.push((format!("{name}-{who}"), [&[who, len][..], &content, &[6, 0, 7, 0]].concat()));
        }
    }
    seeds
}
