//! What can be done to a call, and sequences of it, drawn from a seed and from nothing else.

use core::time::Duration;

use crate::room::{Append, Dice, Door, From, Treason, Way};

/// Somebody, by number among those to whom it can apply. Who that is, the room knows when it happens.
#[derive(Clone, Copy, Debug)]
pub enum Somebody {
    /// Of all names there are.
    Anybody(u64),
    /// Of those in the call.
    Member(u64),
    /// Of those in the call who are hosts.
    Host(u64),
}

/// What a participant can want of his call. Those who may not do it want it too.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    AdmitOne(u64),
    AdmitAll,
    Deny(u64),
    Remove(Somebody),
    RemoveTwo(Somebody, Somebody),
    Leave,
    MakeHost(Somebody),
    MakeModerator(Somebody),
    UnmakeHost(Somebody),
    Lock,
    Unlock,
    SetConfig(u64),
    RotateInvite,
    GoOn,
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
    Pass(Duration),
    Do(Somebody, Command),
    /// All hosts at once, before any of them has heard of the others.
    AllHosts(Vec<Command>),
    Knock(Somebody),
    KnockMany(u64, u64),
    Rejoin(Somebody),
    Door(Somebody, Door),
    Crash(Somebody),
    CrashMute(Somebody),
    CrashAt(Somebody, Append),
    Partition(Somebody, u64, From),
    Heal,
    Lag(Somebody, Duration),
    Betray(Somebody, Treason),
    Forge(Somebody),
    SpoilPath(Somebody, u16),
    NewMicrophone(Somebody),
    Server(Server),
}

/// What the server does.
#[derive(Clone, Debug)]
pub enum Server {
    Withholds(Somebody),
    Gives(Somebody),
    GivesSome(Somebody, u64),
    Mutes(Somebody, Option<Somebody>),
    Paces(Somebody, Duration),
    GarbageBefore(u32),
    Writes(usize, bool),
    Splits(u64),
    GoesDown,
    Worsens(Way),
    ReplaysTalk(usize),
    ReplaysMail(usize),
    ReplaysFrames(usize),
    Behaves,
}

/// How a call begins, so that there is something to happen in: three guests come, and one of them becomes a host.
pub fn beginning() -> Vec<Op> {
    let soon = Duration::from_secs(5);
    let make_host = Op::Do(Somebody::Host(0), Command::MakeHost(Somebody::Member(1)));
    vec![Op::KnockMany(1, 3), Op::Pass(soon), make_host, Op::Pass(soon)]
}

/// Draws a sequence.
pub fn draw(dice: &mut Dice, len: usize) -> Vec<Op> {
    // A split cannot be undone, so most sequences have none.
    let may_split = dice.chance(0.1);
    (0..len).map(|_| one(dice, may_split)).collect()
}

/// Draws an operation.
pub fn one(dice: &mut Dice, may_split: bool) -> Op {
    if dice.chance(0.4) { Op::Pass(time(dice)) } else { op(dice, may_split) }
}

/// From a millisecond to minutes, the short ones more often.
fn time(dice: &mut Dice) -> Duration {
    let (least, most) = *dice.one_of(&[
        (1, 20),
        (1, 200),
        (1, 200),
        (200, 1_000),
        (1_000, 3_000),
        (1_000, 3_000),
        (3_000, 12_000),
        (3_000, 12_000),
        (12_000, 40_000),
        (30_000, 180_000),
    ]);
    dice.between(Duration::from_millis(least), Duration::from_millis(most))
}

