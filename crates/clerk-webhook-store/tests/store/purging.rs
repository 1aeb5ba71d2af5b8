//! Which deliveries are purged, and in which order.

use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_store::{Claim, DeliveryStore as _, LeaseState, MemoryStore};

use crate::databases::{Engine, key, on_every_engine};

on_every_engine!(purges_the_oldest_deliveries_first);

const LONG: Duration = Duration::from_secs(60);

async fn purges_the_oldest_deliveries_first<E: Engine>(database: E) {
    let store = database.patient_store().await;
    // Without the index, the database does not read the rows in chronological order.
    database.drop_index().await;
    let ids = ["msg_c", "msg_a", "msg_d", "msg_b"];
    let mut leases = Vec::new();
    for id in ids {
        let Claim::Acquired(lease) = store.claim(&key(id), LONG).await.unwrap() else {
            panic!("{id} is already claimed");
        };
        leases.push(lease);
        let now = Timestamp::now();
        while Timestamp::now() == now {
            tokio::task::yield_now().await;
        }
    }
    for lease in leases.iter().rev() {
        assert_eq!(store.complete(lease).await.unwrap(), LeaseState::Held);
    }
    assert_eq!(store.purge(Duration::ZERO, 2).await.unwrap(), 2);
    let mut left = Vec::new();
    for id in ids {
        if store.forget(&key(id)).await.unwrap() {
            left.push(id);
        }
    }
    assert_eq!(left, ["msg_d", "msg_b"]);
}

#[tokio::test(start_paused = true)]
async fn a_memory_store_removes_a_delivery_after_its_retention() {
    let store = MemoryStore::new().retention(LONG);
    let Claim::Acquired(lease) = store.claim(&key("msg_1"), LONG).await.unwrap() else {
        panic!("the delivery is already claimed");
    };
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
    tokio::time::advance(LONG - Duration::from_millis(1)).await;
    assert!(matches!(store.claim(&key("msg_1"), LONG).await.unwrap(), Claim::Duplicate { .. }));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(matches!(store.claim(&key("msg_1"), LONG).await.unwrap(), Claim::Acquired(_)));
}
