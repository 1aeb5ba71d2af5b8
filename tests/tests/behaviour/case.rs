//! What a case is made of: what a client does, what it has to see, and what has to reach the handler.

use bytes::Bytes;
use clerk_webhook_core::{Answer, Outcome, Timestamp};

use super::http2::Stream;
use super::inbox::Delivered;
use super::seen::Seen;
use super::stacks::Setup;
use super::wire_request::WireRequest;

/// One row of the table.
pub struct Case {
    pub name: String,
    /// What the README calls it and others like it, where frameworks differ and its name is not enough.
    pub kind: Option<&'static str>,
    pub setup: Setup,
    /// What the clock of the receiver says, where the set-up lets it be set.
    pub clock: Option<Timestamp>,
    /// What each of the clients does; all are there at once.
    pub clients: Vec<Vec<Step>>,
    /// What has to reach the handler, in any order, and nothing else may.
    pub delivered: Vec<Delivered>,
}

/// What a client does next.
pub enum Step {
    /// Writes all at once.
    Write(Bytes),
    /// Writes one byte after the other.
    WriteSlowly(Bytes),
    /// Writes this again and again until the next step that writes or reconnects.
    Drip(&'static [u8]),
    /// Says that nothing more will be written.
    HalfClose,
    /// Is gone as soon as everything is written, and comes back on another connection.
    Reconnect,
    /// Reads an answer.
    Expect(Seen),
    /// Waits until a handler has begun that is to hold.
    AwaitHandler,
    /// Lets that handler go on.
    LetHandlerEnd,
    /// Sends a request on a connection of its own and reads the answer.
    Aside(Bytes, Seen),
    /// Makes requests over HTTP/2, all at once on a connection of their own, and reads the answers.
    Http2(Vec<(Stream, Seen)>),
}

impl Case {
    pub fn new(setup: Setup, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: None,
            setup,
            clock: None,
            clients: vec![Vec::new()],
            delivered: Vec::new(),
        }
    }

    /// Names the row of the README that speaks of this case.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    pub fn clock(self, now: Timestamp) -> Self {
        Self { clock: Some(now), ..self }
    }

    /// Sends a delivery that the handler has to get.
    pub fn accepts(self, delivery: &WireRequest) -> Self {
        self.accepts_as(delivery.with_length(), delivery)
    }

    /// Sends a delivery in a certain form that the handler has to get.
    pub fn accepts_as(self, bytes: impl Into<Bytes>, delivery: &WireRequest) -> Self {
        self.write(bytes).accepted(delivery)
    }

    /// Sends a delivery that has to be refused.
    pub fn refuses(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.refuses_as(delivery.with_length(), outcome)
    }

    /// Sends bytes that have to be refused.
    pub fn refuses_as(self, bytes: impl Into<Bytes>, outcome: Outcome) -> Self {
        self.write(bytes).refused(outcome)
    }

    pub fn write(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Write(bytes.into()))
    }

    /// Expects that what was written is accepted, and that the handler gets it.
    pub fn accepted(mut self, delivery: &WireRequest) -> Self {
        self.delivered.push(delivery.delivered());
        self.sees(Seen::Accepted)
    }

    pub fn refused(self, outcome: Outcome) -> Self {
        self.sees(Seen::answered(outcome.into()))
    }

    pub fn sees(self, seen: Seen) -> Self {
        self.step(Step::Expect(seen))
    }

    /// Sends a delivery that is handled, and expects the answer to an outcome.
    pub fn answers(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.answers_as(delivery.with_length(), outcome)
    }

    /// Sends a delivery in a certain form that is handled.
    pub fn answers_as(self, bytes: impl Into<Bytes>, outcome: Outcome) -> Self {
        self.write(bytes).answered(outcome)
    }

    /// Sends a delivery that is handled, and expects a certain answer.
    pub fn answers_with(self, delivery: &WireRequest, answer: Answer) -> Self {
        self.write(delivery.with_length()).sees(Seen::answered(answer))
    }

    pub fn answered(self, outcome: Outcome) -> Self {
        self.sees(Seen::answered(outcome.into()))
    }

    /// Expects that a handler is called, for the first time or another one.
    pub fn runs(mut self, delivery: &WireRequest, attempt: u32) -> Self {
        self.delivered.push(Delivered { attempt: Some(attempt), ..delivery.delivered() });
        self
    }

    pub fn once_it_runs(self) -> Self {
        self.step(Step::AwaitHandler)
    }

    pub fn lets_it_end(self) -> Self {
        self.step(Step::LetHandlerEnd)
    }

    /// Sends a delivery while the connection waits for an answer.
    pub fn aside(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.step(Step::Aside(delivery.with_length().into(), Seen::answered(outcome.into())))
    }

    pub fn step(mut self, step: Step) -> Self {
        self.clients.last_mut().expect("there is a client").push(step);
        self
    }

    pub fn reconnects(self) -> Self {
        self.step(Step::Reconnect)
    }

    /// Makes requests over HTTP/2: what is to be accepted the handler has to get.
    pub fn http2(mut self, streams: Vec<(Stream, Seen)>) -> Self {
        let accepted = streams.iter().filter(|(_, seen)| *seen == Seen::Accepted);
        self.delivered.extend(accepted.map(|(stream, _)| stream.delivery.delivered()));
        self.step(Step::Http2(streams))
    }

    /// Lets the clients of another case come at the same time.
    pub fn beside(mut self, other: Self) -> Self {
        self.clients.extend(other.clients);
        self.delivered.extend(other.delivered);
        self
    }

    /// Returns what the clients have to see, one after the other.
    pub fn expected(&self) -> Vec<Seen> {
        let mut expected = Vec::new();
        for step in self.clients.iter().flatten() {
            match step {
                Step::Expect(seen) | Step::Aside(_, seen) => expected.push(seen.clone()),
                Step::Http2(streams) => expected.extend(streams.iter().map(|(_, seen)| seen.clone())),
                _ => {}
            }
        }
        expected
    }
}
