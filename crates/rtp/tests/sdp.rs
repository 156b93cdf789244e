//! `a=sframe` in descriptions as stacks write them, and in those that somebody tampered with.

use proptest::{collection::vec, prelude::*, sample::select};
use subrosa_rtp::sdp::{self, Downgrade, MediaKind, MediaSection};

// Written by the stacks themselves (str0m 0.25.0: audio, video, data; webrtc 0.21.1: audio, video).
const STR0M_OFFER: &str = include_str!("sdp/str0m_offer.sdp");
const STR0M_ANSWER: &str = include_str!("sdp/str0m_answer.sdp");
const WEBRTC_OFFER: &str = include_str!("sdp/webrtc_offer.sdp");
const WEBRTC_ANSWER: &str = include_str!("sdp/webrtc_answer.sdp");

/// As Chromium offers with the policy `max-bundle`: what goes with the first section has port 0 and is alive. The last
/// section is a transceiver that was stopped.
const CHROMIUM_OFFER: &str = "v=0\r\n\
    o=- 4962303333179871722 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1 2\r\n\
    a=group:LS 0 1\r\n\
    a=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS stream\r\n\
    m=audio 54609 UDP/TLS/RTP/SAVPF 111 63\r\n\
    c=IN IP4 192.0.2.1\r\n\
    a=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.1 54609 typ host generation 0\r\n\
    a=ice-ufrag:ETEn\r\n\
    a=ice-pwd:OtSK0WpNtpUjkY4+86js7Z/l\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 19:E2:1C:3B:4B:9F:81:E6:B8:5C:F4:A5:A8:D8:73:04\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=sendrecv\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=rtpmap:63 red/48000/2\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=bundle-only\r\n\
    a=mid:1\r\n\
    a=sendrecv\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=bundle-only\r\n\
    a=mid:2\r\n\
    a=sctp-port:5000\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:3\r\n\
    a=inactive\r\n";

/// As Chromium answers, with `tls-id` and `end-of-candidates` of other stacks.
const CHROMIUM_ANSWER: &str = "v=0\r\n\
    o=- 2209412361453322567 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1 2\r\n\
    a=group:LS 0 1\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.2 40000 typ host generation 0\r\n\
    a=end-of-candidates\r\n\
    a=ice-ufrag:r5Xe\r\n\
    a=ice-pwd:DxY8Kd8pbZ3cGLiSyG6fyL3x\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 BA:78:29:41:CE:F3:60:5E:A9:DE:70:FB:C2:FF:E1:44\r\n\
    a=setup:active\r\n\
    a=tls-id:91bbf309c0990a6bec11e38ba2933cee\r\n\
    a=mid:0\r\n\
    a=recvonly\r\n\
    a=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:1\r\n\
    a=recvonly\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:2\r\n\
    a=sctp-port:5000\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:3\r\n\
    a=inactive\r\n";

const PAIRS: [(&str, &str); 3] =
    [(STR0M_OFFER, STR0M_ANSWER), (WEBRTC_OFFER, WEBRTC_ANSWER), (CHROMIUM_OFFER, CHROMIUM_ANSWER)];

fn section(index: usize, kind: MediaKind, mid: &str) -> MediaSection {
    MediaSection { index, kind, mid: Some(mid.to_owned()) }
}

fn without_sframe(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| line.trim_end() != "a=sframe").collect()
}

/// The sections with `a=sframe`, by their number.
fn sframe_sections(sdp: &str) -> Vec<usize> {
    let sections = sdp.split("m=").skip(1).enumerate();
    sections.filter(|(_, text)| text.contains("\na=sframe")).map(|(index, _)| index).collect()
}

/// Removes the line of one section.
fn strip(sdp: &str, section: usize) -> String {
    let parts = sdp
        .split("m=")
        .enumerate()
        .map(|(part, text)| if part == section + 1 { without_sframe(text) } else { text.to_owned() });
    parts.collect::<Vec<_>>().join("m=")
}

