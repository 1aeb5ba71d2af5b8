//! Handle each delivery of a [Clerk](https://clerk.com) webhook once.

mod claim;
mod dynamic;
mod key;
mod store;
mod transaction;

pub use claim::{Claim, Held, Lease, Owner};
pub use dynamic::{DynDeliveryStore, StoreError};
pub use key::{DeliveryKey, InvalidScope, Scope};
pub use store::DeliveryStore;
pub use transaction::{Begin, TransactionalStore};
