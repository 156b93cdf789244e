//! What no report may say, whatever else it says.

use serde_json::{Value, json};

/// A place in the report, and a value that is wrong there.
pub(crate) fn values() -> Vec<(&'static str, Value)> {
    [people(), epochs(), room(), attempts(), server()].concat()
}

fn people() -> Vec<(&'static str, Value)> {
    vec![
        ("/speed", json!(100.0)),
        ("/frames_lost_at_switch", json!(1)),
        ("/participants/0/name", json!("Zebedee Unheardof")),
        ("/participants/0/port", json!(1)),
        ("/participants/0/frames_sent", json!(99)),
        ("/participants/0/frames_opened", json!(500)),
        ("/participants/0/frames_lost", json!(1)),
        ("/participants/0/undecryptable", json!({})),
        ("/participants/0/undecryptable", json!({"malformed": 1})),
        ("/participants/0/packets_lost", json!(500)),
        ("/participants/0/entries_read", json!([0, 1])),
        ("/participants/0/entries_read", json!([0, 1_000_000])),
        ("/participants/0/entries_skipped", json!([])),
        ("/participants/0/times_cut_off", json!(1)),
        ("/participants/0/ended", json!("removed")),
        ("/participants/1/ended", json!("the last host left")),
        ("/participants/2/ended", json!("left")),
        ("/participants/0/policy_violations_seen", json!(0)),
        ("/participants/1/policy_violations_seen", json!(2)),
        ("/removed/name", json!("Alice Liddell")),
        ("/removed/frames_tried", json!(1)),
        ("/removed/frames_opened", json!(1)),
        ("/removed/frames_opened_before_switch", json!(9_999)),
        ("/overhead_bytes_per_frame", json!(17.0)),
    ]
}

fn epochs() -> Vec<(&'static str, Value)> {
    vec![
        ("/epochs/1/epoch", json!(2)),
        ("/epochs/3/cause", json!("unlocked")),
        ("/epochs/3/members", json!(99)),
        ("/epochs/3/switch_ms", json!(999_999)),
        ("/epochs/3/switch_ms", json!(null)),
        ("/epochs/4/cause", json!("Carol Kennicott left")),
        ("/epochs/5/cause", json!("nobody removed")),
        ("/epochs/5/members", json!(2)),
    ]
}

fn room() -> Vec<(&'static str, Value)> {
    vec![
        ("/denied", json!(0)),
        ("/guests/knocks_heard", json!(5)),
        ("/guests/denied", json!("Zebedee Unheardof")),
        ("/guests/locked_out", json!("Zebedee Unheardof")),
        ("/guests/locked_out", json!(null)),
        ("/guests/on_rosters", json!(1)),
        ("/codes_agree", json!(false)),
        ("/code/compared", json!(2)),
        ("/code/earlier_differs", json!(false)),
        ("/code/epoch", json!(0)),
        ("/code/digits", json!("12345 67890")),
        ("/code/digits", json!("01234 56789 01234 56789 01234 56789")),
        ("/code/words", json!("a a a a a a a a a")),
        ("/participants/1/code", json!("01234 56789 01234 56789 01234 56789")),
    ]
}

fn attempts() -> Vec<(&'static str, Value)> {
    vec![
        ("/policy_violations_seen", json!(3)),
        ("/cheater/name", json!("Bob Cratchit")),
        ("/cheater/friend", json!("Nobody")),
        ("/cheater/position", json!(null)),
        ("/cheater/position", json!(0)),
        ("/cheater/commit_sha256", json!("00")),
        ("/cheater/friend_on_rosters", json!(1)),
        ("/cut_off_detected_ms", json!(null)),
        ("/cut_off_detected_ms", json!(1.0)),
        ("/cut_off_detected_ms", json!(4_100.0)),
        ("/cut_off/heartbeat_ms", json!(1.0)),
        ("/cut_off/liveness_window_ms", json!(60_000.0)),
        ("/cut_off/frames_sealed_before", json!(1)),
        ("/cut_off/frames_sealed_meanwhile", json!(0)),
        ("/cut_off/frames_sealed_meanwhile", json!(1_000)),
        ("/cut_off/frames_sealed_after", json!(1)),
        ("/cut_off/refused_after", json!(0)),
        ("/cut_off/others_go_on", json!(false)),
        ("/replays/log/injected", json!(0)),
        ("/replays/log/injected", json!(1_000)),
        ("/replays/log/refused", json!(0)),
        ("/replays/log_positions", json!([0])),
        ("/replays/mailboxes/injected", json!(1_000)),
        ("/replays/mailboxes/refused", json!(0)),
        ("/replays/talk/refused", json!(0)),
        ("/replays/talk/injected", json!(1_000)),
        ("/replays/held_back", json!(99_999)),
        ("/intruder/knocks", json!(1)),
        ("/intruder/knocks_refused", json!({})),
        ("/intruder/welcomes_opened", json!(1)),
        ("/intruder/log_entries", json!(1)),
        ("/intruder/log_positions", json!([])),
        ("/intruder/talk", json!(1_000)),
        ("/intruder/frames_injected", json!(1)),
        ("/intruder/frames_tried", json!(1_000_000_000)),
        ("/intruder/frames_opened", json!(1)),
    ]
}

fn server() -> Vec<(&'static str, Value)> {
    vec![
        ("/server/packets", json!(1)),
        ("/server/packets_received", json!(1)),
        ("/server/packets_sent", json!(1)),
        ("/server/bytes", json!(1)),
        ("/server/entries", json!(1)),
        ("/server/media_windows", json!(1)),
        ("/server/media_windows_found", json!(1)),
        ("/server/names_found", json!(1)),
    ]
}
