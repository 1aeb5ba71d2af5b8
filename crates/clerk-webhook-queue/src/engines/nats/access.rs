//! The requests to the server. Each of them has a time limit.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_nats::Client;
use async_nats::HeaderMap;
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{self, DeleteMessageErrorKind, Info, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use bytes::Bytes;

use super::error::NatsQueueError;
use super::names::Names;
use super::record::Record;

/// The header that contains the record.
const HEADER: &str = "Clerk-Webhook";

/// The bytes of a message that are reserved for the queue's own fields, which grow with the last error.
pub(super) const RESERVED: usize = 16 * 1024;

/// How long a client waits for a record that the replicas have not stored yet.
pub(super) const PENDING: Duration = Duration::from_millis(5);

/// A message of the stream.
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) body: Bytes,
    pub(super) sequence: u64,
}

/// The server's answer to a conditional write.
pub(super) enum Appended {
    /// The server has stored the record under this sequence.
    Stored(u64),
    /// The last record is another one.
    Conflict,
    /// The last record may soon be another one, which the replicas have not stored yet. Servers of version
    /// 2.11 or later send this answer.
    Pending,
}

/// Writes and reads the messages of one stream.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) context: Context,
    pub(super) names: Names,
    pub(super) timeout: Duration,
    replication: Arc<AtomicU8>,
}

/// What is known about the number of the stream's replicas.
const UNKNOWN: u8 = 0;
const SINGLE: u8 = 1;
const REPLICATED: u8 = 2;

impl Access {
    pub(super) fn new(client: Client, names: Names, timeout: Duration) -> Self {
        // `bounded` applies the limit. The client's own limits are later, because their errors are less clear.
        let late = timeout.saturating_mul(2);
        let context = ContextBuilder::new().timeout(late).ack_timeout(late).build(client);
        Self { context, names, timeout, replication: Arc::default() }
    }

    pub(super) async fn bounded<T>(
        &self,
        question: impl Future<Output = Result<T, NatsQueueError>>,
    ) -> Result<T, NatsQueueError> {
        // Boxed, because the futures of the client are large, and a method of the queue contains several.
        let answer = tokio::time::timeout(self.timeout, Box::pin(question)).await;
        answer.unwrap_or(Err(NatsQueueError::Timeout(self.timeout)))
    }

    /// Returns how often the client has connected.
    pub(super) fn connects(&self) -> u64 {
        self.context.client().statistics().connects.load(Ordering::Relaxed)
    }

    pub(super) async fn stream(&self) -> Result<Stream<()>, NatsQueueError> {
        self.context.get_stream_no_info(self.names.stream()).await.map_err(NatsQueueError::rejected)
    }

    /// Returns the same access to another stream.
    pub(super) fn renamed(self, names: Names) -> Self {
        Self::new(self.context.client(), names, self.timeout)
    }