fn op(dice: &mut Dice, may_split: bool) -> Op {
    match dice.below(100) {
        0..=29 => Op::Do(actor(dice), command(dice)),
        30..=34 => Op::AllHosts((0..4).map(|_| command(dice)).collect()),
        35..=53 => Op::Knock(anybody(dice)),
        54..=56 => Op::KnockMany(dice.below(9), 2 + dice.below(3)),
        57..=62 => Op::Rejoin(anybody(dice)),
        63..=65 => Op::Door(host(dice), *dice.one_of(&[Door::Open, Door::Open, Door::Closed, Door::Asks])),
        66..=67 => Op::Crash(member(dice)),
        68 => Op::CrashMute(member(dice)),
        69 => Op::CrashAt(host(dice), *dice.one_of(&[Append::Before, Append::After])),
        70..=73 => Op::Partition(
            member(dice),
            1 + dice.below(3),
            *dice.one_of(&[From::Service, From::Media, From::All]),
        ),
        74..=77 => Op::Heal,
        78 => Op::Lag(member(dice), dice.between(Duration::ZERO, Duration::from_secs(3))),
        79..=80 => Op::Betray(member(dice), *dice.one_of(&[Treason::Deaf, Treason::Frozen])),
        81..=82 => Op::Forge(member(dice)),
        // By a host it strands; by others it means nothing. 256 is for all.
        83 => Op::SpoilPath(actor(dice), *dice.one_of(&[40, 128, 256])),
        84..=85 => Op::NewMicrophone(member(dice)),
        86..=98 => Op::Server(server(dice)),
        _ if may_split => Op::Server(Server::Splits(dice.below(512))),
        _ => Op::Server(Server::Behaves),
    }
}

fn server(dice: &mut Dice) -> Server {
    match dice.below(20) {
        0..=1 => Server::Withholds(member(dice)),
        2 => match dice.chance(0.5) {
            true => Server::Gives(member(dice)),
            false => Server::GivesSome(member(dice), 1 + dice.below(3)),
        },
        3 => Server::Mutes(host(dice), dice.chance(0.5).then(|| member(dice))),
        4 => Server::Paces(member(dice), dice.between(Duration::from_millis(100), Duration::from_secs(12))),
        5..=6 => Server::GarbageBefore(1 + dice.below(4) as u32),
        7..=8 => Server::Writes(1 + dice.index(3), dice.chance(0.6)),
        9 => Server::GoesDown,
        10..=11 => Server::Worsens(Way {
            loss: dice.below(300) as f64 / 1000.0,
            doubled: dice.below(300) as f64 / 1000.0,
            ..Way::taking(Duration::ZERO, dice.between(Duration::ZERO, Duration::from_secs(2)))
        }),
        12 => Server::ReplaysTalk(1 + dice.index(100)),
        13 => Server::ReplaysMail(1 + dice.index(20)),
        14..=15 => Server::ReplaysFrames(1 + dice.index(60)),
        _ => Server::Behaves,
    }
}

fn command(dice: &mut Dice) -> Command {
    match dice.below(40) {
        0..=3 => Command::AdmitOne(dice.below(8)),
        4..=6 => Command::AdmitAll,
        7 => Command::Deny(dice.below(8)),
        8..=12 => Command::Remove(member(dice)),
        13 => Command::RemoveTwo(member(dice), member(dice)),
        14..=16 => Command::Leave,
        17..=22 => Command::MakeHost(member(dice)),
        23..=25 => Command::MakeModerator(member(dice)),
        26..=28 => Command::UnmakeHost(host(dice)),
        29 => Command::Lock,
        30..=32 => Command::Unlock,
        33..=34 => Command::SetConfig(dice.below(6)),
        35..=37 => Command::RotateInvite,
        _ => Command::GoOn,
    }
}

/// Mostly one who may.
fn actor(dice: &mut Dice) -> Somebody {
    if dice.chance(0.75) { host(dice) } else { member(dice) }
}

fn anybody(dice: &mut Dice) -> Somebody {
    Somebody::Anybody(dice.below(1 << 32))
}

fn member(dice: &mut Dice) -> Somebody {
    Somebody::Member(dice.below(1 << 32))
}

fn host(dice: &mut Dice) -> Somebody {
    Somebody::Host(dice.below(1 << 32))
}
