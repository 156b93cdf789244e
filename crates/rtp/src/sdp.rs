//! `a=sframe` in session descriptions: peers agree on sealed media, or refuse the section.
//!
//! draft-ietf-avtcore-rtp-sframe-02 negotiates SFrame with one media-level line, `a=sframe`, in the offer and in the
//! answer. There is no fallback: if one side lacks it, the section is refused. The WebRTC stacks cannot write
//! the line yet, so these functions work on the text that goes from your stack to the other side and back:
//!
//! | you | the other side's text | your stack's text |
//! | --- | --- | --- |
//! | offer | | [`offer`] before it is sent |
//! | answer | the offer, as received | [`answer`] (or [`answer_refusing`]) before it is sent |
//! | get the answer | [`check`] before your stack sees it | the offer, as sent |
//!
//! ```
//! use subrosa_rtp::sdp;
//!
//! let from_my_stack = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
//!     m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n";
//! let offer = sdp::offer(from_my_stack);
//! assert!(offer.contains("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sframe\r\na=mid:0\r\n"));
//!
//! // The other side's stack answers, and the other side adds the line.
//! let answer = sdp::answer(&offer, from_my_stack)?;
//! sdp::check(&offer, &answer)?;
//!
//! // One that knows nothing of SFrame leaves it out.
//! assert!(sdp::check(&offer, from_my_stack).is_err());
//! # Ok::<(), sdp::Downgrade>(())
//! ```
//!
//! # What the line is for
//!
//! It is for peers that negotiate with each other. A server that forwards opaque payloads, such as Janus, need
//! not know of SFrame: it answers without the line and drops it from what it passes on, so do not call
//! [`check`] on the answer of such a server. Nothing of Subrosa's secrecy hangs on the line: its adapters never send
//! cleartext, whatever a description says, and never take it for sealed media. webrtc-rs 0.21 does not look at the port of
//! a section: it uses one that is refused, as far as directions allow.
//!
//! # Other text
//!
//! A description is changed line by line, and all lines but those named here stay as they are, byte for byte.
//! Hostile text costs time in proportion to its length. The functions that compare two descriptions want lines of the
//! form `x=…` without stray carriage returns, so that no parser behind them sees other sections than they did.

// Why not an SDP crate: parsing and printing again would change lines that belong to the caller's stack, and drop
// those that the crate does not know. One flag needs no grammar.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What the attributes of a bundled transport begin with: those that a section needs to carry the bundle.
const TRANSPORT: [&str; 8] = [
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=ice-options:",
    "a=fingerprint:",
    "a=setup:",
    "a=tls-id:",
    "a=candidate:",
    "a=end-of-candidates",
];

/// Adds `a=sframe` to each audio and video section of an offer that lacks it.
///
/// Sections with port 0 are refused or stopped and stay as they are, but for those with `a=bundle-only` or in a group,
/// which are alive (RFC 9143 §6). Calling it again changes nothing.
pub fn offer(sdp: &str) -> String {
    let mut description = Description::read(sdp);
    let ending = description.ending();
    for section in &mut description.sections {
        if section.kind().is_some() && section.is_alive() {
            section.add_sframe(ending);
        }
    }
    description.to_string()
}

/// Adds `a=sframe` to each audio and video section that your stack's `answer` accepts, if the `offer` has it.
///
/// What an answer accepts, the stack that made it will use. So a section that was offered without `a=sframe` is an
/// error here: have your stack refuse the section and make another answer, or, if it cannot, use [`answer_refusing`].
///
/// # Errors
///
/// [`Downgrade::NotOffered`] names the first section that would be without SFrame; the others say that these two
/// descriptions are not an offer and its answer.
pub fn answer(offer: &str, answer: &str) -> Result<String, Downgrade> {
    let (offer, mut answer) = pair(offer, answer)?;
    let ending = answer.ending();
    for (index, (offered, answered)) in offer.sections.iter().zip(&mut answer.sections).enumerate() {
        let Some(kind) = answered.kind().filter(|_| answered.is_alive()) else { continue };
        if !offered.offers_sframe() {
            return Err(Downgrade::NotOffered(answered.name(index, kind)));
        }
        answered.add_sframe(ending);
    }
    Ok(answer.to_string())
}

