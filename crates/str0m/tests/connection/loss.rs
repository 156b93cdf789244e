//! Packets get lost on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use str0m::RtcConfig;
use str0m::format::{Codec, FormatParams};
use str0m::media::Frequency;
use subrosa_str0m::{Limits, MediaFrame};

use crate::pair::{Clip, Datagram, LATENCY, Pair, one, plain};

const VP8: u8 = 96;
const RTX: u8 = 97;
const EVERY: u16 = 17;

/// Every 17th packet of media: str0m stops repairing when more than 15 % of what it sends is repair, and asks again before a repair
/// had time to come.
fn some(datagram: &Datagram) -> bool {
    let is_some = |(pt, sequence)| pt == VP8 && sequence % EVERY == 5;
    datagram.to_bob && datagram.rtp().is_some_and(is_some)
}

fn without_rtx(config: RtcConfig) -> RtcConfig {
    let mut config = config.clear_codecs();
    let (clock, format) = (Frequency::NINETY_KHZ, FormatParams::default());
    config.codec_config().add_config(VP8.into(), None, Codec::Vp8, clock, None, format);
    config
}

#[test]
fn lost_packets_are_sent_again_and_all_frames_arrive() {
    let clip = Clip::vp8();
    let (mut pair, mid) = Pair::connected(plain, plain, one(clip.kind().0));
    let sender = pair.add_sender(clip.kind().1, clip.codec, mid);
    pair.loses = Box::new(some);
    pair.send_clip(sender, &clip);
    assert_eq!(pair.bob.losses(), []);
    assert!(pair.bob.frames().iter().map(|frame| &frame.data).eq(&clip.frames));
    let repairs = pair.ann.sent.iter().filter(|packet| packet[1] & 0x7F == RTX).count();
    assert!(repairs >= 20, "{repairs} were sent again");
    // A repaired packet is one of the stream that was repaired.
    let ssrcs = pair.bob.frames().iter().map(|frame| frame.ssrc).collect::<BTreeSet<_>>();
    assert_eq!(ssrcs.len(), 1);
    assert!(pair.bob.packets.iter().all(|packet| *packet.header.payload_type == VP8));
}

#[test]
fn without_repair_whole_frames_arrive_and_the_others_are_reported_lost() {
    let clip = Clip::vp8();
    let (mut pair, mid) = Pair::connected(without_rtx, without_rtx, one(clip.kind().0));
    let sender = pair.add_sender(clip.kind().1, clip.codec, mid);
    pair.loses = Box::new(some);

    // Which frames come whole follows from the sequence numbers of each.
    let mut whole = Vec::new();
    let mut lost = 0;
    for (number, data) in clip.frames.iter().enumerate() {
        let first = *pair.ann.senders[sender].next_seq_no();
        let frame = MediaFrame::new(data, clip.timestamp(number));
        pair.send(sender, &frame).expect("all is in order");
        pair.run_for(clip.period);
        let sequences = first..*pair.ann.senders[sender].next_seq_no();
        let missing = sequences.filter(|sequence| sequence % u64::from(EVERY) == 5).count() as u64;
        lost += missing;
        if missing == 0 {
            whole.push(data);
        }
    }
    pair.run_for(Duration::from_secs(1));

    assert!(whole.len() > 100 && whole.len() < clip.frames.len());
    let frames = pair.bob.frames();
    assert!(frames.iter().map(|frame| &frame.data).eq(whole));
    // Each loss but one at the very end, which nothing came behind.
    let reported = pair.bob.losses().iter().map(|loss| loss.missing_packets).sum::<u64>();
    assert!(reported == lost || reported + 1 == lost, "{reported} of {lost}");
    assert!(pair.ann.sent.iter().all(|packet| packet[1] & 0x7F == VP8));
}

#[test]
fn the_next_timeout_is_when_a_loss_is_certain() {
    let clip = Clip::vp8();
    let (mut pair, mid) = Pair::connected(without_rtx, without_rtx, one(clip.kind().0));
    let sender = pair.add_sender(clip.kind().1, clip.codec, mid);
    // A stream begins with 1.
    pair.loses = Box::new(|datagram| datagram.to_bob && datagram.rtp().is_some_and(|rtp| rtp.1 == 2));
    for timestamp in 0..2 {
        pair.send(sender, &MediaFrame::new(b"a picture", timestamp)).expect("all is in order");
    }
    pair.run_for(LATENCY * 2);
    assert_eq!(pair.bob.receiver.next_timeout(), None, "nothing came behind");
    let due = pair.now + LATENCY + Limits::default().max_wait;
    pair.send(sender, &MediaFrame::new(b"a picture", 2)).expect("all is in order");
    pair.run_for(LATENCY * 2);
    assert_eq!(pair.bob.receiver.next_timeout(), Some(due));
    pair.run_for(due - pair.now);
    assert_eq!(pair.bob.losses().len(), 1);
    assert_eq!((pair.bob.frames().len(), pair.bob.receiver.next_timeout()), (2, None));
}