#[test]
fn each_live_audio_and_video_section_gets_the_line_and_nothing_else_changes() {
    for (offer, answer) in PAIRS {
        let offered = sdp::offer(offer);
        assert_eq!(sframe_sections(&offered), [0, 1]);
        assert_eq!(without_sframe(&offered), offer);
        assert_eq!(sdp::offer(&offered), offered, "a second time changes nothing");
        assert!(!offered.replace("\r\n", "").contains('\n'));

        let answered = sdp::answer(&offered, answer).unwrap();
        assert_eq!(sframe_sections(&answered), [0, 1]);
        assert_eq!(without_sframe(&answered), answer);
        assert_eq!(sdp::answer(&offered, &answered).as_deref(), Ok(&*answered));
        assert_eq!(sdp::answer_refusing(&offered, answer).as_deref(), Ok(&*answered));
        assert_eq!(sdp::check(&offered, &answered), Ok(()));
    }
}

#[test]
fn an_answer_without_the_line_is_a_downgrade_and_names_the_section() {
    let offer = sdp::offer(STR0M_OFFER);
    let answer = sdp::answer(&offer, STR0M_ANSWER).unwrap();
    let audio = Downgrade::NotAnswered(section(0, MediaKind::Audio, "fGZ"));
    let video = Downgrade::NotAnswered(section(1, MediaKind::Video, "1a1"));
    assert_eq!(sdp::check(&offer, &strip(&answer, 0)), Err(audio));
    assert_eq!(sdp::check(&offer, &strip(&answer, 1)), Err(video.clone()));
    assert_eq!(video.to_string(), "the answer accepts video section 1 without sframe");

    // One who forgot the line in his own offer has negotiated nothing.
    let unoffered = Downgrade::NotOffered(section(0, MediaKind::Audio, "fGZ"));
    assert_eq!(sdp::check(STR0M_OFFER, &answer), Err(unoffered));
}

#[test]
fn only_the_exact_line_in_the_section_itself_counts() {
    let offer = sdp::offer(WEBRTC_OFFER);
    let answer = sdp::answer(&offer, WEBRTC_ANSWER).unwrap();
    let video = strip(&answer, 1);
    let audio_is_enough = Err(Downgrade::NotAnswered(section(1, MediaKind::Video, "1")));
    assert_eq!(sdp::check(&offer, &video), audio_is_enough);
    for other in ["a=sframe-x", "a=sframe:1", "a=sframe ", "a=SFRAME", "a=x sframe", "s=sframe"] {
        let other = video.replace("a=mid:1\r\n", &format!("a=mid:1\r\n{other}\r\n"));
        assert_eq!(sdp::check(&offer, &other), audio_is_enough, "{other}");
        assert_eq!(sframe_sections(&sdp::offer(&other)).last(), Some(&1));
    }
    // At session level it says nothing of a section, and stays.
    let session = video.replace("t=0 0\r\n", "t=0 0\r\na=sframe\r\n");
    assert_eq!(sdp::check(&offer, &session), audio_is_enough);
    assert_eq!(sdp::offer(&session).matches("a=sframe").count(), 3);
}

#[test]
fn a_refused_section_needs_no_line() {
    let offer = sdp::offer(STR0M_OFFER);
    let answer = STR0M_ANSWER.replace("m=video 9", "m=video 0").replace("m=audio 9", "m=audio 0");
    let answer = answer.replace("BUNDLE fGZ 1a1 UDE", "BUNDLE UDE");
    assert_eq!(sdp::check(&offer, &answer), Ok(()));
    assert_eq!(sdp::answer(&offer, &answer), Ok(answer.clone()));
    assert_eq!(sdp::answer_refusing(&offer, &answer), Ok(answer.clone()));
    // No answer has `bundle-only`; one that has may be taken for accepted, so it counts as accepted.
    let odd = answer.replace("m=video 0", "m=video 0/1").replace("a=mid:1a1", "a=mid:1a1\r\na=bundle-only");
    let video = section(1, MediaKind::Video, "1a1");
    assert_eq!(sdp::check(&offer, &odd), Err(Downgrade::NotAnswered(video)));
}

