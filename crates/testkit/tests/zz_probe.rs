//! probe
use core::time::Duration;
use subrosa::{Event, Cause};
use subrosa_testkit::room::*;
#[test]
fn probe() {
    for loss in [0.0, 0.005, 0.01, 0.02, 0.05, 0.1] {
        let (mut cut, mut silent, mut removed, mut hours) = (0, 0, 0, 0.0);
        for seed in 0..8 {
            let cfg = RoomConfig { handshake: Way { loss, ..Way::taking(Duration::from_millis(30), Duration::from_millis(50)) }, frames_every: None, ..RoomConfig::default() };
            let mut room = Room::new(seed, cfg);
            room.join_all(&["Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal"]);
            room.pass(Duration::from_secs(10));
            let bob = room.person("Bob").id();
            room.act("Ann", |c, n| c.make_host(bob, n)).unwrap();
            for _ in 0..8 { room.pass(Duration::from_secs(900)); hours += 0.25 * room.people().filter(|p| p.is_in()).count() as f64; }
            cut += room.people().map(|p| p.count(|e| matches!(e, Event::CutOff{..}))).sum::<usize>();
            silent += room.people().map(|p| p.count(|e| matches!(e, Event::HostSilent))).sum::<usize>();
            removed += room.epochs().iter().map(|r| if let Cause::Commit{removed, ..} = &r.cause { removed.len() } else { 0 }).sum::<usize>();
        }
        println!("loss {loss}: {hours} participant-hours, cut off {cut}, host silent {silent}, removed {removed}");
    }
    let mut bad = 0;
    for seed in 0..40 {
        let mut room = Room::new(seed, RoomConfig { frames_every: None, ..RoomConfig::default() });
        room.join_all(&["Bob", "Cid", "Dan"]);
        room.pass(Duration::from_secs(20));
        let bob = room.person("Bob").id();
        room.act("Ann", |c, n| c.make_host(bob, n)).unwrap();
        room.pass(Duration::from_millis(20_000 + seed * 250));
        room.server().goes_down(); room.pass(Duration::from_secs(300)); room.server().comes_back(); room.pass(Duration::from_secs(60));
        if room.epochs().iter().any(|r| matches!(&r.cause, Cause::Commit{removed, ..} if !removed.is_empty())) { bad += 1; }
    }
    println!("outages that cost a host: {bad} of 40");
}
