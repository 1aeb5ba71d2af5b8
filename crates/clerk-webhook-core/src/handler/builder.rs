//! Registers a handler for each event type.

use std::collections::hash_map::Entry;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::context::Context;
use super::handlers::Handlers;
use super::registry::{Handling, OnEvent, Registry};
use crate::answer::Failure;
use crate::error_text::debug_is_display;
use crate::event::{Event, EventMarker, EventType, Unrecognized};

/// An asynchronous function that handles a payload of type `P`.
///
/// Every function or closure that takes `P` and a [`Context`] by value and returns a future of
/// `Result<(), Failure>` implements this trait. The compiler infers `K`, which exists only to improve
/// compiler errors.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for `{P}`",
    label = "not a handler for `{P}`",
    note = "a handler is `async fn(payload: {P}, cx: Context<{S}>) -> Result<(), Failure>`, or a closure with this signature",
    note = "a handler must be `async`, take both arguments by value, and return the error type `clerk_webhook::Failure`"
)]
pub trait Handler<P, S, K = kind::Function>:
    Fn(P, Context<S>) -> <Self as Handler<P, S, K>>::Handling + Send + Sync + 'static
{
    /// The future that a call to the handler returns.
    type Handling: Future<Output = Result<(), Failure>>;
}

impl<F, Handling, P, S> Handler<P, S, kind::Function> for F
where
    F: Fn(P, Context<S>) -> Handling + Send + Sync + 'static,
    Handling: Future<Output = Result<(), Failure>>,
{
    type Handling = Handling;
}

/// This implementation never applies. It exists because the compiler shows the custom message of `Handler`
/// only if the trait has several implementations. If the trait has only one, the compiler reports that
/// implementation's unmet bounds instead.
impl<F: kind::Never<P, S>, P, S> Handler<P, S, kind::Nothing> for F {
    type Handling = F::Handling;
}

mod kind {
    use std::future::Future;

    use super::Context;
    use crate::answer::Failure;

    #[derive(Debug)]
    pub struct Function;

    #[derive(Debug)]
    pub struct Nothing;

    pub trait Never<P, S>:
        Fn(P, Context<S>) -> <Self as Never<P, S>>::Handling + Send + Sync + 'static
    {
        type Handling: Future<Output = Result<(), Failure>>;
    }
}

/// A builder for [`Handlers`].
#[must_use]
pub struct HandlersBuilder<S> {
    registry: Registry<S>,
    duplicate: Option<DuplicateHandler>,
}

impl<S: Send + 'static> Handlers<S> {
    /// Creates a builder. All handlers receive a state of type `S`.
    pub fn builder() -> HandlersBuilder<S> {
        HandlersBuilder { registry: Registry::default(), duplicate: None }
    }
}

impl<S: Send + 'static> HandlersBuilder<S> {
    /// Registers a handler for the event type that a marker represents.
    ///
    /// The marker determines the handler's payload type, for example `User` for `UserCreated`.
    pub fn on<M: EventMarker, K>(
        self,
        _marker: M,
        handler: impl Handler<M::Payload, S, K, Handling: Send + 'static>,
    ) -> Self {
        self.insert(
            M::EVENT_TYPE,
            Box::new(move |mut cx| match M::into_payload(cx.event.take_data()) {
                Ok(payload) => Ok(Box::pin(handler(payload, cx)) as Handling),
                Err(data) => Err((data, cx)),
            }),
        )
    }

    /// Registers a handler that receives the [`Event`] instead of a decoded payload.
    ///
    /// Use it for an event type that this version of the crate does not know, such as `"newThing.created"`,
    /// or to decode the data into your own type with [`Event::data_as`].
    pub fn on_event<K>(
        self,
        event_type: impl Into<EventType>,
        handler: impl Handler<Event, S, K, Handling: Send + 'static>,
    ) -> Self {
        self.insert(event_type.into(), raw(handler))
    }

    /// Sets the handler for all event types that have no handler.
    ///
    /// Without this handler, deliveries of such events are answered with 200 and the `ignored` outcome. A
    /// second call replaces the handler from the first call.
    pub fn otherwise<K>(mut self, handler: impl Handler<Event, S, K, Handling: Send + 'static>) -> Self {
        self.registry.otherwise = Some(raw(handler));
        self
    }

    /// Sets the handler for data that cannot be decoded as its event type's payload.
    ///
    /// It runs instead of the handler that [`on`](Self::on) registered for the event type. Without it, the
    /// delivery fails and the sender retries it, so that no event is lost unnoticed. A second call replaces
    /// the handler from the first call.
    pub fn on_undecodable<K>(
        mut self,
        handler: impl Handler<Unrecognized, S, K, Handling: Send + 'static>,
    ) -> Self {
        self.registry.on_undecodable = Some(Box::new(move |data, cx| Box::pin(handler(data, cx))));
        self
    }

    /// Builds the handlers.
    ///
    /// # Errors
    ///
    /// Returns an error if an event type has two handlers.
    pub fn build(self) -> Result<Handlers<S>, DuplicateHandler> {
        match self.duplicate {
            None => Ok(Handlers { registry: Arc::new(self.registry) }),
            Some(duplicate) => Err(duplicate),
        }
    }

    fn insert(mut self, event_type: EventType, handler: OnEvent<S>) -> Self {
        match self.registry.by_type.entry(event_type) {
            Entry::Vacant(entry) => drop(entry.insert(handler)),
            Entry::Occupied(entry) => {
                self.duplicate.get_or_insert(DuplicateHandler { event_type: entry.key().clone() });
            }
        }
        self
    }
}

fn raw<S: Send + 'static, K>(handler: impl Handler<Event, S, K, Handling: Send + 'static>) -> OnEvent<S> {
    Box::new(move |cx| Ok(Box::pin(handler(cx.event.clone(), cx))))
}

impl<S> fmt::Debug for HandlersBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlersBuilder").field(&self.registry).finish()
    }
}

/// The error of [`HandlersBuilder::build`] if an event type has two handlers.
#[derive(Clone, PartialEq, Eq)]
pub struct DuplicateHandler {
    event_type: EventType,
}

impl DuplicateHandler {
    /// Returns the first event type for which a second handler was registered.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }
}

impl fmt::Display for DuplicateHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has two handlers. Register one handler for each event type", self.event_type)
    }
}

impl Error for DuplicateHandler {}

debug_is_display!(DuplicateHandler);
