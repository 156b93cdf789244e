//! Twenty members in a call on three replicated servers, of whom some come and go; and what has to hold in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use subrosa::CallConfig;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{CallId, DeliveryService, Limits};
use subrosa_nats_examples::Cluster;
use subrosa_runtime::Client;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::books::Books;
use crate::person::{Air, Person, Told, client};

pub(crate) const MEMBERS: usize = 20;
/// The first of them stay from the beginning to the end; the others come and go.
const STAY: usize = 12;
/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Room {
    pub(crate) cluster: Cluster,
    pub(crate) people: Vec<Person>,
    pub(crate) books: Books,
    pub(crate) servers: Vec<String>,
    pub(crate) config: NatsConfig,
    air: Air,
    dice: ChaCha8Rng,
    /// How many have come since the beginning.
    came: usize,
    joining: JoinSet<Option<Person>>,
}

/// What a room keeps with the service.
pub(crate) fn nats_config() -> NatsConfig {
    let limits = Limits { max_stored_bytes: 256 << 20, ..Limits::default() };
    NatsConfig { replicas: 3, limits, ..NatsConfig::default() }
}

/// As fast as a configuration may be, for a service that is away for longer than the window.
pub(crate) fn hurried() -> CallConfig {
    CallConfig {
        heartbeat: Duration::from_secs(1),
        liveness_window: Duration::from_secs(4),
        silence_limit: Duration::from_secs(60),
        ..CallConfig::default()
    }
}

impl Room {
    /// Everybody is there, on connections of their own; some by a way of their own.
    pub(crate) async fn full(cluster: Cluster, call: &CallConfig, ways: &BTreeMap<usize, String>) -> Self {
        Self::keeping(nats_config(), cluster, call, ways).await
    }

