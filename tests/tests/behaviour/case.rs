//! The parts of a case: the clients' steps, the expected answers, and the expected handler calls.

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
    /// The kind of this case in the guide, if one row of the guide covers several cases.
    pub kind: Option<&'static str>,
    pub setup: Setup,
    /// The time on the receiver's clock, if the setup has a clock that can be set.
    pub clock: Option<Timestamp>,
    /// The steps of each client. All clients run at the same time.
    pub clients: Vec<Vec<Step>>,
    /// The calls that the handler must receive, in any order. Any other call is a failure.
    pub delivered: Vec<Delivered>,
}

/// One step of a client.
pub enum Step {
    /// Writes all bytes in one step.
    Write(Bytes),
    /// Writes one byte at a time.
    WriteSlowly(Bytes),
    /// Writes these bytes repeatedly until the next step that writes or reconnects.
    Drip(&'static [u8]),
    /// Closes the writing direction of the connection.
    HalfClose,
    /// Closes the connection after everything is written, and opens a new one.
    Reconnect,
    /// Reads an answer.
    Expect(Seen),
    /// Waits until a handler with the `hold` instruction has started.
    AwaitHandler,
    /// Lets that handler finish.
    LetHandlerEnd,
    /// Sends a request on another connection and reads the answer.
    OnAnotherConnection(Bytes, Seen),
    /// Sends concurrent requests on a new HTTP/2 connection and reads the answers.
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

    /// Returns the name under which the guide lists this case.
    pub fn kind_or_name(&self) -> &str {
        self.kind.unwrap_or(&self.name)
    }

    /// Sets the kind under which the guide lists this case.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    pub fn clock(self, now: Timestamp) -> Self {
        Self { clock: Some(now), ..self }
    }

    /// Sends a delivery that the handler must receive.
    pub fn accepts(self, delivery: &WireRequest) -> Self {
        self.accepts_as(delivery.with_length(), delivery)
    }

    /// Sends a delivery as these bytes. The handler must receive it.
    pub fn accepts_as(self, bytes: impl Into<Bytes>, delivery: &WireRequest) -> Self {
        self.write(bytes).accepted(delivery)
    }

    /// Sends a delivery that the receiver must reject.
    pub fn rejects(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.rejects_as(delivery.with_length(), outcome)
    }

    /// Sends bytes that the receiver must reject.
    pub fn rejects_as(self, bytes: impl Into<Bytes>, outcome: Outcome) -> Self {
        self.write(bytes).rejected(outcome)
    }

    pub fn write(self, bytes: impl Into<Bytes>) -> Self {
        self.step(Step::Write(bytes.into()))
    }

    /// Expects that the delivery is accepted and that the handler receives it.
    pub fn accepted(mut self, delivery: &WireRequest) -> Self {
        self.delivered.push(delivery.delivered());
        self.sees(Seen::Accepted)
    }

    pub fn rejected(self, outcome: Outcome) -> Self {
        self.sees(Seen::answered(outcome.into()))
    }

    pub fn sees(self, seen: Seen) -> Self {
        self.step(Step::Expect(seen))
    }

    /// Sends a delivery to the typed handlers, and expects the answer for an outcome.
    pub fn answers(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.answers_as(delivery.with_length(), outcome)
    }

    /// Sends a delivery as these bytes to the typed handlers.
    pub fn answers_as(self, bytes: impl Into<Bytes>, outcome: Outcome) -> Self {
        self.write(bytes).answered(outcome)
    }

    /// Sends a delivery to the typed handlers, and expects this answer.
    pub fn answers_with(self, delivery: &WireRequest, answer: Answer) -> Self {
        self.write(delivery.with_length()).sees(Seen::answered(answer))
    }

    pub fn answered(self, outcome: Outcome) -> Self {
        self.sees(Seen::answered(outcome.into()))
    }

    /// Expects that a handler is called with this attempt number.
    pub fn runs(mut self, delivery: &WireRequest, attempt: u32) -> Self {
        self.delivered.push(Delivered { attempt: Some(attempt), ..delivery.delivered() });
        self
    }

    pub fn awaits_handler(self) -> Self {
        self.step(Step::AwaitHandler)
    }

    pub fn lets_handler_end(self) -> Self {
        self.step(Step::LetHandlerEnd)
    }

    /// Sends a delivery on another connection while this one is waiting for an answer.
    pub fn on_another_connection(self, delivery: &WireRequest, outcome: Outcome) -> Self {
        self.step(Step::OnAnotherConnection(delivery.with_length().into(), Seen::answered(outcome.into())))
    }

    pub fn step(mut self, step: Step) -> Self {
        self.clients.last_mut().expect("a case has at least one client").push(step);
        self
    }

    pub fn reconnects(self) -> Self {
        self.step(Step::Reconnect)
    }

    /// Sends requests over HTTP/2. The handler must receive each one whose expected answer is `Accepted`.
    pub fn http2(mut self, streams: Vec<(Stream, Seen)>) -> Self {
        let accepted = streams.iter().filter(|(_, seen)| *seen == Seen::Accepted);
        self.delivered.extend(accepted.map(|(stream, _)| stream.delivery.delivered()));
        self.step(Step::Http2(streams))
    }

    /// Runs the clients of another case at the same time.
    pub fn concurrently_with(mut self, other: Self) -> Self {
        self.clients.extend(other.clients);
        self.delivered.extend(other.delivered);
        self
    }

    /// Returns the expected answers, client by client.
    pub fn expected(&self) -> Vec<Seen> {
        let mut expected = Vec::new();
        for step in self.clients.iter().flatten() {
            match step {
                Step::Expect(seen) | Step::OnAnotherConnection(_, seen) => expected.push(seen.clone()),
                Step::Http2(streams) => expected.extend(streams.iter().map(|(_, seen)| seen.clone())),
                _ => {}
            }
        }
        expected
    }
}