#[test]
fn a_section_that_a_stack_takes_for_accepted_needs_the_line() {
    let offer = sdp::offer(STR0M_OFFER);
    let refused =
        STR0M_ANSWER.replace("m=video 9", "m=video 0").replace("a=mid:fGZ", "a=sframe\r\na=mid:fGZ");
    let alone = refused.replace("fGZ 1a1 UDE", "fGZ UDE");
    assert_eq!(sdp::check(&offer, &alone), Ok(()));
    // To str0m no other port than "0" is refused, and that not in a bundle.
    let mut accepted =
        vec![refused.clone(), refused.replace("1a1 UDE", "UDE 1a1"), refused.replace("1a1 U", " 1a1  U")];
    accepted.extend(["00", "000", "0/1"].map(|port| alone.replace("m=video 0", &format!("m=video {port}"))));
    // Other parsers take spaces off.
    accepted.push(alone.replace("a=mid:1a1", "a=mid:1a1\r\na=bundle-only "));
    accepted.push(refused.replace("a=mid:1a1", "a=mid:1a1 "));
    for answer in accepted {
        assert!(matches!(sdp::check(&offer, &answer), Err(Downgrade::NotAnswered(_))), "{answer}");
    }
}

/// Found by fuzzing: of two sections with one name, the refused one was kept alive by the group that the other one is in.
#[test]
fn two_sections_of_one_name_are_no_description() {
    let twice = CHROMIUM_OFFER.replace("a=mid:1\r\n", "a=mid:0\r\n");
    assert_ne!(twice, CHROMIUM_OFFER);
    assert_eq!(sdp::answer_refusing(&twice, &twice), Err(Downgrade::Malformed));
}

/// Found by fuzzing: a mid behind a tab was in the group for who asked whether it is alive, and not for who took it out.
#[test]
fn a_refused_section_leaves_a_group_whose_mids_are_apart_by_tabs() {
    let offer = CHROMIUM_OFFER.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0\t1");
    assert_ne!(offer, CHROMIUM_OFFER);
    let refusing = sdp::answer_refusing(&offer, &offer).expect("a description");
    assert_eq!(sdp::check(&offer, &refusing), Ok(()), "{refusing}");
}

#[test]
fn what_was_not_offered_cannot_be_accepted() {
    let offer = sdp::offer(CHROMIUM_OFFER);
    let stopped = CHROMIUM_ANSWER.replace("m=video 0", "m=video 9");
    let error = Downgrade::NotOffered(section(3, MediaKind::Video, "3"));
    assert_eq!(sdp::answer(&offer, &stopped), Err(error.clone()));
    let with_line = stopped.replace("a=mid:", "a=sframe\r\na=mid:");
    assert_eq!(sdp::check(&offer, &with_line), Err(error));
    // A line in a section that is stopped offers nothing either.
    let stopped_with_line = offer.replace("a=mid:3", "a=sframe\r\na=mid:3");
    assert!(sdp::answer(&stopped_with_line, &stopped).is_err());
    assert!(sdp::check(&stopped_with_line, &with_line).is_err());
    assert!(sdp::answer_refusing(&offer, &stopped).unwrap().contains("m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc="));
}

#[test]
fn the_answerer_is_told_which_section_lacks_the_line() {
    let offer = strip(&sdp::offer(CHROMIUM_OFFER), 1);
    let error = sdp::answer(&offer, CHROMIUM_ANSWER).unwrap_err();
    assert_eq!(error, Downgrade::NotOffered(section(1, MediaKind::Video, "1")));
    assert_eq!(error.to_string(), "video section 1 was not offered with sframe");
}

#[test]
fn a_section_refused_in_the_text_leaves_its_groups() {
    let offer = strip(&sdp::offer(CHROMIUM_OFFER), 1);
    let refused = sdp::answer_refusing(&offer, CHROMIUM_ANSWER).unwrap();
    assert!(refused.contains("\r\na=group:BUNDLE 0 2\r\na=group:LS 0\r\n"));
    assert!(refused.contains("\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n"));
    assert_eq!(sframe_sections(&refused), [0]);
    assert_eq!(sdp::check(&offer, &refused), Ok(()));
}

