use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;

use super::rule::Rule;
use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;

/// Longer than any check takes.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// Soon over.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// What a store may round away from a lease.
pub(super) const ROUNDING: Duration = Duration::from_millis(5);

/// Returns the longest time that is left of a lease when a claim was asked for at `asked` and is answered now.
///
/// The store may look at its clock first and find a lease that began only after that.
pub(super) fn longest_left(lease: Duration, asked: Instant) -> Duration {
    lease + ROUNDING + asked.elapsed()
}

/// After so long there will be no answer: the sender gives up after 15 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// So much later than its end a lease has to be over, on a machine with other things to do.
const GRACE: Duration = Duration::from_secs(5);

/// A client of the store that takes no error for an answer.
pub(super) struct Client<S>(Arc<S>);

impl<S> Clone for Client<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: DeliveryStore> Client<S> {
    pub(super) fn new(store: S) -> Self {
        Self(Arc::new(store))
    }

    pub(super) fn store(&self) -> &S {
        &self.0
    }

    pub(super) async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Claim {
        let claim = answer("claim", self.0.claim(key, lease)).await;
        if let Claim::Acquired(claimed) = &claim {
            Rule::Keys.check(claimed.key() == key, "the lease is for another key than was claimed");
        }
        claim
    }

    pub(super) async fn renew(&self, lease: &Lease, by: Duration) -> LeaseState {
        answer("renew", self.0.renew(lease, by)).await
    }

    pub(super) async fn complete(&self, lease: &Lease) -> LeaseState {
        answer("complete", self.0.complete(lease)).await
    }

    pub(super) async fn release(&self, lease: &Lease) -> LeaseState {
        answer("release", self.0.release(lease)).await
    }

    pub(super) async fn forget(&self, key: &DeliveryKey) -> bool {
        answer("forget", self.0.forget(key)).await
    }

    pub(super) async fn purge(&self, older_than: Duration, limit: u32) -> u64 {
        answer("purge", self.0.purge(older_than, limit)).await
    }

    /// Claims what has to be free.
    pub(super) async fn take(&self, key: &DeliveryKey, lease: Duration, what: impl fmt::Display) -> Lease {
        match self.claim(key, lease).await {
            Claim::Acquired(claimed) => claimed,
            Claim::Duplicate { .. } => Rule::NeverLost.broken(format_args!("{what} is a duplicate")),
            Claim::InProgress { .. } => Rule::NeverStuck.broken(format_args!("{what} is in progress")),
        }
    }

    /// Claims what somebody else has a lease for that ends at most so long from now.
    pub(super) async fn is_in_progress(&self, key: &DeliveryKey, at_most: Duration, what: impl fmt::Display) {
        let asked = Instant::now();
        match self.claim(key, LONG).await {
            Claim::InProgress { retry_after } => {
                let text = format!("{retry_after:?} for {what}, whose lease lasts {at_most:?} at most");
                let fits = retry_after <= longest_left(at_most, asked);
                Rule::RetryAfter.check(fits && !retry_after.is_zero(), text);
            }
            Claim::Acquired(_) => Rule::OneOwner.broken(format_args!("{what} was claimed again")),
            Claim::Duplicate { .. } => Rule::NeverLost.broken(format_args!("{what} is a duplicate")),
        }
    }

    /// Claims what is completed, and returns when that was, if the store knows.
    pub(super) async fn is_duplicate(&self, key: &DeliveryKey, what: impl fmt::Display) -> Option<Timestamp> {
        match self.claim(key, LONG).await {
            Claim::Duplicate { completed_at } => completed_at,
            Claim::Acquired(_) => Rule::CompletedOnce.broken(format_args!("{what} was claimed again")),
            Claim::InProgress { .. } => Rule::CompletedOnce.broken(format_args!("{what} is in progress")),
        }
    }

    /// Waits until a lease that was asked for at `asked` is over, and claims.
    pub(super) async fn take_over(
        &self,
        key: &DeliveryKey,
        asked: Instant,
        lease: Duration,
        by: Duration,
    ) -> Lease {
        loop {
            let asked_again = Instant::now();
            match self.claim(key, by).await {
                Claim::Acquired(claimed) => {
                    let held = asked.elapsed();
                    let text =
                        format_args!("a lease of {lease:?} was taken over {held:?} after it was asked for");
                    Rule::OneOwner.check(held + ROUNDING >= lease, text);
                    return claimed;
                }
                Claim::InProgress { retry_after } => {
                    let text = format!("{retry_after:?} with a lease of {lease:?}");
                    Rule::RetryAfter.check(retry_after <= longest_left(lease, asked_again), text);
                    let text = format!("a lease of {lease:?} lasts for {:?}", asked.elapsed());
                    Rule::NeverStuck.check(asked.elapsed() < lease + GRACE, text);
                }
                Claim::Duplicate { .. } => Rule::NeverLost.broken("what nobody completed is a duplicate"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits for an answer that is not an error.
async fn answer<T, E: std::error::Error>(name: &str, question: impl Future<Output = Result<T, E>>) -> T {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Rule::Errors.broken(format_args!("{name} failed: {}", Causes(&error))),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not end within {PATIENCE:?}")),
    }
}

/// Waits for an error.
pub(super) async fn refusal<T, E>(name: &str, question: impl Future<Output = Result<T, E>>) {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Err(_)) => {}
        Ok(Ok(_)) => Rule::Errors.broken(format_args!("{name} has an answer though the store is down")),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not end within {PATIENCE:?}")),
    }
}

struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
