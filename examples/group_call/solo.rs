//! One participant in a process of its own: the host of a call, or somebody who joins it by its link.
//!
//! With `--delivery nats://…` the processes can be on many machines, as far as handshake messages go; the media server is the host's own,
//! and of this machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use subrosa::{Invite, ParticipantId, TrackKind};
use subrosa_delivery::DeliveryService;
use subrosa_testkit::media::windows::Needles;

use crate::args::Args;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::delivery::{Place, nats};
use crate::failure::{Context, Failure};
use crate::join::{Handle, Person, found, knock};
use crate::ledger::Ledger;
use crate::media::Media;
use crate::names::{NAMES, needles};
use crate::notes::Outcome;
use crate::orders::{Door, Wish};
use crate::server::Server;
use crate::setting::Setting;

/// The space of calls that are joined from elsewhere.
const SPACE: &str = "group-call";
/// What was sent before arrives meanwhile.
const DRAIN: Duration = Duration::from_millis(400);

/// Founds a call, prints its link, and lets in who knocks.
pub(crate) async fn host(args: &Args) -> Result<(), Failure> {
    let media = Media::load(args)?;
    let service = service(args).await?;
    std::fs::create_dir_all(&args.out).or_input(args.out.display())?;
    let socket = Server::bind(args.port)?;
    let address = socket.local_addr().or_broken("the server's address")?;
    let names = Needles::new(needles(&NAMES[..2])).or_broken("the names")?;
    let capture = Capture::start(&args.out, address, media.windows()?, names)?;
    let clock = Clock::start(args.speed);
    let server = Server::start(socket, clock, capture.sender.clone())?;
    let setting =
        Arc::new(Setting { clock, media, ledger: Ledger::default(), service, alone: true, server: address });

    let (host, link) = found(person(0), &setting).await?;
    host.order(Wish::Answer(Door::AdmitWhen(1))).await?;
    println!("{} has founded a call. Join it from another terminal:", NAMES[0]);
    println!("--join '{link}'"); // flushed, as it ends a line
    tokio::time::sleep(Duration::from_secs(args.seconds.into())).await;
    host.order(Wish::StopSending).await?;
    tokio::time::sleep(DRAIN).await;
    host.order(Wish::Leave).await?; // the last host's leaving ends the call
    let outcome = host.outcome().await?;
    server.stop()?;
    let seen = capture.finish()?;
    println!(
        "The media server handled {} packets. In them: {} windows of the media, {} names.",
        seen.packets_received + seen.packets_sent,
        seen.media_windows_found,
        seen.names_found
    );
    if seen.media_windows_found + seen.names_found > 0 {
        return Err(Failure::Broken("the server saw what it should not".to_owned()));
    }
    say(&outcome)
}

/// Joins a call by its link, and stays until it is over.
pub(crate) async fn join(args: &Args, link: &str) -> Result<(), Failure> {
    Invite::parse(link).or_input("--join")?;
    let server = media_server(link)?;
    let (media, service) = (Media::load(args)?, service(args).await?);
    let clock = Clock::start(args.speed);
    let setting = Arc::new(Setting { clock, media, ledger: Ledger::default(), service, alone: true, server });
    let number = 1 + std::process::id() as usize % (NAMES.len() - 1);
    println!("{} knocks, and waits to be let in", NAMES[number]);
    let mut guest: Handle = knock(person(number), link.to_owned(), &setting);
    let id = guest.joined().await.map_err(|failure| match failure {
        Failure::Broken(why) => Failure::Broken(format!(
            "{why} (is the call over, or its --host on other servers than --delivery says?)"
        )),
        input => input,
    })?;
    println!("{} is in the call, as {id}", NAMES[number]);
    say(&guest.outcome().await?)
}

fn person(number: usize) -> Person {
    let tracks = vec![TrackKind::Microphone, TrackKind::Camera];
    Person { name: NAMES[number], number, tracks }
}

/// In this process nobody else would find it.
async fn service(args: &Args) -> Result<Arc<dyn DeliveryService>, Failure> {
    match &args.delivery {
        Place::InProcess => Err(Failure::Input("--host and --join need --delivery nats://…".to_owned())),
        Place::Nats(servers) => Ok(Arc::new(nats(servers, SPACE).await?)),
    }
}

/// What a link of this example says before its fragment.
fn media_server(link: &str) -> Result<SocketAddr, Failure> {
    let address = link.strip_prefix("subrosa://").and_then(|rest| rest.split('/').next());
    let address = address.and_then(|address| address.parse().ok());
    address.ok_or(Failure::Input("--join: the link does not say where the media server is".to_owned()))
}

/// What was heard of whom; it has to be something, and what everybody plays.
fn say(outcome: &Outcome) -> Result<(), Failure> {
    let heard = outcome.tally.heard.clone().unwrap_or_default();
    let mut each: BTreeMap<ParticipantId, u64> = BTreeMap::new();
    heard.iter().for_each(|((sender, _), count)| *each.entry(*sender).or_default() += count);
    for (sender, count) in &each {
        println!("{count} frames of {sender} opened");
    }
    let unknown = heard.iter().filter(|((_, is_known), _)| !is_known).map(|(_, count)| count).sum::<u64>();
    match (each.is_empty(), unknown) {
        (true, _) => Err(Failure::Broken("nobody was heard".to_owned())),
        (_, 0) => Ok(()),
        (_, count) => Err(Failure::Broken(format!("{count} frames that nobody plays"))),
    }
}
