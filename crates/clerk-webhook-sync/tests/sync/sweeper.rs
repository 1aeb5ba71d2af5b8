//! Imports once, and compares by schedule.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clerk_webhook_sync::{
    BackendApi, ClerkSync, ImportError, SweepEvent, SweepKind, Sweeper, TransportError,
};
use http::Request;
use sqlx::Sqlite;
use tokio::sync::{mpsc, oneshot};

use crate::databases::migrated;
use crate::import::{api, authorized, clerk};

/// Tells the events of a sweeper, except the progress.
fn events(sweeper: Sweeper<Sqlite>) -> (Sweeper<Sqlite>, mpsc::UnboundedReceiver<String>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let sweeper = sweeper.on_event(move |event| {
        let _ = sender.send(match event {
            SweepEvent::Scheduled { .. } => "scheduled".to_owned(),
            SweepEvent::Started { kind, .. } => format!("started {kind}"),
            SweepEvent::Ended { kind, result: Ok(report), .. } => {
                format!("ended {kind}, inserted {}", report.tables.iter().any(|table| table.inserted > 0))
            }
            SweepEvent::Ended { kind, result: Err(error), .. } => format!("{kind}: {error}"),
            _ => return,
        });
    });
    (sweeper, receiver)
}

/// Runs a sweeper. Its task ends after the sender was used or dropped.
fn spawn(sweeper: Sweeper<Sqlite>) -> (tokio::task::JoinHandle<()>, oneshot::Sender<()>) {
    let (stop, stopped) = oneshot::channel();
    let stopped = async {
        let _ = stopped.await;
    };
    (tokio::spawn(sweeper.run(stopped)), stop)
}

#[tokio::test]
async fn a_sweeper_imports_once_and_compares_by_schedule_with_the_current_client() {
    let sync = migrated::<Sqlite>("sweeper").await.unwrap();
    let clerk = clerk();
    let (api, calls) = (api(&clerk), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let sweeper = || {
        let (api, count) = (api.clone(), Arc::clone(&count));
        Sweeper::with_api_source(&sync, move || {
            count.fetch_add(1, Ordering::Relaxed);
            Some(api.clone())
        })
    };
    let (importing, mut seen) = events(sweeper().without_comparison());
    importing.run(pending()).await;
    assert_eq!(seen.recv().await.unwrap(), "started backfill");
    assert_eq!(seen.recv().await.unwrap(), "ended backfill, inserted true");

    let (sweeping, mut seen) = events(sweeper().every(Duration::ZERO));
    let (task, stop) = spawn(sweeping);
    for expected in ["scheduled", "started reconcile", "ended reconcile, inserted false", "scheduled"] {
        assert_eq!(seen.recv().await.unwrap(), expected);
    }
    stop.send(()).unwrap();
    task.await.unwrap();
    // After a second, another comparison begins.
    let mut comparisons = 1;
    while let Some(seen) = seen.recv().await {
        comparisons += usize::from(seen == "started reconcile");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1 + comparisons);
}

#[tokio::test]
async fn a_sweeper_waits_for_another_process_and_stops_at_once() {
    let sync: ClerkSync<Sqlite> = migrated("sweeper").await.unwrap();
    let clerk = clerk();
    let answers = clerk.clone();
    let hanging = move |request: Request<()>| {
        let (hangs, response) =
            (request.uri().path().ends_with("/users"), answers.answer(&authorized(&request)));
        async move {
            if hangs {
                pending::<()>().await;
            }
            Ok::<_, TransportError>(response)
        }
    };
    let hanging = BackendApi::new("sk_live_3kXp0wTq", hanging).unwrap();
    let (first, mut of_first) = events(Sweeper::new(&sync, hanging));
    let (first, stop_first) = spawn(first);
    assert_eq!(of_first.recv().await.unwrap(), "started backfill");
    let leased = async {
        while sync.import_state().await.unwrap().leased_until.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), leased).await.unwrap();

    let (second, mut of_second) = events(Sweeper::new(&sync, api(&clerk)));
    let (second, stop_second) = spawn(second);
    assert_eq!(of_second.recv().await.unwrap(), "started backfill");
    assert_eq!(of_second.recv().await.unwrap(), format!("backfill: {}", ImportError::AlreadyRunning));
    stop_second.send(()).unwrap();
    second.await.unwrap();
    assert_eq!(of_second.recv().await, None);

    stop_first.send(()).unwrap();
    first.await.unwrap();
    assert_eq!(of_first.recv().await.unwrap(), format!("backfill: {}", ImportError::Stopped));
    assert_eq!(of_first.recv().await, None);
    assert_eq!(sync.import_state().await.unwrap().leased_until, None, "the lease was given back");
    let (third, mut of_third) = events(Sweeper::new(&sync, api(&clerk)).without_comparison());
    third.run(pending()).await;
    assert_eq!(of_third.recv().await.unwrap(), format!("started {}", SweepKind::Backfill));
    assert_eq!(of_third.recv().await.unwrap(), "ended backfill, inserted true");
}
