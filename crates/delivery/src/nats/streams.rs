//! The two streams of a space: made where they are not there, and looked at where they are.

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Republish, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use tokio::time::{Instant, sleep};

use super::config::NatsConfig;
use super::error::NatsError;
use super::space::{Place, Space};
use super::{HEADER_ROOM, PAUSE};

/// The first server whose streams refuse what is more than a bound in bytes. Those before forget what a message costs beside its bytes, and
/// where only that does not fit they make room after all, by dropping the oldest message: what was acknowledged is gone
/// (nats-server #4771, #4775). They are given a bound in messages, which they keep.
const COUNTS_BYTES: [i64; 3] = [2, 10, 5];
/// How large a message is then taken to be: a commit of a large call with a few changes.
const TYPICAL: usize = 8 << 10;

/// The streams of logs and of mailboxes.
pub(super) async fn open(
    context: &Context,
    space: &Space,
    config: &NatsConfig,
) -> Result<[Stream; 2], NatsError> {
    let [major, minor, patch] = COUNTS_BYTES;
    let counts_bytes = context.client().is_server_compatible(major, minor, patch);
    let log = Config {
        name: space.log_stream(),
        subjects: space.log_subjects(),
        max_messages_per_subject: 1,
        ..common(space.republished(Place::CALL), config, counts_bytes)
    };
    let mail = Config {
        name: space.mail_stream(),
        subjects: space.mail_subjects(),
        max_messages_per_subject: config.limits.max_mailbox_messages.try_into().unwrap_or(i64::MAX),
        ..common(space.republished(Place::MAIL), config, counts_bytes)
    };
    Ok([patiently(context, log, config).await?, patiently(context, mail, config).await?])
}

fn common([source, destination]: [String; 2], config: &NatsConfig, counts_bytes: bool) -> Config {
    let limits = &config.limits;
    let room = limits.max_stored_bytes / 2;
    let [max_bytes, max_messages] =
        if counts_bytes { [room as i64, -1] } else { [-1, (room / TYPICAL).max(1) as i64] };
    Config {
        max_bytes,
        max_messages,
        max_message_size: (limits.max_entry_bytes + HEADER_ROOM).try_into().unwrap_or(i32::MAX),
        max_age: config.max_age,
        max_consumers: -1,
        num_replicas: config.replicas,
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        // What is stored stays; it is the newcomer that is refused, for each subject, too.
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        deny_delete: !config.purge_ended,
        deny_purge: !config.purge_ended,
        republish: Some(Republish { source, destination, headers_only: false }),
        ..Config::default()
    }
}

/// A cluster that was just started has to agree on who leads first.
async fn patiently(context: &Context, wanted: Config, config: &NatsConfig) -> Result<Stream, NatsError> {
    let until = Instant::now() + config.patience;
    loop {
        match get_or_make(context, &wanted).await {
            Err(NatsError::Streams(_)) if Instant::now() + PAUSE < until => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

async fn get_or_make(context: &Context, wanted: &Config) -> Result<Stream, NatsError> {
    match context.get_stream(&wanted.name).await {
        Ok(stream) => return check(stream, wanted),
        Err(error) if is_gone(&error) => {}
        Err(error) => return Err(NatsError::Streams(error.into())),
    }
    match context.create_stream(wanted).await {
        Ok(stream) => check(stream, wanted),
        Err(error) => match error.kind() {
            // Somebody else has made it meanwhile, with other bounds.
            CreateStreamErrorKind::JetStream(said) if said.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                let stream = context.get_stream(&wanted.name).await;
                check(stream.map_err(|error| NatsError::Streams(error.into()))?, wanted)
            }
            _ => Err(NatsError::Streams(error.into())),
        },
    }
}

/// That there is no such stream.
pub(super) fn is_gone(error: &GetStreamError) -> bool {
    let said = |said: &async_nats::jetstream::Error| said.error_code() == ErrorCode::STREAM_NOT_FOUND;
    matches!(error.kind(), GetStreamErrorKind::JetStream(error) if said(&error))
}

/// What the contract stands on; bounds are for whoever made the stream to choose.
fn check(stream: Stream, wanted: &Config) -> Result<Stream, NatsError> {
    let is = &stream.cached_info().config;
    let republishes = |config: &Config| {
        config.republish.as_ref().map(|it| (it.source.clone(), it.destination.clone(), it.headers_only))
    };
    let mut subjects = is.subjects.clone();
    subjects.sort();
    let mut wanted_subjects = wanted.subjects.clone();
    wanted_subjects.sort();
    let one_each = |config: &Config| config.max_messages_per_subject == 1;
    let differences = [
        (subjects != wanted_subjects, "its subjects"),
        (one_each(is) != one_each(wanted), "how many messages a subject holds"),
        (
            is.discard != DiscardPolicy::New || !is.discard_new_per_subject,
            "it makes room by dropping messages",
        ),
        (is.retention != RetentionPolicy::Limits, "its retention"),
        (wanted.deny_purge && !(is.deny_purge && is.deny_delete), "it lets clients delete what is stored"),
        (!wanted.deny_purge && is.deny_purge, "it lets nobody delete what ended calls held"),
        (is.allow_rollup, "it lets clients replace what is stored"),
        (is.no_ack, "it acknowledges nothing"),
        (republishes(is) != republishes(wanted), "what it says again"),
    ];
    match differences.into_iter().find(|(differs, _)| *differs) {
        None => Ok(stream),
        Some((_, what)) => Err(NatsError::Mismatch { stream: wanted.name.clone(), what }),
    }
}
