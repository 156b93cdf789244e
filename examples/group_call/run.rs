//! Sets the stage, has the story played, and puts together what came of it.

use std::fs;
use std::sync::Arc;
use std::thread::available_parallelism;

use subrosa_delivery::DeliveryService;
use subrosa_testkit::media::windows::Needles;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::args::Args;
use crate::capture::{Capture, Handled, Seen};
use crate::clock::Clock;
use crate::cut_off::{self, CutOff};
use crate::delivery::Delivery;
use crate::failure::{Context, Failure};
use crate::intruder::Intruder;
use crate::ledger::Ledger;
use crate::media::Media;
use crate::names::{DENIED, NAMES, TOO_LATE, in_path, needles};
use crate::report::{Measured, Report};
use crate::server::Server;
use crate::setting::Setting;
use crate::story::{self, Told};
use crate::trial::Trial;
use crate::unruly::{Misdeeds, Unruly};
use crate::{guess, line, promises, received, solo, table, trial};

/// What is left when the story is over.
struct Aftermath {
    setting: Arc<Setting>,
    told: Told,
    cut_off: CutOff,
    intruder: Intruder,
    trial: Trial,
    seen: Seen,
    misdeeds: Misdeeds,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let workers = available_parallelism().map_or(2, usize::from).max(2);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.or_broken("the runtime")?;
    match &args.join {
        Some(link) => runtime.block_on(solo::join(args, link)),
        None if args.host => runtime.block_on(solo::host(args)),
        None => story(args, &runtime),
    }
}

fn story(args: &Args, runtime: &Runtime) -> Result<(), Failure> {
    let media = Media::load(args)?;
    fs::create_dir_all(&args.out).or_input(args.out.display())?;
    received::clear(&args.out.join("received"))?;
    let report_path = args.out.join("report.json");
    if report_path.exists() {
        fs::remove_file(&report_path).or_input(report_path.display())?; // no old report beside new files
    }
    let aftermath = runtime.block_on(happen(args, media))?;

    let Aftermath { setting, told, cut_off, intruder, trial, seen, misdeeds } = aftermath;
    let names = told.names();
    for (name, outcome) in &told.people {
        outcome.received.write(&args.out.join("received").join(in_path(name)), &names, &setting.media)?;
    }
    let (frames, calls) = setting.ledger.close();
    let stored = seen.stored;
    let measured = Measured {
        args,
        setting: &setting,
        told,
        cut_off,
        frames,
        calls,
        intruder,
        trial,
        seen,
        stored,
        misdeeds,
    };
    let report = Report::new(&measured);
    let json = serde_json::to_string_pretty(&report).or_broken("the report")?;
    fs::write(&report_path, json + "\n").or_input(report_path.display())?;
    table::print(&report, &args.out);
    promises::check(&report, &measured)
}

async fn happen(args: &Args, media: Media) -> Result<Aftermath, Failure> {
    guess::self_check()?;
    let count = usize::from(args.participants);
    let socket = Server::bind(args.port)?;
    let address = socket.local_addr().or_broken("the server's address")?;
    let search = needles(&[&NAMES[..=count], &[DENIED, TOO_LATE]].concat());
    let names = Needles::new(&search).or_broken("the names")?;
    let windows = media.windows()?;
    if names.count_in(search[0].as_bytes()) == 0 {
        return Err(Failure::Broken("the search for names finds none".to_owned()));
    }
    let capture = Capture::start(&args.out, address, windows, names)?;
    let clock = Clock::start(args.speed);
    let server = Server::start(socket, clock, capture.sender.clone())?;

    let (to_intruder, handled) = mpsc::unbounded_channel();
    let to_capture = capture.sender.clone();
    let delivery = Delivery::start(&args.delivery, move |record| {
        to_intruder.send(record.clone()).unwrap_or_default(); // gone when his time is over
        to_capture.send(Handled::Entry { at: clock.now(), record: record.clone() }).unwrap_or_default();
    });
    let delivery = delivery.await?;
    let line = line::open(address).await?;
    let own = line.local_addr().or_broken("the intruder's socket")?;
    let intruder = Intruder::new(Arc::clone(&delivery.service), line)?;
    let (stop, stopped) = oneshot::channel();
    let intruder = tokio::spawn(intruder.run(clock, handled, stopped));

    let unruly = Arc::new(Unruly::new(Arc::clone(&delivery.service), clock));
    let service = Arc::clone(&unruly) as Arc<dyn DeliveryService>;
    let setting =
        Arc::new(Setting { clock, media, ledger: Ledger::default(), service, alone: false, server: address });
    // Beside each other: that somebody is cut off takes a few seconds of real time.
    let beside = tokio::spawn(cut_off::play(args.delivery.clone(), clock));
    let told = story::play(&setting, &unruly, count).await?;
    stop.send(()).unwrap_or_default();
    let intruder = intruder.await.map_err(|_| Failure::Broken("the intruder panicked".to_owned()))??;
    let cut_off = beside.await.map_err(|_| Failure::Broken("the small call panicked".to_owned()))??;
    server.stop()?;
    for message in delivery.stored().await? {
        capture.sender.send(Handled::Stored(message)).unwrap_or_default();
    }
    let seen = capture.finish()?;
    let keys = intruder.guesses();
    let trial = trial::run(&args.out.join("server.pcap"), address, own, &keys, &setting.media)?;
    Ok(Aftermath { setting, told, cut_off, intruder, trial, seen, misdeeds: unruly.misdeeds() })
}