/// Like [`answer`], but refuses what was offered without `a=sframe`, in the name of a stack that cannot.
///
/// A refused section gets port 0 and leaves its groups (RFC 5888 §9.2, RFC 9143 §7.3.3). If it carried the
/// transport of a bundle, the next section of the bundle takes over the attributes of the transport that it lacks.
/// Your stack does not know that the section is refused: give it nothing to send there.
///
/// # Errors
///
/// [`Downgrade`], if these two descriptions are not an offer and its answer.
pub fn answer_refusing(offer: &str, answer: &str) -> Result<String, Downgrade> {
    let (offer, mut answer) = pair(offer, answer)?;
    let ending = answer.ending();
    let mut refused = BTreeSet::new();
    for (index, (offered, answered)) in offer.sections.iter().zip(&mut answer.sections).enumerate() {
        if answered.kind().is_none() || !answered.is_alive() {
            continue;
        }
        if offered.offers_sframe() {
            answered.add_sframe(ending);
        } else {
            answered.refuse()?;
            refused.insert(index);
        }
    }
    answer.leave_groups(&refused);
    Ok(answer.to_string())
}

/// Checks that each audio and video section that an answer accepts has `a=sframe`, as your offer has.
///
/// Check before your stack sees the answer, provisional ones too, and do not go on after an error.
///
/// # Errors
///
/// [`Downgrade`] names the first section that would be without SFrame, or says that these two descriptions are not
/// an offer and its answer.
pub fn check(offer: &str, answer: &str) -> Result<(), Downgrade> {
    let (offer, answer) = pair(offer, answer)?;
    for (index, (offered, answered)) in offer.sections.iter().zip(&answer.sections).enumerate() {
        let Some(kind) = answered.kind().filter(|_| answered.is_alive()) else { continue };
        if !offered.offers_sframe() {
            return Err(Downgrade::NotOffered(answered.name(index, kind)));
        }
        if !answered.has_sframe() {
            return Err(Downgrade::NotAnswered(answered.name(index, kind)));
        }
    }
    Ok(())
}

/// Why an offer and an answer do not agree on SFrame.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Downgrade {
    /// The answer accepts a section that was offered with `a=sframe`, without it.
    #[error("the answer accepts {0} without sframe")]
    NotAnswered(MediaSection),
    /// The answer accepts a section that was offered without `a=sframe`, or not at all.
    #[error("{0} was not offered with sframe")]
    NotOffered(MediaSection),
    /// The answer has more or fewer sections than the offer.
    #[error("offer and answer have {offered} and {answered} media sections")]
    SectionCount {
        /// How many the offer has.
        offered: usize,
        /// How many the answer has.
        answered: usize,
    },
    /// A section is of another kind in the answer than in the offer.
    #[error("offer and answer differ in the kind of media section {index}")]
    SectionKind {
        /// Which one, counted from 0.
        index: usize,
    },
    /// One of them is no session description.
    #[error("the text is not a session description")]
    Malformed,
}

/// A media section of an answer, to be shown or looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaSection {
    /// Which `m=` line it is, counted from 0.
    pub index: usize,
    /// What it carries.
    pub kind: MediaKind,
    /// Its `a=mid`, as the other side chose it.
    pub mid: Option<String>,
}

/// What a media section carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// `m=audio`
    Audio,
    /// `m=video`
    Video,
}

/// Says the kind and the index, and not the mid, which the other side chose.
impl fmt::Display for MediaSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        write!(f, "{kind} section {}", self.index)
    }
}

/// Reads two descriptions and sees that they belong together: RFC 3264 §6, as many sections, of the same kinds.
fn pair<'a>(offer: &'a str, answer: &'a str) -> Result<(Description<'a>, Description<'a>), Downgrade> {
    let offer = Description::read_strictly(offer)?;
    let answer = Description::read_strictly(answer)?;
    if offer.sections.len() != answer.sections.len() {
        let (offered, answered) = (offer.sections.len(), answer.sections.len());
        return Err(Downgrade::SectionCount { offered, answered });
    }
    let mut pairs = offer.sections.iter().zip(&answer.sections);
    if let Some(index) = pairs.position(|(offered, answered)| !offered.is_of_the_kind_of(answered)) {
        return Err(Downgrade::SectionKind { index });
    }
    Ok((offer, answer))
}

/// Lines with their endings, to be printed as they came.
#[derive(Debug)]
struct Description<'a> {
    session: Vec<Cow<'a, str>>,
    sections: Vec<Section<'a>>,
}

/// An `m=` line and the lines up to the next one.
#[derive(Debug)]
struct Section<'a> {
    lines: Vec<Cow<'a, str>>,
    /// It is in a group, as it was read.
    is_grouped: bool,
}

