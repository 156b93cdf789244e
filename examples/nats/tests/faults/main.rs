//! Twenty members, of whom some come and go, on three replicated NATS servers; and then something breaks.
//!
//! Whatever it is: no entry that was acknowledged is lost, none is written twice, all members agree in the end, and those who are there hear each
//! other.

mod books;
mod person;
mod room;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use subrosa::CallConfig;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{Bound, CallId, DeliveryError, DeliveryService, Limits};
use subrosa_nats_examples::{Cluster, Proxy};
use tokio::time::sleep;

use person::Told;
use room::{MEMBERS, Room, hurried, nats_config};

/// A leader's death is noticed, and another one elected, in some 4 s.
const AWHILE: Duration = Duration::from_secs(6);
/// Frames come every 100 ms; a machine that is busy with twenty members and three servers may be late, but media does not wait for a server.
const SILENCE: Duration = Duration::from_secs(2);

async fn room() -> Room {
    Room::full(Cluster::ready(3).await.expect("servers"), &CallConfig::default(), &BTreeMap::new()).await
}

/// What has to hold, whatever happened.
async fn all_is_well(mut room: Room) -> Room {
    room.settle().await;
    room.all_are_heard().await;
    let entries = room.log_is_whole().await;
    let acknowledged = room.books.acknowledged().len();
    println!(
        "{} members agree; {entries} entries, {acknowledged} acknowledged; longest silence {} ms; {} were told that the service is away",
        room.people.len(),
        room.longest_silence().as_millis(),
        room.told(Told::ServiceLost)
    );
    room
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed() {
    let mut room = room().await;
    room.come_and_go(Duration::from_secs(2)).await;
    let leader = room.cluster.leader("subrosa-log").await.expect("somebody leads");
    room.cluster.kill(leader).await.expect("a process");
    room.come_and_go(AWHILE).await;
    room.cluster.launch(leader).expect("a process");
    room.come_and_go(AWHILE).await;
    let room = all_is_well(room).await;
    assert!(room.longest_silence() < SILENCE);
    assert_eq!(room.told(Told::CutOff), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_killed() {
    let mut room = room().await;
    room.come_and_go(Duration::from_secs(2)).await;
    let leader = room.cluster.leader("subrosa-log").await.expect("somebody leads");
    let follower = (leader + 1) % 3;
    room.cluster.kill(follower).await.expect("a process");
    room.come_and_go(AWHILE).await;
    room.cluster.launch(follower).expect("a process");
    room.come_and_go(AWHILE).await;
    let room = all_is_well(room).await;
    assert!(room.longest_silence() < SILENCE);
    assert_eq!(room.told(Told::CutOff), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_are_killed_and_come_back() {
    let mut room = room().await;
    room.come_and_go(Duration::from_secs(2)).await;
    for server in 0..3 {
        room.cluster.kill(server).await.expect("a process");
    }
    // Somebody wants to come, and somebody to go, while nobody answers.
    room.one_change().await;
    room.one_change().await;
    sleep(AWHILE).await;
    for server in 0..3 {
        room.cluster.launch(server).expect("a process");
    }
    room.cluster.is_ready().await.expect("the servers come up");
    room.come_and_go(AWHILE).await;
    let room = all_is_well(room).await;
    // The window of 30 s was not over: all went on with the keys that they had.
    assert!(room.longest_silence() < SILENCE);
    assert_eq!(room.told(Told::CutOff), 0);
    assert!(room.told(Told::ServiceLost) > 0, "an app is told that the service is away");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_away_for_longer_than_the_liveness_window() {
    let cluster = Cluster::ready(3).await.expect("servers");
    let mut room = Room::full(cluster, &hurried(), &BTreeMap::new()).await;
    for server in 0..3 {
        room.cluster.kill(server).await.expect("a process");
    }
    // First it is said that the service is away, and frames go on; when the window is over none are sealed (R21).
    while room.told(Told::CutOff) < MEMBERS {
        sleep(Duration::from_millis(50)).await;
    }
    for person in &room.people {
        let told = person.seen().told;
        let lost = told.iter().position(|told| *told == Told::ServiceLost).expect("told that it is away");
        let cut_off = told.iter().position(|told| *told == Told::CutOff).expect("cut off");
        assert!(lost < cut_off, "{} was cut off before he was told why: {told:?}", person.name);
    }
    let sealed = |room: &Room| room.people.iter().map(|person| person.seen().sealed).sum::<u64>();
    let at_the_end = sealed(&room);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(sealed(&room), at_the_end, "nothing is sealed when the window is over");

    for server in 0..3 {
        room.cluster.launch(server).expect("a process");
    }
    room.cluster.is_ready().await.expect("the servers come up");
    while room.told(Told::Resumed) < MEMBERS || room.told(Told::ServiceBack) < MEMBERS {
        sleep(Duration::from_millis(50)).await;
    }
    room.come_and_go(Duration::from_secs(3)).await;
    all_is_well(room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_cut_again_and_again() {
    let cluster = Cluster::start_with(3, "").await.expect("servers");
    cluster.is_ready().await.expect("the servers come up");
    let ports = (0..3).map(|server| cluster.port(server)).collect::<Vec<_>>();
    let mut proxies = Vec::new();
    for number in 0..MEMBERS {
        // Each begins with another server.
        let mut ports = ports.clone();
        ports.rotate_left(number % 3);
        proxies.push(Proxy::start(ports).await.expect("a port"));
    }
    let ways = proxies.iter().map(Proxy::url).enumerate().collect();
    let mut room = Room::full(cluster, &CallConfig::default(), &ways).await;
    // Each of those who stay loses his connection some twenty times.
    let cuts = || proxies.iter().map(Proxy::cuts).sum::<u64>();
    let mut round = 0;
    while cuts() < 240 {
        for _ in 0..4 {
            let victim = room.rng() as usize % proxies.len();
            proxies[victim].cut();
            sleep(Duration::from_millis(10 + room.rng() % 80)).await;
        }
        if round % 2 == 0 {
            room.one_change().await;
        }
        round += 1;
        assert!(round < 1_000, "the proxies do not cut");
    }
    println!("{} connections cut", cuts());
    let room = all_is_well(room).await;
    assert!(room.longest_silence() < SILENCE);
    assert_eq!(room.told(Told::CutOff), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_reads_nothing_for_a_while() {
    // The server holds back little for somebody who does not read, and does not wait for him either.
    let impatient = "max_payload: 64KB\nmax_pending: 256KB\nwrite_deadline: \"1s\"";
    let cluster = Cluster::start_with(3, impatient).await.expect("servers");
    cluster.is_ready().await.expect("the servers come up");
    let proxy = Proxy::start(vec![cluster.port(0)]).await.expect("a port");
    let slow = 5;
    let mut room = Room::full(cluster, &CallConfig::default(), &BTreeMap::from([(slow, proxy.url())])).await;
    proxy.flow(false);
    // More than lies in sockets: a tampered member says it, and everybody else has to listen to it.
    let chatter = another_client(&room).await;
    for _ in 0..600 {
        let nonsense = Bytes::from(vec![0xA5; 16 << 10]);
        chatter.publish_talk(room.call(), nonsense).await.expect("the service takes it");
        sleep(Duration::from_millis(5)).await;
    }
    room.come_and_go(AWHILE).await;
    assert!(room.cluster.said("Slow Consumer"), "no server lost its patience with anybody");
    proxy.flow(true);
    let room = all_is_well(room).await;
    // He could not know of new keys meanwhile; the others went on.
    assert!(room.longest_silence_but_for("Member 5") < SILENCE);
    assert_eq!(room.told(Told::CutOff), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_full_until_somebody_makes_room() {
    let limits = Limits { max_stored_bytes: 4 << 20, max_entry_bytes: 64 << 10, ..Limits::default() };
    let config = NatsConfig { limits, ..nats_config() };
    let cluster = Cluster::ready(3).await.expect("servers");
    let mut room = Room::keeping(config, cluster, &CallConfig::default(), &BTreeMap::new()).await;
    // Another call of the space fills the servers, to the last hundred bytes.
    let (other, glutton) = (CallId([0xEE; 16]), another_client(&room).await);
    let mut position = 0;
    for size in [32 << 10, 1 << 10, 100] {
        loop {
            match glutton.append(other, position, Bytes::from(vec![position as u8; size])).await {
                Ok(_) => position += 1,
                Err(DeliveryError::Full(Bound::StoredBytes)) => break,
                Err(error) => panic!("the service is neither well nor full: {error}"),
            }
        }
    }
    // The host wants somebody out: that cannot be written, and he is told why. All go on as they are.
    let there = room.log_is_whole().await;
    let unwanted = room.people.pop().expect("many are there");
    room.people[0].call.remove(&[unwanted.me()]).await.expect("the host may");
    while room.told(Told::ServiceFull) == 0 {
        sleep(Duration::from_millis(50)).await;
    }
    room.all_are_heard().await;
    assert_eq!(room.log_is_whole().await, there, "nothing was written");

    // That call ends, and what was wanted happens, without anybody asking for it again.
    glutton.end_call(other).await.expect("ending a call makes room, so it needs none");
    room.come_and_go(Duration::from_secs(3)).await;
    let room = all_is_well(room).await;
    assert!(room.told(Told::ServiceBack) > 0, "the host is told that there is room again");
    assert!(room.longest_silence() < SILENCE);
}

async fn another_client(room: &Room) -> Nats {
    let servers: Vec<&str> = room.servers.iter().map(String::as_str).collect();
    Nats::connect(&servers, room.config.clone()).await.expect("the servers are there")
}
