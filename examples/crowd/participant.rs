//! A participant: his call, what comes for him, and what he says. He is driven when something is there for him, and not otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use subrosa::{
    Call, CallConfig, CallError, Cause, EndReason, Event, Guest, HandleError, HostAnswer, Invite, KnockFault,
    Message, Output, ParticipantId, Profile, Sealer, Time, TrackKind,
};

use crate::Failed;
use crate::draws::random;
use crate::listener::{FRAME_EVERY, Frame, Listener, metadata};
use crate::probe::Probe;
use crate::service::Request;

/// The shortest time in which a call is asked again by itself.
const TICK: Duration = Duration::from_millis(1);
/// When a knock is handed in again that came too fast.
const KNOCK_AGAIN: Duration = Duration::from_secs(1);

/// What comes for a participant.
pub(crate) enum Input {
    Message(Message),
    Frame(Frame),
    Leave,
    MakeHost(ParticipantId),
}

/// Where he is.
pub(crate) enum State {
    Waiting(Box<Guest>),
    In(Box<Call>),
    /// The call is over for him.
    Out(EndReason),
    /// He fell silent: nobody drives him any more.
    Dropped,
    /// While he goes from one to the other; and for good if he fails at it.
    Lost,
}

/// Bytes from him and to him, media aside.
#[derive(Clone, Copy, Default)]
pub(crate) struct Traffic {
    pub(crate) up: u64,
    pub(crate) down: u64,
}

/// An epoch, as the founder saw it begin.
pub(crate) struct Step {
    /// Where its commit stands in the log.
    pub(crate) position: u64,
    pub(crate) at: Time,
    pub(crate) admitted: usize,
    pub(crate) removed: Vec<ParticipantId>,
    pub(crate) left: usize,
    pub(crate) policy: bool,
}

/// One participant.
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    pub(crate) state: State,
    pub(crate) inbox: BTreeMap<(Time, u64), Input>,
    pub(crate) requests: Vec<(Time, Request)>,
    pub(crate) traffic: Traffic,
    /// Time spent in the library since he is in, and what joining took.
    pub(crate) cpu: Duration,
    pub(crate) join_cpu: Duration,
    pub(crate) since: Time,
    pub(crate) in_at: Option<Time>,
    pub(crate) is_leaving: bool,
    pub(crate) welcome_len: usize,
    /// What is not meant to happen, or only now and then; and how often it did.
    pub(crate) mishaps: BTreeMap<String, u64>,
    pub(crate) listens: bool,
    pub(crate) listener: Option<Listener>,
    pub(crate) probe: Option<Probe>,
    /// The founder keeps them.
    pub(crate) steps: Option<Vec<Step>>,
    sealer: Option<(Sealer, Time)>,
    /// When his call wants to be driven.
    due: Time,
    now: Time,
}

impl Participant {
    fn new(id: ParticipantId, state: State, now: Time) -> Self {
        Self {
            id,
            state,
            inbox: BTreeMap::new(),
            requests: Vec::new(),
            traffic: Traffic::default(),
            cpu: Duration::ZERO,
            join_cpu: Duration::ZERO,
            since: now,
            in_at: None,
            is_leaving: false,
            welcome_len: 0,
            mishaps: BTreeMap::new(),
            listens: false,
            listener: None,
            probe: None,
            steps: None,
            sealer: None,
            due: Time::NEVER,
            now,
        }
    }

    /// The one who founds the call.
    pub(crate) fn founder(config: &CallConfig, seed: u64) -> Result<Self, Failed> {
        let call = Call::create(&Profile::person("Founder")?, config, random(seed, 0), Time::ZERO)?;
        let mut founder = Self::new(call.me(), State::In(Box::new(call)), Time::ZERO);
        founder.steps = Some(Vec::new());
        founder.enter(Time::ZERO);
        Ok(founder)
    }

