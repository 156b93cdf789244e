//! All that the server handled: written down for Wireshark, and searched for media and names while it is written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use etherparse::PacketBuilder;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, PcapError};
use serde::Serialize;
use subrosa::Time;
use subrosa_delivery::{Outcome, Record, RecordLane};
use subrosa_testkit::media::windows::{Needles, WindowSet};

use crate::delivery;
use crate::failure::{Context, Failure};

/// What may wait to be written: at most some 10 MB. The server waits where it is more.
const BACKLOG: usize = 8192;
const TTL: u8 = 64;
/// What NATS servers had on their disks.
const ON_DISK: &str = "server.stored.jsonl";

/// What the server handled.
pub(crate) enum Handled {
    Packet(Packet),
    Entry {
        at: Time,
        record: Record,
    },
    /// Something that NATS servers had on their disks.
    Stored(delivery::Stored),
    /// Nothing comes after this.
    End,
}

/// A datagram that the media server received, and to whom it sent it on (or its answer, which has the same bytes).
pub(crate) struct Packet {
    pub(crate) at: Time,
    pub(crate) from: SocketAddr,
    pub(crate) payload: Bytes,
    pub(crate) to: Vec<SocketAddr>,
}

/// What was in it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) packets_received: u64,
    pub(crate) packets_sent: u64,
    /// UDP payloads, received and sent.
    pub(crate) packet_bytes: u64,
    pub(crate) entries: u64,
    /// Entries of the log that it took.
    pub(crate) accepted: u64,
    pub(crate) entry_bytes: u64,
    /// Different ones in the media.
    pub(crate) media_windows: u64,
    pub(crate) media_windows_found: u64,
    pub(crate) names_found: u64,
    pub(crate) stored: Stored,
}

/// What was on the disks of NATS servers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) messages: u64,
    /// Those of the log.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) media_windows_found: u64,
    pub(crate) names_found: u64,
}

/// A thread that writes and searches.
pub(crate) struct Capture {
    pub(crate) sender: SyncSender<Handled>,
    thread: JoinHandle<Result<Seen, Failure>>,
}

impl Capture {
    pub(crate) fn start(
        dir: &Path,
        server: SocketAddr,
        windows: WindowSet,
        names: Needles,
    ) -> Result<Self, Failure> {
        let create = |name: &str| File::create(dir.join(name)).or_input(dir.join(name).display());
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let pcap = PcapWriter::with_header(BufWriter::new(create("server.pcap")?), header)
            .or_input("server.pcap cannot be written")?;
        let log = BufWriter::new(create("server.log.jsonl")?);
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (sender, handled) = sync_channel(BACKLOG);
        let seen = Seen { media_windows: windows.len() as u64, ..Seen::default() };
        let old = dir.join(ON_DISK);
        if old.exists() {
            std::fs::remove_file(&old).or_input(old.display())?;
        }
        let dir = dir.to_owned();
        let writer =
            Writer { dir, on_disk: None, server, epoch, windows, names, pcap, log, frame: Vec::new(), seen };
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || writer.run(&handled))
            .or_broken("the capture's thread")?;
        Ok(Self { sender, thread })
    }

    /// Waits until everything is written.
    pub(crate) fn finish(self) -> Result<Seen, Failure> {
        self.sender.send(Handled::End).unwrap_or_default(); // a thread that failed says why
        self.thread.join().map_err(|_| Failure::Broken("the capture panicked".to_owned()))?
    }
}

/// A line of server.log.jsonl.
#[derive(Serialize)]
struct LogLine {
    seconds: f64,
    lane: &'static str,
    /// Of the call or the mailbox, in hex.
    id: String,
    position: Option<u64>,
    outcome: &'static str,
    /// In hex.
    bytes: String,
}

/// A line of server.stored.jsonl.
#[derive(Serialize)]
struct StoredLine<'a> {
    subject: &'a str,
    headers: &'a str,
    /// In hex.
    bytes: String,
}

struct Writer {
    dir: PathBuf,
    /// server.stored.jsonl, where there is something to be written to it.
    on_disk: Option<BufWriter<File>>,
    server: SocketAddr,
    /// When the run began, for the capture's timestamps.
    epoch: Duration,
    windows: WindowSet,
    names: Needles,
    pcap: PcapWriter<BufWriter<File>>,
    log: BufWriter<File>,
    frame: Vec<u8>,
    seen: Seen,
}

