//! A service that breaks the contract in one chosen way.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt, iter};
use subrosa_delivery::{
    Appended, CallId, DeliveryError, DeliveryService, InProcess, Limits, LogStream, MailboxId, MailboxStream,
    Subscription, Talk, TalkStream,
};

/// One way to break the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OverwritesEntries,
    TellsBothWritten,
    LooksBeforeItWrites,
    DropsEntries,
    DeniesWhatItWrote,
    RefusesRetries,
    AcceptsGaps,
    LiesAboutTheEnd,
    FollowsOnlyWhatIsNew,
    FollowsOnlyWhatIsStored,
    FollowsFromTheStart,
    ShowsTwoLogs,
    MixesCalls,
    ForgetsNoCall,
    ForgetsAllCalls,
    ForgetsMailboxesToo,
    ReplaysTalk,
    ReordersTalk,
    LosesTalkSilently,
    LosesAllTalk,
    OpensMailboxesEmpty,
    SharesMessagesOut,
    MixesMailboxes,
    ForgetsNoMailbox,
    HasNoBounds,
}

/// The in-process service, with a fault put in.
pub(crate) struct Broken {
    inner: InProcess,
    fault: Fault,
    overwritten: Mutex<HashMap<(CallId, u64), Bytes>>,
    talked: Mutex<Vec<Bytes>>,
    held_back: Mutex<Option<Bytes>>,
    appends: AtomicUsize,
    followers: AtomicUsize,
    posts: AtomicUsize,
    readers: AtomicUsize,
}

