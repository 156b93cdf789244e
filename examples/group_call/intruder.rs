//! A stranger to whom the server tells everything and for whom it does what he wants, but who has no invite.
//!
//! He gets every packet, log entry and mailbox message as it is handled, and may send any of his own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rtc_rtp::Packet;
use rtc_shared::marshal::{Marshal, Unmarshal};
use subrosa::sframe::{Header, MAX_HEADER_LEN};
use subrosa::{CallId, Guest, Invite, MailboxId, Message, Profile, Random};
use subrosa_delivery::{Appended, DeliveryError, DeliveryService, Outcome, Record, RecordLane};
use subrosa_rtp::Descriptor;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::failure::{Context, Failure};
use crate::guess;
use crate::line::MAX_DATAGRAM;

/// How often he tries something, in the story's time.
const RESTLESSNESS: Duration = Duration::from_millis(250);
/// How often he tries to be faster than the host.
const MAX_RACES: usize = 4;
/// Of the mailboxes that he saw, how many he knocks into: the lobby is the first that is used.
const MAX_LOBBIES: usize = 2;
/// Frames that he sends once more in a round, as they are, and as many that he forges.
const INJECTED_PER_ROUND: usize = 2;
/// By how much he raises their counters.
const FORGED_AHEAD: u64 = 500;

pub(crate) struct Intruder {
    service: Arc<dyn DeliveryService>,
    socket: Arc<UdpSocket>,
    /// Everything the delivery service handled, as far as he has read it.
    pub(crate) records: Vec<Record>,
    call: Option<CallId>,
    mailboxes: Vec<MailboxId>,
    /// The log's next position.
    position: u64,
    /// Packets with a whole frame each, to be sent again.
    packets: Vec<Packet>,
    ssrc: u32,
    sequence: u16,
    /// A commit of a call of his own.
    foreign_commit: Bytes,
    own: Vec<Bytes>,
    rounds: usize,
    races: usize,
    guests: Vec<Guest>,
    /// Log positions that hold his entries.
    pub(crate) entries: Vec<u64>,
    pub(crate) knocks: u64,
    /// What he said on the talk lane.
    pub(crate) talk: u64,
    pub(crate) frames_injected: u64,
}

impl Intruder {
    pub(crate) fn new(service: Arc<dyn DeliveryService>, socket: UdpSocket) -> Result<Self, Failure> {
        Ok(Self {
            service,
            socket: Arc::new(socket),
            records: Vec::new(),
            call: None,
            mailboxes: Vec::new(),
            position: 0,
            packets: Vec::new(),
            ssrc: 0x1BAD_5EED,
            sequence: 0,
            foreign_commit: guess::foreign_commit()?,
            own: Vec::new(),
            rounds: 0,
            races: 0,
            guests: Vec::new(),
            entries: Vec::new(),
            knocks: 0,
            talk: 0,
            frames_injected: 0,
        })
    }

