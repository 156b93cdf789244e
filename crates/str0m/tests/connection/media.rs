//! What is sent arrives, and nobody on the way can read it.

use std::time::Duration;

use str0m::bwe::Bitrate;
use str0m::rtp::{RtpWrite, Ssrc};
use subrosa::TrackKind;
use subrosa_str0m::{FrameSender, MTU_PAYLOAD, MediaFrame};
use subrosa_testkit::media::windows::WindowSet;

use crate::pair::{Clip, Pair, one, plain};

fn arrives_whole_and_unread(clip: &Clip) {
    let (media, track) = clip.kind();
    let (mut pair, mid) = Pair::connected(plain, plain, one(media));
    let sender = pair.add_sender(track, clip.codec, mid);
    pair.send_clip(sender, clip);

    assert_eq!(pair.bob.losses(), []);
    let frames = pair.bob.frames();
    assert_eq!(frames.len(), clip.frames.len());
    for (number, (frame, sent)) in frames.iter().zip(&clip.frames).enumerate() {
        assert_eq!(frame.data, sent, "frame {number}");
        assert_eq!(frame.timestamp, clip.timestamp(number), "frame {number}");
        assert_eq!(frame.marker, !clip.codec.is_audio());
        assert_eq!(frame.codec, clip.codec);
        assert_eq!(frame.from.sender, pair.table.id("Ann"));
        assert_eq!(frame.from.track, pair.ann.senders[sender].track());
        assert_eq!(frame.from.counter, number as u64);
    }

    let media = WindowSet::new(&clip.frames);
    assert!(media.len() > 1_000, "something to search for");
    assert!(pair.ann.sent.len() >= clip.frames.len(), "something to search in");
    assert!(pair.ann.sent.iter().all(|packet| media.count_in(packet) == 0));
    let largest = pair.bob.packets.iter().map(|packet| packet.payload.len()).max();
    assert!(clip.codec.is_audio() || largest == Some(MTU_PAYLOAD), "{largest:?}");
    // 1,150 is what str0m aims for itself.
    assert!(pair.longest <= str0m::DATAGRAM_MTU_TARGET, "a datagram of {} bytes", pair.longest);
}

#[test]
fn all_of_a_vp8_clip_arrives_and_nothing_of_it_is_seen_on_the_way() {
    arrives_whole_and_unread(&Clip::vp8());
}

#[test]
fn all_of_a_vp9_clip_arrives_and_nothing_of_it_is_seen_on_the_way() {
    arrives_whole_and_unread(&Clip::vp9());
}

#[test]
fn all_of_an_av1_clip_arrives_and_nothing_of_it_is_seen_on_the_way() {
    arrives_whole_and_unread(&Clip::av1());
}

#[test]
fn all_of_an_opus_clip_arrives_and_nothing_of_it_is_seen_on_the_way() {
    arrives_whole_and_unread(&Clip::opus());
}

#[test]
fn padding_between_frames_takes_up_sequence_numbers_and_nothing_else() {
    let clip = Clip::vp8().take(60);
    let (mut pair, mid) = Pair::connected(plain, plain, one(clip.kind().0));
    let sender = pair.add_sender(clip.kind().1, clip.codec, mid);
    let pt = pair.ann.rtc.media(mid).expect("negotiated").remote_pts()[0];
    for (number, data) in clip.frames.iter().enumerate() {
        pair.send(sender, &MediaFrame::new(data, clip.timestamp(number))).expect("all is in order");
        // As libwebrtc probes where there is no RTX: packets without payload in the main stream.
        let used = pair.ann.senders.remove(sender);
        let mut next = used.next_seq_no();
        let mut direct = pair.ann.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None).expect("negotiated");
        for _ in 0..number % 3 {
            stream.write_rtp(RtpWrite::new(pt, next.inc(), clip.timestamp(number), pair.now, &[][..]));
        }
        pair.ann.senders.push(used.resume_at(next));
        pair.run_for(clip.period);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.bob.losses(), []);
    assert!(pair.bob.frames().iter().map(|frame| &frame.data).eq(&clip.frames));
    assert!(pair.bob.packets.iter().any(|packet| packet.payload.is_empty()), "padding came through");
}

