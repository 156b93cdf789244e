//! What is going to happen, in the order in which it will.

use core::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

use bytes::Bytes;
use subrosa::{Epoch, MailboxId, Time};

use super::media::Frame;

/// A seat, and which of its lives: what was on its way to a participation that is over does not reach the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seated {
    pub(super) who: usize,
    pub(super) life: u32,
}

/// Something that happens at its time.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// A call's deadline may have come.
    Wake(Seated),
    /// The app has shown a roster to its user.
    Take(Seated, Epoch),
    /// A guest has waited for long enough.
    Impatient(Seated),
    /// A message reaches the delivery service.
    Up(Seated, Up),
    /// A message reaches a member.
    Down(Seated, Down),
    /// The server hands out one of the talk messages that it has kept for a member.
    Paced(usize),
    /// A microphone has a frame.
    Speak(Seated),
    /// A frame reaches a member; `true` if it is not the first to do so.
    Frame(Seated, Rc<Frame>, bool),
}

/// On its way to the delivery service.
#[derive(Clone, Debug)]
pub(super) enum Up {
    Append { position: u64, entry: Bytes },
    Talk(Bytes),
    Post(MailboxId, Bytes),
}

/// On its way to a member.
#[derive(Clone, Debug)]
pub(super) enum Down {
    Entry { position: u64, entry: Bytes },
    Talk(Bytes),
    Mail(MailboxId, Bytes),
}

struct Scheduled {
    at: Time,
    /// Of what happens at one moment, what was scheduled first comes first.
    number: u64,
    what: Happening,
}

/// The queue that drives a room.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Scheduled>,
    next_number: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Time, what: Happening) {
        self.heap.push(Scheduled { at, number: self.next_number, what });
        self.next_number += 1;
    }

    /// Takes what comes next, if it comes by then.
    pub(super) fn pop(&mut self, until: Time) -> Option<(Time, Happening)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.heap.pop().map(|scheduled| (scheduled.at, scheduled.what))
    }
}

impl Ord for Scheduled {
    /// The other way round: a heap's greatest comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}
