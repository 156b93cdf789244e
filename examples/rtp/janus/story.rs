//! One call, from the first participant to the last.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use subrosa::{Codec, Time};
use subrosa_testkit::media::windows::Needles;
use subrosa_testkit::table::Table;
use tokio::sync::{RwLock, watch};
use tokio::time::{Instant, interval};

use crate::books::{Books, Membership, Pages, Person};
use crate::participant::{Participant, Role, Shared};
use crate::report::{CallReport, Facts, Names};
use crate::server::Janus;
use crate::signalling::{Operator, RoomSpec};
use subrosa_rtp::ConnectionLimits;
use subrosa_rtp_examples::failure::{Context, Failure};
use subrosa_rtp_examples::media::Clips;
use subrosa_rtp_examples::peer::{Medium, Setting, Stack};

/// For what takes a few seconds: the frames of one part of the story.
const PATIENCE: Duration = Duration::from_secs(60);
/// A call's clock moves at least so often: heartbeats must come when they are due.
const TICK: Duration = Duration::from_millis(50);
const ROOM: u64 = 1;

/// Their names have words of five letters or more, which no ciphertext of a few megabytes has by chance.
const ANN: Role = Role { person: 0, name: "Annabel Leighton", stack: Stack::Str0m };
const BOB: Role = Role { person: 1, name: "Bob Cratchit", stack: Stack::Webrtc };
const CID: Role = Role { person: 2, name: "Cid Campeador", stack: Stack::Str0m };

/// How a call is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) codec: Codec,
    /// As Janus calls it.
    pub(crate) codec_name: &'static str,
    pub(crate) pace: f64,
    /// Frames of each medium that each gets of each other in each part.
    pub(crate) frames: u64,
    pub(crate) out: &'a Path,
}

/// The call's messages and clock; they do not go through Janus.
struct Call {
    table: Table,
    /// The call's time at a moment of the real one.
    origin: (Time, Instant),
    changed: watch::Sender<u64>,
}

/// Holds the call, and says what became of it.
pub(crate) async fn hold(janus: &Janus, ip: std::net::IpAddr, plan: Plan<'_>) -> Result<CallReport, Failure> {
    let (began, dropped_before) = (Instant::now(), dropped_by_system());
    let clips = Arc::new(Clips::of(plan.codec).or_input("the clips")?);
    let (mut call, calls) = Call::of(&[ANN.name, BOB.name]);
    let spec = RoomSpec {
        room: ROOM,
        secret: "the operator's".to_owned(),
        video_codec: plan.codec_name,
        publishers: 3,
    };
    let operator = Operator::create(janus.connect().await?, spec).await.or_broken("the room")?;
    let books = Books::new(Arc::clone(&clips));
    let shared = Shared {
        janus,
        operator: &operator,
        room: ROOM,
        setting: Setting { ip, video: plan.codec, limits: ConnectionLimits::default(), calls },
        clips: Arc::clone(&clips),
        books: Arc::clone(&books),
        pace: plan.pace,
        silence: Arc::new(RwLock::new(())),
    };
    let member = |person: Person, call: &Call| {
        let from = call.table.call(ANN.name).epoch();
        books.pages().members.insert(person, Membership { from, until: None });
    };

    // Ann and Bob begin.
    member(ANN.person, &call);
    member(BOB.person, &call);
    let mut ann = Participant::join(&shared, &call.table, ANN).await?;
    let mut bob = Participant::join(&shared, &call.table, BOB).await?;
    ann.subscribe(&shared, &call.table, &bob).await?;
    bob.subscribe(&shared, &call.table, &ann).await?;
    ann.send(&shared);
    bob.send(&shared);
    let two = [(ANN, BOB), (BOB, ANN)];
    call.until_more(&books, "frames between Ann and Bob", &two, plan.frames).await?;

    // Cid is let in while they talk.
    call.advance();
    call.table.admit(CID.name);
    call.moved();
    member(CID.person, &call);
    let mut cid = Participant::join(&shared, &call.table, CID).await?;
    cid.subscribe(&shared, &call.table, &ann).await?;
    cid.subscribe(&shared, &call.table, &bob).await?;
    ann.subscribe(&shared, &call.table, &cid).await?;
    bob.subscribe(&shared, &call.table, &cid).await?;
    cid.send(&shared);
    let three = [(ANN, BOB), (BOB, ANN), (ANN, CID), (CID, ANN), (BOB, CID), (CID, BOB)];
    call.until_more(&books, "frames between three", &three, plan.frames).await?;

    // Bob is removed from the call, in a moment of silence: what was on its way to him would be owed and not owed. The server
    // lets him stay in its room, and goes on to forward everything to him.
    let silence = shared.silence.write().await;
    call.until(&books, "what was sent before the removal", Pages::is_complete).await?;
    call.advance();
    call.table.remove(BOB.name);
    call.moved();
    let until = Some(call.table.call(ANN.name).epoch());
    books.pages().members.entry(BOB.person).and_modify(|member| member.until = until);
    drop(silence);
    let rest = [(ANN, CID), (CID, ANN)];
    call.until_more(&books, "frames after the removal", &rest, plan.frames).await?;
    let reached = |pages: &mut Pages| {
        [ANN, CID].iter().all(|from| pages.counts(from.person, BOB.person).refused >= plan.frames)
    };
    call.until(&books, "the server to forward to who was removed", reached).await?;

    // The end.
    let mut everybody = [ann, bob, cid];
    for participant in &mut everybody {
        participant.stop().await?;
    }
    call.until(&books, "what was sent last", Pages::is_complete).await?;
    let mut recordings = Vec::new();
    for participant in everybody {
        let role = participant.role;
        let recording = participant.leave().await?.finish()?;
        recording.write(&plan.out.join(format!("{}-{}.pcap", plan.codec_name, role.person)))?;
        recordings.push((role, recording));
    }
    operator.destroy().await.or_broken("closing the room")?;
    let names = Names::of(&[ANN, BOB, CID]);
    let pages = &mut *books.pages();
    let facts = Facts {
        server: janus.version.clone(),
        codec: plan.codec_name,
        took: began.elapsed(),
        removed: BOB,
        dropped_by_system: dropped_before.zip(dropped_by_system()).map(|(before, after)| after - before),
        clips: &clips,
        names: &names,
    };
    CallReport::of(facts, pages, &recordings)
}