    /// Tries to get in and to disturb, until he is stopped.
    pub(crate) async fn run(
        mut self,
        clock: Clock,
        mut handled: mpsc::UnboundedReceiver<Record>,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<Self, Failure> {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut tick = tokio::time::interval(clock.scaled(RESTLESSNESS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let socket = Arc::clone(&self.socket);
        loop {
            tokio::select! {
                _ = &mut stop => break,
                Some(record) = handled.recv() => self.learn(record).await?,
                _ = tick.tick() => self.round().await?,
                Ok(len) = socket.recv(&mut buffer) => self.overhear(&buffer[..len]),
            }
        }
        while let Ok(record) = handled.try_recv() {
            self.keep(record);
        }
        Ok(self)
    }

    /// With how many of all answers he gets in, as any of the guests that he pretended to be.
    pub(crate) fn welcomes_opened(&self) -> u64 {
        let answers = self.records.iter().filter(|record| matches!(record.lane, RecordLane::Mailbox { .. }));
        let opens =
            |answer: &&Record| self.guests.iter().any(|guest| guest.open_answer(&answer.bytes).is_ok());
        answers.filter(opens).count() as u64
    }

    /// All keys that he can think of, in the end.
    pub(crate) fn guesses(&self) -> Vec<[u8; 32]> {
        self.call
            .map(|call| guess::secrets(call, &self.mailboxes, &self.records).collect())
            .unwrap_or_default()
    }

    async fn learn(&mut self, record: Record) -> Result<(), Failure> {
        let lane = record.lane;
        let is_own = self.own.contains(&record.bytes);
        self.keep(record);
        let a_knock =
            self.mailboxes.first().is_some_and(|lobby| lane == RecordLane::Mailbox { mailbox: *lobby })
                && !is_own;
        // Where somebody knocks, a commit will follow: he tries to be first.
        if a_knock && self.races < MAX_RACES && self.call.is_some() {
            self.races += 1;
            self.append(Bytes::from(vec![0xA5; 400 + self.races])).await?;
        }
        Ok(())
    }

    fn keep(&mut self, record: Record) {
        match record.lane {
            RecordLane::Log { call, position } => {
                self.call = Some(call);
                if record.outcome == Outcome::Accepted {
                    self.position = self.position.max(position + 1);
                }
            }
            RecordLane::Mailbox { mailbox } if !self.mailboxes.contains(&mailbox) => {
                self.mailboxes.push(mailbox)
            }
            RecordLane::Mailbox { .. } | RecordLane::Talk { .. } => {}
        }
        self.records.push(record);
    }

    fn overhear(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::unmarshal(&mut Bytes::copy_from_slice(datagram)) else { return };
        let descriptor = packet.payload.first().map(|byte| Descriptor::parse(*byte));
        if descriptor.is_some_and(|it| it.first && it.last) && packet.payload.len() > 30 {
            self.packets.push(packet);
        }
    }

    async fn round(&mut self) -> Result<(), Failure> {
        self.rounds += 1;
        self.inject().await?;
        match self.rounds % 4 {
            1 | 3 => self.knock().await,
            2 => self.disturb_log().await,
            _ => self.disturb_talk().await,
        }
    }

    /// Knocks with a guess of the invite's secret, and sends one real knock once more.
    async fn knock(&mut self) -> Result<(), Failure> {
        let Some(call) = self.call else { return Ok(()) };
        let Some(secret) = guess::secrets(call, &self.mailboxes, &self.records).nth(self.guests.len()) else {
            return Ok(());
        };
        let link = guess::invite(call, &secret)?;
        let profile = Profile::person("Somebody You Know").or_broken("the intruder's name")?;
        let invite = Invite::parse(&link).or_broken("the intruder's link")?;
        let (guest, Message { payload, .. }) =
            Guest::knock(invite, &profile, Random::os()).or_broken("the intruder's knock")?;
        let lobby = self.mailboxes.first();
        let real = self
            .records
            .iter()
            .find(|it| lobby.is_some_and(|lobby| it.lane == RecordLane::Mailbox { mailbox: *lobby }));
        let mut messages = vec![payload];
        if self.guests.is_empty() {
            messages.extend(real.map(|record| record.bytes.clone()));
        }
        self.guests.push(guest);
        for message in messages {
            self.own.push(message.clone());
            for mailbox in self.mailboxes.iter().take(MAX_LOBBIES) {
                self.service.post(*mailbox, message.clone()).await.or_broken("the intruder's knock")?;
                self.knocks += 1;
            }
        }
        Ok(())
    }

    /// Puts garbage, an earlier entry, or a commit of another call where the next entry goes.
    async fn disturb_log(&mut self) -> Result<(), Failure> {
        let earlier = self.records.iter().find(|record| matches!(record.lane, RecordLane::Log { .. }));
        let entry = match (self.rounds / 4 % 3, earlier) {
            (0, _) => Bytes::from(vec![0x5A; 200 + self.rounds]),
            (1, Some(record)) => record.bytes.clone(),
            _ => self.foreign_commit.clone(),
        };
        self.append(entry).await
    }

    /// Says garbage, or what somebody else said, with a bit turned: a later counter, or other words.
    async fn disturb_talk(&mut self) -> Result<(), Failure> {
        let Some(call) = self.call else { return Ok(()) };
        let is_talk =
            |it: &&Record| matches!(it.lane, RecordLane::Talk { .. }) && !self.own.contains(&it.bytes);
        let talk = self.records.iter().rev().find(is_talk);
        let mut forged = talk.map_or_else(|| vec![0xA5; 160], |record| record.bytes.to_vec());
        let at = self.rounds % forged.len();
        forged[at] ^= 1;
        let forged = Bytes::from(forged);
        self.own.push(forged.clone());
        self.service.publish_talk(call, forged).await.or_broken("the intruder's talk")?;
        self.talk += 1;
        Ok(())
    }

    async fn append(&mut self, entry: Bytes) -> Result<(), Failure> {
        let Some(call) = self.call else { return Ok(()) };
        let position = self.position;
        match self.service.append(call, position, entry).await {
            Ok(Appended::Written) => {
                self.position = position + 1;
                self.entries.push(position);
                Ok(())
            }
            Ok(Appended::Taken) => Ok(()), // somebody was faster; there will be another time
            Err(DeliveryError::Gap { .. }) => Ok(()), // the call is over, and its log forgotten
            Err(error) => Err(error).or_broken("the intruder's entry"),
        }
    }

    /// Has frames forwarded once more, and forged ones, as a stream of their own.
    async fn inject(&mut self) -> Result<(), Failure> {
        let packets = std::mem::take(&mut self.packets);
        for (number, mut packet) in packets.into_iter().take(2 * INJECTED_PER_ROUND).enumerate() {
            packet.header.ssrc = self.ssrc;
            packet.header.sequence_number = self.sequence;
            if number % 2 == 1 {
                packet.payload = forged(&packet.payload)?;
            }
            let datagram = packet.marshal().or_broken("the intruder's packet")?;
            self.socket.send(&datagram).await.or_broken("the intruder's packet")?;
            self.sequence = self.sequence.wrapping_add(1);
            self.frames_injected += 1;
        }
        Ok(())
    }
}

/// The same frame as if it were a later one: with a counter that nobody has seen yet, and a bit of the sound changed.
fn forged(payload: &[u8]) -> Result<Bytes, Failure> {
    let (descriptor, frame) = payload.split_at(Descriptor::LEN);
    let (header, header_len) = Header::decode(frame).or_broken("an overheard frame")?;
    let mut new_header = [0; MAX_HEADER_LEN];
    let new_len = Header { counter: header.counter + FORGED_AHEAD, ..header }.encode(&mut new_header);
    let mut body = frame[header_len..].to_vec();
    body[0] ^= 0x10;
    Ok([descriptor, &new_header[..new_len], &body].concat().into())
}