    /// Somebody who knocks; perhaps the one whose memory is counted.
    pub(crate) fn guest(
        who: usize,
        invite: Invite,
        seed: u64,
        now: Time,
        probed: bool,
    ) -> Result<Self, Failed> {
        let profile = Profile::person(&format!("Participant {who}"))?;
        let mut probe = probed.then(Probe::default);
        let knocked = Probe::measure(&mut probe, || Guest::knock(invite, &profile, random(seed, who)));
        let (guest, knock) = knocked?;
        let (id, answers) = (guest.id(), guest.answer_mailbox());
        let mut participant = Self::new(id, State::Waiting(Box::new(guest)), now);
        participant.probe = probe;
        participant.requests = vec![(now, Request::Mailboxes(vec![answers])), (now, Request::Send(knock))];
        Ok(participant)
    }

    pub(crate) fn call(&self) -> Option<&Call> {
        match &self.state {
            State::In(call) => Some(call),
            _ => None,
        }
    }

    /// When there is something for him to do.
    pub(crate) fn due(&self) -> Time {
        let input = self.inbox.first_key_value().map_or(Time::NEVER, |((at, _), _)| *at);
        let frame = self.sealer.as_ref().map_or(Time::NEVER, |(_, at)| *at);
        input.min(self.due).min(frame)
    }

    /// Begins to seal a frame each 20 ms, or ends it.
    pub(crate) fn speak(&mut self, from: Option<Time>) -> Result<(), Failed> {
        let sealer = match (from, self.call()) {
            (Some(at), Some(call)) => Some((call.sealer(TrackKind::Microphone)?, at)),
            _ => None,
        };
        self.sealer = sealer;
        Ok(())
    }

    /// Stops without a word.
    pub(crate) fn drop_out(&mut self) {
        self.state = State::Dropped;
        self.due = Time::NEVER;
        self.inbox.clear();
    }

    /// Does all that is due before `until`.
    pub(crate) fn act(&mut self, until: Time) {
        loop {
            let at = self.due();
            if at >= until {
                return;
            }
            self.now = self.now.max(at);
            if self.sealer.as_ref().is_some_and(|(_, due)| *due <= at) {
                self.seal();
            } else if self.inbox.first_key_value().is_some_and(|((due, _), _)| *due <= at) {
                if let Some((_, input)) = self.inbox.pop_first() {
                    self.take(input);
                }
            } else {
                self.drive(|call, now| {
                    call.handle_timeout(now);
                    Ok(())
                });
            }
        }
    }

    fn seal(&mut self) {
        let Some((sealer, due)) = &mut self.sealer else { return };
        *due = *due + FRAME_EVERY;
        let mut bytes = BytesMut::new();
        match sealer.seal(metadata(), &[0x5a; 100], &mut bytes) {
            Ok(sealed) => {
                let frame = Frame { epoch: sealed.epoch, bytes: bytes.freeze() };
                self.requests.push((self.now, Request::Frame(frame)));
            }
            Err(error) => self.mishap(&format!("frame not sealed: {error}")),
        }
    }

    fn take(&mut self, input: Input) {
        match (input, &self.state) {
            (Input::Frame(frame), State::In(_)) => {
                if let Some(listener) = &mut self.listener {
                    listener.hear(&frame, self.now);
                }
            }
            (Input::Message(message), State::Waiting(_)) => self.join(&message),
            (Input::Message(message), State::In(_)) => {
                let mut fault = None;
                self.drive(|call, now| {
                    fault = call.handle_message(&message, now).err();
                    Ok(())
                });
                match fault {
                    Some(HandleError::Knock(KnockFault::TooFast)) => {
                        let again = (self.now + KNOCK_AGAIN, u64::MAX - self.inbox.len() as u64);
                        self.inbox.insert(again, Input::Message(message));
                    }
                    // What one was about to say when the roles or the epoch changed.
                    None | Some(HandleError::Ended) => {}
                    Some(fault) => self.mishap(&format!("message refused: {fault}")),
                }
            }
            (Input::Leave, State::In(_)) => self.drive(Call::leave),
            (Input::MakeHost(id), State::In(_)) => self.drive(|call, now| call.make_host(id, now)),
            _ => {}
        }
    }

