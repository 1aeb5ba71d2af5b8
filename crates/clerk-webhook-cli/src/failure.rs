//! Failures of commands, and their exit codes.

use std::fmt;
use std::io;

/// Why a command failed. Determines the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command worked and its result is negative. The result has been printed.
    Negative,
    /// The command was used incorrectly. The message says what to do instead.
    Usage(String),
    /// The network, the endpoint, or the database failed.
    Network(String),
    /// The tables have another version than this command.
    #[cfg(feature = "sync")]
    Schema(String),
    /// The command refused to continue, to protect the data.
    #[cfg(feature = "sync")]
    Refused(String),
    /// The reader of the output closed the pipe.
    OutputClosed,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub(crate) fn network(message: impl fmt::Display) -> Self {
        Self::Network(message.to_string())
    }

    /// Returns the message, without what `error:` says in front of it.
    #[cfg(feature = "serve")]
    pub(crate) fn message(&self) -> &str {
        match self {
            Self::Usage(message)
            | Self::Network(message)
            | Self::Schema(message)
            | Self::Refused(message) => message,
            Self::Negative => "the result is negative",
            Self::OutputClosed => "the reader of the output closed the pipe",
        }
    }

    /// Returns the exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Negative => 1,
            Self::Usage(_) => 2,
            Self::Network(_) => 3,
            #[cfg(feature = "sync")]
            Self::Schema(_) => 4,
            #[cfg(feature = "sync")]
            Self::Refused(_) => 5,
            // A reader such as `head` closes the pipe on purpose.
            Self::OutputClosed => 0,
        }
    }
}

/// This conversion is only for errors on standard output. Errors on files and sockets have more specific
/// messages.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Usage(format!("cannot write to standard output: {error}")),
        }
    }
}
