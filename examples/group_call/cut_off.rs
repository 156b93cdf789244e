//! A server that keeps a removal from somebody, so that he goes on sealing for the one who was removed: in a small call of its own,
//! beside the main one.
//!
//! He cannot know what nobody tells him. But the hosts' heartbeats are not of his epoch any more, so he stops by himself (R21).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use subrosa::sframe::SealError;
use subrosa::{CallConfig, Codec, Event, Invite, Metadata, Profile, Sealer, Time, TrackKind};
use subrosa_delivery::DeliveryService;
use subrosa_runtime::{CallEvent, CallHandle, Client, Events};

use crate::clock::Clock;
use crate::delivery::{Delivery, Place};
use crate::failure::{Context, Failure};
use crate::unruly::Unruly;

/// The shortest that a configuration may ask for. In real time, whatever the story's speed.
const HEARTBEAT: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(3);
/// Longer than the window: until the removal it is heartbeats that keep everybody in.
const BEFORE: Duration = Duration::from_millis(3_500);
/// The window and a second: by then it must have happened.
const AFTER: Duration = Duration::from_secs(4);
/// Between two frames of everybody.
const FRAME: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug)]
pub(crate) struct CutOff {
    pub(crate) heartbeat: Duration,
    pub(crate) window: Duration,
    /// From when the removal stood in the log to when he was told that he is cut off; none if he never was.
    pub(crate) detected: Option<Duration>,
    /// Frames that he sealed before the removal, between it and that moment, and from then on.
    pub(crate) sealed_before: usize,
    pub(crate) sealed_meanwhile: usize,
    pub(crate) sealed_after: usize,
    /// How often he could not, from then on.
    pub(crate) refused_after: usize,
    /// Whoever got the removal was never cut off, and sealed on after the window was over.
    pub(crate) others_go_on: bool,
}

/// Somebody in the small call.
struct Seat {
    call: CallHandle,
    events: Events,
    clock: Clock,
    sealer: Sealer,
    cut_off_at: Option<Time>,
    /// When he sealed, and when he could not.
    sealed: Vec<Time>,
    refused: Vec<Time>,
}

pub(crate) async fn play(place: Place, clock: Clock) -> Result<CutOff, Failure> {
    let delivery = Delivery::start(&place, |_| {}).await?;
    let service = Arc::clone(&delivery.service);
    let for_one = Arc::new(Unruly::new(Arc::clone(&service), clock));
    for_one.behave(); // but for one thing, later

    let honest = Client::over(Arc::clone(&service)).with_clock(clock.of_calls());
    let not = Client::over(Arc::clone(&for_one) as Arc<dyn DeliveryService>).with_clock(clock.of_calls());
    let config = CallConfig { heartbeat: HEARTBEAT, liveness_window: WINDOW, ..CallConfig::default() };
    let profile = Profile::person("host").or_broken("a name")?;
    let founded = honest.create(&profile, &config).await.or_broken("founding a call")?;
    let mut host = Seat::take(founded, clock).await?;
    let invite = host.call.invite().await.or_broken("asking a call")?;
    let joining = async {
        tokio::try_join!(
            Seat::join("removed", invite.clone(), &honest, clock),
            Seat::join("informed", invite.clone(), &honest, clock),
            Seat::join("unaware", invite.clone(), &not, clock),
        )
    };
    let (mut removed, mut informed, mut unaware) = tokio::select! {
        joined = joining => joined?,
        over = host.live(Time::NEVER) => {
            return Err(over.err().unwrap_or(Failure::Broken("the small call is over".to_owned())));
        }
    };
    let until = clock.now() + BEFORE;
    tokio::try_join!(host.live(until), removed.live(until), informed.live(until), unaware.live(until))?;

    for_one.withhold_log();
    let end = host.call.ask(|call| call.log_position()).await.or_broken("asking a call")?;
    let mut log = service.follow(host.call.id(), end).await.or_broken("following the log")?;
    host.call.remove(&[removed.call.me()]).await.or_broken("removing")?;
    log.next().await.ok_or(Failure::Broken("the log of the small call is gone".to_owned()))?;
    let removed_at = clock.now();
    let until = removed_at + AFTER;
    tokio::try_join!(host.live(until), removed.live(until), informed.live(until), unaware.live(until))?;
    delivery.stored().await?; // nobody wants to see it

    let cut_off_at = unaware.cut_off_at.unwrap_or(Time::NEVER);
    let count = |times: &[Time], is: &dyn Fn(Time) -> bool| times.iter().filter(|at| is(**at)).count();
    let last = |seat: &Seat| seat.sealed.last().copied().unwrap_or(Time::ZERO);
    Ok(CutOff {
        heartbeat: HEARTBEAT,
        window: WINDOW,
        detected: unaware.cut_off_at.map(|at| at - removed_at),
        sealed_before: count(&unaware.sealed, &|at| at < removed_at),
        sealed_meanwhile: count(&unaware.sealed, &|at| at >= removed_at && at < cut_off_at),
        sealed_after: count(&unaware.sealed, &|at| at >= cut_off_at),
        refused_after: count(&unaware.refused, &|at| at >= cut_off_at),
        others_go_on: informed.cut_off_at.is_none() && last(&informed) > removed_at + WINDOW,
    })
}

impl Seat {
    async fn take((call, events): (CallHandle, Events), clock: Clock) -> Result<Self, Failure> {
        let sealer = call.sealer(TrackKind::Microphone).await.or_broken("a track")?;
        Ok(Self { call, events, clock, sealer, cut_off_at: None, sealed: Vec::new(), refused: Vec::new() })
    }

    /// Knocks and waits to be let in.
    async fn join(name: &str, invite: Invite, client: &Client, clock: Clock) -> Result<Self, Failure> {
        let profile = Profile::person(name).or_broken("a name")?;
        let waiting = client.knock(invite, &profile).await.or_broken("knocking")?;
        Self::take(waiting.admitted().await.or_broken("being let in")?, clock).await
    }

    /// Takes part, and seals a frame now and then, until a moment or the end of the call.
    async fn live(&mut self, until: Time) -> Result<(), Failure> {
        let mut frame_at = self.clock.now();
        while self.clock.now() < until {
            tokio::select! {
                event = self.events.next() => match event {
                    Some(CallEvent::Call(event)) => self.event(event).await?,
                    Some(_) => {}
                    None => return Ok(()),
                },
                () = self.clock.until(frame_at.min(until)) => {
                    self.seal()?;
                    frame_at = self.clock.now() + FRAME;
                }
            }
        }
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Roster(roster) => {
                self.call.roster_taken(roster.epoch).await.or_broken("taking a roster")?;
            }
            Event::Knock(knock) => self.call.admit(&[knock.id]).await.or_broken("admitting")?,
            Event::CutOff { .. } | Event::HostSilent { .. } => {
                _ = self.cut_off_at.get_or_insert(self.clock.now());
            }
            _ => {}
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Failure> {
        let metadata = Metadata::frame(Codec::Opus);
        match self.sealer.seal(metadata, b"a frame", &mut BytesMut::new()) {
            Ok(_) => self.sealed.push(self.clock.now()),
            Err(SealError::Paused | SealError::NotReady | SealError::Ended) => {
                self.refused.push(self.clock.now());
            }
            Err(error) => return Err(error).or_broken("sealing a frame"),
        }
        Ok(())
    }
}
