use std::fmt;

use clerk_webhook_store::{Deduplicator, DeliveryStore};
use tower_layer::Layer;

use super::service::Deduplicate;
use crate::answer::DefaultAnswer;

/// Layer that applies [`Deduplicate`].
///
/// See the [module](super) for what it does and where it stands. All services that a layer and its clones make
/// share the store and the tasks.
#[must_use]
pub struct DeduplicateLayer<S, A = DefaultAnswer> {
    deduplicator: Deduplicator<S>,
    answer: A,
}

impl<S: DeliveryStore> DeduplicateLayer<S> {
    /// Creates a layer with the default settings of a [`Deduplicator`].
    pub fn new(store: S) -> Self {
        Self::from(Deduplicator::new(store))
    }
}

impl<S, A> DeduplicateLayer<S, A> {
    /// Replaces the responses that the layer gives itself: to duplicates, to what is in progress elsewhere, where the handler
    /// took too long or panicked, and where the store cannot be reached.
    ///
    /// It takes anything that implements [`AnswerResponse`](crate::AnswerResponse), such as a closure from
    /// `Answer` to `Response<Bytes>`.
    pub fn on_answer<A2>(self, answer: A2) -> DeduplicateLayer<S, A2> {
        DeduplicateLayer { deduplicator: self.deduplicator, answer }
    }

    /// Returns what runs the handlers, to [wait](Deduplicator::shutdown) for them when the application ends.
    pub fn deduplicator(&self) -> &Deduplicator<S> {
        &self.deduplicator
    }
}

impl<S> From<Deduplicator<S>> for DeduplicateLayer<S> {
    fn from(deduplicator: Deduplicator<S>) -> Self {
        Self { deduplicator, answer: DefaultAnswer }
    }
}

impl<I, S, A: Clone> Layer<I> for DeduplicateLayer<S, A> {
    type Service = Deduplicate<I, S, A>;

    fn layer(&self, inner: I) -> Self::Service {
        Deduplicate { inner, deduplicator: self.deduplicator.clone(), answer: self.answer.clone() }
    }
}

impl<S, A: Clone> Clone for DeduplicateLayer<S, A> {
    fn clone(&self) -> Self {
        Self { deduplicator: self.deduplicator.clone(), answer: self.answer.clone() }
    }
}

impl<S, A> fmt::Debug for DeduplicateLayer<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeduplicateLayer").field("deduplicator", &self.deduplicator).finish_non_exhaustive()
    }
}
