//! What a client sees, in the words in which the table and the README speak of it.

use std::fmt;

use clerk_webhook_core::{Answer, Outcome};

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
    /// The answer of this workspace to what it refuses: status, content type and body as [`Answer`] says.
    Refused(Answer),
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
    /// Outcomes with the same answer cannot be told apart, and must not be.
    pub fn refused(outcome: Outcome) -> Self {
        let answer = Answer::from(outcome);
        let alike = |other: &Answer| {
            (other.status(), other.content_type(), other.body())
                == (answer.status(), answer.content_type(), answer.body())
        };
        let first = Outcome::ALL.iter().map(|outcome| Answer::from(*outcome)).find(alike);
        Self::Refused(first.unwrap_or(answer))
    }

    /// Returns whether a server may say this to a client that has broken off.
    pub fn is_giving_up(&self) -> bool {
        match self {
            Self::Closed | Self::Plain(400) => true,
            Self::Refused(answer) => answer.status() == 400,
            _ => false,
        }
    }
}

impl From<&Reply> for Seen {
    fn from(reply: &Reply) -> Self {
        // Anybody can provoke an answer, so none may steer the sender.
        if let Some(steering) = ["webhook-delivery", "retry-after"].into_iter().find(|name| reply.has(name)) {
            return Self::Wrong(format!("{} with a {steering} header", reply.status));
        }
        let content_type = reply.header("content-type").unwrap_or_default();
        let answers = Outcome::ALL.iter().map(|outcome| Answer::from(*outcome));
        let mut alike = answers.filter(|answer| {
            (answer.status(), answer.content_type(), answer.body().as_bytes())
                == (reply.status, content_type, &reply.body[..])
        });
        if let Some(answer) = alike.next() {
            // Axum names the methods of a route in every answer to another one.
            let usual = ["allow", "connection", "content-length", "content-type", "date"];
            let other = reply.headers.iter().find(|(name, _)| !usual.contains(&name.as_str()));
            return match other {
                Some((name, _)) => Self::Wrong(format!("a refusal with a {name} header")),
                None => Self::Refused(answer),
            };
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
            Self::Refused(answer) if answer.outcome() == Outcome::NotAnEvent => {
                f.write_str("400 not_an_event")
            }
            Self::Refused(answer) => write!(f, "{}", answer.status()),
            Self::Plain(status) => write!(f, "plain {status}"),
            Self::Continue => f.write_str("100"),
            Self::Closed => f.write_str("closed"),
            Self::GivenUp => f.write_str("closed or 400"),
            Self::Nothing => f.write_str("nothing"),
            Self::Wrong(what) => f.write_str(what),
        }
    }
}