impl Writer {
    fn run(mut self, handled: &Receiver<Handled>) -> Result<Seen, Failure> {
        for item in handled {
            match item {
                Handled::Packet(packet) => self.packet(&packet).or_input("server.pcap cannot be written")?,
                Handled::Entry { at, record } => {
                    self.entry(at, &record).or_input("server.log.jsonl cannot be written")?;
                }
                Handled::Stored(stored) => {
                    self.stored(&stored).or_input("server.stored.jsonl cannot be written")?;
                }
                Handled::End => break,
            }
        }
        self.pcap.into_writer().flush().or_input("server.pcap cannot be written")?;
        self.log.flush().or_input("server.log.jsonl cannot be written")?;
        if let Some(mut file) = self.on_disk {
            file.flush().or_input("server.stored.jsonl cannot be written")?;
        }
        Ok(self.seen)
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), PcapError> {
        self.write_datagram(packet.at, packet.from, self.server, &packet.payload)?;
        for to in &packet.to {
            self.write_datagram(packet.at, self.server, *to, &packet.payload)?;
        }
        let copies = 1 + packet.to.len() as u64;
        self.seen.packets_received += 1;
        self.seen.packets_sent += packet.to.len() as u64;
        self.seen.packet_bytes += copies * packet.payload.len() as u64;
        // It was sent as it came: what is in it once is in every copy.
        self.search(&packet.payload, copies);
        Ok(())
    }

    fn write_datagram(
        &mut self,
        at: Time,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<(), PcapError> {
        let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { return Ok(()) };
        // The loopback interface has no MAC addresses.
        let headers = PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4(from.ip().octets(), to.ip().octets(), TTL)
            .udp(from.port(), to.port());
        self.frame.clear();
        headers
            .write(&mut self.frame, payload)
            .map_err(|error| PcapError::IoError(std::io::Error::other(error)))?;
        let len = u32::try_from(self.frame.len()).unwrap_or(u32::MAX);
        let packet = PcapPacket::new(self.epoch + at.elapsed(), len, &self.frame);
        self.pcap.write_packet(&packet)?;
        Ok(())
    }

    fn entry(&mut self, at: Time, record: &Record) -> std::io::Result<()> {
        let (lane, id, position) = match &record.lane {
            RecordLane::Log { call, position } => ("log", HEXLOWER.encode(&call.0), Some(*position)),
            RecordLane::Talk { call } => ("talk", HEXLOWER.encode(&call.0), None),
            RecordLane::Mailbox { mailbox } => ("mailbox", HEXLOWER.encode(&mailbox.0), None),
        };
        let outcome = match record.outcome {
            Outcome::Accepted => "accepted",
            Outcome::Taken => "taken",
            Outcome::Refused => "refused",
        };
        let bytes = HEXLOWER.encode(&record.bytes);
        let line = LogLine { seconds: at.elapsed().as_secs_f64(), lane, id, position, outcome, bytes };
        serde_json::to_writer(&mut self.log, &line)?;
        writeln!(self.log)?;
        self.seen.entries += 1;
        self.seen.accepted += u64::from(lane == "log" && outcome == "accepted");
        self.seen.entry_bytes += record.bytes.len() as u64;
        self.search(&record.bytes, 1);
        Ok(())
    }

    /// Its subject and headers are looked at, too: a server stores them.
    fn stored(&mut self, message: &delivery::Stored) -> std::io::Result<()> {
        let delivery::Stored { subject, headers, payload } = message;
        let line = StoredLine { subject, headers, bytes: HEXLOWER.encode(payload) };
        if self.on_disk.is_none() {
            self.on_disk = Some(BufWriter::new(File::create(self.dir.join(ON_DISK))?));
        }
        if let Some(file) = &mut self.on_disk {
            serde_json::to_writer(&mut *file, &line)?;
            writeln!(file)?;
        }
        let stored = &mut self.seen.stored;
        stored.messages += 1;
        stored.entries += u64::from(subject.contains(".log."));
        stored.bytes += payload.len() as u64;
        for bytes in [subject.as_bytes(), headers.as_bytes(), payload] {
            stored.media_windows_found += self.windows.count_in(bytes) as u64;
            stored.names_found += self.names.count_in(bytes) as u64;
        }
        Ok(())
    }

    fn search(&mut self, bytes: &[u8], copies: u64) {
        self.seen.media_windows_found += copies * self.windows.count_in(bytes) as u64;
        self.seen.names_found += copies * self.names.count_in(bytes) as u64;
    }
}
