//! The task that drives one call.

use std::collections::VecDeque;
use std::time::Duration;

use subrosa::{Call, Event, HandleError, KnockFault, Member, Output, Time};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::client::Client;
use crate::clock::Sleep;
use crate::events::{CallEvent, Events, Refused};
use crate::handle::{CallHandle, Job};
use crate::inbox::{Inbox, Incoming};
use crate::outbox::Outbox;
use crate::pulse::{Health, Pulse};
use crate::tasks::Task;

/// Events that wait for the app; when there are more, no message is taken in.
const EVENTS: usize = 1024;
/// Commands that wait for the call.
const JOBS: usize = 16;
/// How long what was to be sent may take after the end.
const CLOSING: Duration = Duration::from_secs(10);

pub(crate) fn start(client: Client, call: Call) -> (CallHandle, Events) {
    let (jobs, to_do) = mpsc::channel(JOBS);
    let (to_app, events) = mpsc::channel(EVENTS);
    let (done, over) = watch::channel(false);
    let handle = CallHandle { id: call.id(), me: call.me(), jobs, over, client: client.clone() };
    let pulse = Pulse::new();
    let (id, window) = (call.id(), call.config().liveness_window);
    let driver = Driver {
        inbox: Inbox::open(client.service.clone(), id, call.log_position()),
        outbox: Outbox::open(&client.service, id, &pulse),
        health: pulse.watch(),
        _pulse: pulse.feel(client.service.clone(), id, window),
        sleep: Sleep::watch(),
        app: App { events: to_app, untold: VecDeque::new() },
        client,
        call,
    };
    tokio::spawn(driver.run(to_do, done));
    (handle, Events { events })
}

struct Driver {
    client: Client,
    call: Call,
    inbox: Inbox,
    outbox: Outbox,
    health: watch::Receiver<Health>,
    _pulse: Task,
    sleep: Sleep,
    app: App,
}

impl Driver {
    /// Takes part until the call is over, and after that answers those who still ask; until nobody holds the call any more, or somebody takes it.
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>, done: watch::Sender<bool>) {
        let clock = self.client.clock;
        loop {
            let deadline = self.drain();
            if self.call.ended().is_some() {
                break;
            }
            let is_heard = self.app.untold.is_empty();
            tokio::select! {
                // What is due comes first, whatever comes in.
                biased;
                () = clock.until(deadline) => self.on_time(),
                job = jobs.recv() => match job {
                    Some(Job::Do(job)) => job(&mut self.call, clock.now()),
                    Some(Job::Take(taker)) => return taker.send(self.call).unwrap_or_default(),
                    None => return,
                },
                Ok(()) = self.health.changed() => {
                    let health = *self.health.borrow_and_update();
                    self.app.tell(match health {
                        Health::Well => CallEvent::ServiceBack,
                        Health::Full(bound) => CallEvent::ServiceFull(bound),
                        Health::Lost => CallEvent::ServiceLost,
                    });
                }
                () = self.app.listens(), if !is_heard => {}
                incoming = self.inbox.next(), if is_heard => self.take_in(incoming),
            }
        }
        let mut call = self.close(done);
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Do(job) => job(&mut call, clock.now()),
                Job::Take(taker) => return taker.send(call).unwrap_or_default(),
            }
        }
    }

    fn on_time(&mut self) {
        let now = self.awake();
        self.call.handle_timeout(now);
    }

    /// The time; and before anything else the call learns that the machine slept. What a server has recorded meanwhile must not come first (R21).
    fn awake(&mut self) -> Time {
        let now = self.client.clock.now();
        if self.sleep.slept() {
            self.call.woke_up(now);
        }
        now
    }

    /// Takes out everything that the call has to say. Returns when it wants to be called again.
    fn drain(&mut self) -> Time {
        loop {
            match self.call.poll_output() {
                Output::Send(message) => self.outbox.send(message),
                Output::Event(Event::Mailboxes) => self.read_mailboxes(),
                Output::Event(event) => self.app.tell(CallEvent::Call(event)),
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn read_mailboxes(&mut self) {
        let lobby = self.call.invite().lobby_mailbox();
        for mailbox in self.inbox.read_mailboxes(&self.call.mailboxes()) {
            // Other hosts may go on reading the lobby; but an old link's lobby, and acknowledgements, nobody reads any more.
            if mailbox != lobby {
                self.outbox.close_mailbox(mailbox);
            }
        }
    }

    /// Hands in whatever stands in the log, one's own entries included, whatever is said in the talk lane, and what is put into the call's
    /// mailboxes.
    fn take_in(&mut self, mut incoming: Incoming) {
        let now = self.awake();
        match self.call.handle_message(&incoming.message, now) {
            Ok(()) | Err(HandleError::Ended) => {}
            // In a rush the rest of the lobby's mailbox can wait there: it was not looked at, and nothing was remembered of it.
            Err(HandleError::Knock(KnockFault::TooFast)) => incoming.put_off(),
            Err(HandleError::Gap { expected }) => self.inbox.reread_log(expected),
            Err(HandleError::UnknownMailbox) => {} // it came while the mailbox was being closed
            // Anybody can put anything there, and a server can say it twice. (Of a failure of the engine the call tells by itself.)
            Err(error) if self.client.report_refused => {
                let message = incoming.message.clone();
                self.app.tell(CallEvent::Refused(Refused { message, error }));
            }
            Err(_) => {}
        }
    }

    /// The call is over for this participant: what he still had to say is said, and the last host puts the lights out. That takes its time,
    /// and nobody has to wait for it.
    fn close(self, done: watch::Sender<bool>) -> Call {
        let Self { client, call, mut inbox, outbox, mut app, .. } = self;
        let (id, lobby) = (call.id(), call.invite().lobby_mailbox());
        for mailbox in inbox.read_mailboxes(&[]).into_iter().filter(|mailbox| *mailbox != lobby) {
            outbox.close_mailbox(mailbox);
        }
        let is_host = |member: &Member| member.is_host && !member.is_me;
        let was_last = call.is_host() && !call.roster().members.iter().any(is_host);
        tokio::spawn(async move {
            while !app.untold.is_empty() {
                app.listens().await;
            }
        });
        tokio::spawn(async move {
            outbox.close(CLOSING).await;
            if was_last {
                let forget = async {
                    client.service.close_mailbox(lobby).await.ok();
                    client.service.end_call(id).await.ok();
                };
                timeout(CLOSING, forget).await.unwrap_or_default(); // else with their age
            }
            done.send_replace(true);
        });
        call
    }
}

/// The app, as far as it reads its events.
struct App {
    events: mpsc::Sender<CallEvent>,
    /// What it had no room for yet.
    untold: VecDeque<CallEvent>,
}

impl App {
    fn tell(&mut self, event: CallEvent) {
        // In order, so none overtakes those that wait.
        if !self.untold.is_empty() {
            self.untold.push_back(event);
            return;
        }
        match self.events.try_send(event) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(event)) => self.untold.push_back(event),
        }
    }

    /// Waits until it has room for one of those that wait, and tells it. Dropping the future loses nothing.
    async fn listens(&mut self) {
        match self.events.reserve().await {
            Ok(room) => {
                if let Some(event) = self.untold.pop_front() {
                    room.send(event);
                }
            }
            Err(_) => self.untold.clear(), // nobody will
        }
    }
}