impl Broken {
    pub(crate) fn new(fault: Fault, limits: Limits) -> Self {
        let limits = if fault == Fault::HasNoBounds { Limits::default() } else { limits };
        Self {
            inner: InProcess::new(limits),
            fault,
            overwritten: Mutex::default(),
            talked: Mutex::default(),
            held_back: Mutex::default(),
            appends: AtomicUsize::new(0),
            followers: AtomicUsize::new(0),
            posts: AtomicUsize::new(0),
            readers: AtomicUsize::new(0),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn call(&self, call: CallId) -> CallId {
        if self.has(Fault::MixesCalls) { CallId([0; 16]) } else { call }
    }

    fn overwrite(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        self.overwritten.lock().expect("no panic").insert((call, position), entry);
        Ok(Appended::Written)
    }

    fn mailbox(&self, mailbox: MailboxId) -> MailboxId {
        if self.has(Fault::MixesMailboxes) { MailboxId([0; 16]) } else { mailbox }
    }
}

#[async_trait]
impl DeliveryService for Broken {
    async fn append(&self, call: CallId, position: u64, entry: Bytes) -> Result<Appended, DeliveryError> {
        let call = self.call(call);
        let nth = self.appends.fetch_add(1, Ordering::Relaxed);
        if self.has(Fault::DropsEntries) && nth % 3 == 2 {
            return Ok(Appended::Written);
        }
        let before = self.inner.read(call, position).await?;
        if self.has(Fault::LooksBeforeItWrites) {
            tokio::task::yield_now().await; // what was empty may be filled by now
        }
        let appended = self.inner.append(call, position, entry.clone()).await;
        match (self.fault, appended) {
            (Fault::OverwritesEntries, Ok(Appended::Taken)) => self.overwrite(call, position, entry),
            (Fault::LooksBeforeItWrites, Ok(Appended::Taken)) if before.is_none() => {
                self.overwrite(call, position, entry)
            }
            (Fault::TellsBothWritten, Ok(Appended::Taken)) => Ok(Appended::Written),
            (Fault::DeniesWhatItWrote, Ok(_)) if position % 4 == 3 => Ok(Appended::Taken),
            (Fault::RefusesRetries, Ok(_)) if before.is_some() => Ok(Appended::Taken),
            (Fault::AcceptsGaps, Err(DeliveryError::Gap { .. })) => Ok(Appended::Written),
            (Fault::LiesAboutTheEnd, Err(DeliveryError::Gap { end })) => {
                Err(DeliveryError::Gap { end: end + 1 })
            }
            (_, appended) => appended,
        }
    }

    async fn read(&self, call: CallId, position: u64) -> Result<Option<Bytes>, DeliveryError> {
        let call = self.call(call);
        let overwritten = self.overwritten.lock().expect("no panic").get(&(call, position)).cloned();
        Ok(overwritten.or(self.inner.read(call, position).await?))
    }

    async fn follow(&self, call: CallId, from: u64) -> Result<LogStream, DeliveryError> {
        let call = self.call(call);
        let mut end = 0;
        while self.inner.read(call, end).await?.is_some() {
            end += 1;
        }
        let nth = self.followers.fetch_add(1, Ordering::Relaxed);
        let log = match self.fault {
            Fault::FollowsOnlyWhatIsNew => self.inner.follow(call, from.max(end)).await?,
            Fault::FollowsFromTheStart => self.inner.follow(call, 0).await?,
            _ => self.inner.follow(call, from).await?,
        };
        Ok(match self.fault {
            Fault::FollowsOnlyWhatIsStored => Subscription::new(log.take(end.saturating_sub(from) as usize)),
            Fault::ShowsTwoLogs if nth % 2 == 1 => Subscription::new(log.map(forge_the_fourth)),
            _ => log,
        })
    }

    async fn publish_talk(&self, call: CallId, message: Bytes) -> Result<(), DeliveryError> {
        let call = self.call(call);
        self.talked.lock().expect("no panic").push(message.clone());
        if self.has(Fault::ReordersTalk) {
            let held_back = self.held_back.lock().expect("no panic").take();
            let Some(held_back) = held_back else {
                *self.held_back.lock().expect("no panic") = Some(message);
                return Ok(());
            };
            self.inner.publish_talk(call, message).await?;
            return self.inner.publish_talk(call, held_back).await;
        }
        self.inner.publish_talk(call, message).await
    }

    async fn listen_talk(&self, call: CallId) -> Result<TalkStream, DeliveryError> {
        let talk = self.inner.listen_talk(self.call(call)).await?;
        let talked = self.talked.lock().expect("no panic").clone();
        Ok(match self.fault {
            Fault::ReplaysTalk => Subscription::new(iter(talked).map(Talk::Message).chain(talk)),
            Fault::LosesTalkSilently => Subscription::new(without_notice(talk)),
            Fault::LosesAllTalk => Subscription::new(talk.map(|item| match item {
                Talk::Message(_) => Talk::Lagged(1),
                lagged => lagged,
            })),
            _ => talk,
        })
    }

    async fn post(&self, mailbox: MailboxId, message: Bytes) -> Result<(), DeliveryError> {
        self.posts.fetch_add(1, Ordering::Relaxed);
        self.inner.post(self.mailbox(mailbox), message).await
    }

    async fn open_mailbox(&self, mailbox: MailboxId) -> Result<MailboxStream, DeliveryError> {
        let messages = self.inner.open_mailbox(self.mailbox(mailbox)).await?;
        let posted = self.posts.load(Ordering::Relaxed);
        let nth = self.readers.fetch_add(1, Ordering::Relaxed);
        Ok(match self.fault {
            Fault::OpensMailboxesEmpty => Subscription::new(messages.skip(posted)),
            Fault::SharesMessagesOut => Subscription::new(every_second(messages, nth % 2)),
            _ => messages,
        })
    }

    async fn end_call(&self, call: CallId) -> Result<(), DeliveryError> {
        if self.has(Fault::ForgetsNoCall) {
            return Ok(());
        }
        if self.has(Fault::ForgetsAllCalls) {
            for n in 0..=u8::MAX {
                self.inner.end_call(CallId([n; 16])).await?;
            }
        }
        if self.has(Fault::ForgetsMailboxesToo) {
            self.inner.close_mailbox(MailboxId(call.0)).await?;
        }
        self.inner.end_call(self.call(call)).await
    }

    async fn close_mailbox(&self, mailbox: MailboxId) -> Result<(), DeliveryError> {
        if self.has(Fault::ForgetsNoMailbox) {
            return Ok(());
        }
        self.inner.close_mailbox(self.mailbox(mailbox)).await
    }
}

fn forge_the_fourth((position, entry): (u64, Bytes)) -> (u64, Bytes) {
    (position, if position == 3 { Bytes::from("forged") } else { entry })
}

fn without_notice(talk: TalkStream) -> impl Stream<Item = Talk> {
    talk.filter(|item| std::future::ready(matches!(item, Talk::Message(_))))
}

fn every_second(messages: MailboxStream, odd: usize) -> impl Stream<Item = Bytes> {
    messages.enumerate().filter(move |(n, _)| std::future::ready(n % 2 == odd)).map(|(_, message)| message)
}
