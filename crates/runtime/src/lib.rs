//! Calls that drive themselves: a task on tokio for each, between a [`Call`](subrosa::Call) and any
//! [`DeliveryService`](subrosa_delivery::DeliveryService). An app has a [`CallHandle`] with async methods, and [`Events`].
//!
//! ```
//! use subrosa::{CallConfig, Event, Invite, Profile, TrackKind};
//! use subrosa_delivery::InProcess;
//! use subrosa_runtime::{CallEvent, Client};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(InProcess::default()); // or `Nats`
//!
//! // Ann founds a call, and lets in whoever has the link. (A real app asks her.)
//! let (ann, mut events) = client.create(&Profile::person("Ann")?, &CallConfig::default()).await?;
//! let link = ann.invite().await?.to_link("https://meet.example/standup");
//! tokio::spawn({
//!     let ann = ann.clone();
//!     async move {
//!         while let Some(event) = events.next().await {
//!             match event {
//!                 CallEvent::Call(Event::Roster(roster)) => ann.roster_taken(roster.epoch).await?, // shown
//!                 CallEvent::Call(Event::Knock(knock)) => ann.admit(&[knock.id]).await?,
//!                 _ => {}
//!             }
//!         }
//!         Ok::<(), subrosa_runtime::CommandError>(())
//!     }
//! });
//!
//! // Bob knocks, and waits to be let in.
//! let waiting = client.knock(Invite::parse(&link)?, &Profile::person("Bob")?).await?;
//! let (bob, mut events) = waiting.admitted().await?;
//! let mut microphone = bob.sealer(TrackKind::Microphone).await?; // goes to the thread that has the sound
//! let Some(CallEvent::Call(Event::Roster(roster))) = events.next().await else { panic!("who is there comes first") };
//! assert_eq!(roster.members.len(), 2);
//! bob.roster_taken(roster.epoch).await?;
//! bob.hang_up().await;
//! # Ok(())
//! # }
//! ```
//!
//! What the task does so that an app need not: it takes out everything that the call has to say after each input, calls it when a
//! deadline comes, reads the log, the talk lane and the mailboxes that it names, sends what it wants sent, tries again where the service is
//! away, and tells the call when the machine slept. Reading and sending are tasks of their own: however long a service takes, keys switch on
//! time.
//!
//! **Read the events**, and answer each roster with [`CallHandle::roster_taken`]: until then nothing of its epoch is sealed or opened. Events
//! wait for a reader, but not without bound: when too many wait, no more messages are taken in, until the liveness window closes.
//!
//! **Where the service is down** the call goes on with the keys it has. [`CallEvent::ServiceLost`] says so, within a sixth of the liveness
//! window and a little; when the window is over comes [`Event::CutOff`](subrosa::Event::CutOff), and nothing is sealed and opened any more.
//! When the service is back, [`CallEvent::ServiceBack`] and [`Event::Resumed`](subrosa::Event::Resumed) come by themselves.
//!
//! Dropping the last handle ends the task and wipes the call's keys, without a word to the others, as a crash would;
//! [`CallHandle::hang_up`] takes leave.
//!
//! The public interface is:

mod client;
mod clock;
mod driver;
mod error;
mod events;
mod handle;
mod inbox;
mod knocking;
mod outbox;
mod pulse;
mod tasks;

pub use client::Client;
pub use clock::Clock;
pub use error::{AdmissionError, CommandError, KnockError};
pub use events::{CallEvent, Events, Refused};
pub use handle::CallHandle;
pub use knocking::Knocking;
