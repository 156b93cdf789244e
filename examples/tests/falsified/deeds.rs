//! What takes more than another value at one place: several that fit together, or files.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Changes the evidence in this directory, and its report.
pub(crate) type Deed = fn(&Path, &mut Value);

/// A capture begins with a header of so many bytes, each of its packets with one of so many, and within it there are Ethernet, IP
/// and UDP headers.
const HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
const HEADERS: usize = 42;

/// What is done, why it is noticed, and the deed.
pub(crate) fn deeds() -> Vec<(&'static str, &'static str, Deed)> {
    vec![
        ("frames are lost, and all sums are right", "and no packets", |_, report| {
            change(report, "/participants/0/frames_expected", 10);
            change(report, "/participants/0/frames_lost", 10);
        }),
        ("frames are lost and packets too, and all sums are right", "frames expected", |_, report| {
            for field in ["frames_expected", "frames_lost", "packets_lost"] {
                change(report, &format!("/participants/0/{field}"), 10);
            }
        }),
        ("frames that were owed count as opened after the end", "frames after the end", |_, report| {
            change(report, "/participants/0/frames_expected", -100);
            change(report, "/participants/0/frames_opened", -100);
            change(report, "/participants/0/frames_opened_after_end", 100);
        }),
        ("two participants have each other's port", "what was sent is in the capture", |_, report| {
            let ports = [0, 1].map(|number| report["participants"][number]["port"].clone());
            report["participants"][0]["port"] = ports[1].clone();
            report["participants"][1]["port"] = ports[0].clone();
        }),
        ("all have a code that is none", "all groups are the same", |_, report| {
            let zeros = json!("00000 00000 00000 00000 00000 00000");
            report["code"]["digits"] = zeros.clone();
            for person in report["participants"].as_array_mut().expect("there are some") {
                person["code"] = zeros.clone();
            }
        }),
        ("a stranger's entry is the cheater's commit", "skipped other entries", |dir, report| {
            let old = list(&report["replays"]["log_positions"]);
            let all_skipped = |position: &Value| {
                let people = list(&report["participants"]);
                people.iter().all(|person| list(&person["entries_skipped"]).contains(position))
            };
            let his = list(&report["intruder"]["log_positions"]);
            let at = his.iter().position(|position| !old.contains(position) && all_skipped(position));
            let at = at.expect("he wrote when all were there");
            let position = report["intruder"]["log_positions"].as_array_mut().expect("a list").remove(at);
            change(report, "/intruder/log_entries", -1);
            let entry = log(dir).into_iter().find(|entry| entry["position"] == position);
            let bytes = bytes_of(&entry.expect("it is in the log"));
            report["cheater"]["commit_sha256"] = json!(HEXLOWER.encode(&Sha256::digest(bytes)));
            report["cheater"]["position"] = position;
        }),
        ("the cheater's commit is replaced by zeros", "is not his commit", |dir, report| {
            let position = &report["cheater"]["position"];
            rewrite_log(dir, |entry| {
                if entry["position"] == *position {
                    entry["bytes"] = json!("00".repeat(bytes_of(entry).len()));
                }
            });
        }),
        ("the log is not there", "server.log.jsonl", |dir, _| {
            fs::remove_file(dir.join("server.log.jsonl")).expect("it was written")
        }),
        ("a name is in the log", "a name in entry", |dir, _| {
            rewrite_log(dir, |entry| {
                if entry["lane"] == "talk" {
                    let mut bytes = bytes_of(entry);
                    bytes[..13].copy_from_slice(b"Alice Liddell");
                    entry["bytes"] = json!(HEXLOWER.encode(&bytes));
                }
            });
        }),
        ("a name is in a packet and all its copies", "a name in packet", |dir, _| {
            overwrite_in_packets(dir, b"Alice Liddell")
        }),
        ("media are in a packet and all its copies", "media in packet", |dir, _| {
            let received =
                fs::read(dir.join("received/Alice-Liddell/Bob-Cratchit.ivf")).expect("it is there");
            overwrite_in_packets(dir, &received[1_000..1_040]);
        }),
        ("the capture has one packet", "nobody sent", |dir, report| {
            rewrite_packets(dir, |packets| packets.truncate(1));
            report["server"]["packets"] = json!(1);
        }),
        ("the capture has half of the packets, and the counts are right", "nobody sent", |dir, report| {
            rewrite_packets(dir, |packets| packets.truncate(packets.len() / 2));
            count_anew(dir, report);
        }),
        (
            "a packet is missing that was sent on, and the counts are right",
            "were not sent on",
            |dir, report| {
                rewrite_packets(dir, |packets| {
                    let middle = packets.len() / 2;
                    let sent_on = (middle..packets.len())
                        .find(|at| payload(&packets[*at]) == payload(&packets[at - 1]));
                    packets.remove(sent_on.expect("most are sent on"));
                });
                count_anew(dir, report);
            },
        ),
        ("the files of two senders are swapped", "sent other frames", |dir, _| {
            let [one, other] = ["Bob-Cratchit.ivf", "Carol-Kennicott.ivf"]
                .map(|file| dir.join("received/Alice-Liddell").join(file));
            let kept = fs::read(&one).expect("it is there");
            fs::copy(&other, one).and_then(|_| fs::write(other, kept)).expect("the directory is writable");
        }),
        ("a bit of a file is another", "is not the clip's", |dir, _| {
            let path = dir.join("received/Alice-Liddell/Bob-Cratchit.ivf");
            let mut bytes = fs::read(&path).expect("it is there");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("the directory is writable");
        }),
        ("a file is not there", "frames in files", |dir, _| {
            fs::remove_file(dir.join("received/Alice-Liddell/Bob-Cratchit.ogg")).expect("it is there");
        }),
    ]
}

