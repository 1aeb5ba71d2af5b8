use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;

use super::rule::Rule;
use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;

/// A lease that does not expire during a check.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// A lease that expires soon.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// The maximum time by which a store may shorten a lease when it rounds.
pub(super) const ROUNDING: Duration = Duration::from_millis(5);

/// Returns the longest remaining time of a lease that a store may report for a claim sent at `asked` and
/// answered now.
///
/// The store may read its clock before the lease begins.
pub(super) fn longest_left(lease: Duration, asked: Instant) -> Duration {
    lease + ROUNDING + asked.elapsed()
}

/// The longest time that a store may take to answer: the sender closes the connection after 15 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much later than requested a lease may expire, because the machine can be busy.
const GRACE: Duration = Duration::from_secs(5);

/// A client of the store that panics if the store returns an error.
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
            Rule::Keys.check(claimed.key() == key, "a claim returned a lease for another key");
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

    /// Claims a delivery, and checks that the store grants the claim.
    pub(super) async fn take(&self, key: &DeliveryKey, lease: Duration, what: impl fmt::Display) -> Lease {
        match self.claim(key, lease).await {
            Claim::Acquired(claimed) => claimed,
            Claim::Duplicate { .. } => Rule::NeverLost.broken(format_args!("{what} is a duplicate")),
            Claim::InProgress { .. } => Rule::NeverStuck.broken(format_args!("{what} is in progress")),
        }
    }

    /// Claims a delivery, and checks that it is in progress under a lease that expires within `at_most`.
    pub(super) async fn is_in_progress(&self, key: &DeliveryKey, at_most: Duration, what: impl fmt::Display) {
        let asked = Instant::now();
        match self.claim(key, LONG).await {
            Claim::InProgress { retry_after } => {
                let text =
                    format!("retry after {retry_after:?} for {what}, with a lease of at most {at_most:?}");
                let fits = retry_after <= longest_left(at_most, asked);
                Rule::RetryAfter.check(fits && !retry_after.is_zero(), text);
            }
            Claim::Acquired(_) => Rule::OneOwner.broken(format_args!("{what} was claimed again")),
            Claim::Duplicate { .. } => Rule::NeverLost.broken(format_args!("{what} is a duplicate")),
        }
    }

    /// Claims a delivery, and checks that it is completed. Returns the completion time if the store knows it.
    pub(super) async fn is_duplicate(&self, key: &DeliveryKey, what: impl fmt::Display) -> Option<Timestamp> {
        match self.claim(key, LONG).await {
            Claim::Duplicate { completed_at } => completed_at,
            Claim::Acquired(_) => Rule::CompletedOnce.broken(format_args!("{what} was claimed again")),
            Claim::InProgress { .. } => Rule::CompletedOnce.broken(format_args!("{what} is in progress")),
        }
    }

    /// Claims a delivery repeatedly until its lease, which was requested at `asked`, expires.
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
                        format_args!("a lease of {lease:?} was taken over {held:?} after the claim was sent");
                    Rule::OneOwner.check(held + ROUNDING >= lease, text);
                    return claimed;
                }
                Claim::InProgress { retry_after } => {
                    let text = format!("retry after {retry_after:?}, with a lease of {lease:?}");
                    Rule::RetryAfter.check(retry_after <= longest_left(lease, asked_again), text);
                    let text = format!("a lease of {lease:?} has not expired after {:?}", asked.elapsed());
                    Rule::NeverStuck.check(asked.elapsed() < lease + GRACE, text);
                }
                Claim::Duplicate { .. } => {
                    Rule::NeverLost.broken("a delivery is a duplicate, but no client completed it")
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits for the store's answer, and panics if it is an error.
async fn answer<T, E: std::error::Error>(name: &str, question: impl Future<Output = Result<T, E>>) -> T {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Rule::Errors.broken(format_args!("{name} failed: {}", Causes(&error))),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not finish within {PATIENCE:?}")),
    }
}

/// Waits for the store's error, and panics if the call succeeds.
pub(super) async fn refusal<T, E>(name: &str, question: impl Future<Output = Result<T, E>>) {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Err(_)) => {}
        Ok(Ok(_)) => Rule::Errors.broken(format_args!("{name} succeeded although the store is unreachable")),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not finish within {PATIENCE:?}")),
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
