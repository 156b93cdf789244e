//! A server that forwards sealed video between three participants, over str0m and sockets of 127.0.0.1, and cannot see any of it.
//!
//! ```sh
//! cargo run --release -p subrosa-rtp-examples --example sfu [N]
//! ```
//!
//! With a number, every Nth packet is lost on its way to the server, and on its way from there, and has to be sent again.
//!
//! Ann's video has three temporal layers. Bob gets all of it; Cas asks the server for half of the frame rate, and it leaves out the
//! highest layer, by what the dependency descriptor says beside the ciphertext. Bob and Cas come later and ask for keyframes, which
//! reach the encoders. Fails unless each gets exactly what he asked for, to the byte, and nothing is taken for lost.
//!
//! [`forwarder`] is the server, [`person`] what an app does.

mod forwarder;
mod numbers;
mod person;
#[path = "../plumbing/str0m.rs"]
mod plumbing;

use std::error::Error;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use forwarder::Sfu;
use person::{Camera, Person};
use subrosa_rtp::extension::ScalabilityMode;
use subrosa_testkit::media::windows::WindowSet;
use subrosa_testkit::media::{
    IvfWriter, VideoClip, fixture_video_av1, fixture_video_layers, fixture_video_vp9,
};
use subrosa_testkit::table::Table;

/// Where in the server's list each is.
const ANN: usize = 0;
const BOB: usize = 1;
const CAS: usize = 2;
/// All temporal layers, of however many.
const ALL: u8 = 7;
/// Of three layers all but the highest: half of the frames.
const HALF: u8 = 1;

/// When Bob's decoder starts anew, when nothing is lost any more, when nobody sends any more, and when the last frame is there.
const ASK_AT: Duration = Duration::from_secs(3);
const LOSE_UNTIL: Duration = Duration::from_millis(5_500);
const SEND_UNTIL: Duration = Duration::from_secs(6);
const END: Duration = Duration::from_secs(7);

fn main() -> Result<(), Box<dyn Error>> {
    let loses = std::env::args().nth(1).map(|every| every.parse()).transpose()?;
    let layered = camera(fixture_video_layers(), ScalabilityMode::L1T3, &[0, 2, 1, 2], 30)?;
    let vp9 = camera(fixture_video_vp9(), ScalabilityMode::L1T1, &[0], 15)?;
    let av1 = camera(fixture_video_av1(), ScalabilityMode::L1T1, &[0], 15)?;

    let mut table = Table::of(&["Ann", "Bob", "Cas"]);
    let mut sfu = Sfu::default();
    let mut people = vec![Person::join("Ann", layered, &table, &mut sfu, &[(BOB, ALL), (CAS, ALL)])?];
    let (began, start, mut has_asked) = (table.now(), Instant::now(), false);
    let mut later = vec![("Cas", av1, [(ANN, HALF), (BOB, HALF)]), ("Bob", vp9, [(ANN, ALL), (CAS, ALL)])];

    while start.elapsed() < END {
        table.advance(began + start.elapsed());
        // One comes after another, as in life.
        if start.elapsed() > Duration::from_secs(people.len() as u64)
            && let Some((name, camera, others)) = later.pop()
        {
            people.push(Person::join(name, camera, &table, &mut sfu, &others)?);
        }
        if start.elapsed() > ASK_AT && !has_asked {
            let ann = people[ANN].id;
            people[BOB].ask_for_keyframe(ann)?;
            has_asked = true;
        }
        // What is lost last, nobody knows to be missing.
        let loses = loses.filter(|_| start.elapsed() < LOSE_UNTIL);
        sfu.lose(loses);
        for person in &mut people {
            person.lose(loses);
            person.run(start.elapsed() < SEND_UNTIL)?;
        }
        sfu.run()?;
        sleep(Duration::from_millis(1));
    }
    report(&people, &sfu)
}

fn camera(
    file: &[u8],
    mode: ScalabilityMode,
    layers: &'static [u8],
    per_second: u32,
) -> Result<Camera, Box<dyn Error>> {
    Ok(Camera { clip: VideoClip::parse(file)?, layers, mode, per_second })
}

fn report(people: &[Person], sfu: &Sfu) -> Result<(), Box<dyn Error>> {
    let mut is_right = true;
    for person in people {
        for other in people.iter().filter(|other| other.id != person.id) {
            let wanted = if (person.name, other.name) == ("Cas", "Ann") { HALF } else { ALL };
            is_right &= compare(other, person, wanted)?;
        }
    }
    let asked: usize = people.iter().map(|person| person.keyframes_asked_for).sum();
    println!("keyframe requests that reached an encoder: {asked}");
    is_right &= asked >= 1; // for Bob's decoder; who comes later may meet one by chance

    let media = WindowSet::new(people.iter().flat_map(|person| &person.sent).map(|sent| &sent.data));
    let in_clear = sfu.seen.iter().filter(|payload| media.count_in(payload) > 0).count();
    println!(
        "the server saw {} packets, sent on {}, left out {} ({} with padding in their place); media in clear: in {in_clear}, searched for {} windows of 16 bytes",
        sfu.seen.len(),
        sfu.forwarded,
        sfu.left_out,
        sfu.padded,
        media.len(),
    );
    is_right &= in_clear == 0;
    if is_right { Ok(()) } else { Err("somebody got something else than he asked for".into()) }
}

/// Compares what came with what was to come: from some keyframe on, each frame of the layers that are wanted.
fn compare(from: &Person, to: &Person, wanted: u8) -> Result<bool, Box<dyn Error>> {
    let got = to.got.get(&from.id).map(Vec::as_slice).unwrap_or_default();
    // If the beginning got lost, nobody knew what to ask for again; a decoder waits for a keyframe.
    let is_keyframe = |(number, _): &(u64, _)| from.sent[*number as usize].is_keyframe;
    let got = &got[got.iter().position(is_keyframe).unwrap_or(got.len())..];
    let first = got.first().map_or(from.sent.len(), |(number, _)| *number as usize);
    let due = from.sent.iter().enumerate().skip(first).filter(|(_, sent)| sent.layer <= wanted);
    let due: Vec<_> = due.map(|(number, sent)| (number as u64, sent.data.clone())).collect();
    let is_right = got == due && !got.is_empty() && to.lost == 0;
    println!(
        "{} to {}: of {} frames since he listens {} came, {} were to come{}; taken for lost: {}",
        from.name,
        to.name,
        from.sent.len() - first,
        got.len(),
        due.len(),
        if got == due { ", identical" } else { ": NOT THE SAME" },
        to.lost,
    );

    let directory = Path::new("target/sfu");
    std::fs::create_dir_all(directory)?;
    let path = directory.join(format!("{}-to-{}.ivf", from.name, to.name));
    let mut writer = IvfWriter::create(&path, &from.camera.clip.format)?;
    for (number, data) in got {
        writer.write(*number, data)?;
    }
    writer.finish()?;
    Ok(is_right)
}