impl<'a> Description<'a> {
    fn read(text: &'a str) -> Self {
        let mut description = Self { session: Vec::new(), sections: Vec::new() };
        for line in text.split_inclusive('\n') {
            if line.starts_with("m=") {
                description.sections.push(Section { lines: vec![line.into()], is_grouped: false });
            } else if let Some(section) = description.sections.last_mut() {
                section.lines.push(line.into());
            } else {
                description.session.push(line.into());
            }
        }
        let groups = description.session.iter().filter_map(|line| content(line).strip_prefix("a=group:"));
        let grouped: BTreeSet<&str> = groups.flat_map(|group| group.split_whitespace().skip(1)).collect();
        for section in &mut description.sections {
            let is_grouped = section.mids().any(|mid| grouped.contains(mid));
            section.is_grouped = is_grouped;
        }
        description
    }

    /// Reads what every parser takes apart in the same way.
    fn read_strictly(text: &'a str) -> Result<Self, Downgrade> {
        let is_line = |line: &str| {
            let line = content(line);
            // RFC 8866 §9: a type, which is a letter, "=", a value without CR, LF and NUL.
            let typed = matches!(line.as_bytes(), [b'a'..=b'z', b'=', ..]);
            (typed || line.is_empty()) && !line.contains(['\r', '\0'])
        };
        if !text.starts_with("v=") || !text.split_inclusive('\n').all(is_line) {
            return Err(Downgrade::Malformed);
        }
        let description = Self::read(text);
        // RFC 5888 §9.1: a mid names one section. Otherwise a group that one section left would keep another alive.
        let mids: Vec<_> = description.sections.iter().flat_map(Section::mids).collect();
        let are_unlike = mids.len() == mids.iter().collect::<BTreeSet<_>>().len();
        let is_sound = |section: &Section<'_>| section.port().is_some() && section.mids().count() <= 1;
        let is_sound = are_unlike && description.sections.iter().all(is_sound);
        is_sound.then_some(description).ok_or(Downgrade::Malformed)
    }

    /// What a line that is added ends in, as the others do.
    fn ending(&self) -> &'static str {
        let first = self.session.first().or(self.sections.first().and_then(|section| section.lines.first()));
        let is_lf = first.is_some_and(|line| line.ends_with('\n') && !line.ends_with("\r\n"));
        if is_lf { "\n" } else { "\r\n" }
    }

    /// Takes the mids of refused sections out of the groups, and sees that no bundle loses its transport.
    fn leave_groups(&mut self, refused: &BTreeSet<usize>) {
        let mid_of = |index: &usize| self.sections.get(*index).and_then(Section::mid).map(str::to_owned);
        let gone: BTreeSet<String> = refused.iter().filter_map(mid_of).collect();
        let mut moves = BTreeMap::new();
        for line in &mut self.session {
            let Some(group) = content(line).strip_prefix("a=group:") else { continue };
            // Apart at the same places as when it was read, which are more than the grammar has.
            let mut tokens = group.split_whitespace();
            let semantics = tokens.next().unwrap_or_default();
            let mids: Vec<&str> = tokens.collect();
            let left: Vec<&str> = mids.iter().copied().filter(|mid| !gone.contains(*mid)).collect();
            if left.len() == mids.len() {
                continue;
            }
            if semantics == "BUNDLE"
                && let (Some(old), Some(new)) = (mids.first(), left.first())
            {
                moves.entry(String::from(*new)).or_insert_with(|| String::from(*old));
            }
            // A group of nobody stays as `a=group:BUNDLE`: the grammar allows it, and str0m wants the line.
            let ending = line.get(content(line).len()..).unwrap_or_default();
            let joined: String = left.iter().flat_map(|mid| [" ", mid]).collect();
            *line = format!("a=group:{semantics}{joined}{ending}").into();
        }
        self.move_transports(&moves);
    }

    /// RFC 9143 §7.3: the first section of a bundle carries the attributes of its transport.
    ///
    /// `moves` has for the mid of a section that is now the first that of the one that was.
    fn move_transports(&mut self, moves: &BTreeMap<String, String>) {
        let ending = self.ending();
        let givers: BTreeSet<&str> = moves.values().map(String::as_str).collect();
        let mut given = BTreeMap::new();
        for section in &self.sections {
            if let Some(mid) = section.mid()
                && givers.contains(mid)
            {
                given.entry(mid.to_owned()).or_insert_with(|| section.contents());
            }
        }
        for section in &mut self.sections {
            // Taken, so that a description with many groups does not multiply lines.
            let lines = section.mid().and_then(|mid| moves.get(mid)).and_then(|old| given.remove(old));
            let Some(mut lines) = lines else { continue };
            let has: Vec<bool> = TRANSPORT.iter().map(|name| section.has_line_with(name)).collect();
            lines.retain(|line| TRANSPORT.iter().zip(&has).any(|(name, has)| !has && line.starts_with(name)));
            section.add(lines, ending);
        }
    }
}

