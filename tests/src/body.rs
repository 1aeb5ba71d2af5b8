//! Request bodies whose arrival is scripted by the test.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{Full, Limited};
use tokio::time::{Sleep, sleep};

/// The result of one poll of a body.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame of data.
    Data(Bytes),
    /// Trailers.
    Trailers(HeaderMap),
    /// Not ready, and wakes the task immediately.
    Pending,
    /// Not ready until this time has passed.
    Wait(Duration),
    /// Never ready, and never wakes the task.
    Stall,
    /// The connection is reset.
    Break,
    /// An outer body limit ends the body.
    LimitInFront,
    /// A panic, because the receiver must not poll the body.
    Forbidden,
}

/// A body that follows steps.
///
/// It reports neither its length nor `is_end_stream`, and panics if it is polled after its end.
#[derive(Debug)]
pub struct ScriptedBody {
    steps: Option<VecDeque<Step>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl ScriptedBody {
    /// Creates a body that follows these steps and then ends.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: Some(steps.into_iter().collect()), sleep: None }
    }

    /// Creates a body of frames of the given size.
    #[must_use]
    pub fn frames(body: &[u8], size: usize) -> Self {
        Self::new(frames(body, size))
    }
}

/// Splits a body into frames of the given size.
#[must_use]
pub fn frames(body: &[u8], size: usize) -> Vec<Step> {
    body.chunks(size).map(|frame| Step::Data(Bytes::copy_from_slice(frame))).collect()
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        let steps = self.steps.as_mut().expect("the body is not polled after its end or its error");
        match steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Wait(time)) => {
                self.sleep = Some(Box::pin(sleep(time)));
                self.poll_frame(cx)
            }
            Some(Step::Stall) => {
                steps.push_front(Step::Stall);
                Poll::Pending
            }
            Some(Step::Break) => {
                self.steps = None;
                Poll::Ready(Some(Err(BodyError(None))))
            }
            Some(Step::LimitInFront) => {
                self.steps = None;
                Poll::Ready(Some(Err(BodyError(Some(limit_error(cx))))))
            }
            Some(Step::Forbidden) => panic!("the body was polled"),
            None => {
                self.steps = None;
                Poll::Ready(None)
            }
        }
    }
}

/// Returns the error from a body that exceeds its limit. Only `Limited` can create this error.
fn limit_error(cx: &mut Context<'_>) -> Box<dyn Error + Send + Sync> {
    let mut body = Limited::new(Full::<Bytes>::from("too long"), 0);
    match Pin::new(&mut body).poll_frame(cx) {
        Poll::Ready(Some(Err(error))) => error,
        other => panic!("the limit is 0 bytes: {other:?}"),
    }
}

/// The error of a [`ScriptedBody`] that ends early.
#[derive(Debug)]
pub struct BodyError(Option<Box<dyn Error + Send + Sync>>);

impl BodyError {
    /// Returns whether an outer body limit ended the body.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_deref()?)
    }
}
