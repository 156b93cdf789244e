//! Measures what a switch of keys costs beside its commit: an acknowledgement from each participant to the committing host, and
//! one announcement of his (R20). Everybody in the call is real. Prints a table in Markdown.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use clap::Parser;
use subrosa::{
    Call, CallConfig, Event, Guest, HostAnswer, Lane, MailboxId, Message, Output, Profile, Random, Time,
};

type Failed = Box<dyn Error>;

/// One guest more is let into a call: what do all say and do until senders use the new keys?
#[derive(Parser, Debug)]
#[command(name = "switch_cost", version)]
struct Args {
    /// How many are in the call before
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=1_999))]
    participants: u32,
}

fn main() -> Result<(), Failed> {
    let args = Args::parse();
    let mut room = Room::found(args.participants + 1)?;
    room.admit(args.participants - 1)?;
    room.now = room.now + Duration::from_secs(20); // so that the next commit need not wait for its pace
    let cost = room.admit(1)?;

    println!("One guest more in a call of {}:\n\n| what | how much |\n| --- | ---: |", args.participants);
    for (what, figure) in cost.rows() {
        println!("| {what} | {figure} |");
    }
    let newest = room.host.epoch();
    let all = room.others.iter().chain([&room.host]);
    let late = all.filter(|call| call.sealing_epoch() != Some(newest)).count();
    let as_promised = (cost.acknowledgements.len(), cost.announcements.len()) == (room.others.len(), 1);
    if late > 0 || !as_promised {
        return Err(format!("{late} did not switch; {} announcements", cost.announcements.len()).into());
    }
    Ok(())
}

/// A call whose messages take no time.
struct Room {
    host: Call,
    others: Vec<Call>,
    now: Time,
}

/// What one admission came to: bytes of each message, and times.
#[derive(Default)]
struct Cost {
    commit: usize,
    applying: Vec<Duration>,
    acknowledging: Vec<Duration>,
    acknowledgements: Vec<usize>,
    collecting: Vec<Duration>,
    announcements: Vec<usize>,
    hearing: Vec<Duration>,
}

impl Room {
    fn found(max_participants: u32) -> Result<Self, Failed> {
        let config = CallConfig { max_participants, ..CallConfig::default() };
        let host = Call::create(&Profile::person("host")?, &config, Random::os(), Time::ZERO)?;
        let mut room = Self { host, others: Vec::new(), now: Time::ZERO };
        drain(&mut room.host, room.now)?;
        Ok(room)
    }

    /// Lets guests in by one commit, and brings the switch about.
    fn admit(&mut self, count: u32) -> Result<Cost, Failed> {
        let Self { host, others, now } = self;
        let (now, mut cost) = (*now, Cost::default());
        let mut guests = BTreeMap::<MailboxId, Guest>::new();
        for _ in 0..count {
            let (guest, knock) = Guest::knock(host.invite(), &Profile::person("guest")?, Random::os())?;
            host.handle_message(&knock, now)?;
            guests.insert(guest.answer_mailbox(), guest);
        }
        let ids = guests.values().map(Guest::id).collect::<Vec<_>>();
        host.admit(&ids, now)?;
        let is_entry = |message: &Message| matches!(message.lane, Lane::Log { .. });
        let commit = drain(host, now)?.into_iter().find(is_entry).ok_or("the host commits nothing")?;
        cost.commit = commit.payload.len();

        let mut to_host = Vec::new();
        for call in others.iter_mut() {
            cost.applying.push(timed(|| Ok(call.handle_message(&commit, now)?))?);
            let mut said = Vec::new();
            cost.acknowledging.push(timed(|| {
                said = drain(call, now)?;
                Ok(())
            })?);
            to_host.extend(said);
        }
        // The host reads it back, and answers the guests one by one.
        host.handle_message(&commit, now)?;
        while let Some(message) = next_message(host, now)? {
            let Lane::Mailbox(mailbox) = message.lane else { continue };
            let guest = guests.remove(&mailbox).ok_or("an answer to nobody")?;
            let HostAnswer::Admitted(admission) = guest.open_answer(&message.payload)? else {
                return Err("the host says no".into());
            };
            let mut call = guest.accept(admission, now)?;
            to_host.extend(drain(&mut call, now)?);
            others.push(call);
        }

        let mut to_all = Vec::new();
        for message in to_host.iter().filter(|message| matches!(message.lane, Lane::Mailbox(_))) {
            cost.acknowledgements.push(message.payload.len());
            cost.collecting.push(timed(|| Ok(host.handle_message(message, now)?))?);
            to_all.extend(drain(host, now)?);
        }
        for message in to_all.iter().filter(|message| message.lane == Lane::Talk) {
            cost.announcements.push(message.payload.len());
            for call in others.iter_mut() {
                cost.hearing.push(timed(|| Ok(call.handle_message(message, now)?))?);
                drain(call, now)?;
            }
        }
        Ok(cost)
    }
}

impl Cost {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let micros = |time: Duration| format!("{} µs", time.as_micros());
        let largest = |sizes: &[usize]| sizes.iter().max().copied().unwrap_or(0);
        let each = |sizes: &[usize]| format!("{} × {} B", sizes.len(), largest(sizes));
        vec![
            ("commit, to everybody", format!("1 × {} B", self.commit)),
            ("acknowledgements, to the host alone", each(&self.acknowledgements)),
            ("announcements, to everybody", each(&self.announcements)),
            ("a participant applies the commit (median)", micros(median(&self.applying))),
            ("… takes its roster and acknowledges", micros(median(&self.acknowledging))),
            ("… hears the announcement and switches", micros(median(&self.hearing))),
            ("the host takes in an acknowledgement (median)", micros(median(&self.collecting))),
            ("… all of them", format!("{} ms", self.collecting.iter().sum::<Duration>().as_millis())),
        ]
    }
}

fn timed(act: impl FnOnce() -> Result<(), Failed>) -> Result<Duration, Failed> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed())
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The one contract, one message at a time; rosters are taken at once.
fn next_message(call: &mut Call, now: Time) -> Result<Option<Message>, Failed> {
    loop {
        match call.poll_output() {
            Output::Send(message) => return Ok(Some(message)),
            Output::Event(Event::Roster(roster)) => call.roster_taken(roster.epoch, now)?,
            Output::Event(_) => {}
            Output::Timeout(_) => return Ok(None),
        }
    }
}

fn drain(call: &mut Call, now: Time) -> Result<Vec<Message>, Failed> {
    std::iter::from_fn(|| next_message(call, now).transpose()).collect()
}