    /// Replaces the last record of a message, and returns the new sequence when the server has stored it.
    ///
    /// Returns `None` if the last record is not `expected`, or if another client replaced it first.
    pub(super) async fn write(
        &self,
        record: &Record,
        body: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, NatsQueueError> {
        let record = record.after(expected);
        let sequence = match self.append(&record, body, expected).await? {
            Appended::Stored(sequence) => sequence,
            Appended::Conflict => return Ok(None),
            Appended::Pending => {
                tokio::time::sleep(PENDING).await;
                return Ok(None);
            }
        };
        Ok(self.is_valid(&record.id, sequence).await?.then_some(sequence))
    }

    /// Returns whether a stored record has replaced the one before it.
    ///
    /// With several replicas, the leader compares the expected sequence before it replicates a record, so it
    /// can accept two records at the same time (nats-server issue 4320). The last one counts. All of them
    /// precede the mark.
    async fn is_valid(&self, id: &str, sequence: u64) -> Result<bool, NatsQueueError> {
        if self.replication.load(Ordering::Relaxed) == UNKNOWN {
            self.state().await?;
        }
        if self.replication.load(Ordering::Relaxed) == SINGLE {
            return Ok(true);
        }
        self.mark().await?;
        let last = self.read(id).await?;
        Ok(last.is_none_or(|last| last.sequence == sequence || last.record.follows(sequence)))
    }

    /// Stores a record if the sequence of the last one is `expected`. It is 0 if no record exists.
    ///
    /// If the stream has several replicas, the server may accept two records at the same time.
    pub(super) async fn append(
        &self,
        record: &Record,
        body: Bytes,
        expected: u64,
    ) -> Result<Appended, NatsQueueError> {
        let text = serde_json::to_string(record).map_err(|_| self.foreign(expected))?;
        let size = body.len() + text.len();
        let message = PublishMessage::build()
            .payload(body)
            .header(HEADER, text)
            .expected_last_subject_sequence(expected);
        let subject = self.names.message(&record.id);
        self.bounded(async {
            // The first future only hands the message to the client. The second one is the server's answer.
            let sent = self.context.send_publish(subject, message).await;
            let stored = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            match stored {
                Ok(stored) => Ok(Appended::Stored(stored.sequence)),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(Appended::Conflict),
                Err(error) if code_of(&error) == Some(ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT) => {
                    Ok(Appended::Pending)
                }
                Err(error)
                    if error.kind() == PublishErrorKind::MaxPayloadExceeded
                        || code_of(&error) == Some(ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM) =>
                {
                    let max_payload = self.context.client().max_payload();
                    Err(NatsQueueError::TooLarge { size, max_payload })
                }
                Err(error) => Err(self.unpublished(error)),
            }
        })
        .await
    }

    /// Returns the last record of a message and its body, according to the leader of the stream.
    pub(super) async fn read(&self, id: &str) -> Result<Option<Stored>, NatsQueueError> {
        let subject = self.names.message(id);
        self.bounded(async {
            let stream = self.stream().await?;
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) => {
                    let record = record_of(&message.headers).ok_or_else(|| self.foreign(message.sequence))?;
                    Ok(Some(Stored { record, body: message.payload, sequence: message.sequence }))
                }
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound => Ok(None),
                    LastRawMessageErrorKind::JetStream(reason)
                        if reason.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Err(self.missing_stream())
                    }
                    _ => Err(NatsQueueError::rejected(error)),
                },
            }
        })
        .await
    }

    /// Returns the settings and the state of the stream, according to its leader, or `None` if it does not
    /// exist.
    pub(super) async fn info(&self) -> Result<Option<Info>, NatsQueueError> {
        self.bounded(async {
            match self.context.get_stream(self.names.stream()).await {
                Ok(stream) => {
                    let info = stream.cached_info();
                    let replication = if info.config.num_replicas > 1 { REPLICATED } else { SINGLE };
                    self.replication.store(replication, Ordering::Relaxed);
                    Ok(Some(info.clone()))
                }
                Err(error) => match error.kind() {
                    GetStreamErrorKind::JetStream(reason)
                        if reason.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                    {
                        Ok(None)
                    }
                    _ => Err(NatsQueueError::rejected(error)),
                },
            }
        })
        .await
    }

    /// Returns the state of the stream.
    pub(super) async fn state(&self) -> Result<stream::State, NatsQueueError> {
        self.info().await?.map(|info| info.state).ok_or_else(|| self.missing_stream())
    }

    /// Writes an empty message that is newer than all others, and returns its sequence.
    pub(super) async fn mark(&self) -> Result<u64, NatsQueueError> {
        self.bounded(async {
            let sent = self.context.send_publish(self.names.mark(), PublishMessage::build()).await;
            let stored = match sent {
                Ok(sent) => sent.await,
                Err(error) => Err(error),
            };
            Ok(stored.map_err(|error| self.unpublished(error))?.sequence)
        })
        .await
    }

    /// Returns the error for a stream that does not exist.
    pub(super) fn missing_stream(&self) -> NatsQueueError {
        NatsQueueError::MissingStream { name: self.names.stream().to_owned() }
    }

    /// Returns the error for a message that no queue has written.
    pub(super) fn foreign(&self, sequence: u64) -> NatsQueueError {
        NatsQueueError::Foreign { name: self.names.stream().to_owned(), sequence }
    }

    /// Converts the client's error for a message that was not stored.
    fn unpublished(&self, error: PublishError) -> NatsQueueError {
        match error.kind() {
            PublishErrorKind::StreamNotFound => self.missing_stream(),
            _ => NatsQueueError::rejected(error),
        }
    }

    /// Deletes a record, and returns whether it existed.
    pub(super) async fn delete(&self, sequence: u64) -> Result<bool, NatsQueueError> {
        self.bounded(async {
            match self.stream().await?.delete_message(sequence).await {
                Ok(deleted) => Ok(deleted),
                Err(error) => match error.kind() {
                    DeleteMessageErrorKind::JetStream(reason) if is_missing(&reason) => Ok(false),
                    _ => Err(NatsQueueError::rejected(error)),
                },
            }
        })
        .await
    }
}

/// Returns the server's reason for rejecting a message.
fn code_of(error: &PublishError) -> Option<ErrorCode> {
    let reason = error.source()?.downcast_ref::<jetstream::Error>()?;
    Some(reason.error_code())
}

/// Returns whether a record cannot be deleted because another client has deleted it.
fn is_missing(reason: &jetstream::Error) -> bool {
    match reason.error_code() {
        ErrorCode::SEQUENCE_NOT_FOUND | ErrorCode::NO_MESSAGE_FOUND => true,
        // The server uses one code for all errors of its store.
        ErrorCode::STREAM_MESSAGE_DELETE_FAILED => {
            let text = reason.to_string();
            ["no message found", "deleted message", "stream store EOF"]
                .iter()
                .any(|missing| text.contains(missing))
        }
        _ => false,
    }
}

/// Returns the record of a message, or `None` if no queue has written it.
pub(super) fn record_of(headers: &HeaderMap) -> Option<Record> {
    serde_json::from_str(headers.get(HEADER)?.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_missing_only_if_the_error_says_so() {
        for (code, text, expected) in [
            (10043, "sequence 1 not found", true),
            (10037, "no message found", true),
            (10057, "stream store EOF", true),
            (10057, "message delete not permitted", false),
            (10059, "stream not found", false),
        ] {
            let error = serde_json::json!({ "code": 404, "err_code": code, "description": text });
            let error: jetstream::Error = serde_json::from_value(error).unwrap();
            assert_eq!(is_missing(&error), expected, "{code}: {text}");
        }
    }
}