    /// A host has answered.
    fn join(&mut self, answer: &Message) {
        let State::Waiting(guest) = core::mem::replace(&mut self.state, State::Lost) else { return };
        let (start, now) = (Instant::now(), self.now);
        let joined = Probe::measure(&mut self.probe, || match guest.open_answer(&answer.payload) {
            Ok(HostAnswer::Admitted(admission)) => {
                guest.accept(admission, now).map(Box::new).map_err(|error| error.to_string())
            }
            Ok(_) => Err("turned away".to_owned()),
            Err(error) => Err(error.to_string()),
        });
        self.join_cpu = start.elapsed();
        self.welcome_len = answer.payload.len();
        match joined {
            Ok(call) => {
                self.listener = self.listens.then(|| Listener::new(call.opener(), call.epoch()));
                self.state = State::In(call);
                self.enter(now);
            }
            Err(error) => self.mishap(&format!("not joined: {error}")),
        }
    }

    fn enter(&mut self, now: Time) {
        self.in_at = Some(now);
        let from = self.call().map_or(0, Call::log_position);
        self.requests.push((now, Request::Mailboxes(Vec::new()))); // the one with the answer has done its work
        self.requests.push((now, Request::Listen { from }));
        self.drive(|_, _| Ok(()));
    }

    /// Gives the call an input, and does what it wants then.
    fn drive(&mut self, input: impl FnOnce(&mut Call, Time) -> Result<(), CallError>) {
        let State::In(mut call) = core::mem::replace(&mut self.state, State::Lost) else { return };
        let (start, now, mut probe) = (Instant::now(), self.now, self.probe.take());
        Probe::measure(&mut probe, || {
            if let Err(error) = input(&mut call, now) {
                self.mishap(&format!("command refused: {error}"));
            }
            self.listen_to(&mut call);
        });
        self.cpu += start.elapsed();
        self.probe = probe;
        if let Some(listener) = &mut self.listener {
            listener.release(now);
        }
        self.state = match call.ended() {
            None => State::In(call),
            Some(reason) => {
                self.requests.push((now, Request::Gone));
                self.due = Time::NEVER;
                State::Out(reason)
            }
        };
    }

    fn listen_to(&mut self, call: &mut Call) {
        let now = self.now;
        let mut knocks = Vec::new();
        loop {
            match call.poll_output() {
                Output::Send(message) => self.requests.push((now, Request::Send(message))),
                Output::Event(Event::Knock(knock)) => knocks.push(knock.id),
                Output::Event(event) => self.note(event, call),
                Output::Timeout(_) if !knocks.is_empty() => {
                    // Hosts let everybody in, one by one: the call makes few commits of it.
                    for id in knocks.drain(..) {
                        match call.admit(&[id], now) {
                            Ok(()) | Err(CallError::NotWaiting) => {}
                            Err(error) => self.mishap(&format!("not admitted: {error}")),
                        }
                    }
                }
                Output::Timeout(at) => {
                    self.due = at.max(now + TICK);
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: Event, call: &mut Call) {
        let mishap = match event {
            Event::Roster(roster) => {
                if let Err(error) = call.roster_taken(roster.epoch, self.now) {
                    self.mishap(&format!("roster not taken: {error}"));
                }
                if let (Some(steps), Cause::Commit { admitted, removed, left, policy, .. }) =
                    (&mut self.steps, roster.cause)
                {
                    steps.push(Step {
                        position: call.log_position().saturating_sub(1),
                        at: self.now,
                        admitted: admitted.len(),
                        removed,
                        left: left.len(),
                        policy: policy.is_some(),
                    });
                }
                return;
            }
            Event::Mailboxes => {
                return self.requests.push((self.now, Request::Mailboxes(call.mailboxes())));
            }
            Event::CutOff { .. } => "cut off".to_owned(),
            Event::HostSilent { .. } => "no host heard".to_owned(),
            Event::Stranded { .. } => "stranded".to_owned(),
            Event::Skipped { reason, .. } => format!("entry skipped: {reason:?}").chars().take(60).collect(),
            Event::GuestUnusable(_) => "a guest unusable".to_owned(),
            Event::CommitFailed(error) => format!("commit failed: {error}"),
            Event::LogStarved => "starved".to_owned(),
            Event::Trouble(trouble) => format!("trouble: {:?}", trouble.kind),
            _ => return,
        };
        self.mishap(&mishap);
    }

    fn mishap(&mut self, what: &str) {
        *self.mishaps.entry(what.to_owned()).or_default() += 1;
    }

    /// Says whether he is in the call, as far as he knows.
    pub(crate) fn is_in(&self) -> bool {
        matches!(self.state, State::In(_))
    }
}
