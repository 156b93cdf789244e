//! Offers and answers: what we offer and answer passes our own check, saying it twice changes nothing, and nothing that passes lacks
//! `a=sframe`.

use subrosa_rtp::sdp;

use crate::Target;

/// Layout: two texts, with a zero byte between.
pub const TARGET: Target = Target { name: "sdp", run, seeds };

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (offer, answer) = text.split_once('\0').unwrap_or((&text, &text));
    let offered = sdp::offer(offer);
    assert_eq!(sdp::offer(&offered), offered, "offered twice");
    assert!(offered.len() <= 2 * offer.len() + 64, "it grows");

    if sdp::check(offer, answer).is_ok() {
        assert_eq!(sdp::answer(offer, answer).as_deref(), Ok(answer), "what passes needs no change");
    }
    for answered in [sdp::answer(&offered, answer), sdp::answer_refusing(&offered, answer)] {
        let Ok(answered) = answered else { continue };
        assert_eq!(sdp::check(&offered, &answered), Ok(()), "our own answer");
        assert_eq!(sdp::answer(&offered, &answered).as_deref(), Ok(&*answered), "answered twice");
    }
    if let Ok(refusing) = sdp::answer_refusing(offer, answer) {
        assert_eq!(sdp::check(offer, &refusing), Ok(()), "what was refused is still there");
    }
}

const AUDIO: &str =
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=fingerprint:sha-256 00\r\na=setup:actpass\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n";
const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\na=sctp-port:5000\r\n";

fn seeds() -> Vec<(String, Vec<u8>)> {
    let session = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    let bundle = format!("{session}a=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS\r\n");
    let plain = format!("{session}{AUDIO}{VIDEO}");
    let bundled = format!("{bundle}{AUDIO}{VIDEO}{DATA}");
    let sealed = sdp::offer(&bundled);
    let video_only = bundled.replace(VIDEO, &format!("{VIDEO}a=sframe\r\n"));
    let stopped = bundled.replace("m=video 9", "m=video 0");
    let bundle_only = stopped.replace("a=mid:1", "a=mid:1\r\na=bundle-only");
    let pairs = [
        ("plain", &plain, &plain),
        ("sealed", &sealed, &bundled),
        ("answered", &sealed, &sealed),
        ("not-offered", &bundled, &bundled),
        ("half", &video_only, &bundled),
        ("stopped", &stopped, &stopped),
        ("bundle-only", &bundle_only, &bundle_only),
        ("other-kind", &sealed, &bundled.replace("m=video", "m=audio")),
        (
            "odd-ports",
            &sealed,
            &bundled.replace("m=video 9", "m=video 00").replace("m=audio 9", "m=audio 0/1"),
        ),
        ("unix", &sealed.replace('\r', ""), &bundled.replace('\r', "")),
    ];
    pairs
        .iter()
        .map(|(name, offer, answer)| ((*name).to_owned(), format!("{offer}\0{answer}").into_bytes()))
        .collect()
}
