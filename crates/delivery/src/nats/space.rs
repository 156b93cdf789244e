//! What things are called in NATS: subjects and streams of one space.

use std::fmt;

use crate::{CallId, MailboxId};

/// The longest name of a space, in bytes.
const MAX_SPACE_LEN: usize = 64;

/// The calls that share two streams, and the first token of all their subjects.
///
/// | subject | what it carries |
/// | --- | --- |
/// | `<space>.call.<call>.log.<position>` | an entry of a log; at most one message each |
/// | `<space>.call.<call>.end` | says that the call is over |
/// | `<space>.mail.<mailbox>.in` | the messages of a mailbox |
/// | `<space>.mail.<mailbox>.end` | says that the mailbox is closed |
/// | `<space>.talk.<call>.say`, `.end` | the talk lane, and its end; not stored |
/// | `<space>.new.…` | what was stored under `…`, said by the server once it was |
///
/// Ids are 32 hexadecimal digits, positions decimal numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Space(String);

/// Somewhere under which messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The log of a call.
    Call(CallId),
    /// A mailbox.
    Mailbox(MailboxId),
}

/// What stands under a subject that somebody was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// An entry of a log.
    Entry(u64),
    /// A message of a mailbox.
    Mail,
    /// The lane's end.
    End,
}

impl Space {
    /// `None` if that cannot be one token of a subject and a part of a stream's name.
    pub(super) fn new(name: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let valid = !name.is_empty() && name.len() <= MAX_SPACE_LEN && name.chars().all(fits);
        valid.then(|| Self(name.to_owned()))
    }

    pub(super) fn log_stream(&self) -> String {
        format!("{self}-log")
    }

    pub(super) fn mail_stream(&self) -> String {
        format!("{self}-mail")
    }

    pub(super) fn entry(&self, call: CallId, position: u64) -> String {
        format!("{self}.call.{call}.log.{position}")
    }

    pub(super) fn mail(&self, mailbox: MailboxId) -> String {
        format!("{self}.mail.{mailbox}.in")
    }

    pub(super) fn talk(&self, call: CallId) -> String {
        format!("{self}.talk.{call}.say")
    }

    pub(super) fn talk_end(&self, call: CallId) -> String {
        format!("{self}.talk.{call}.end")
    }

    /// The talk lane and its end.
    pub(super) fn all_talk(&self, call: CallId) -> String {
        format!("{self}.talk.{call}.*")
    }

    pub(super) fn end(&self, place: Place) -> String {
        format!("{self}.{place}.end")
    }

    /// The ends of all lanes of a kind.
    pub(super) fn ends(&self, kind: &str) -> String {
        format!("{self}.{kind}.*.end")
    }

    /// Everything that is stored of a lane.
    pub(super) fn all(&self, place: Place) -> String {
        format!("{self}.{place}.>")
    }

    /// Where the server says what it has stored of a lane.
    pub(super) fn news(&self, place: Place) -> String {
        format!("{self}.new.{place}.>")
    }

    /// What a subject below [`news`](Self::news) stands for.
    pub(super) fn told(&self, place: Place, subject: &str) -> Option<Told> {
        let rest = subject.strip_prefix(&self.news(place).replace('>', ""))?;
        match (place, rest) {
            (_, "end") => Some(Told::End),
            (Place::Mailbox(_), "in") => Some(Told::Mail),
            (Place::Call(_), entry) => entry.strip_prefix("log.")?.parse().ok().map(Told::Entry),
            (Place::Mailbox(_), _) => None,
        }
    }

    /// What the stream of all logs stores.
    pub(super) fn log_subjects(&self) -> Vec<String> {
        vec![format!("{self}.call.*.log.*"), format!("{self}.call.*.end")]
    }

    /// What the stream of all mailboxes stores.
    pub(super) fn mail_subjects(&self) -> Vec<String> {
        vec![format!("{self}.mail.*.in"), format!("{self}.mail.*.end")]
    }

    /// How what is stored is said again: from which subjects to which.
    pub(super) fn republished(&self, lane: &str) -> [String; 2] {
        [format!("{self}.{lane}.>"), format!("{self}.new.{lane}.>")]
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Place {
    /// The second token of all subjects of calls, and of mailboxes.
    pub(super) const CALL: &str = "call";
    pub(super) const MAIL: &str = "mail";

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Call(_) => Self::CALL,
            Self::Mailbox(_) => Self::MAIL,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(f, "{}.{call}", self.kind()),
            Self::Mailbox(mailbox) => write!(f, "{}.{mailbox}", self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_space_is_one_token() {
        for good in ["subrosa", "room-17", "A_b", &"x".repeat(64)] {
            assert!(Space::new(good).is_some(), "{good}");
        }
        for bad in ["", "a.b", "a b", "*", ">", "a>", "é", "a/b", &"x".repeat(65)] {
            assert!(Space::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_was_stored_is_told_apart() {
        let space = Space::new("s").expect("a name");
        let (call, other) = (Place::Call(CallId([1; 16])), Place::Call(CallId([2; 16])));
        let mailbox = Place::Mailbox(MailboxId([3; 16]));
        let new = |stored: String| stored.replacen("s.", "s.new.", 1);

        let entry = new(space.entry(CallId([1; 16]), 7));
        assert_eq!(space.told(call, &entry), Some(Told::Entry(7)));
        assert_eq!(space.told(other, &entry), None, "of another call");
        assert_eq!(space.told(call, &new(space.end(call))), Some(Told::End));
        assert_eq!(space.told(mailbox, &new(space.mail(MailboxId([3; 16])))), Some(Told::Mail));
        assert_eq!(space.told(mailbox, &new(space.end(mailbox))), Some(Told::End));
        for odd in ["log", "log.", "log.x", "log.-1", "log.1.2", "log.18446744073709551616", "in"] {
            assert_eq!(space.told(call, &format!("s.new.{call}.{odd}")), None, "{odd}");
        }
    }
}
