//! probe
#[path = "access/server.rs"]
mod server;

use async_nats::jetstream;
use bytes::Bytes;
use server::Server;
use std::time::Duration;
use subrosa_delivery::nats::*;
use subrosa_delivery::*;
use tokio::time::sleep;

const CALL: CallId = CallId([1; 16]);

fn config(server: &Server, room: &str, user: &str) -> NatsConfig {
    NatsConfig {
        credentials: Credentials::UserAndPassword {
            user: user.to_owned(),
            password: format!("{user}'s word"),
        },
        tls: Tls { required: true, roots: vec![server.roots()], client: None },
        inbox: format!("_INBOX_{user}"),
        patience: Duration::from_secs(10),
        ..NatsConfig::confined(room)
    }
}

async fn show(server: &Server, what: &str) {
    let js = jetstream::new(server.raw("backend").await);
    for stream in ["room-1-log", "room-1-mail", "room-2-log", "room-2-mail"] {
        match js.get_stream(stream).await {
            Ok(s) => {
                println!("{what}: {stream}: {:?}", s.cached_info().state);
                for seq in s.cached_info().state.first_sequence..=s.cached_info().state.last_sequence {
                    if let Ok(m) = s.get_raw_message(seq).await {
                        println!("    {seq} {} {:?}", m.subject, m.payload);
                    }
                }
            }
            Err(e) => println!("{what}: {stream}: {e}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probe() {
    let server =
        Server::with(&std::fs::read_to_string(std::env::var("PROBE_CONF").expect("conf")).expect("conf"))
            .await;
    let _b1 = Nats::connect(&[&server.url()], config(&server, "room-1", "backend")).await.expect("b");
    let _b2 = Nats::connect(&[&server.url()], config(&server, "room-2", "backend")).await.expect("b");
    let ann = Nats::connect(&[&server.url()], config(&server, "room-1", "room-1")).await.expect("a");
    for p in 0..3 {
        let _ = ann.append(CALL, p, Bytes::from(format!("entry {p}"))).await.expect("x");
    }
    show(&server, "before").await;
    let raw = server.raw("room-2").await;
    // reply into room-1's log
    raw.publish_with_reply(
        "room-2.mail.00000000000000000000000000000002.in",
        format!("room-1.call.{CALL}.log.3"),
        "x".into(),
    )
    .await
    .expect("p");
    raw.publish_with_reply(
        "room-2.mail.00000000000000000000000000000002.in",
        "room-1.mail.00000000000000000000000000000002.in",
        "x".into(),
    )
    .await
    .expect("p");
    raw.flush().await.expect("f");
    sleep(Duration::from_millis(500)).await;
    show(&server, "reply into room-1").await;
    raw.publish_with_reply(
        "room-2.mail.00000000000000000000000000000003.in",
        "$JS.API.STREAM.MSG.DELETE.room-1-log",
        "x".into(),
    )
    .await
    .expect("p");
    raw.flush().await.expect("f");
    sleep(Duration::from_millis(500)).await;
    show(&server, "reply to MSG.DELETE").await;
    raw.publish_with_reply(
        "room-2.mail.00000000000000000000000000000003.in",
        "$JS.API.STREAM.PURGE.room-1-log",
        "x".into(),
    )
    .await
    .expect("p");
    raw.flush().await.expect("f");
    sleep(Duration::from_millis(500)).await;
    show(&server, "reply to PURGE").await;
}
