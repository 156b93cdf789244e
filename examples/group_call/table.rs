//! The results, for people.

use std::path::Path;

use crate::report::{ParticipantReport, Report};

pub(crate) fn print(report: &Report, out: &Path) {
    print_participants(&report.participants);
    println!();
    for epoch in &report.epochs {
        let switch = epoch
            .switch_ms
            .map_or("nobody sent".to_owned(), |ms| format!("all had switched after {ms:.0} ms"));
        println!("epoch {}: {} ({} members), {switch}", epoch.epoch, epoch.cause, epoch.members);
    }
    println!("{} frames lost at a switch.", report.frames_lost_at_switch);
    println!();
    let Report { intruder, removed, server, .. } = report;
    println!(
        "The stranger, with all that the server has, knocked {} times and opened {} answers; he tried {} frames and \
         opened {}.",
        intruder.knocks, intruder.welcomes_opened, intruder.frames_tried, intruder.frames_opened
    );
    println!(
        "{}, removed, kept the old keys and went on receiving: of the {} frames sealed after the switch {} opened \
         (before it, another {} did).",
        removed.name, removed.frames_tried, removed.frames_opened, removed.frames_opened_before_switch
    );
    println!(
        "The server handled {} packets ({} received, {} sent) and {} entries, {} bytes. In them: {} of {} 16-byte \
         windows of the media, {} names.",
        server.packets,
        server.packets_received,
        server.packets_sent,
        server.entries,
        server.bytes,
        server.media_windows_found,
        server.media_windows,
        server.names_found
    );
    println!(
        "Sealing took {} ns and opening {} ns (median), and added {:.2} bytes to a frame (mean).",
        report.seal_ns_median, report.open_ns_median, report.overhead_bytes_per_frame
    );
    println!(
        "Written to {}: received/, server.pcap (in Wireshark: decode as RTP), server.log.jsonl, report.json",
        out.display()
    );
}

fn print_participants(participants: &[ParticipantReport]) {
    let width = participants.iter().map(|person| person.name.len()).max().unwrap_or(0);
    println!("{:width$}  {:>6} {:>8} {:>8} {:>5}  undecryptable", "", "sent", "expected", "opened", "lost");
    for person in participants {
        let reasons = person
            .undecryptable
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect::<Vec<_>>();
        println!(
            "{:width$}  {:>6} {:>8} {:>8} {:>5}  {}",
            person.name,
            person.frames_sent,
            person.frames_expected,
            person.frames_opened,
            person.frames_lost,
            reasons.join(", ")
        );
    }
}