fn change(report: &mut Value, at: &str, by: i64) {
    let value = report.pointer_mut(at).unwrap_or_else(|| panic!("{at} is there"));
    *value = json!(value.as_i64().expect("a count") + by);
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn log(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("server.log.jsonl")).expect("it was written");
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

fn bytes_of(entry: &Value) -> Vec<u8> {
    HEXLOWER.decode(entry["bytes"].as_str().expect("a text").as_bytes()).expect("it is hex")
}

pub(super) fn rewrite_log(dir: &Path, mut falsify: impl FnMut(&mut Value)) {
    let mut entries = log(dir);
    entries.iter_mut().for_each(&mut falsify);
    let lines = entries.iter().map(|entry| format!("{entry}\n")).collect::<String>();
    fs::write(dir.join("server.log.jsonl"), lines).expect("the directory is writable");
}

fn packets(dir: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
    let capture = fs::read(dir.join("server.pcap")).expect("it was written");
    let (header, mut rest) = capture.split_at(HEADER);
    let big_endian = header[0] == 0xA1;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let len: [u8; 4] = rest[8..12].try_into().expect("four bytes");
        let len = if big_endian { u32::from_be_bytes(len) } else { u32::from_le_bytes(len) };
        let (packet, next) = rest.split_at(PACKET_HEADER + len as usize);
        packets.push(packet.to_vec());
        rest = next;
    }
    (header.to_vec(), packets)
}

pub(super) fn rewrite_packets(dir: &Path, falsify: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let (header, mut packets) = packets(dir);
    falsify(&mut packets);
    fs::write(dir.join("server.pcap"), [header, packets.concat()].concat())
        .expect("the directory is writable");
}

fn payload(packet: &[u8]) -> &[u8] {
    &packet[PACKET_HEADER + HEADERS..]
}

/// The end of a large packet, wherever it is.
fn overwrite_in_packets(dir: &Path, with: &[u8]) {
    rewrite_packets(dir, |packets| {
        let large = packets.iter().map(|packet| payload(packet)).find(|payload| payload.len() > 500);
        let large = large.expect("video has large packets").to_vec();
        for packet in packets.iter_mut().filter(|packet| payload(packet) == large) {
            let end = packet.len() - with.len();
            packet[end..].copy_from_slice(with);
        }
    });
}

/// What the report says of the capture, so that it is true again.
pub(super) fn count_anew(dir: &Path, report: &mut Value) {
    let (_, packets) = packets(dir);
    let server = packets[0][PACKET_HEADER + 36..][..2].to_vec();
    let received = packets.iter().filter(|packet| packet[PACKET_HEADER + 36..][..2] == server).count();
    let entries = log(dir).iter().map(|entry| bytes_of(entry).len()).sum::<usize>();
    let bytes = packets.iter().map(|packet| payload(packet).len()).sum::<usize>();
    report["server"]["packets"] = json!(packets.len());
    report["server"]["packets_received"] = json!(received);
    report["server"]["packets_sent"] = json!(packets.len() - received);
    report["server"]["bytes"] = json!(bytes + entries);
}
