//! What the line and the wish for no retransmission make of offers and answers.

use std::net::SocketAddr;

/// Has the other side of this SDP send to `address` instead of where it says. Returns where it said.
pub(crate) fn through(sdp: &str, address: SocketAddr) -> Option<(String, SocketAddr)> {
    let mut said = None;
    let mut lines = Vec::new();
    for line in sdp.lines() {
        // RFC 8839 §5.1: foundation, component, transport, priority, address, port, "typ", …
        let Some(candidate) = line.strip_prefix("a=candidate:") else {
            lines.push(line.to_owned());
            continue;
        };
        let mut fields: Vec<_> = candidate.split(' ').map(str::to_owned).collect();
        if fields.len() < 8 || fields[1] != "1" || !fields[2].eq_ignore_ascii_case("udp") {
            continue;
        }
        said = Some(SocketAddr::new(fields[4].parse().ok()?, fields[5].parse().ok()?));
        fields[4] = address.ip().to_string();
        fields[5] = address.port().to_string();
        lines.push(format!("a=candidate:{}", fields.join(" ")));
    }
    Some((lines.join("\r\n") + "\r\n", said?))
}

/// A description without retransmission: neither RTX (RFC 4588) nor generic NACK (RFC 4585 §6.2.1).
pub(crate) fn without_retransmission(sdp: &str) -> String {
    let rtx: Vec<_> = sdp.lines().filter_map(rtx_payload_type).collect();
    let is_of_rtx = |line: &str| {
        let value = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
        value.and_then(|value| value.split(' ').next()).is_some_and(|number| rtx.contains(&number))
    };
    // RFC 5576 §4.2: the second SSRC of a group repeats the first.
    let groups = sdp.lines().filter_map(|line| line.strip_prefix("a=ssrc-group:FID ")?.split_once(' '));
    let repeats: Vec<_> = groups.map(|(_, ssrc)| ssrc).collect();
    let is_of_repeats = |line: &str| {
        let ssrc = line.strip_prefix("a=ssrc:").and_then(|line| line.split(' ').next());
        ssrc.is_some_and(|ssrc| repeats.contains(&ssrc))
    };
    let is_nack = |line: &str| line.starts_with("a=rtcp-fb:") && line.ends_with(" nack");
    let kept = sdp.lines().filter(|line| {
        !is_of_rtx(line) && !is_of_repeats(line) && !is_nack(line) && !line.starts_with("a=ssrc-group:FID")
    });
    let without = |line: &str| {
        let Some(media) = line.strip_prefix("m=") else { return line.to_owned() };
        let fields = media.split(' ').enumerate().filter(|(place, field)| *place < 3 || !rtx.contains(field));
        format!("m={}", fields.map(|(_, field)| field).collect::<Vec<_>>().join(" "))
    };
    kept.map(without).collect::<Vec<_>>().join("\r\n") + "\r\n"
}

fn rtx_payload_type(line: &str) -> Option<&str> {
    let (number, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    format.to_ascii_lowercase().starts_with("rtx/").then_some(number)
}
