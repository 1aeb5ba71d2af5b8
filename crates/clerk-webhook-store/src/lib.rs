//! Handle each delivery of a [Clerk](https://clerk.com) webhook once.

mod claim;
mod dynamic;
mod key;
#[cfg(feature = "memory")]
mod memory;
mod store;
mod transaction;

pub use claim::{Claim, Held, Lease, Owner};
pub use dynamic::{DynDeliveryStore, StoreError};
pub use key::{DeliveryKey, InvalidScope, Scope};
#[cfg(feature = "memory")]
pub use memory::{MemoryStore, MemoryStoreFull};
pub use store::DeliveryStore;
pub use transaction::{Begin, TransactionalStore};
