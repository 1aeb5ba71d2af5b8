//! A database that passed the checks, with its parts.

use clerk_webhook_queue::{PostgresQueue, SqliteQueue};
use clerk_webhook_store::{PostgresStore, SqliteStore};
use clerk_webhook_sync::{BackendApi, ClerkSync, SyncDatabase};
use sqlx::{Postgres, Sqlite};

pub(in super::super) enum Opened {
    Sqlite(Open<Sqlite, SqliteStore, SqliteQueue>),
    Postgres(Open<Postgres, PostgresStore, PostgresQueue>),
}

/// The parts share a pool.
pub(in super::super) struct Open<DB: SyncDatabase, S, Q> {
    pub(in super::super) store: S,
    pub(in super::super) sync: ClerkSync<DB>,
    /// The queue of the forward.
    pub(in super::super) queue: Option<Q>,
    /// `None` without a secret key.
    pub(in super::super) api: Option<BackendApi>,
    /// The Clerk instance of the tables, if it is known.
    pub(in super::super) instance_id: Option<String>,
    /// Whether the connections to Postgres are encrypted.
    pub(in super::super) tls: Option<bool>,
}
