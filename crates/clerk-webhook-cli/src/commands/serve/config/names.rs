//! The names of the settings: one row for each, for flags, variables and the configuration file.

use crate::sync::SCHEMA_VARIABLE;

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Name {
    /// The name of the flag, without its dashes, and the key in the file.
    pub(in super::super) key: &'static str,
    pub(in super::super) variable: &'static str,
    pub(super) kind: Kind,
}

/// Where a setting can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A flag, a variable, or a key in the file.
    Plain,
    /// The same, and a file that contains the value. The value can contain a password.
    Url,
    /// A variable, or a file that contains the value. Flags would be visible in the process list.
    Secret,
}

const fn plain(key: &'static str, variable: &'static str) -> Name {
    Name { key, variable, kind: Kind::Plain }
}

const fn secret(key: &'static str, variable: &'static str) -> Name {
    Name { key, variable, kind: Kind::Secret }
}

pub(super) const SIGNING_SECRET: Name = secret("signing-secret", "CLERK_WEBHOOK_SIGNING_SECRET");
pub(super) const SECRET_KEY: Name = secret("secret-key", "CLERK_SECRET_KEY");
pub(super) const ADMIN_TOKEN: Name = secret("admin-token", "CLERK_WEBHOOK_ADMIN_TOKEN");
pub(super) const FORWARD_SECRET: Name = secret("forward-secret", "CLERK_WEBHOOK_FORWARD_SECRET");
pub(super) const DATABASE: Name = Name { key: "database", variable: "DATABASE_URL", kind: Kind::Url };
pub(super) const SCHEMA: Name = plain("schema", SCHEMA_VARIABLE);
pub(super) const INSTANCE: Name = plain("instance", "CLERK_INSTANCE_ID");
pub(in super::super) const LISTEN: Name = plain("listen", "CLERK_WEBHOOK_LISTEN");
pub(in super::super) const ADMIN_LISTEN: Name = plain("admin-listen", "CLERK_WEBHOOK_ADMIN_LISTEN");
pub(super) const PATH: Name = plain("path", "CLERK_WEBHOOK_PATH");
pub(super) const MIGRATE: Name = plain("migrate", "CLERK_WEBHOOK_MIGRATE");
pub(super) const BACKFILL: Name = plain("backfill", "CLERK_WEBHOOK_BACKFILL");
pub(super) const RECONCILE_EVERY: Name = plain("reconcile-every", "CLERK_WEBHOOK_RECONCILE_EVERY");
pub(super) const POOL: Name = plain("pool", "CLERK_WEBHOOK_POOL");
pub(super) const DB_WAIT: Name = plain("db-wait", "CLERK_WEBHOOK_DB_WAIT");
pub(super) const FORWARD_TO: Name = plain("forward-to", "CLERK_WEBHOOK_FORWARD_TO");
pub(super) const NOTIFY: Name = plain("notify", "CLERK_WEBHOOK_NOTIFY");
pub(super) const DRAIN: Name = plain("drain", "CLERK_WEBHOOK_DRAIN");
pub(super) const TABLES: Name = plain("tables", "CLERK_WEBHOOK_TABLES");
pub(super) const RAW: Name = plain("raw", "CLERK_WEBHOOK_RAW");
pub(super) const API_SHARE: Name = plain("api-share", "CLERK_WEBHOOK_API_SHARE");
pub(super) const LOG_FORMAT: Name = plain("log-format", "CLERK_WEBHOOK_LOG_FORMAT");
pub(super) const LOG: Name = plain("log", "RUST_LOG");

/// All settings.
pub(super) const ALL: [Name; 23] = [
    DATABASE,
    SCHEMA,
    SIGNING_SECRET,
    SECRET_KEY,
    INSTANCE,
    LISTEN,
    ADMIN_LISTEN,
    ADMIN_TOKEN,
    PATH,
    MIGRATE,
    BACKFILL,
    RECONCILE_EVERY,
    POOL,
    DB_WAIT,
    FORWARD_TO,
    FORWARD_SECRET,
    NOTIFY,
    DRAIN,
    TABLES,
    RAW,
    API_SHARE,
    LOG_FORMAT,
    LOG,
];

impl Name {
    /// Returns the variable that names a file with the value.
    pub(super) fn file_variable(self) -> Option<&'static str> {
        match self.key {
            "database" => Some("DATABASE_URL_FILE"),
            "signing-secret" => Some("CLERK_WEBHOOK_SIGNING_SECRET_FILE"),
            "secret-key" => Some("CLERK_SECRET_KEY_FILE"),
            "admin-token" => Some("CLERK_WEBHOOK_ADMIN_TOKEN_FILE"),
            "forward-secret" => Some("CLERK_WEBHOOK_FORWARD_SECRET_FILE"),
            _ => None,
        }
    }

    /// Returns the key that names a file with the value.
    pub(super) fn file_key(self) -> Option<String> {
        (self.kind != Kind::Plain).then(|| format!("{}-file", self.key))
    }

    /// Returns the keys of this setting in the configuration file.
    pub(super) fn keys(self) -> impl Iterator<Item = String> {
        let own = (self.kind != Kind::Secret).then(|| self.key.to_owned());
        own.into_iter().chain(self.file_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_and_the_database_can_come_from_a_file() {
        for name in ALL {
            let expected = (name.kind != Kind::Plain).then(|| format!("{}_FILE", name.variable));
            assert_eq!(name.file_variable().map(str::to_owned), expected, "{}", name.key);
        }
    }
}
