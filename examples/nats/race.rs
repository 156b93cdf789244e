//! Writers race for each position of a log on replicated servers: one wins each, and all others are told. Then the same race the naive way, on
//! one subject with an expected sequence that grows; and it is counted how often two are told that they have won.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use clap::Parser;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{Appended, CallId, DeliveryService};
use subrosa_nats_examples::Cluster;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CALL: CallId = CallId([1; 16]);
/// An entry that does not come within this is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A race for the positions of a log, on NATS servers that it starts.
#[derive(Parser)]
struct Args {
    /// How many write, each on a connection of his own
    #[arg(long, default_value_t = 9, value_parser = at_least_two)]
    writers: usize,
    /// For how many positions
    #[arg(long, default_value_t = 2_000)]
    positions: u64,
    /// The same, the naive way
    #[arg(long, default_value_t = 500)]
    naive_positions: u64,
    /// How many servers replicate
    #[arg(long, default_value_t = 3)]
    servers: usize,
}

/// Who is alone races with nobody.
fn at_least_two(writers: &str) -> std::result::Result<usize, String> {
    match writers.parse() {
        Ok(writers) if writers >= 2 => Ok(writers),
        _ => Err("a race takes two".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("race: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool> {
    let cluster = Cluster::ready(args.servers).await?;
    let version = async_nats::connect(&cluster.urls()[0]).await?.server_info().version;
    println!("nats-server {version}, {} servers, {} writers", args.servers, args.writers);
    let kept = one_subject_each(args, &cluster).await?;
    naive(args, &cluster).await?;
    Ok(kept)
}

/// The writers, spread over the servers.
async fn writers(args: &Args, cluster: &Cluster) -> Result<Vec<Nats>> {
    let mut writers = Vec::new();
    for writer in 0..args.writers {
        let url = &cluster.urls()[writer % args.servers];
        let config = NatsConfig { replicas: args.servers, ..NatsConfig::default() };
        writers.push(Nats::connect(&[url], config).await?);
    }
    Ok(writers)
}

async fn one_subject_each(args: &Args, cluster: &Cluster) -> Result<bool> {
    let start = Arc::new(Barrier::new(args.writers));
    let positions = args.positions;
    let mut tasks = JoinSet::new();
    let writing = writers(args, cluster).await?;
    let began = Instant::now();
    for (number, service) in writing.into_iter().enumerate() {
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let (mut won, mut told) = (Vec::new(), 0_u64);
            for position in 0..positions {
                start.wait().await;
                let entry = Bytes::from(format!("writer {number} at {position}"));
                match service.append(CALL, position, entry.clone()).await? {
                    Appended::Written => won.push((position, entry)),
                    Appended::Taken => told += 1,
                }
                start.wait().await; // nobody is ahead
            }
            Result::Ok((won, told))
        });
    }
    let (mut winners, mut losers, mut doubles) = (BTreeMap::new(), 0, 0);
    while let Some(done) = tasks.join_next().await {
        let (won, told) = done??;
        losers += told;
        for (position, entry) in won {
            doubles += u64::from(winners.insert(position, entry).is_some());
        }
    }
    let seconds = began.elapsed().as_secs_f64();

    let different = differences(args, cluster, &winners).await?;
    let context = jetstream::new(async_nats::connect(&cluster.urls()[0]).await?);
    let stored = context.get_stream("subrosa-log").await?.cached_info().state.messages;
    let (won, others) = (winners.len() as u64, positions * (args.writers as u64 - 1));
    println!(
        "one subject for each position: {positions} positions in {seconds:.1} s ({:.0} a second)",
        positions as f64 / seconds
    );
    println!("  {won} winners, {losers} of {others} losers told, {stored} entries stored");
    println!("  {doubles} double winners, {different} entries that are not their winner's");
    Ok(won == positions && losers == others && stored == positions && doubles == 0 && different == 0)
}

/// How many entries are not their winner's, as somebody reads them who was not there: following the log, and straight from the stream.
async fn differences(args: &Args, cluster: &Cluster, winners: &BTreeMap<u64, Bytes>) -> Result<u64> {
    let reader = &writers(&Args { writers: 1, ..*args }, cluster).await?[0];
    let mut log = reader.follow(CALL, 0).await?;
    let context = jetstream::new(async_nats::connect(&cluster.urls()[args.servers - 1]).await?);
    let stream = context.get_stream("subrosa-log").await?;
    let mut different = 0;
    for position in 0..args.positions {
        let winner = winners.get(&position);
        let followed = timeout(PATIENCE, log.next()).await?;
        let stored =
            stream.get_last_raw_message_by_subject(&format!("subrosa.call.{CALL}.log.{position}")).await;
        let is_winners = |entry: Option<&Bytes>| winner.is_some() && entry == winner;
        let same_followed =
            followed.as_ref().is_some_and(|(at, entry)| *at == position && is_winners(Some(entry)));
        if !same_followed || !is_winners(stored.ok().as_ref().map(|stored| &stored.payload)) {
            different += 1;
        }
    }
    Ok(different)
}

/// Each writer expects that the subject's last message is the one that he knows of.
async fn naive(args: &Args, cluster: &Cluster) -> Result<()> {
    let urls = cluster.urls();
    let config = stream::Config {
        name: "naive".to_owned(),
        subjects: vec!["naive.log".to_owned()],
        num_replicas: args.servers,
        ..stream::Config::default()
    };
    jetstream::new(async_nats::connect(&urls[0]).await?).create_stream(config).await?;
    let start = Arc::new(Barrier::new(args.writers));
    let positions = args.naive_positions;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for number in 0..args.writers {
        let context = jetstream::new(async_nats::connect(&urls[number % args.servers]).await?);
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let stream = context.get_stream("naive").await?;
            let mut won = Vec::new();
            for position in 0..positions {
                let last = match stream.get_last_raw_message_by_subject("naive.log").await {
                    Ok(last) => last.sequence,
                    Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => 0,
                    Err(error) => return Err(error.into()),
                };
                start.wait().await;
                let message = PublishMessage::build()
                    .payload(format!("writer {number} at {position}").into())
                    .expected_last_subject_sequence(last);
                match context.send_publish("naive.log", message).await?.await {
                    Ok(_) => won.push(last),
                    Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
                    Err(error) => return Err(error.into()),
                }
                start.wait().await;
            }
            Result::Ok(won)
        });
    }
    // By what they expected: two who were told that they follow the same message have both won its successor's place.
    let mut winners: BTreeMap<u64, u64> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        done??.into_iter().for_each(|last| *winners.entry(last).or_default() += 1);
    }
    let seconds = began.elapsed().as_secs_f64();
    let doubles = winners.values().filter(|winners| **winners > 1).count();
    let accepted: u64 = winners.values().sum();
    println!(
        "the naive way, one subject and a sequence that grows: {positions} positions in {seconds:.1} s ({:.0} a second)",
        positions as f64 / seconds
    );
    println!("  {accepted} entries accepted, one each would be {positions}");
    println!("  {doubles} positions with several winners (known of servers before 2.9.21 with replicas)");
    Ok(())
}
