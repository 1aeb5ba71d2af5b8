//! How often the Redis store sends a command that fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clerk_webhook_store::{DeliveryStore as _, RedisStore};
use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, ServerErrorKind, Value};

use crate::databases::key;

/// A connection on which every command fails. It counts the commands.
#[derive(Clone)]
struct Failing {
    error: fn() -> RedisError,
    commands: Arc<AtomicUsize>,
}

impl ConnectionLike for Failing {
    fn req_packed_command<'a>(&'a mut self, _command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.commands.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err((self.error)()) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _commands: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        unreachable!("the store sends no pipelines")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[tokio::test]
async fn sends_a_command_again_only_if_the_connection_was_lost_or_the_script_is_missing() {
    let cases: [(fn() -> RedisError, usize); 4] = [
        (|| io::Error::from(io::ErrorKind::ConnectionReset).into(), 2),
        (|| io::Error::from(io::ErrorKind::TimedOut).into(), 1),
        (|| (ErrorKind::Server(ServerErrorKind::ReadOnly), "intended").into(), 1),
        (|| (ErrorKind::Server(ServerErrorKind::NoScript), "intended").into(), 2),
    ];
    for (error, expected) in cases {
        let commands = Arc::new(AtomicUsize::new(0));
        let store = RedisStore::new(Failing { error, commands: Arc::clone(&commands) });
        let returned = store.claim(&key("msg_1"), Duration::from_secs(60)).await.unwrap_err();
        assert_eq!((returned.kind(), commands.load(Ordering::SeqCst)), (error().kind(), expected));
    }
}
