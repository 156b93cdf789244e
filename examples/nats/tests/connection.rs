//! What a connection that breaks does to those who write and those who read: nothing is lost, and nothing is there twice.

use std::time::Duration;

use bytes::Bytes;
use subrosa_delivery::nats::{Nats, NatsConfig};
use subrosa_delivery::{Appended, CallId, DeliveryError, DeliveryService, MailboxId, Talk};
use subrosa_nats_examples::{Cluster, Proxy};
use tokio::time::{sleep, timeout};

const CALL: CallId = CallId([1; 16]);
const MAILBOX: MailboxId = MailboxId([2; 16]);
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, a client with a way to it that can be cut, and one without.
async fn scene() -> (Cluster, Proxy, Nats, Nats) {
    let cluster = Cluster::ready(1).await.expect("a server");
    let proxy = Proxy::start(vec![cluster.port(0)]).await.expect("a port");
    let shaky = Nats::connect(&[&proxy.url()], NatsConfig::default()).await.expect("a connection");
    let steady = Nats::connect(&[&cluster.urls()[0]], NatsConfig::default()).await.expect("a connection");
    (cluster, proxy, shaky, steady)
}

fn text(text: impl ToString) -> Bytes {
    Bytes::from(text.to_string())
}

/// R6: an entry that was written is the writer's, even if nobody could tell him.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_of_an_entry_is_made_up_for() {
    let (_cluster, proxy, shaky, steady) = scene().await;
    proxy.flow(false); // the server's words do not come through any more
    let writing = tokio::spawn(async move { (shaky.append(CALL, 0, text("mine")).await, shaky) });
    while steady.read(CALL, 0).await.expect("the server is there").is_none() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(!writing.is_finished(), "it stands in the log, and the writer does not know");
    proxy.cut();
    proxy.flow(true);
    let (written, shaky) = writing.await.expect("no panic");
    assert_eq!(written.expect("the server is there again"), Appended::Written);
    assert_eq!(shaky.append(CALL, 0, text("another")).await.expect("the server is there"), Appended::Taken);
    assert_eq!(steady.read(CALL, 0).await.expect("the server is there"), Some(text("mine")));
    assert_eq!(steady.read(CALL, 1).await.expect("the server is there"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_without_being_told_is_told_later() {
    let (_cluster, proxy, shaky, steady) = scene().await;
    assert_eq!(steady.append(CALL, 0, text("theirs")).await.expect("the server is there"), Appended::Written);
    proxy.flow(false);
    let writing = tokio::spawn(async move { shaky.append(CALL, 0, text("mine")).await });
    sleep(Duration::from_millis(300)).await;
    proxy.cut();
    proxy.flow(true);
    assert_eq!(writing.await.expect("no panic").expect("the server is there again"), Appended::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_of_mail_posts_nothing_twice() {
    let (_cluster, proxy, shaky, steady) = scene().await;
    let mut mail = steady.open_mailbox(MAILBOX).await.expect("the server is there");
    proxy.flow(false);
    let posting = tokio::spawn(async move { (shaky.post(MAILBOX, text("a knock")).await, shaky) });
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(text("a knock")));
    proxy.cut();
    proxy.flow(true);
    let (posted, shaky) = posting.await.expect("no panic");
    posted.expect("the server is there again");
    shaky.post(MAILBOX, text("another")).await.expect("the server is there");
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(text("another")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_connection_is_cut_misses_nothing_and_reads_nothing_twice() {
    let (_cluster, proxy, shaky, steady) = scene().await;
    let mut log = shaky.follow(CALL, 0).await.expect("the server is there");
    let mut mail = shaky.open_mailbox(MAILBOX).await.expect("the server is there");
    let writer = tokio::spawn(async move {
        for number in 0..200 {
            let appended = steady.append(CALL, number, text(number)).await;
            assert_eq!(appended.expect("the server is there"), Appended::Written);
            steady.post(MAILBOX, text(number)).await.expect("the server is there");
            sleep(Duration::from_millis(5)).await;
        }
    });
    for number in 0..200 {
        if number % 10 == 3 {
            proxy.cut();
        }
        let entry = timeout(PATIENCE, log.next()).await.expect("it comes");
        assert_eq!(entry, Some((number, text(number))));
        assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(text(number)));
    }
    assert!(proxy.cuts() >= 15, "{} connections cut", proxy.cuts());
    writer.await.expect("no panic");
}

/// A client may send headers under the names of those that the server adds when it says what it has stored.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_somebody_forges_stop_no_reader() {
    let (cluster, _proxy, _shaky, steady) = scene().await;
    let mut mail = steady.open_mailbox(MAILBOX).await.expect("the server is there");
    let mut log = steady.follow(CALL, 0).await.expect("the server is there");
    let client = async_nats::connect(&cluster.urls()[0]).await.expect("a connection");
    for (number, forged) in ["0", "9000000000000000000", "-1", "x"].into_iter().enumerate() {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Sequence", forged);
        headers.insert("Nats-Last-Sequence", "0");
        let knock = format!("subrosa.mail.{MAILBOX}.in");
        client.publish_with_headers(knock, headers.clone(), text(forged)).await.expect("the client sends");
        let entry = format!("subrosa.call.{CALL}.log.{number}");
        client.publish_with_headers(entry, headers, text(forged)).await.expect("the client sends");
        assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(text(forged)));
        let read = timeout(PATIENCE, log.next()).await.expect("it comes");
        assert_eq!(read, Some((number as u64, text(forged))));
    }
    steady.post(MAILBOX, text("a knock")).await.expect("the server is there");
    assert_eq!(timeout(PATIENCE, mail.next()).await.expect("it comes"), Some(text("a knock")));
}

/// Talk that nobody can hear now is of no use later: whoever says it is told at once.
#[tokio::test(flavor = "multi_thread")]
async fn talk_does_not_wait_for_a_connection() {
    let (mut cluster, _proxy, shaky, steady) = scene().await;
    cluster.kill(0).await.expect("a process");
    while steady.is_connected() || shaky.is_connected() {
        sleep(Duration::from_millis(10)).await;
    }
    let said = timeout(Duration::from_secs(1), steady.publish_talk(CALL, text("to nobody"))).await;
    assert!(matches!(said, Ok(Err(DeliveryError::Unavailable(_)))), "{said:?}");
    cluster.launch(0).expect("a process");
    cluster.is_ready().await.expect("the server comes up");
    while !steady.is_connected() || !shaky.is_connected() {
        sleep(Duration::from_millis(10)).await;
    }
    let mut talk = shaky.listen_talk(CALL).await.expect("the server is there");
    steady.publish_talk(CALL, text("to somebody")).await.expect("the server is there");
    let heard = timeout(PATIENCE, talk.next()).await.expect("it comes");
    assert_eq!(heard, Some(Talk::Message(text("to somebody"))));
}

/// What a call leaves behind is gone after a while, and its neighbours are not.
#[tokio::test(flavor = "multi_thread")]
async fn an_ended_call_and_a_closed_mailbox_are_deleted_after_a_while() {
    let cluster = Cluster::ready(1).await.expect("a server");
    let config = NatsConfig { linger: Duration::from_millis(500), ..NatsConfig::default() };
    let service = Nats::connect(&[&cluster.urls()[0]], config).await.expect("a connection");
    let neighbour = CallId([9; 16]);
    for position in 0..5 {
        for call in [CALL, neighbour] {
            let appended = service.append(call, position, text(position)).await;
            assert_eq!(appended.expect("the server is there"), Appended::Written);
        }
    }
    service.post(MAILBOX, text("a knock")).await.expect("the server is there");
    // Somebody has not read it all yet when it ends; he still can.
    let mut slow = service.follow(CALL, 0).await.expect("the server is there");
    service.end_call(CALL).await.expect("the server is there");
    service.close_mailbox(MAILBOX).await.expect("the server is there");
    for position in 0..5 {
        assert_eq!(timeout(PATIENCE, slow.next()).await.expect("it comes"), Some((position, text(position))));
    }
    assert_eq!(timeout(PATIENCE, slow.next()).await.expect("the end comes"), None);

    // Left are five entries of the neighbour, and that the one call and the mailbox were ended.
    let client = async_nats::connect(&cluster.urls()[0]).await.expect("a connection");
    let context = async_nats::jetstream::new(client);
    let count = async |stream: &str| {
        let stream = context.get_stream(stream).await.expect("a stream");
        stream.cached_info().state.messages
    };
    while (count("subrosa-log").await, count("subrosa-mail").await) != (6, 1) {
        sleep(Duration::from_millis(50)).await;
    }
    for position in 0..5 {
        let entry = service.read(neighbour, position).await.expect("the server is there");
        assert_eq!(entry, Some(text(position)));
    }
}

/// Whoever ends a call mostly ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_could_not_delete_any_more_the_next_one_does() {
    let cluster = Cluster::ready(1).await.expect("a server");
    let url = cluster.urls()[0].clone();
    let config = NatsConfig { linger: Duration::from_secs(3600), ..NatsConfig::default() };
    let ending = Nats::connect(&[&url], config).await.expect("a connection");
    let neighbour = CallId([9; 16]);
    for call in [CALL, neighbour] {
        let appended = ending.append(call, 0, text("one")).await.expect("the server is there");
        assert_eq!(appended, Appended::Written);
    }
    ending.post(MAILBOX, text("a knock")).await.expect("the server is there");
    ending.end_call(CALL).await.expect("the server is there");
    ending.close_mailbox(MAILBOX).await.expect("the server is there");
    drop(ending); // long before it would have deleted anything

    let config = NatsConfig { linger: Duration::from_millis(200), ..NatsConfig::default() };
    let next = Nats::connect(&[&url], config).await.expect("a connection");
    let client = async_nats::connect(&url).await.expect("a connection");
    let context = async_nats::jetstream::new(client);
    let count = async |stream: &str| {
        let stream = context.get_stream(stream).await.expect("a stream");
        stream.cached_info().state.messages
    };
    while (count("subrosa-log").await, count("subrosa-mail").await) != (1, 0) {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(next.read(neighbour, 0).await.expect("the server is there"), Some(text("one")));
    assert_eq!(next.append(CALL, 0, text("anew")).await.expect("the server is there"), Appended::Written);
}
