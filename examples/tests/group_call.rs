//! The example `group_call` as a user meets it: what it says when it cannot do what it was asked, and one short run.

mod falsified;
mod program;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Output;

use falsified::Evidence;
use program::example;
use serde_json::Value;

/// A directory of one test, in the build directory.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&path).expect("the build directory is writable");
    path
}

fn group_call(out: &Path, arguments: &[&str]) -> Output {
    example("group_call").arg("--out").arg(out).args(arguments).output().expect("it runs")
}

/// It cannot do what it was asked, and says why in one line that contains `why`.
#[track_caller]
fn refused(output: &Output, why: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("group_call: ") && said.contains(why), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_arguments_are_named_in_one_line() {
    let out = directory("arguments");
    refused(&group_call(&out, &["--participants", "1"]), "--participants");
    refused(&group_call(&out, &["--participants", "51"]), "51");
    refused(&group_call(&out, &["--participants", "many"]), "many");
    refused(&group_call(&out, &["--speed", "0"]), "--speed");
    refused(&group_call(&out, &["--speed", "NaN"]), "--speed");
    refused(&group_call(&out, &["--port", "65536"]), "--port");
    refused(&group_call(&out, &["--colour", "red"]), "--colour");
    refused(&group_call(&out, &["--video"]), "--video");
    refused(&group_call(&out, &["something"]), "something");
    refused(&group_call(&out, &["--delivery", "http://127.0.0.1"]), "--delivery");
    refused(&group_call(&out, &["--delivery", "nats://127.0.0.1:1"]), "--delivery");
    refused(&group_call(&out, &["--host"]), "--delivery");
    refused(&group_call(&out, &["--seconds", "5"]), "--host");
    let server = ["--delivery", "nats://127.0.0.1:1"];
    refused(&group_call(&out, &[&server[..], &["--join", "https://example.org"]].concat()), "--join");
    refused(&group_call(&out, &[&server[..], &["--host", "--join", "x"]].concat()), "--join");
}

#[test]
fn help_is_no_error() {
    let output = example("group_call").arg("--help").output().expect("it runs");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--participants"));
}

#[test]
fn missing_and_broken_media_are_named_in_one_line() {
    let out = directory("media");
    let text = out.join("notes.txt");
    fs::write(&text, "A text is neither a video nor a sound.\n").expect("the directory is writable");
    let text = text.to_str().expect("a path in UTF-8");
    refused(&group_call(&out, &["--video", "no/such/file.ivf"]), "no/such/file.ivf");
    refused(&group_call(&out, &["--audio", "no/such/file.ogg"]), "no/such/file.ogg");
    refused(&group_call(&out, &["--video", text]), "not an IVF file");
    refused(&group_call(&out, &["--audio", text]), "not an Ogg Opus file");

    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/testkit/media/video.vp9.ivf");
    let whole = fs::read(clip).expect("the fixture is there");
    let cut = out.join("cut.ivf");
    fs::write(&cut, &whole[..whole.len() - 5]).expect("the directory is writable");
    refused(&group_call(&out, &["--video", cut.to_str().expect("a path in UTF-8")]), "ends inside");
}

#[test]
fn a_port_in_use_is_named_in_one_line() {
    let out = directory("port");
    let taken = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    refused(&group_call(&out, &["--port", &port]), &port);
}

#[test]
fn a_directory_that_cannot_be_written_is_named_in_one_line() {
    let out = directory("out").join("a_file");
    fs::write(&out, "in the way").expect("the directory is writable");
    refused(&group_call(&out, &[]), "a_file");
}

#[test]
fn a_short_call_keeps_its_promises() {
    let out = directory("short");
    let output = group_call(&out, &["--participants", "2", "--speed", "8"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
    assert!(String::from_utf8_lossy(&output.stdout).contains("The server handled "));

    let report = fs::read_to_string(out.join("report.json")).expect("a report was written");
    let report: Value = serde_json::from_str(&report).expect("it is JSON");
    let zeros = [
        "/frames_lost_at_switch",
        "/intruder/welcomes_opened",
        "/intruder/frames_opened",
        "/removed/frames_opened",
        "/guests/on_rosters",
        "/cheater/friend_on_rosters",
        "/cut_off/frames_sealed_after",
        "/server/media_windows_found",
        "/server/names_found",
    ];
    for at in zeros {
        assert_eq!(report.pointer(at), Some(&Value::from(0)), "{at}");
    }
    assert_eq!(report["participants"].as_array().map(Vec::len), Some(3), "two, and the late guest");

    assert_eq!(report["denied"], 1);
    assert_eq!(report["codes_agree"], true);
    assert_eq!(report["policy_violations_seen"], 2, "all but the cheater");
    let detected = report["cut_off_detected_ms"].as_f64().expect("he was cut off");
    assert!((1.0..4000.0).contains(&detected), "after {detected} ms");

    let check = example("check_report").arg(&out).output().expect("it runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let falsified = directory("falsified");
    Evidence::copy(&out, &falsified).holds();
    for (at, wrong) in falsified::values() {
        assert!(report.pointer(at).is_some(), "{at} is there");
        Evidence::copy(&out, &falsified).fails(&format!("{at}: {wrong}"), "not true", |_, report| {
            *report.pointer_mut(at).expect("it is there") = wrong.clone();
        });
    }
    for (what, why, falsify) in falsified::deeds() {
        Evidence::copy(&out, &falsified).fails(what, why, falsify);
    }
}
