//! Handle each delivery of a [Clerk](https://clerk.com) webhook once.

mod claim;
mod deduplicator;
mod dynamic;
mod exactly_once;
mod key;
#[cfg(feature = "memory")]
mod memory;
mod store;
mod supervise;
mod tasks;
mod transaction;

pub use claim::{Claim, Held, Lease, Owner};
pub use deduplicator::{Deduplicator, deduplicate};
pub use dynamic::{DynDeliveryStore, StoreError};
pub use exactly_once::{ExactlyOnce, SharedTransaction, TransactionEnded, TransactionGuard};
pub use key::{DeliveryKey, InvalidScope, Scope};
#[cfg(feature = "memory")]
pub use memory::{MemoryStore, MemoryStoreFull};
pub use store::DeliveryStore;
pub use transaction::{Begin, TransactionalStore};