    /// The same, where the service keeps other bounds.
    pub(crate) async fn keeping(
        config: NatsConfig,
        cluster: Cluster,
        call: &CallConfig,
        ways: &BTreeMap<usize, String>,
    ) -> Self {
        let servers = cluster.urls();
        let (air, _) = broadcast::channel(1 << 14);
        let books = Books::default();
        let of = |number: usize| ways.get(&number).map_or(servers.clone(), |way| vec![way.clone()]);
        let host = Person::found(&client(&of(0), config.clone(), &books).await, call, &air).await;
        let invite = host.call.invite().await.expect("the call is there");
        let mut joining = JoinSet::new();
        for number in 1..MEMBERS {
            let client = client(&of(number), config.clone(), &books).await;
            let (invite, air) = (invite.clone(), air.clone());
            joining
                .spawn(async move { Person::join(&client, format!("Member {number}"), invite, &air).await });
        }
        let mut people = vec![host];
        while let Some(joined) = joining.join_next().await {
            people.push(joined.expect("nobody panics").expect("everybody is let in"));
        }
        let dice = ChaCha8Rng::seed_from_u64(7);
        let mut room = Self {
            cluster,
            people,
            books,
            servers,
            config,
            air,
            dice,
            came: MEMBERS,
            joining: JoinSet::new(),
        };
        // Two hosts, so that one can be away.
        let second = room.people[1].me();
        room.people[0].call.make_host(second).await.expect("the host may");
        room.settle().await;
        room
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.rng() % limit as u64) as usize
    }

    pub(crate) fn rng(&mut self) -> u64 {
        self.dice.next_u64()
    }

    /// Somebody goes, or is removed, or comes: for a while, every few hundred milliseconds.
    pub(crate) async fn come_and_go(&mut self, lasting: Duration) {
        let until = Instant::now() + lasting;
        while Instant::now() < until {
            self.one_change().await;
            sleep(Duration::from_millis(300)).await;
        }
    }

    pub(crate) async fn one_change(&mut self) {
        while let Some(joined) = self.joining.try_join_next() {
            self.people.extend(joined.expect("nobody panics"));
        }
        if self.people.len() + self.joining.len() < MEMBERS {
            return self.somebody_comes().await;
        }
        if self.people.len() <= STAY {
            return; // all others are still at the door
        }
        let number = STAY + self.below(self.people.len() - STAY);
        let person = self.people.swap_remove(number);
        if self.below(2) == 0 {
            tokio::spawn(person.call.clone().hang_up());
            // He goes when he has taken leave.
            tokio::spawn(async move { person.call.ended(PATIENCE).await });
        } else {
            self.people[0].call.remove(&[person.me()]).await.ok(); // he may have gone by himself
        }
    }

    async fn somebody_comes(&mut self) {
        self.came += 1;
        let name = format!("Member {}", self.came);
        let (servers, config, books, air) =
            (self.servers.clone(), self.config.clone(), self.books.clone(), self.air.clone());
        let Ok(invite) = self.people[0].call.invite().await else { return };
        self.joining.spawn(async move {
            let urls: Vec<&str> = servers.iter().map(String::as_str).collect();
            let service = Nats::connect(&urls, config).await.ok()?; // all servers may be away
            let client = Client::new(crate::books::Booked { service, books });
            // Whoever knocks at a server that dies at that moment is not heard: his app tries again.
            for _ in 0..5 {
                let joined = timeout(PATIENCE / 4, Person::join(&client, name.clone(), invite.clone(), &air));
                if let Ok(Some(person)) = joined.await {
                    return Some(person);
                }
            }
            None
        });
    }

    /// Waits until nobody is under way any more, and all members agree: one epoch, one roster, one code, and the roster is who is there.
    pub(crate) async fn settle(&mut self) {
        let until = Instant::now() + 3 * PATIENCE;
        while let Some(joined) = self.joining.join_next().await {
            self.people.extend(joined.expect("nobody panics"));
        }
        loop {
            match self.disagreement().await {
                None => return,
                Some(why) if Instant::now() > until => panic!("the members do not agree: {why}"),
                Some(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn disagreement(&self) -> Option<String> {
        let here = self.people.iter().map(Person::me).collect::<BTreeSet<_>>();
        let mut codes = BTreeMap::new();
        for person in &self.people {
            let seen = person.seen();
            let roster = seen.members.iter().copied().collect::<BTreeSet<_>>();
            if roster != here {
                return Some(format!(
                    "{} has {} on his roster, of {}",
                    person.name,
                    roster.len(),
                    here.len()
                ));
            }
            let asked =
                person.call.ask(|call| (call.epoch(), call.log_position(), format!("{:?}", call.code())));
            let Ok((epoch, position, code)) = asked.await else {
                return Some("somebody's call is gone".to_owned());
            };
            codes.entry((epoch, position, code)).or_insert_with(Vec::new).push(person.name.clone());
        }
        (codes.len() > 1).then(|| {
            let each =
                codes.iter().map(|((epoch, position, _), who)| format!("{epoch} at {position}: {who:?}"));
            each.collect::<Vec<_>>().join("; ")
        })
    }

    /// Waits until everybody hears everybody else, from now on.
    pub(crate) async fn all_are_heard(&self) {
        let since = Instant::now();
        let until = since + PATIENCE;
        let deaf = || {
            self.people.iter().find_map(|person| {
                let heard = person.seen().heard;
                let of_all = self.people.iter().filter(|other| other.me() != person.me());
                let mut silent =
                    of_all.filter(|other| heard.get(&other.me()).is_none_or(|(at, _)| *at <= since));
                silent.next().map(|other| format!("{} does not hear {}", person.name, other.name))
            })
        };
        while let Some(why) = deaf() {
            assert!(Instant::now() < until, "{why}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The longest time for which somebody who was there from the beginning did not hear another such.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.longest_silence_but_for("")
    }

    /// The same, leaving out one who was away.
    pub(crate) fn longest_silence_but_for(&self, away: &str) -> Duration {
        let stayed = || self.people.iter().take(STAY).filter(|person| person.name != away);
        let gap = |person: &Person, other: &Person| {
            person.seen().heard.get(&other.me()).map_or(Duration::MAX, |(_, longest)| *longest)
        };
        let pairs = stayed().flat_map(|person| {
            stayed().filter(move |other| other.me() != person.me()).map(move |other| gap(person, other))
        });
        pairs.max().unwrap_or_default()
    }

    /// Nobody was told that the service is away, or that a host is silent.
    pub(crate) fn told(&self, what: Told) -> usize {
        self.people.iter().filter(|person| person.seen().told.contains(&what)).count()
    }

    pub(crate) fn call(&self) -> CallId {
        self.people[0].call.id()
    }

    /// No entry that was acknowledged is lost, none stands there twice, and there is no gap. Returns how many entries there are.
    pub(crate) async fn log_is_whole(&self) -> usize {
        let servers: Vec<&str> = self.servers.iter().map(String::as_str).collect();
        let service = Nats::connect(&servers, self.config.clone()).await.expect("the servers are there");
        let mut log: Vec<Bytes> = Vec::new();
        while let Some(entry) = service.read(self.call(), log.len() as u64).await.expect("the servers answer")
        {
            log.push(entry);
        }
        let after = service.read(self.call(), log.len() as u64 + 1).await.expect("the servers answer");
        assert_eq!(after, None, "the log has a gap");
        for (position, entry) in self.books.acknowledged() {
            let there = log.get(position as usize);
            assert_eq!(there, Some(&entry), "what was acknowledged at {position} is not there");
        }
        let different = log.iter().collect::<BTreeSet<_>>();
        assert_eq!(different.len(), log.len(), "an entry stands in the log twice");
        // All members read the whole of it.
        let mut follower = service.follow(self.call(), 0).await.expect("the servers answer");
        for (position, entry) in log.iter().enumerate() {
            let read = timeout(PATIENCE, follower.next()).await.expect("an entry comes");
            assert_eq!(read.as_ref(), Some(&(position as u64, entry.clone())));
        }
        log.len()
    }
}
