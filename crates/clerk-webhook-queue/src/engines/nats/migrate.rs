//! Creates and checks the stream.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType};

use super::access::{Access, RESERVED};
use super::error::NatsQueueError;

/// Creates the stream, or changes the settings of an existing stream that can be changed.
pub(super) async fn migrate(
    access: &Access,
    replicas: Option<usize>,
    body_limit: usize,
) -> Result<(), NatsQueueError> {
    let info = match access.info().await? {
        Some(info) => info,
        None => match create(access, replicas).await? {
            true => return check_payload(access, body_limit),
            // Another process has just created the stream.
            false => access.info().await?.ok_or_else(|| access.missing_stream())?,
        },
    };
    let wanted = adjusted(&info.config, replicas);
    if let Some(reason) = conflict(&info.config, access) {
        return Err(NatsQueueError::Stream { name: access.names.stream().to_owned(), reason });
    }
    if wanted != info.config {
        let update = async {
            access.context.update_stream(&wanted).await.map_err(NatsQueueError::rejected)?;
            Ok(())
        };
        access.bounded(update).await?;
    }
    check_payload(access, body_limit)
}

async fn create(access: &Access, replicas: Option<usize>) -> Result<bool, NatsQueueError> {
    let config = Config {
        name: access.names.stream().to_owned(),
        subjects: vec![access.names.all()],
        description: Some(
            "A queue of clerk-webhook. Each subject is a message, with its last state.".to_owned(),
        ),
        storage: StorageType::File,
        num_replicas: replicas.unwrap_or(1),
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    access
        .bounded(async {
            match access.context.create_stream(config).await {
                Ok(_) => Ok(true),
                Err(error) => match error.kind() {
                    CreateStreamErrorKind::JetStream(reason)
                        if reason.error_code() == ErrorCode::STREAM_NAME_EXIST =>
                    {
                        Ok(false)
                    }
                    _ => Err(NatsQueueError::rejected(error)),
                },
            }
        })
        .await
}

/// Returns the settings of an existing stream, with the changes that a queue needs.
fn adjusted(config: &Config, replicas: Option<usize>) -> Config {
    Config {
        num_replicas: replicas.unwrap_or(config.num_replicas),
        discard: DiscardPolicy::New,
        discard_new_per_subject: false,
        max_age: std::time::Duration::ZERO,
        ..config.clone()
    }
}

/// Returns why an existing stream cannot be a queue.
fn conflict(config: &Config, access: &Access) -> Option<&'static str> {
    if config.subjects != [access.names.all()] {
        Some("it stores other subjects")
    } else if config.max_messages_per_subject != 1 {
        Some("its limit of messages per subject is not 1")
    } else if config.retention != RetentionPolicy::Limits {
        Some("its retention policy is not `limits`")
    } else if config.storage != StorageType::File {
        Some("it stores messages in memory, so that a restart of the server loses them")
    } else if config.no_ack || config.sealed || config.deny_delete {
        Some("it is sealed, does not acknowledge messages, or does not allow deleting them")
    } else if config.persist_mode == Some(PersistenceMode::Async) {
        Some("it acknowledges messages before it stores them")
    } else if config.subject_transform.is_some() {
        Some("it changes the subjects of messages")
    } else if config.sources.as_ref().is_some_and(|sources| !sources.is_empty()) {
        Some("it copies another stream")
    } else {
        None
    }
}

/// Checks that the server accepts each event that the receiver accepts.
fn check_payload(access: &Access, body_limit: usize) -> Result<(), NatsQueueError> {
    let required = body_limit.saturating_add(RESERVED);
    let max_payload = access.context.client().max_payload();
    if max_payload < required {
        return Err(NatsQueueError::MaxPayload { required, max_payload });
    }
    Ok(())
}
