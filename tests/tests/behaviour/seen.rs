//! The results of requests, with the texts that the table of cases and the guide use.

use std::fmt;
use std::time::Duration;

use clerk_webhook_core::{Answer, Outcome};

use super::handling::OUTCOME;

/// An answer as received.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, values unchanged.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// Returns whether the server announces that it will close the connection.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The result of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Seen {
    /// The answer of the handler: 200 without a body.
    Accepted,
    /// An answer from this workspace: the status, headers and body of this [`Answer`], and the outcome for
    /// outer middleware.
    Answered(Answer),
    /// A different answer, from the server or the framework.
    Plain(u16),
    /// The server requests the body.
    Continue,
    /// The server closed the connection without an answer.
    Closed,
    /// The server closed the connection, with or without a 400, because the client is gone.
    GivenUp,
    /// The timeout passed without an answer.
    Nothing,
    /// An answer that no case expects.
    Wrong(String),
}

impl Seen {
    /// Sets the remaining lease of `in_progress` to 60 s, so that such answers are equal.
    pub fn answered(answer: Answer) -> Self {
        Self::Answered(match answer.outcome() {
            Outcome::InProgress => answer.with_retry_after(Duration::from_secs(60)),
            _ => answer,
        })
    }

    fn of_outcome(reply: &Reply, word: &str) -> Self {
        let Some(outcome) = Outcome::ALL.iter().find(|outcome| outcome.as_str() == word) else {
            return Self::Wrong(format!("an unknown outcome `{word}`"));
        };
        let retry_after = reply.header("retry-after").map(|value| value.parse::<u32>().unwrap_or(0));
        let answer = Answer::from(*outcome);
        let answer = match retry_after {
            Some(seconds) => answer.with_retry_after(Duration::from_secs(seconds.into())),
            None => answer,
        };
        // Axum adds `allow` to the answer to a different method.
        let usual = [
            "allow",
            "connection",
            "content-length",
            "content-type",
            "date",
            "retry-after",
            "webhook-delivery",
            OUTCOME,
        ];
        if let Some((name, _)) = reply.headers.iter().find(|(name, _)| !usual.contains(&name.as_str())) {
            return Self::Wrong(format!("{word} with a {name} header"));
        }
        let is_complete = (reply.status, reply.header("content-type"), &reply.body[..])
            == (answer.status(), Some(answer.content_type()), answer.body().as_bytes())
            && (retry_after, reply.header("webhook-delivery"))
                == (answer.retry_after(), answer.delivery_control());
        match (is_complete, outcome, retry_after) {
            (true, Outcome::InProgress, Some(1..=60)) => Self::answered(answer),
            (true, Outcome::InProgress, _) | (false, ..) => Self::Wrong(format!("{word}, but {reply:?}")),
            (true, ..) => Self::Answered(answer),
        }
    }

    /// Returns whether a server may do this if the client has closed the connection early.
    pub fn may_follow_an_early_close(&self) -> bool {
        match self {
            Self::Closed | Self::Plain(400) => true,
            Self::Answered(answer) => answer.status() == 400,
            _ => false,
        }
    }
}

impl From<&Reply> for Seen {
    fn from(reply: &Reply) -> Self {
        if let Some(word) = reply.header(OUTCOME) {
            return Self::of_outcome(reply, word);
        }
        // Anyone can provoke this answer, so it must not control the sender's retries.
        if let Some(control) = ["webhook-delivery", "retry-after"].into_iter().find(|name| reply.has(name)) {
            return Self::Wrong(format!("{} with a {control} header", reply.status));
        }
        match reply.status {
            100 => Self::Continue,
            200 if reply.body.is_empty() => Self::Accepted,
            status => Self::Plain(status),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("200"),
            // The sender of a delivery that fails verification sees only the status.
            Self::Answered(answer) if answer.body().contains("title") => write!(f, "{}", answer.status()),
            Self::Answered(answer) => {
                write!(f, "{} {}", answer.status(), answer.outcome())?;
                answer.retry_after().map_or(Ok(()), |seconds| write!(f, " for {seconds} s"))
            }
            Self::Plain(status) => write!(f, "plain {status}"),
            Self::Continue => f.write_str("100"),
            Self::Closed => f.write_str("closed"),
            Self::GivenUp => f.write_str("closed or 400"),
            Self::Nothing => f.write_str("nothing"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}
