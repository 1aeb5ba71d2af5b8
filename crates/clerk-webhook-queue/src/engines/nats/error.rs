//! The errors of the queue in NATS.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_nats::error::Error as Failure;

type Source = Box<dyn Error + Send + Sync>;

/// How often a call tries to change a message that other clients change too, until it returns
/// [`NatsQueueError::Contended`].
pub(super) const TRIES: u32 = 64;

/// The error of a [`NatsQueue`](crate::NatsQueue).
///
/// It contains no payload.
#[non_exhaustive]
pub enum NatsQueueError {
    /// The client cannot connect to the server.
    Connect(Source),
    /// The server did not answer in time.
    Timeout(Duration),
    /// The server rejected a request.
    Rejected(Source),
    /// The stream does not exist.
    MissingStream {
        /// The name of the stream.
        name: String,
    },
    /// The stream exists, but has settings with which it cannot be a queue.
    Stream {
        /// The name of the stream.
        name: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The event, with the queue's own fields, is larger than the server's `max_payload`, or than the stream's
    /// limit of the message size.
    TooLarge {
        /// The size of the event with the reserved space, in bytes.
        size: usize,
        /// The server's limit in bytes.
        max_payload: usize,
    },
    /// The server's `max_payload` is too small for the body limit of the verifier.
    MaxPayload {
        /// The required limit in bytes.
        required: usize,
        /// The server's limit in bytes.
        max_payload: usize,
    },
    /// The stream has reached the limit of [`NatsQueue::max_bytes`](crate::NatsQueue::max_bytes).
    Full,
    /// Other clients changed the same message at the same time in 64 tries.
    Contended,
    /// The prefix of the names is empty, too long, or contains a character that is not allowed.
    Prefix,
    /// The stream contains a message that no queue has written.
    Foreign {
        /// The name of the stream.
        name: String,
        /// The sequence of the message.
        sequence: u64,
    },
}

impl NatsQueueError {
    /// Converts an error of the client.
    pub(super) fn rejected<K>(error: Failure<K>) -> Self
    where
        K: Clone + fmt::Debug + fmt::Display + PartialEq + Send + Sync + 'static,
    {
        Self::Rejected(Box::new(error))
    }
}

impl fmt::Display for NatsQueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(source) => write!(
                f,
                "cannot connect to NATS: {source}. Check the URL, the user name and the password, and that the server is running"
            ),
            Self::Timeout(limit) => write!(
                f,
                "NATS did not answer within {limit:?}. Check that the server is reachable, that the stream has a leader, and that the user has the permissions that the documentation of `NatsQueue` lists"
            ),
            Self::Rejected(source) => write!(
                f,
                "NATS rejected a request: {source}. Check that JetStream is enabled, and the permissions and the limits of the account"
            ),
            Self::MissingStream { name } => write!(
                f,
                "the stream {name} does not exist. Call `migrate()` when the application starts, and check that JetStream is enabled"
            ),
            Self::Stream { name, reason } => write!(
                f,
                "the stream {name} cannot be used: {reason}. Choose another name with `prefix`, or delete the stream if it is not needed"
            ),
            Self::TooLarge { size, max_payload } => write!(
                f,
                "an event needs {size} bytes, and max_payload of the NATS server is {max_payload} bytes. Raise max_payload in the server's configuration, and remove the stream's limit of the message size"
            ),
            Self::MaxPayload { required, max_payload } => write!(
                f,
                "max_payload of the NATS server is {max_payload} bytes, but the body limit needs {required}. Set `max_payload: {required}` in the server's configuration, or lower the body limit of the verifier and call `body_limit`"
            ),
            Self::Full => f.write_str(
                "the queue has reached its `max_bytes`. Check that the workers run, call `purge`, retry or discard the dead letters, or raise the limit",
            ),
            Self::Contended => write!(
                f,
                "other clients changed the same message at the same time in {TRIES} tries. Try again later"
            ),
            Self::Prefix => {
                f.write_str("the prefix is invalid. Use 1 to 64 ASCII letters, digits, `_` and `-`")
            }
            Self::Foreign { name, sequence } => write!(
                f,
                "the stream {name} contains a message that no queue has written. Delete it with `nats stream rmm {name} {sequence}`, and do not publish to the subjects of the stream"
            ),
        }
    }
}

impl fmt::Debug for NatsQueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NatsQueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(source) | Self::Rejected(source) => Some(&**source),
            _ => None,
        }
    }
}