/// How many datagrams the system dropped so far because a buffer was full, if it says.
fn dropped_by_system() -> Option<u64> {
    // Two lines begin with `Udp:`, the names and the numbers.
    let table = fs::read_to_string("/proc/self/net/snmp").ok()?;
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let (names, numbers) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    names.zip(numbers).find(|(name, _)| *name == "RcvbufErrors")?.1.parse().ok()
}

impl Call {
    fn of(names: &[&str]) -> (Self, watch::Receiver<u64>) {
        let (changed, calls) = watch::channel(0);
        let table = Table::of(names);
        let origin = (table.now(), Instant::now());
        (Self { table, origin, changed }, calls)
    }

    /// Lets the call's time be the real one.
    fn advance(&mut self) {
        let (then, moment) = self.origin;
        self.table.advance(then + moment.elapsed());
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// The call's clock was moved by who sits at the table; from here on it runs at its usual pace.
    fn moved(&mut self) {
        self.origin = (self.table.now(), Instant::now());
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Waits until the books say so.
    async fn until(
        &mut self,
        books: &Books,
        what: &str,
        mut is_so: impl FnMut(&mut Pages) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        let mut tick = interval(TICK);
        while !is_so(&mut books.pages()) {
            if Instant::now() > deadline {
                return Err(Failure::Broken(format!(
                    "waited {PATIENCE:?} for {what}\n{}",
                    books.pages().summary()
                )));
            }
            tokio::select! {
                () = books.changed() => {}
                _ = tick.tick() => self.advance(),
            }
        }
        Ok(())
    }

    /// Waits until each of these pairs has so many more frames of each medium.
    async fn until_more(
        &mut self,
        books: &Books,
        what: &str,
        pairs: &[(Role, Role)],
        frames: u64,
    ) -> Result<(), Failure> {
        let each = pairs.iter().flat_map(|pair| [(pair, Medium::Audio), (pair, Medium::Video)]);
        let each: Vec<_> = each.map(|((from, to), medium)| (from.person, to.person, medium)).collect();
        let arrived = |pages: &mut Pages, from, to, medium| pages.fate(from, to, medium).arrived;
        let goals: Vec<_> = {
            let pages = &mut *books.pages();
            each.iter().map(|&(from, to, medium)| arrived(pages, from, to, medium) + frames).collect()
        };
        let is_so = |pages: &mut Pages| {
            each.iter()
                .zip(&goals)
                .all(|(&(from, to, medium), goal)| arrived(pages, from, to, medium) >= *goal)
        };
        self.until(books, what, is_so).await
    }
}

impl Names {
    fn of(roles: &[Role]) -> Self {
        let names: Vec<_> = roles.iter().map(|role| role.name).collect();
        // Of names with short words only the whole is searched for.
        let words = names.iter().flat_map(|name| name.split(' ')).filter(|word| word.len() >= 5);
        let needles = Needles::new(names.iter().copied().chain(words)).expect("there are names");
        Self { needles, example: names[0] }
    }
}
