//! Who may do what at a server that is configured as the shipped file has it, or by JWTs: over TLS, each room by itself.

mod jwt;
mod server;

use std::time::Duration;

use bytes::Bytes;
use subrosa_delivery::nats::{Credentials, Nats, NatsConfig, NatsError, Permissions, Tls};
use subrosa_delivery::{Appended, CallId, DeliveryService, MailboxId, Talk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use server::Server;

const CALL: CallId = CallId([1; 16]);
const MAILBOX: MailboxId = MailboxId([2; 16]);
const PATIENCE: Duration = Duration::from_secs(20);
/// So long does a refusal take that nobody words: there is no answer.
const REFUSED: Duration = Duration::from_millis(500);

/// What somebody could ask of a stream's API.
const REQUESTS: [(&str, &str); 8] = [
    ("$JS.API.STREAM.INFO.room-1-log", ""),
    ("$JS.API.STREAM.MSG.GET.room-1-log", "{\"seq\":1}"),
    ("$JS.API.STREAM.MSG.GET.room-1-mail", "{\"seq\":1}"),
    ("$JS.API.DIRECT.GET.room-1-log", "{\"seq\":1}"),
    (
        "$JS.API.CONSUMER.CREATE.room-1-log",
        "{\"stream_name\":\"room-1-log\",\"config\":{\"ack_policy\":\"none\"}}",
    ),
    ("$JS.API.STREAM.PURGE.room-1-log", ""),
    ("$JS.API.STREAM.DELETE.room-1-log", ""),
    ("$JS.API.STREAM.NAMES", ""),
];

/// How somebody of a room reaches the server.
fn config(server: &Server, room: &str, user: &str) -> NatsConfig {
    NatsConfig {
        credentials: Credentials::UserAndPassword {
            user: user.to_owned(),
            password: format!("{user}'s word"),
        },
        tls: Tls { required: true, roots: vec![server.roots()], client: None },
        patience: REFUSED,
        ..NatsConfig::confined(room)
    }
}

async fn connect(server: &Server, room: &str, user: &str) -> Result<Nats, NatsError> {
    Nats::connect(&[&server.url()], config(server, room, user)).await
}

/// The server, whose backend has made the streams of two rooms.
async fn scene() -> (Server, Nats) {
    let server = Server::as_shipped().await;
    let backend = |room: &str, user: &str| NatsConfig {
        credentials: Credentials::UserAndPassword {
            user: user.to_owned(),
            password: "backend's word".to_owned(),
        },
        patience: PATIENCE,
        ..config(&server, room, user)
    };
    let one = Nats::connect(&[&server.url()], backend("room-1", "backend-1")).await.expect("the backend may");
    Nats::connect(&[&server.url()], backend("room-2", "backend-2")).await.expect("the backend may");
    (server, one)
}

async fn a_call_works(ann: &Nats, bob: &Nats) {
    let mut log = bob.follow(CALL, 0).await.expect("he may read");
    assert_eq!(ann.append(CALL, 0, Bytes::from("one")).await.expect("she may write"), Appended::Written);
    assert_eq!(bob.append(CALL, 0, Bytes::from("two")).await.expect("he may write"), Appended::Taken);
    assert_eq!(timeout(PATIENCE, log.next()).await.expect("it comes"), Some((0, Bytes::from("one"))));
    let mut mail = bob.open_mailbox(MAILBOX).await.expect("he may read");
    ann.post(MAILBOX, Bytes::from("a knock")).await.expect("she may post");
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(Bytes::from("a knock")));
    let mut talk = bob.listen_talk(CALL).await.expect("he may listen");
    ann.publish_talk(CALL, Bytes::from("a beat")).await.expect("she may speak");
    let heard = timeout(PATIENCE, talk.next()).await.expect("it comes");
    assert_eq!(heard, Some(Talk::Message(Bytes::from("a beat"))));
    bob.close_mailbox(MAILBOX).await.expect("he may close it");
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("the end comes"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn participants_of_a_room_have_their_call_and_the_backend_ends_it() {
    let (server, backend) = scene().await;
    let ann = connect(&server, "room-1", "room-1").await.expect("she may");
    let bob = connect(&server, "room-1", "room-1").await.expect("he may");
    a_call_works(&ann, &bob).await;

    // A participant cannot end it for the others; the backend can.
    let mut log = bob.follow(CALL, 1).await.expect("he may read");
    ann.end_call(CALL).await.expect_err("she is nobody's host, as far as the server knows");
    assert_eq!(bob.read(CALL, 0).await.expect("he may read"), Some(Bytes::from("one")));
    backend.end_call(CALL).await.expect("it may");
    assert_eq!(timeout(PATIENCE, log.next()).await.expect("the end comes"), None);
    backend.end_call(CALL).await.expect("ending it twice is no error");
    backend.delete_space().await.expect("it may");
    backend.delete_space().await.expect("deleting it twice is no error");
    ann.post(MAILBOX, Bytes::from("a knock")).await.expect_err("there is no such space any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_one_room_has_nothing_of_another() {
    let (server, _backend) = scene().await;
    let ann = connect(&server, "room-1", "room-1").await.expect("she may");
    assert_eq!(ann.append(CALL, 0, Bytes::from("one")).await.expect("she may write"), Appended::Written);
    ann.post(MAILBOX, Bytes::from("a knock")).await.expect("she may post");

    // With the crate: he does not even get to see the streams.
    let stranger = connect(&server, "room-1", "room-2").await;
    assert!(matches!(stranger, Err(NatsError::Streams(_))), "{stranger:?}");

    // With a client of his own: he hears nothing, is answered nothing, and leaves nothing.
    let client = server.raw("room-2").await;
    let mut heard = Vec::new();
    for subject in [">", "room-1.>", "room-1.new.>", "room-1.talk.>", "_INBOX.>", "_INBOX_room-1.>", "$JS.>"]
    {
        heard.push(client.subscribe(subject).await.expect("the client asks"));
    }
    for (subject, body) in REQUESTS {
        let answer = timeout(REFUSED, client.request(subject, body.into())).await;
        assert!(answer.is_err(), "{subject} is answered: {answer:?}");
    }
    let entry = format!("room-1.call.{CALL}.log.1");
    let mail = format!("room-1.mail.{MAILBOX}.in");
    let end = format!("room-1.call.{CALL}.end");
    for subject in [entry, mail, end, format!("room-1.talk.{CALL}.say")] {
        client.publish(subject, "from a stranger".into()).await.expect("the client sends");
    }
    // He has the server's own acknowledgements go there, of what he may publish in his own room: nobody asks whether he may.
    for (number, (subject, _)) in REQUESTS.iter().enumerate() {
        let own = format!("room-2.mail.{MAILBOX}.in");
        client.publish_with_reply(own, (*subject).to_owned(), "a".into()).await.expect("the client sends");
        let (own, log) =
            (format!("room-2.mail.{MAILBOX}.in"), format!("room-1.call.{CALL}.log.{}", number + 1));
        client.publish_with_reply(own, log, "a".into()).await.expect("the client sends");
    }
    client.flush().await.expect("the client sends");
    tokio::time::sleep(REFUSED).await;
    ann.publish_talk(CALL, Bytes::from("a beat")).await.expect("she may speak");
    assert_eq!(ann.append(CALL, 1, Bytes::from("two")).await.expect("she may write"), Appended::Written);
    for mut subscription in heard {
        let heard = timeout(REFUSED, futures_util::StreamExt::next(&mut subscription)).await;
        assert!(!matches!(heard, Ok(Some(_))), "{heard:?}");
    }
    let mut mail = ann.open_mailbox(MAILBOX).await.expect("she may read");
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(Bytes::from("a knock")));
    assert!(timeout(REFUSED, mail.next()).await.is_err(), "somebody else has posted");
}

/// So that the silence above is a refusal: somebody who may is answered.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_is_refused_the_backend_gets() {
    let (server, _backend) = scene().await;
    let ann = connect(&server, "room-1", "room-1").await.expect("she may");
    let backend = server.raw_with("backend-1", "backend's word").await;
    let mut heard = Vec::new();
    for subject in ["room-1.>", "room-1.new.>", "room-1.talk.>"] {
        heard.push(backend.subscribe(subject).await.expect("the backend may listen"));
    }
    backend.request("$JS.API.INFO", "".into()).await.expect("so the server knows that it listens");
    assert_eq!(ann.append(CALL, 0, Bytes::from("one")).await.expect("she may write"), Appended::Written);
    ann.post(MAILBOX, Bytes::from("a knock")).await.expect("she may post");
    ann.publish_talk(CALL, Bytes::from("a beat")).await.expect("she may speak");
    for subscription in &mut heard {
        let heard = timeout(PATIENCE, futures_util::StreamExt::next(subscription)).await;
        assert!(matches!(heard, Ok(Some(_))), "{heard:?}");
    }
    for (subject, body) in REQUESTS.into_iter().filter(|(subject, _)| !subject.contains("DIRECT")) {
        let answer = timeout(PATIENCE, backend.request(subject, body.into())).await.expect("in time");
        let answer = answer.expect("the backend is answered");
        let text = String::from_utf8_lossy(&answer.payload);
        // The streams themselves let nothing be purged, whoever asks.
        assert_eq!(text.contains("\"error\""), subject.contains("PURGE"), "{subject}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_is_required_is_not_given_up() {
    // Somebody on the way, or a mistake, offers a server without it.
    let plain = subrosa_nats_examples::Cluster::ready(1).await.expect("a server");
    let known = Server::as_shipped().await;
    let config = NatsConfig { credentials: Credentials::None, ..config(&known, "room-1", "room-1") };
    let refused = Nats::connect(&[&plain.urls()[0]], config.clone()).await;
    assert!(matches!(refused, Err(NatsError::Unreachable(_))), "{refused:?}");
    let optional = NatsConfig { tls: Tls::default(), patience: PATIENCE, ..config };
    Nats::connect(&[&plain.urls()[0]], optional).await.expect("who does not ask for it is let in there");

    // And the server speaks with nobody in clear.
    let address = known.plain_url().replace("nats://", "");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let hello = "CONNECT {\"user\":\"room-1\",\"pass\":\"room-1's word\",\"verbose\":true}\r\nPING\r\n";
    stream.write_all(hello.as_bytes()).await.expect("the connection takes it");
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server hangs up");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("\"tls_required\":true"), "{end:?}: {answer}");
    assert!(!answer.contains("PONG") && !answer.contains("+OK"), "{end:?}: {answer}");
}

/// Whoever is in the room, and does not keep to the rules there.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_can_neither_rewrite_the_log_nor_speak_for_the_server() {
    let (server, backend) = scene().await;
    let ann = connect(&server, "room-1", "room-1").await.expect("she may");
    assert_eq!(ann.append(CALL, 0, Bytes::from("one")).await.expect("she may write"), Appended::Written);
    let mut log = ann.follow(CALL, 1).await.expect("she may read");
    let mut talk = ann.listen_talk(CALL).await.expect("she may listen");

    let client = server.raw("room-1").await;
    // He does not say that he expects the position to be empty; the stream does not need to be told.
    client.publish(format!("room-1.call.{CALL}.log.0"), "another".into()).await.expect("the client sends");
    // What nobody has stored nobody hears as stored.
    client.publish(format!("room-1.new.call.{CALL}.log.1"), "forged".into()).await.expect("the client sends");
    for api in ["STREAM.PURGE.room-1-log", "STREAM.DELETE.room-1-log", "STREAM.UPDATE.room-1-log"] {
        let answer = timeout(REFUSED, client.request(format!("$JS.API.{api}"), "".into())).await;
        assert!(answer.is_err(), "{api} is answered: {answer:?}");
    }
    // Nor by the server's own hand: it sends its acknowledgements wherever he says, also to where deletions are asked for.
    for api in [
        "STREAM.PURGE.room-1-log",
        "STREAM.MSG.DELETE.room-1-log",
        "STREAM.DELETE.room-1-log",
        "STREAM.UPDATE.room-1-log",
    ] {
        let own = format!("room-1.mail.{MAILBOX}.in");
        client.publish_with_reply(own, format!("$JS.API.{api}"), "a".into()).await.expect("the client sends");
    }
    // Nor does he end the call for the others like that.
    for end in [format!("room-1.call.{CALL}.end"), format!("room-1.talk.{CALL}.end")] {
        client
            .publish_with_reply(format!("room-1.mail.{MAILBOX}.in"), end, "a".into())
            .await
            .expect("the client sends");
    }
    client.flush().await.expect("the client sends");
    tokio::time::sleep(REFUSED).await;
    ann.publish_talk(CALL, Bytes::from("a beat")).await.expect("she may speak");
    let heard = timeout(PATIENCE, talk.next()).await.expect("it comes");
    assert_eq!(heard, Some(Talk::Message(Bytes::from("a beat"))));
    assert_eq!(ann.read(CALL, 0).await.expect("she may read"), Some(Bytes::from("one")));
    let forged = timeout(REFUSED, log.next()).await;
    assert!(forged.is_err(), "{forged:?}");
    // His acknowledgement lies where the end would: the backend is not told that it has ended the call, and ends it by deleting the space.
    backend.end_call(CALL).await.expect_err("the call goes on");
    assert_eq!(ann.append(CALL, 1, Bytes::from("two")).await.expect("it goes on"), Appended::Written);
    backend.delete_space().await.expect("it may");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_is_told_why() {
    let (server, _backend) = scene().await;
    let wrong = Credentials::UserAndPassword { user: "room-1".to_owned(), password: "a guess".to_owned() };
    let unknown = Server::other_roots();
    let known = config(&server, "room-1", "room-1");
    let cases = [
        NatsConfig { credentials: wrong, ..known.clone() },
        NatsConfig { credentials: Credentials::None, ..known.clone() },
        NatsConfig { tls: Tls { required: true, roots: vec![unknown], client: None }, ..known.clone() },
    ];
    for case in cases {
        let refused = Nats::connect(&[&server.url()], case).await;
        assert!(matches!(refused, Err(NatsError::Unreachable(_))), "{refused:?}");
    }
    let nowhere = Tls { roots: vec!["no/such/file.pem".into()], ..Tls::default() };
    let refused = Nats::connect(&[&server.url()], NatsConfig { tls: nowhere, ..known.clone() }).await;
    assert!(matches!(refused, Err(NatsError::Credentials(_))), "{refused:?}");
    let refused = Nats::connect(&[&server.url()], NatsConfig { space: "a.b".to_owned(), ..known }).await;
    assert!(matches!(refused, Err(NatsError::Space)), "{refused:?}");
}

/// The file that an operator takes and the lists that a backend signs are the same.
#[test]
fn the_shipped_configuration_allows_what_the_crate_says() {
    for (block, room) in [("ROOM_1_PARTICIPANT: {", "room-1"), ("ROOM_2_PARTICIPANT: {", "room-2")] {
        let (_, block) = server::SHIPPED.split_once(block).expect("the block is there");
        let (block, _) = block.split_once("\n}").expect("it ends");
        let [publish, subscribe] = ["publish: {", "subscribe: {"].map(|list| {
            let (_, list) = block.split_once(list).expect("the list is there");
            let (list, _) = list.split_once("] }").expect("it ends");
            let code = list.lines().map(|line| line.split(" #").next().unwrap_or_default());
            let quoted = code.flat_map(|line| line.split('"').skip(1).step_by(2));
            quoted.map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(Permissions { publish, subscribe }, Permissions::participant(room).expect("a name"));
    }
}

/// A backend that signs who may do what, for servers that know nobody by name.
#[tokio::test(flavor = "multi_thread")]
async fn participants_come_with_signed_permissions() {
    let issuer = jwt::Issuer::new(["room-1", "room-2"]);
    let server = Server::with(&issuer.server_config()).await;
    let config = |account: &str, permissions: &Permissions| NatsConfig {
        credentials: Credentials::Jwt(issuer.credentials(account, permissions)),
        patience: PATIENCE,
        ..NatsConfig::confined("room-1")
    };
    let connect = async |config| Nats::connect(&[&server.plain_url()], config).await;
    let backend = Permissions::backend("room-1").expect("a name");
    let backend = connect(config("room-1", &backend)).await.expect("the backend may");
    let participant = Permissions::participant("room-1").expect("a name");
    let ann = connect(config("room-1", &participant)).await.expect("she may");
    let bob = connect(config("room-1", &participant)).await.expect("he may");
    a_call_works(&ann, &bob).await;
    backend.end_call(CALL).await.expect("it may");
    backend.delete_space().await.expect("it may");

    // The same permissions in the account of another room are good for nothing, and somebody else's signature is nobody's.
    let stranger = NatsConfig { patience: REFUSED, ..config("room-2", &participant) };
    let stranger = connect(stranger).await;
    assert!(matches!(stranger, Err(NatsError::Streams(_))), "{stranger:?}");
    let forger = jwt::Issuer::new(["room-1", "room-2"]);
    let forged = NatsConfig {
        credentials: Credentials::Jwt(forger.credentials("room-1", &participant)),
        ..config("room-1", &participant)
    };
    let forged = connect(forged).await;
    assert!(matches!(forged, Err(NatsError::Unreachable(_))), "{forged:?}");
}
