//! Stores whose type is chosen at run time.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;

type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A [`DeliveryStore`] that can be used as a trait object. Every store implements it.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore, DynDeliveryStore, MemoryStore, Scope};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store: Arc<dyn DynDeliveryStore> = Arc::new(MemoryStore::new());
/// let key = DeliveryKey::new(Scope::default(), "msg_1".parse()?);
/// assert!(matches!(store.claim(&key, Duration::from_secs(60)).await?, Claim::Acquired(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait DynDeliveryStore: Send + Sync + 'static {
    /// See [`DeliveryStore::claim`].
    fn dyn_claim<'a>(&'a self, key: &'a DeliveryKey, lease: Duration) -> Asking<'a, Claim>;
    /// See [`DeliveryStore::renew`].
    fn dyn_renew<'a>(&'a self, lease: &'a Lease, by: Duration) -> Asking<'a, LeaseState>;
    /// See [`DeliveryStore::complete`].
    fn dyn_complete<'a>(&'a self, lease: &'a Lease) -> Asking<'a, LeaseState>;
    /// See [`DeliveryStore::release`].
    fn dyn_release<'a>(&'a self, lease: &'a Lease) -> Asking<'a, LeaseState>;
    /// See [`DeliveryStore::forget`].
    fn dyn_forget<'a>(&'a self, key: &'a DeliveryKey) -> Asking<'a, bool>;
    /// See [`DeliveryStore::purge`].
    fn dyn_purge(&self, older_than: Duration, limit: u32) -> Asking<'_, u64>;
}

impl<S: DeliveryStore> DynDeliveryStore for S {
    fn dyn_claim<'a>(&'a self, key: &'a DeliveryKey, lease: Duration) -> Asking<'a, Claim> {
        Box::pin(async move { self.claim(key, lease).await.map_err(StoreError::new) })
    }

    fn dyn_renew<'a>(&'a self, lease: &'a Lease, by: Duration) -> Asking<'a, LeaseState> {
        Box::pin(async move { self.renew(lease, by).await.map_err(StoreError::new) })
    }

    fn dyn_complete<'a>(&'a self, lease: &'a Lease) -> Asking<'a, LeaseState> {
        Box::pin(async move { self.complete(lease).await.map_err(StoreError::new) })
    }

    fn dyn_release<'a>(&'a self, lease: &'a Lease) -> Asking<'a, LeaseState> {
        Box::pin(async move { self.release(lease).await.map_err(StoreError::new) })
    }

    fn dyn_forget<'a>(&'a self, key: &'a DeliveryKey) -> Asking<'a, bool> {
        Box::pin(async move { self.forget(key).await.map_err(StoreError::new) })
    }

    fn dyn_purge(&self, older_than: Duration, limit: u32) -> Asking<'_, u64> {
        Box::pin(async move { self.purge(older_than, limit).await.map_err(StoreError::new) })
    }
}

impl DeliveryStore for Arc<dyn DynDeliveryStore> {
    type Error = StoreError;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, StoreError> {
        (**self).dyn_claim(key, lease).await
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, StoreError> {
        (**self).dyn_renew(lease, by).await
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, StoreError> {
        (**self).dyn_complete(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, StoreError> {
        (**self).dyn_release(lease).await
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, StoreError> {
        (**self).dyn_forget(key).await
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, StoreError> {
        (**self).dyn_purge(older_than, limit).await
    }
}

impl fmt::Debug for dyn DynDeliveryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynDeliveryStore").finish_non_exhaustive()
    }
}

/// The error of a store whose type is chosen at run time.
///
/// It has the same text and the same sources as the store's error.
pub struct StoreError(Box<dyn Error + Send + Sync>);

impl StoreError {
    fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

debug_is_display!(StoreError);

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(fmt::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the text")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_has_the_text_and_the_source_of_the_error_of_the_store() {
        let error = StoreError::new(Outer(fmt::Error));
        assert_eq!([error.to_string(), format!("{error:?}")], ["the text"; 2]);
        assert!(error.source().is_some_and(|source| source.is::<fmt::Error>()));
    }
}
