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
    print_room(report);
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
    if server.stored_messages > 0 {
        println!(
            "The NATS servers had stored {} messages, {} bytes. In them, read back: {} windows of the media, {} names.",
            server.stored_messages,
            server.stored_bytes,
            server.stored_media_windows_found,
            server.stored_names_found
        );
    }
    println!(
        "Sealing took {} ns and opening {} ns (median), and added {:.2} bytes to a frame (mean).",
        report.seal_ns_median, report.open_ns_median, report.overhead_bytes_per_frame
    );
    println!(
        "Written to {}: received/, server.pcap (in Wireshark: decode as RTP), server.log.jsonl, report.json",
        out.display()
    );
}

fn print_room(report: &Report) {
    let Report { guests, code, cheater, replays, cut_off, .. } = report;
    let agree = if report.codes_agree { "agree" } else { "do NOT agree" };
    println!(
        "The safety codes of epoch {}, computed by {} participants, {agree}: {}, or {}.",
        code.epoch, code.compared, code.digits, code.words
    );
    println!(
        "{} was denied, and {} learned it. {} could not be let in: the call was locked.",
        guests.denied,
        if report.denied == 1 { "he" } else { "nobody" },
        guests.locked_out.unwrap_or("Nobody")
    );
    println!(
        "{}, who is no host, tried to let {} in: {} participants skipped that and said who it was, and he was on {} rosters.",
        cheater.name, cheater.friend, report.policy_violations_seen, cheater.friend_on_rosters
    );
    println!(
        "The server put {} old entries into the log ({} refused), and said {} messages in mailboxes and {} of talk again \
         ({} and {} refused by somebody); {} it held back, so that others overtook them.",
        replays.log.injected,
        replays.log.refused,
        replays.mailboxes.injected,
        replays.talk.injected,
        replays.mailboxes.refused,
        replays.talk.refused,
        replays.held_back
    );
    let detected = report.cut_off_detected_ms.map_or("never".to_owned(), |ms| format!("after {ms:.0} ms"));
    println!(
        "In a small call beside it the server kept a removal from somebody: he was cut off {detected} (the window is {} ms), \
         and sealed {} frames after that.",
        cut_off.liveness_window_ms, cut_off.frames_sealed_after
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
