use std::sync::LazyLock;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind};

/// A Lua script. The server caches it by its hash until it restarts.
pub(super) struct Script {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! script {
    ($file:literal) => {{
        const CODE: &str = concat!(include_str!("entry.lua"), "\n", include_str!($file));
        Script { code: CODE, hash: LazyLock::new(|| redis::Script::new(CODE).get_hash().to_owned()) }
    }};
}

pub(super) static CLAIM: Script = script!("claim.lua");
pub(super) static RENEW: Script = script!("renew.lua");
pub(super) static FORGET: Script = script!("forget.lua");
pub(super) static END: Script = script!("end.lua");

impl Script {
    /// Runs the script by its hash, or by its text if the server has not cached it.
    ///
    /// Does not use `SCRIPT LOAD`, which a cluster client may send to a server that does not own the key.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut impl ConnectionLike,
        key: &str,
        arguments: &[String],
    ) -> RedisResult<T> {
        match command("EVALSHA", &self.hash, key, arguments).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.code, key, arguments).query_async(connection).await
            }
            answer => answer,
        }
    }
}

fn command(name: &str, script: &str, key: &str, arguments: &[String]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(key).arg(arguments);
    command
}
