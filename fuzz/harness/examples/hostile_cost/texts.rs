//! What is parsed before, or without, any key: frames of codecs, header extensions, session descriptions, what somebody typed.

use std::time::Duration;

use bytes::BytesMut;
use subrosa::{Codec, Invite, ReadCode};
use subrosa_rtp::extension::DescriptorReader;
use subrosa_rtp::{codec, sdp};

use crate::row::{FLOOD, Report, Row, timed};

const ANSWERS: [&str; 2] = ["refused", "read"];

pub fn measure(report: &mut Report) {
    let linear = "linear in its length, nothing is kept";
    let row = |what, who, answer, bound, count| Row { what, who, answer, bound, count, genuine: None };
    let mut add = |row, send: &mut dyn FnMut() -> (Duration, bool)| {
        let send = |(): &mut (), _| {
            let (took, is_read) = send();
            (took, ANSWERS[usize::from(is_read)])
        };
        report.add(row, (), send, |()| true);
    };
    for (what, codec, bytes) in [
        ("codec-aware frame: 10 kB of H.264 start codes", Codec::H264, [0, 0, 1].repeat(3_400)),
        ("codec-aware frame: 10 kB of H.264 zeros", Codec::H264, vec![0; 10_000]),
        ("codec-aware frame: 10 kB of AV1 OBUs", Codec::Av1, [0x12, 0].repeat(5_000)),
    ] {
        add(row(what, "server", "refused", linear, FLOOD), &mut || {
            let mut frame = BytesMut::from(&bytes[..]);
            timed(|| codec::split(codec, &mut frame).is_ok())
        });
    }

    let descriptor: Vec<u8> = [vec![0xC0, 0, 1, 0x80], vec![0xFF; 250]].concat();
    let mut reader = DescriptorReader::new();
    add(row("dependency descriptor: 254 bytes", "server", "refused", linear, FLOOD), &mut || {
        timed(|| reader.read(&descriptor).is_ok())
    });

    let offer = format!("v=0\r\n{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n".repeat(2_500));
    add(row("SDP: 100 kB of sections", "server", "refused", linear, FLOOD / 100), &mut || {
        timed(|| sdp::check(&offer, &offer).is_ok())
    });

    let text = "A".repeat(1_000_000);
    add(
        row("link: 1 MB", "who sends a link", "refused", "its length, before it is decoded", FLOOD),
        &mut || timed(|| Invite::parse(&text).is_ok()),
    );

    let text = "abandon ".repeat(60);
    add(row("safety code: 480 letters", "who reads one out", "refused", "512 bytes", FLOOD), &mut || {
        timed(|| ReadCode::parse(&text).is_ok())
    });
}
