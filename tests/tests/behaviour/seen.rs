//! What a client sees, in the words in which the table and the README speak of it.

use std::fmt;
use std::time::Duration;

use clerk_webhook_core::{Answer, Outcome};

use super::handling::OUTCOME;

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, values as they are.
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

    /// Returns whether the server says that it will close the connection.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Seen {
    /// The answer of the handler: 200 without a body.
    Accepted,
    /// An answer of this workspace: the status, headers and body that [`Answer`] says, and the outcome for a middleware
    /// outside.
    Answered(Answer),
    /// Another answer, which the server or the framework gave by itself.
    Plain(u16),
    /// The server wants the body.
    Continue,
    /// The server has closed the connection and said nothing.
    Closed,
    /// The server has closed the connection, if not without a 400: nobody is there to read it.
    GivenUp,
    /// Nothing at all, though there was time enough.
    Nothing,
    /// Something that nobody may answer.
    Wrong(String),
}

impl Seen {
    /// In progress is what a lease of 60 s is taken for, however much of it is left.
    pub fn answered(answer: Answer) -> Self {
        Self::Answered(match answer.outcome() {
            Outcome::InProgress => answer.with_retry_after(Duration::from_secs(60)),
            _ => answer,
        })
    }

    fn of_outcome(reply: &Reply, word: &str) -> Self {
        let Some(outcome) = Outcome::ALL.iter().find(|outcome| outcome.as_str() == word) else {
            return Self::Wrong(format!("the outcome `{word}`"));
        };
        let retry_after = reply.header("retry-after").map(|value| value.parse::<u32>().unwrap_or(0));
        let answer = Answer::from(*outcome);
        let answer = match retry_after {
            Some(seconds) => answer.with_retry_after(Duration::from_secs(seconds.into())),
            None => answer,
        };
        // Axum names the methods of a route in every answer to another one.
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
        let is_as_it_says = (reply.status, reply.header("content-type"), &reply.body[..])
            == (answer.status(), Some(answer.content_type()), answer.body().as_bytes())
            && (retry_after, reply.header("webhook-delivery"))
                == (answer.retry_after(), answer.delivery_control());
        match (is_as_it_says, outcome, retry_after) {
            (true, Outcome::InProgress, Some(1..=60)) => Self::answered(answer),
            (true, Outcome::InProgress, _) | (false, ..) => Self::Wrong(format!("{word}, but {reply:?}")),
            (true, ..) => Self::Answered(answer),
        }
    }

    /// Returns whether a server may say this to a client that has broken off.
    pub fn is_giving_up(&self) -> bool {
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
        // Anybody can provoke an answer, so none may steer the sender.
        if let Some(steering) = ["webhook-delivery", "retry-after"].into_iter().find(|name| reply.has(name)) {
            return Self::Wrong(format!("{} with a {steering} header", reply.status));
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
            // The sender of a delivery that is not verified sees no more than that.
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