#[test]
fn the_next_section_of_a_bundle_takes_over_its_transport() {
    // All that is protected is nothing; the data channel lives on, in the bundle whose transport was audio's.
    let refused = sdp::answer_refusing(CHROMIUM_OFFER, CHROMIUM_ANSWER).unwrap();
    assert!(refused.contains("\r\na=group:BUNDLE 2\r\na=group:LS\r\n"));
    assert!(refused.contains("\r\nm=audio 0 UDP") && refused.contains("\r\nm=video 0 UDP"));
    let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2122260223 192.0.2.2 40000 typ host generation 0\r\n\
        a=end-of-candidates\r\n\
        a=ice-ufrag:r5Xe\r\n\
        a=ice-pwd:DxY8Kd8pbZ3cGLiSyG6fyL3x\r\n\
        a=ice-options:trickle\r\n\
        a=fingerprint:sha-256 BA:78:29:41:CE:F3:60:5E:A9:DE:70:FB:C2:FF:E1:44\r\n\
        a=setup:active\r\n\
        a=tls-id:91bbf309c0990a6bec11e38ba2933cee\r\n\
        a=mid:2\r\n";
    assert!(refused.contains(data), "{refused}");
    assert_eq!(sdp::check(CHROMIUM_OFFER, &refused), Ok(()));

    // A section that has all of it keeps its own.
    let refused = sdp::answer_refusing(STR0M_OFFER, STR0M_ANSWER).unwrap();
    let expected = STR0M_ANSWER.replace("BUNDLE fGZ 1a1 UDE", "BUNDLE UDE");
    let expected = expected.replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0");
    assert_eq!(refused, expected);
    // Another group than a bundle has no transport.
    let unbundled = |sdp: &str| sdp.replace("a=group:BUNDLE 0 1 2\r\n", "");
    let offer = strip(&sdp::offer(&unbundled(CHROMIUM_OFFER)), 0);
    let refused = sdp::answer_refusing(&offer, &unbundled(CHROMIUM_ANSWER)).unwrap();
    assert!(refused.contains("a=group:LS 1\r\n"));
    assert_eq!(refused.matches("a=candidate").count(), 1);
    // When nothing is left, the line of the group stays.
    let refused = sdp::answer_refusing(WEBRTC_OFFER, WEBRTC_ANSWER).unwrap();
    assert!(refused.contains("\r\na=group:BUNDLE\r\n"));
}

#[test]
fn lines_end_as_the_others_do() {
    let unix = STR0M_OFFER.replace("\r\n", "\n");
    assert_eq!(sdp::offer(&unix), sdp::offer(STR0M_OFFER).replace("\r\n", "\n"));
    let head = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    // Without attributes, without an end of the last line, and with an empty line too many.
    let bare = format!("{head}m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0");
    assert_eq!(sdp::offer(&bare), format!("{bare}\r\na=sframe\r\n"));
    let empty = format!("{head}m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n\r\n");
    assert_eq!(sdp::offer(&empty), format!("{bare}\r\na=sframe\r\n\r\n"));
    assert_eq!(sdp::offer(""), "");
    assert_eq!(sdp::offer("m=video 9"), "m=video 9\r\na=sframe\r\n");
}

#[test]
fn a_text_that_stops_in_the_middle_of_a_line_ending_gets_a_whole_one() {
    // Found by cutting the fuzzer's seeds anywhere: it ended in CR CR LF then, which is no line.
    let offer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    let stopped = offer.trim_end_matches('\n');
    let (offered, answered) = (sdp::offer(offer), sdp::answer(&sdp::offer(offer), stopped));
    assert_eq!(answered.as_deref(), Ok(&*offered));
    assert_eq!(sdp::check(&offered, &offered), Ok(()));
}

#[test]
fn descriptions_that_do_not_belong_together_are_refused() {
    let offer = sdp::offer(STR0M_OFFER);
    let answer = sdp::answer(&offer, STR0M_ANSWER).unwrap();
    let count = Downgrade::SectionCount { offered: 3, answered: 2 };
    assert_eq!(sdp::check(&offer, WEBRTC_ANSWER), Err(count));
    let kind = answer.replace("m=audio", "m=video");
    assert_eq!(sdp::check(&offer, &kind), Err(Downgrade::SectionKind { index: 0 }));
    let capital = without_sframe(&answer.replace("m=audio", "m=AUDIO"));
    let audio = section(0, MediaKind::Audio, "fGZ");
    assert_eq!(sdp::check(&offer, &capital), Err(Downgrade::NotAnswered(audio)));
}

