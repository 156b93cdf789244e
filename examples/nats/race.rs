//! Writers race for each position of a log on replicated servers: one wins each, and all others are told. Then the same race the naive way, on
//! one subject with an expected sequence that grows; and it is counted how often two are told that they have won.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use clap::Parser;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{Appended, CallId, DeliveryService};
use subrosa_nats_examples::Cluster;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CALL: CallId = CallId([1; 16]);

/// A race for the positions of a log, on NATS servers that it starts.
#[derive(Parser)]
struct Args {
    /// How many write, each on a connection of his own
    #[arg(long, default_value_t = 9)]
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
    let began = Instant::now();
    for (number, service) in writers(args, cluster).await?.into_iter().enumerate() {
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

    // As somebody reads it who was not there: the log, and what the stream holds.
    let reader = &writers(&Args { writers: 1, ..*args }, cluster).await?[0];
    let mut log = reader.follow(CALL, 0).await?;
    let mut different = 0;
    for position in 0..positions {
        let entry = log.next().await;
        different += u64::from(entry.as_ref().map(|(_, entry)| entry) != winners.get(&position));
    }
    let context = jetstream::new(async_nats::connect(&cluster.urls()[0]).await?);
    let stored = context.get_stream("subrosa-log").await?.cached_info().state.messages;
    println!(
        "one subject for each position: {positions} positions in {seconds:.1} s ({:.0} a second), {} winners, {losers} losers told \
         (of {}), {doubles} double winners, {different} entries that are not their winner's, {stored} stored",
        positions as f64 / seconds,
        winners.len(),
        positions * (args.writers as u64 - 1),
    );
    let all =
        [winners.len() as u64, losers / (args.writers as u64 - 1), stored].iter().all(|n| *n == positions);
    Ok(all && doubles == 0 && different == 0)
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
    for number in 0..args.writers {
        let context = jetstream::new(async_nats::connect(&urls[number % args.servers]).await?);
        let start = Arc::clone(&start);
        tasks.spawn(async move {
            let stream = context.get_stream("naive").await?;
            let mut won = Vec::new();
            for position in 0..positions {
                let last = stream.get_last_raw_message_by_subject("naive.log").await;
                let last = last.map_or(0, |last| last.sequence);
                start.wait().await;
                let message = PublishMessage::build()
                    .payload(format!("writer {number} at {position}").into())
                    .expected_last_subject_sequence(last);
                match context.send_publish("naive.log", message).await?.await {
                    Ok(_) => won.push(position),
                    Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
                    Err(error) => return Err(error.into()),
                }
                start.wait().await;
            }
            Result::Ok(won)
        });
    }
    let mut winners: BTreeMap<u64, u64> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        done??.into_iter().for_each(|position| *winners.entry(position).or_default() += 1);
    }
    let doubles = winners.values().filter(|winners| **winners > 1).count();
    println!(
        "the naive way, one subject and a sequence that grows: {positions} rounds, {doubles} of them with several winners \
         (known of servers before 2.9.21 with replicas)"
    );
    Ok(())
}
