//! How a command can end other than well.

use std::fmt;
use std::io;

/// Why a command failed, and so its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It worked, and what it found out is negative. That has been printed.
    Negative,
    /// It was used wrong; says what to do instead.
    Usage(String),
    /// The network, or what is at its other end.
    Network(String),
    /// What reads the output has gone.
    OutputClosed,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub(crate) fn network(message: impl fmt::Display) -> Self {
        Self::Network(message.to_string())
    }

    /// Returns the exit code: 1 for a negative result, 2 for wrong usage, 3 for the network.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Negative => 1,
            Self::Usage(_) => 2,
            Self::Network(_) => 3,
            // As `head` expects it of what it cuts off.
            Self::OutputClosed => 0,
        }
    }
}

/// Of writing to standard output; files and sockets say more by themselves.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Usage(format!("cannot write to standard output: {error}")),
        }
    }
}