#[test]
fn text_that_parsers_may_take_apart_differently_is_refused() {
    let offer = sdp::offer(STR0M_OFFER);
    let answer = sdp::answer(&offer, STR0M_ANSWER).unwrap();
    for (from, to) in [
        ("a=mid:1a1", "a=mid:1a1\ra=x"),       // a stray carriage return
        ("a=mid:1a1", "a=mid:1a1\0"),          // an end of the text, for some
        ("a=mid:1a1", " a=mid:1a1"),           // a line that some trim
        ("a=mid:1a1", "mid"),                  // no line at all
        ("a=mid:1a1", "a=mid:x\r\na=mid:1a1"), // two names
        ("a=mid:1a1", "a=mid:fGZ"),            // another section's name
        ("a=mid:1a1", "a=mid:fGZ "),           // for some
        ("v=0", "x=0"),                        // no description
        ("m=video 9 ", "m=video  9 "),         // no port
        ("m=video 9 ", "m=video +9 "),         // a port, for some
        ("m=video 9 ", "m=video 65536 "),      // a port, for some
        ("m=video 9 ", "m=video 9x "),         // a port, for some
    ] {
        let odd = answer.replacen(from, to, 1);
        assert_ne!(odd, answer);
        assert_eq!(sdp::check(&offer, &odd), Err(Downgrade::Malformed), "{to:?}");
        assert_eq!(sdp::answer(&odd, &answer), Err(Downgrade::Malformed), "{to:?}");
    }
    assert_eq!(sdp::check("", ""), Err(Downgrade::Malformed));
}

#[test]
fn long_text_is_answered_in_its_own_length() {
    // Many groups of many mids, many sections that want the transport of the first.
    let group = format!("a=group:BUNDLE{}\n", (0..40).map(|mid| format!(" {mid}")).collect::<String>());
    let sections = (0..5_000).map(|mid| format!("m=audio 9 RTP/AVP 0\na=mid:{mid}\na=ice-ufrag:x\n"));
    let data = (0..5_000).map(|mid| format!("m=application 9 x y\na=mid:d{mid}\n"));
    let head = "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=-\nt=0 0\n".to_owned();
    let text: String = [head, group.repeat(5_000)].into_iter().chain(sections).chain(data).collect();
    let refused = sdp::answer_refusing(&text, &text).unwrap();
    assert!(refused.len() < 2 * text.len() + 100);
    sdp::check(&sdp::offer(&text), &sdp::offer(&text)).unwrap();
}

/// Lines that matter, in any order.
fn any_description() -> impl Strategy<Value = String> {
    let lines = [
        "v=0",
        "t=0 0",
        "m=audio 9 RTP/AVP 0",
        "m=video 0 RTP/AVP 96",
        "m=video 5/2 RTP/AVP 96",
        "m=application 9 x y",
        "m=",
        "m=audio",
        "a=sframe",
        "a=sframe-x",
        "a=bundle-only",
        "a=mid:0",
        "a=mid:1",
        "a=group:BUNDLE 0 1",
        "a=group:LS",
        "a=ice-ufrag:x",
        "c=IN IP4 0.0.0.0",
        "",
        "é",
    ];
    let ending = select(vec!["\r\n", "\n", "\r\n", "", "\r"]);
    vec((select(lines.to_vec()), ending), 0..40).prop_map(|lines| {
        let text: String = lines.into_iter().flat_map(|(line, ending)| [line, ending]).collect();
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn any_text_is_answered_and_an_offer_only_gains_lines(text in prop_oneof![any_description(), any::<String>()]) {
        let offered = sdp::offer(&text);
        prop_assert_eq!(sdp::offer(&offered), offered.clone());
        prop_assert!(offered.len() >= text.len());
        let mut rest = offered.chars();
        prop_assert!(text.chars().all(|wanted| rest.any(|c| c == wanted)), "what was there stays, in order");
    }

    #[test]
    fn what_passes_the_check_has_the_line_wherever_media_flows(
        offer in any_description(),
        answer in any_description(),
    ) {
        let (offer, answer) = (format!("v=0\r\n{offer}"), format!("v=0\r\n{answer}"));
        if sdp::check(&offer, &answer).is_ok() {
            let both = offer.split("\nm=").skip(1).zip(answer.split("\nm=").skip(1));
            for (offered, answered) in both {
                let flows = answered.split(' ').nth(1).is_some_and(|port| !port.starts_with('0'));
                if flows && !answered.starts_with("app") {
                    prop_assert!(offered.lines().any(|line| line == "a=sframe"));
                    prop_assert!(answered.lines().any(|line| line == "a=sframe"));
                }
            }
        }
        for answer in [&answer, &offer] {
            let made = [sdp::answer(&offer, answer), sdp::answer_refusing(&offer, answer)];
            for made in made.into_iter().flatten() {
                prop_assert_eq!(sdp::check(&offer, &made), Ok(()));
            }
        }
    }
}
