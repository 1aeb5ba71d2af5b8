//! Which function is for which event type.

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

/// An asynchronous function that handles a payload.
///
/// Functions and closures that take `P` and a [`Context`], both by value, and return a future of `Result<(), Failure>`
/// implement it. The compiler infers `K`, which is only there for its messages.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of `{P}`",
    label = "not a handler of `{P}`",
    note = "a handler is `async fn(payload: {P}, cx: Context<{S}>) -> Result<(), Failure>`, or a closure of this form",
    note = "it is `async`, takes both arguments by value, and its error is `clerk_webhook::Failure`"
)]
pub trait Handler<P, S, K = kind::Function>:
    Fn(P, Context<S>) -> <Self as Handler<P, S, K>>::Handling + Send + Sync + 'static
{
    /// The future of a call.
    type Handling: Future<Output = Result<(), Failure>>;
}

impl<F, Handling, P, S> Handler<P, S, kind::Function> for F
where
    F: Fn(P, Context<S>) -> Handling + Send + Sync + 'static,
    Handling: Future<Output = Result<(), Failure>>,
{
    type Handling = Handling;
}

/// With one implementation that can apply, the compiler reports what that one lacks. With two it reports `Handler` itself,
/// and so the message above. This one never applies.
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

/// Registers the functions of [`Handlers`].
#[must_use]
pub struct HandlersBuilder<S> {
    registry: Registry<S>,
    duplicate: Option<DuplicateHandler>,
}

impl<S: Send + 'static> Handlers<S> {
    /// Begins to register handlers; the state that they are given is the same for all.
    pub fn builder() -> HandlersBuilder<S> {
        HandlersBuilder { registry: Registry::default(), duplicate: None }
    }
}

impl<S: Send + 'static> HandlersBuilder<S> {
    /// Registers the handler of the event type that the marker stands for.
    ///
    /// It is called with the payload that follows from the marker: a `User` for `UserCreated`.
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

    /// Registers the handler of an event type whose payload is to stay as it is.
    ///
    /// It is the way to a type that this version does not know yet, such as `"newThing.created"`, and to one whose data is
    /// read by [`Event::data_as`].
    pub fn on_event<K>(
        self,
        event_type: impl Into<EventType>,
        handler: impl Handler<Event, S, K, Handling: Send + 'static>,
    ) -> Self {
        self.insert(event_type.into(), raw(handler))
    }

    /// Sets the handler of all event types that have none.
    ///
    /// Without it they are acknowledged and ignored. Set twice, the last one counts.
    pub fn otherwise<K>(mut self, handler: impl Handler<Event, S, K, Handling: Send + 'static>) -> Self {
        self.registry.otherwise = Some(raw(handler));
        self
    }

    /// Sets what is done about data that is not what its type says.
    ///
    /// Without it such a delivery fails and comes again: it is not acknowledged unseen. The handler that is registered for
    /// the type is not called.
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
    /// Refuses an event type that has two handlers.
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

/// The error of an event type that has two handlers.
#[derive(Clone, PartialEq, Eq)]
pub struct DuplicateHandler {
    event_type: EventType,
}

impl DuplicateHandler {
    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }
}

impl fmt::Display for DuplicateHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has two handlers; register one that does both", self.event_type)
    }
}

impl Error for DuplicateHandler {}

debug_is_display!(DuplicateHandler);
