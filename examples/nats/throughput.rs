//! How fast a log is, on NATS servers of this machine: for one call and for many, to write and to read.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{Appended, CallId, DeliveryService, LogStream};
use subrosa_nats_examples::Cluster;
use tokio::task::JoinSet;
use tokio::time::timeout;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What a commit of a call of a thousand takes.
const ENTRY: usize = 646;
/// Connections that many calls, and many subscribers, share.
const CONNECTIONS: usize = 10;
/// An entry that does not come within this is lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends and reads on NATS servers that it starts; rows of a table.
#[derive(Parser, Clone)]
struct Args {
    /// Calls at once
    #[arg(long, default_value_t = 200)]
    calls: usize,
    /// Entries of the one call; each of many calls gets a tenth of it
    #[arg(long, default_value_t = 2_000)]
    entries: u64,
    /// Who follow one call
    #[arg(long, default_value_t = 1_000)]
    subscribers: usize,
    /// Entries that they read
    #[arg(long, default_value_t = 300)]
    read: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    println!("| servers | what | a second | p50 | p95 | p99 | longest |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    for servers in [1, 3] {
        if let Err(error) = measure(&args, servers).await {
            eprintln!("throughput: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn measure(args: &Args, servers: usize) -> Result<()> {
    let cluster = Cluster::ready(servers).await?;
    let mut connections = Vec::new();
    for number in 0..CONNECTIONS {
        let url = &cluster.urls()[number % servers];
        let config = NatsConfig { replicas: servers, ..NatsConfig::default() };
        connections.push(Nats::connect(&[url], config).await?);
    }
    one_call(args, servers, &connections).await?;
    many_calls(args, servers, &connections).await?;
    many_subscribers(args, servers, &connections).await
}

fn entry(number: u64) -> Bytes {
    let mut entry = vec![0xA5; ENTRY];
    entry[..8].copy_from_slice(&number.to_be_bytes());
    entry.into()
}

/// Writes entries one after the other, as a call does; when each was begun, and how long it took.
async fn write(service: &Nats, call: CallId, count: u64) -> Result<(Vec<Instant>, Vec<Duration>)> {
    let (mut began, mut took) = (Vec::new(), Vec::new());
    for position in 0..count {
        let at = Instant::now();
        if service.append(call, position, entry(position)).await? != Appended::Written {
            return Err("somebody else writes into this log".into());
        }
        took.push(at.elapsed());
        began.push(at);
    }
    Ok((began, took))
}

/// Reads as many entries, which have to be those, in order; when each came.
async fn read(mut log: LogStream, count: u64) -> std::result::Result<Vec<Instant>, String> {
    let mut came = Vec::new();
    for position in 0..count {
        match log.next().await {
            Some((at, got)) if at == position && got == entry(position) => came.push(Instant::now()),
            other => return Err(format!("{other:?} instead of entry {position}")),
        }
    }
    Ok(came)
}

/// How long each entry was on its way.
fn on_the_way(began: &[Instant], came: &[Instant]) -> Vec<Duration> {
    began.iter().zip(came).map(|(began, came)| came.duration_since(*began)).collect()
}

fn row(servers: usize, what: &str, per_second: f64, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "| {servers} | {what} | {per_second:.0} | {:.2} ms | {:.2} ms | {:.2} ms | {:.1} ms |",
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

/// One writes, another on another connection (and server) reads: until he has the answer, and until the other has the entry.
async fn one_call(args: &Args, servers: usize, connections: &[Nats]) -> Result<()> {
    let (call, count) = (CallId([1; 16]), args.entries);
    let reading = tokio::spawn(read(connections[1].follow(call, 0).await?, count));
    let start = Instant::now();
    let (began, took) = write(&connections[0], call, count).await?;
    let per_second = count as f64 / start.elapsed().as_secs_f64();
    row(servers, "one call: appended", per_second, took);
    let came = timeout(PATIENCE, reading).await???;
    row(servers, "one call: with a follower", per_second, on_the_way(&began, &came));
    Ok(())
}

async fn many_calls(args: &Args, servers: usize, connections: &[Nats]) -> Result<()> {
    let (count, mut tasks) = ((args.entries / 10).max(1), JoinSet::new());
    let start = Instant::now();
    for number in 0..args.calls {
        let mut id = [2; 16];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let service = connections[number % CONNECTIONS].clone();
        tasks.spawn(async move { write(&service, CallId(id), count).await });
    }
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.extend(done??.1);
    }
    let per_second = took.len() as f64 / start.elapsed().as_secs_f64();
    row(servers, &format!("{} calls: appended", args.calls), per_second, took);
    Ok(())
}

/// All of them have to see all entries, in order.
async fn many_subscribers(args: &Args, servers: usize, connections: &[Nats]) -> Result<()> {
    let (call, count, mut tasks) = (CallId([3; 16]), args.read, JoinSet::new());
    for number in 0..args.subscribers {
        tasks.spawn(read(connections[number % CONNECTIONS].follow(call, 0).await?, count));
    }
    let start = Instant::now();
    let (began, _) = write(&connections[0], call, count).await?;
    let (mut arrived, mut last) = (Vec::new(), start);
    while let Some(done) = timeout(PATIENCE, tasks.join_next()).await? {
        let came = done??;
        last = last.max(came.last().copied().unwrap_or(start));
        arrived.extend(on_the_way(&began, &came));
    }
    let per_second = count as f64 / (last - start).as_secs_f64();
    row(servers, &format!("one call: with each of {} followers", args.subscribers), per_second, arrived);
    Ok(())
}