impl fmt::Display for Description<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_sections = self.sections.iter().flat_map(|section| &section.lines);
        self.session.iter().chain(of_sections).try_for_each(|line| f.write_str(line))
    }
}

impl Section<'_> {
    /// The words of the `m=` line: media, port, protocol and formats.
    fn words(&self) -> impl Iterator<Item = &str> {
        let line = self.lines.first().map_or("", |line| content(line));
        line.strip_prefix("m=").unwrap_or_default().split(' ')
    }

    /// Audio and video are what Subrosa seals. A peer that writes them in other letters means the same.
    fn kind(&self) -> Option<MediaKind> {
        let media = self.words().next().unwrap_or_default();
        if media.eq_ignore_ascii_case("audio") {
            Some(MediaKind::Audio)
        } else if media.eq_ignore_ascii_case("video") {
            Some(MediaKind::Video)
        } else {
            None
        }
    }

    fn is_of_the_kind_of(&self, other: &Self) -> bool {
        let media = |section: &Self| section.words().next().unwrap_or_default().to_ascii_lowercase();
        media(self) == media(other)
    }

    /// The port, without the number of ports that may follow it; `None` if there is no such number.
    fn port(&self) -> Option<u16> {
        let word = self.words().nth(1)?;
        let port = word.split_once('/').map_or(word, |(port, _)| port);
        // `parse` would take a sign too.
        if port.bytes().all(|byte| byte.is_ascii_digit()) { port.parse().ok() } else { None }
    }

    /// Not refused. What is not clearly refused, to every stack, is alive: then it needs `a=sframe`.
    ///
    /// RFC 5888 §9.2, RFC 9143 §7.3.3: what is refused leaves its groups. To str0m port 0 is alive in a bundle, and "00" everywhere.
    fn is_alive(&self) -> bool {
        let is_bundle_only = || self.lines.iter().any(|line| line.trim_end() == "a=bundle-only");
        self.words().nth(1) != Some("0") || self.is_grouped || is_bundle_only()
    }

    fn has_sframe(&self) -> bool {
        self.has_line("a=sframe")
    }

    fn offers_sframe(&self) -> bool {
        self.is_alive() && self.has_sframe()
    }

    fn has_line(&self, wanted: &str) -> bool {
        self.lines.iter().any(|line| content(line) == wanted)
    }

    fn has_line_with(&self, start: &str) -> bool {
        self.lines.iter().any(|line| line.starts_with(start))
    }

    fn mid(&self) -> Option<&str> {
        self.mids().next()
    }

    /// More than one is an error; spaces around it are taken off by some parsers.
    fn mids(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| content(line).strip_prefix("a=mid:").map(str::trim))
    }

    fn name(&self, index: usize, kind: MediaKind) -> MediaSection {
        MediaSection { index, kind, mid: self.mid().map(str::to_owned) }
    }

    /// The lines, without their endings.
    fn contents(&self) -> Vec<String> {
        self.lines.iter().map(|line| content(line).to_owned()).collect()
    }

    fn add_sframe(&mut self, ending: &str) {
        if !self.has_sframe() {
            self.add(vec!["a=sframe".to_owned()], ending);
        }
    }

    /// Adds attributes where the grammar has them (RFC 8866 §9): behind all lines that are none.
    fn add(&mut self, lines: Vec<String>, ending: &str) {
        if lines.is_empty() {
            return;
        }
        let first_attribute = self.lines.iter().position(|line| line.starts_with("a="));
        let behind_the_last =
            || self.lines.iter().rposition(|line| !content(line).is_empty()).map_or(0, |at| at + 1);
        let at = first_attribute.unwrap_or_else(behind_the_last);
        if let Some(before) = at.checked_sub(1).and_then(|before| self.lines.get_mut(before))
            && !before.ends_with('\n')
        {
            // The text stopped here in the middle of a line, or of its ending.
            let ending = if before.ends_with('\r') { "\n" } else { ending };
            before.to_mut().push_str(ending);
        }
        self.lines.splice(at..at, lines.into_iter().map(|line| (line + ending).into()));
    }

    /// RFC 3264 §6: a section is refused with port 0.
    fn refuse(&mut self) -> Result<(), Downgrade> {
        let line = self.lines.first_mut().ok_or(Downgrade::Malformed)?;
        let mut words = line.splitn(3, ' ');
        let (Some(media), Some(_), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err(Downgrade::Malformed);
        };
        *line = format!("{media} 0 {rest}").into();
        // It would make the section alive in the eyes of a lenient peer; no answer has it (RFC 9143 §6).
        self.lines.retain(|line| line.trim_end() != "a=bundle-only");
        Ok(())
    }
}

/// A line without its ending.
fn content(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}
