//! Leases and transactions on the same table exclude each other.

use std::time::Duration;

use clerk_webhook_store::{Begin, Claim, DeliveryStore as _, Lease, LeaseState, TransactionalStore as _};

use crate::databases::{Engine, begin_new, key, on_every_engine};

const LONG: Duration = Duration::from_secs(60);

on_every_engine!(
    a_transaction_cannot_begin_during_a_lease,
    a_transaction_takes_over_an_expired_lease,
    a_claim_during_a_transaction_is_in_progress,
    a_rolled_back_transaction_leaves_the_lease_to_its_owner,
    concurrent_leases_and_transactions_complete_once,
);

async fn claim(
    store: &impl clerk_webhook_store::DeliveryStore<Error = sqlx::Error>,
    lease: Duration,
) -> Lease {
    match store.claim(&key("msg_1"), lease).await.unwrap() {
        Claim::Acquired(lease) => lease,
        other => panic!("the delivery could not be claimed: {other:?}"),
    }
}

async fn a_transaction_cannot_begin_during_a_lease<E: Engine>(database: E) {
    let store = database.store();
    let lease = claim(&store, LONG).await;
    let Begin::InProgress { retry_after } = store.begin(&key("msg_1")).await.unwrap() else {
        panic!("the delivery is not in progress");
    };
    assert!(retry_after <= LONG && retry_after > LONG / 2, "{retry_after:?}");

    assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);
    let transaction = begin_new(&store, "msg_1").await;
    assert_eq!(transaction.attempt(), 2);
    transaction.commit().await.unwrap();
    assert!(matches!(
        store.claim(&key("msg_1"), LONG).await.unwrap(),
        Claim::Duplicate { completed_at: Some(_) }
    ));
    for held in [store.renew(&lease, LONG).await, store.complete(&lease).await, store.release(&lease).await] {
        assert_eq!(held.unwrap(), LeaseState::Lost);
    }
}

async fn a_transaction_takes_over_an_expired_lease<E: Engine>(database: E) {
    let store = database.store();
    let lease = claim(&store, Duration::ZERO).await;
    let transaction = begin_new(&store, "msg_1").await;
    assert_eq!(transaction.attempt(), 2);
    transaction.commit().await.unwrap();
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Lost);
    assert!(matches!(store.begin(&key("msg_1")).await.unwrap(), Begin::Duplicate { .. }));
}

async fn a_claim_during_a_transaction_is_in_progress<E: Engine>(database: E) {
    let store = database.other_store().await;
    let transaction = begin_new(&database.store(), "msg_1").await;
    assert!(matches!(store.claim(&key("msg_1"), LONG).await.unwrap(), Claim::InProgress { .. }));
    transaction.commit().await.unwrap();
    assert!(matches!(store.claim(&key("msg_1"), LONG).await.unwrap(), Claim::Duplicate { .. }));
    assert!(store.forget(&key("msg_1")).await.unwrap());
    assert_eq!(claim(&store, LONG).await.attempt(), 1);
}

async fn a_rolled_back_transaction_leaves_the_lease_to_its_owner<E: Engine>(database: E) {
    let store = database.store();
    let lease = claim(&store, Duration::ZERO).await;
    begin_new(&store, "msg_1").await.rollback().await.unwrap();
    assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
}

async fn concurrent_leases_and_transactions_complete_once<E: Engine>(database: E) {
    // With a long timeout, because a completion fails if it waits too long for the lock.
    let shared = database.patient_store().await;
    let attempts = (0..40).map(|number| {
        let store = shared.clone();
        tokio::spawn(async move {
            loop {
                let in_progress = if number % 2 == 0 {
                    match store.claim(&key("msg_1"), LONG).await.unwrap() {
                        Claim::Acquired(lease) if number % 3 == 0 => {
                            assert_eq!(store.release(&lease).await.unwrap(), LeaseState::Held);
                            return false;
                        }
                        Claim::Acquired(lease) => {
                            assert_eq!(store.complete(&lease).await.unwrap(), LeaseState::Held);
                            return true;
                        }
                        Claim::Duplicate { .. } => return false,
                        Claim::InProgress { .. } => true,
                    }
                } else {
                    match store.begin(&key("msg_1")).await.unwrap() {
                        Begin::Acquired(_) if number % 3 == 0 => return false,
                        Begin::Acquired(transaction) => {
                            transaction.commit().await.unwrap();
                            return true;
                        }
                        Begin::Duplicate { .. } => return false,
                        Begin::InProgress { .. } => true,
                    }
                };
                assert!(in_progress);
                tokio::task::yield_now().await;
            }
        })
    });
    let mut completed = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        completed += u32::from(attempt.await.unwrap());
    }
    assert_eq!(completed, 1);
}