#[test]
fn probes_for_bandwidth_do_no_harm() {
    let clip = Clip::vp8().take(150);
    let probing = |config: str0m::RtcConfig| config.enable_bwe(Some(Bitrate::kbps(300)));
    let (mut pair, mid) = Pair::connected(probing, plain, one(clip.kind().0));
    pair.ann.rtc.bwe().set_bitrate(Bitrate::kbps(100), Bitrate::mbps(5));
    let sender = pair.add_sender(clip.kind().1, clip.codec, mid);
    pair.send_clip(sender, &clip);
    assert_eq!(pair.bob.losses(), []);
    assert!(pair.bob.frames().iter().map(|frame| &frame.data).eq(&clip.frames));
    let sent = pair.ann.sent.len();
    assert!(sent > pair.bob.packets.len() + 50, "{sent} packets: probes, or old packets as probes");
}

#[test]
fn another_sender_goes_on_where_one_stopped() {
    let clip = Clip::vp8().take(20);
    let (mut pair, mid) = Pair::connected(plain, plain, one(clip.kind().0));
    let first = pair.add_sender(TrackKind::Camera, clip.codec, mid);
    pair.send_clip(first, &clip);
    // He shares his screen instead, say: another track, on the same media.
    let next = pair.ann.senders[first].next_seq_no();
    let sealer = pair.table.sealer("Ann", TrackKind::Screen);
    pair.ann.senders.push(FrameSender::new(sealer, clip.codec, mid).resume_at(next));
    pair.send_clip(first + 1, &clip);
    let tracks = pair.ann.senders.iter().map(FrameSender::track).collect::<Vec<_>>();
    assert_eq!(pair.bob.losses(), []);
    let from = pair.bob.frames().iter().map(|frame| frame.from.track).collect::<Vec<_>>();
    assert_eq!(from, [[tracks[0]; 20], [tracks[1]; 20]].concat());
}

#[test]
fn no_stream_sees_a_sequence_number_twice_whichever_ssrc_it_goes_under() {
    let clip = Clip::vp8().take(20);
    let (mut pair, mid) = Pair::connected(plain, plain, one(clip.kind().0));
    let sealer = pair.table.sealer("Ann", clip.kind().1);
    pair.ann.senders.push(FrameSender::new(sealer, clip.codec, mid).resume_at(65_530.into()));
    pair.send_clip(0, &clip);
    let stopped = pair.ann.senders[0].next_seq_no();
    assert!(*stopped > 65_536);

    let first = pair.bob.frames()[0].ssrc;
    let reset = |pair: &mut Pair, ssrc: Option<u32>| {
        let mut direct = pair.ann.rtc.direct_api();
        let (ssrc, rtx) = (ssrc.map_or_else(|| direct.new_ssrc(), Ssrc::from), direct.new_ssrc());
        direct.reset_stream_tx(mid, None, ssrc, Some(rtx)).expect("it is another");
    };
    reset(&mut pair, None);
    pair.send_clip(0, &clip);
    // A receiver expects a rollover counter of 0 of a stream that it does not know.
    assert!(*pair.ann.senders[0].next_seq_no() < 100);
    // SRTP would encrypt under a nonce twice if the first stream began anew.
    reset(&mut pair, Some(first));
    pair.send_clip(0, &clip);
    assert!(pair.ann.senders[0].next_seq_no() > stopped);

    assert_eq!(pair.bob.losses(), []);
    let frames = pair.bob.frames();
    let sent = [&clip.frames[..], &clip.frames, &clip.frames].concat();
    assert!(frames.iter().map(|frame| &frame.data).eq(&sent));
    assert_eq!((frames[0].ssrc, frames[59].ssrc), (first, first));
    assert_ne!(frames[39].ssrc, first);
}
