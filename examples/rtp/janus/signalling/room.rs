//! VideoRoom: a room, who publishes in it, who subscribes to what, and the operator's tap.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::session::{Handle, Session, number};
use super::{Connection, SignalError};

/// No room of this program publishes more than some Mbit/s; the cap is sent to publishers as REMB.
const BITRATE: u64 = 20_000_000;

/// A room and who may do what in it.
#[derive(Clone, Debug)]
pub(crate) struct RoomSpec {
    pub(crate) room: u64,
    /// Of the operator: for the tap, and for closing the room.
    pub(crate) secret: String,
    /// As Janus calls it: `vp8`, `h264`, `av1`.
    pub(crate) video_codec: &'static str,
    pub(crate) publishers: usize,
}

/// Who publishes, as Janus numbers them. It says nothing about who that is: the server assigns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Feed(pub(crate) u64);

/// Who runs the server: makes the room and taps it.
#[derive(Debug)]
pub(crate) struct Operator {
    handle: Handle,
    spec: RoomSpec,
}

/// A participant in the room.
#[derive(Debug)]
pub(crate) struct Seat {
    session: Arc<Session>,
    handle: Handle,
    room: u64,
    pub(crate) feed: Feed,
    /// Who published when he came.
    present: Value,
}

/// What he publishes.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) answer: String,
    /// The media sections, as the server names them.
    pub(crate) mids: Vec<String>,
}

/// One participant's subscription to another's feed.
#[derive(Debug)]
pub(crate) struct Subscription {
    handle: Handle,
    what: String,
    pub(crate) offer: String,
}

impl Operator {
    /// Makes the room.
    pub(crate) async fn create(connection: Connection, spec: RoomSpec) -> Result<Self, SignalError> {
        let handle = Session::create(connection).await?.attach().await?;
        let create = json!({
            "request": "create",
            "room": spec.room,
            "secret": spec.secret,
            "publishers": spec.publishers,
            "audiocodec": "opus",
            "videocodec": spec.video_codec,
            "bitrate": BITRATE,
            "notify_joining": true,
            "require_pvtid": false,
            // The server is to make no use of what it can read.
            "audiolevel_event": false,
            "fir_freq": 0,
        });
        handle.ask(create, None).await?;
        Ok(Self { handle, spec })
    }

    /// Has all of a feed's RTP forwarded to `to`, as the server sees it after decryption of SRTP.
    pub(crate) async fn tap(
        &self,
        feed: Feed,
        publication: &Publication,
        to: SocketAddr,
    ) -> Result<(), SignalError> {
        let stream = |mid: &String| json!({ "mid": mid, "host": to.ip().to_string(), "port": to.port() });
        let streams: Vec<_> = publication.mids.iter().map(stream).collect();
        let forward = json!({
            "request": "rtp_forward",
            "room": self.spec.room,
            "secret": self.spec.secret,
            "publisher_id": feed.0,
            "host": to.ip().to_string(),
            "streams": streams,
        });
        let answer = self.handle.ask(forward, None).await?;
        let forwarders = answer.data["forwarders"].as_array().map_or(0, Vec::len);
        if forwarders == publication.mids.len() {
            return Ok(());
        }
        Err(SignalError::Unexpected {
            request: "rtp_forward".to_owned(),
            missing: "a forwarder for each stream",
        })
    }

    /// Closes the room.
    pub(crate) async fn destroy(self) -> Result<(), SignalError> {
        let destroy = json!({ "request": "destroy", "room": self.spec.room, "secret": self.spec.secret });
        self.handle.ask(destroy, None).await.map(drop)
    }
}

impl Seat {
    /// Joins the room. Without a display name: who somebody is, the call tells, not the server.
    pub(crate) async fn join(connection: Connection, room: u64) -> Result<Self, SignalError> {
        let session = Session::create(connection).await?;
        let handle = session.attach().await?;
        let joined =
            handle.ask(json!({ "request": "join", "ptype": "publisher", "room": room }), None).await?;
        let feed = Feed(number(&joined.data["id"], "join")?);
        Ok(Self { session, handle, room, feed, present: joined.data })
    }

    /// Publishes what the offer says.
    pub(crate) async fn publish(&self, offer: &str) -> Result<Publication, SignalError> {
        let unexpected = |missing| SignalError::Unexpected { request: "publish".to_owned(), missing };
        let published = self.handle.ask(json!({ "request": "publish" }), Some(("offer", offer))).await?;
        self.handle.no_more_candidates().await?;
        let streams = published.data["streams"].as_array().ok_or_else(|| unexpected("streams"))?;
        let mids = streams.iter().filter_map(|stream| stream["mid"].as_str().map(str::to_owned)).collect();
        Ok(Publication { answer: published.sdp.ok_or_else(|| unexpected("an answer"))?, mids })
    }

    /// Waits until the connection to the server stands.
    pub(crate) async fn up(&self) -> Result<(), SignalError> {
        self.handle.up("a publisher's connection").await
    }

    /// Subscribes to another's feed as soon as the server announces it.
    pub(crate) async fn subscribe(&self, feed: Feed) -> Result<Subscription, SignalError> {
        let subscribe = json!({
            "request": "join",
            "ptype": "subscriber",
            "room": self.room,
            "streams": [{ "feed": feed.0 }],
        });
        let handle = self.session.attach().await?;
        let attached = handle.ask(subscribe, None).await?;
        let missing = || SignalError::Unexpected { request: "join".to_owned(), missing: "an offer" };
        let offer = attached.sdp.ok_or_else(missing)?;
        Ok(Subscription { handle, what: format!("the subscription to feed {}", feed.0), offer })
    }

    /// Waits until the server says that a feed is there, whether before this participant came or after.
    pub(crate) async fn announced(&self, feed: Feed) -> Result<(), SignalError> {
        let what = format!("news of feed {}", feed.0);
        let names_it = |data: &Value| {
            let publishers = data["publishers"].as_array()?;
            publishers.iter().any(|publisher| publisher["id"] == feed.0).then_some(())
        };
        if names_it(&self.present).is_some() {
            return Ok(());
        }
        self.handle.said(&what, names_it).await
    }

    /// Leaves the room.
    pub(crate) async fn leave(self) -> Result<(), SignalError> {
        self.handle.ask(json!({ "request": "leave" }), None).await?;
        self.handle.detach().await
    }
}

impl Subscription {
    /// Answers the offer; media flows when the connection stands.
    pub(crate) async fn start(&self, answer: &str) -> Result<(), SignalError> {
        self.handle.ask(json!({ "request": "start" }), Some(("answer", answer))).await?;
        self.handle.no_more_candidates().await
    }

    /// Waits until the connection from the server stands.
    pub(crate) async fn up(&self) -> Result<(), SignalError> {
        self.handle.up(&self.what).await
    }

    /// Ends it.
    pub(crate) async fn end(self) -> Result<(), SignalError> {
        self.handle.detach().await
    }
}
