//! The database of the settings.

use super::names;
use super::reader::Reader;
use super::sources::Found;
use crate::database::SqlDatabase;

/// The database, and its origin for messages.
pub(super) struct Named {
    pub(super) database: SqlDatabase,
    pub(super) origin: String,
}

/// Reads the database. The URL is shown without its user, password and parameters.
pub(super) fn read(reader: &mut Reader) -> Option<Named> {
    let before = reader.problems.len();
    let Some(Found { text, origin, .. }) = reader.find(names::DATABASE) else {
        if reader.problems.len() == before {
            reader.problems.push(
                "DATABASE_URL is not set. Set it to sqlite:FILE or postgres://HOST/DATABASE.".to_owned(),
            );
        }
        return None;
    };
    match parse(&text) {
        Ok(database) => {
            reader.show(names::DATABASE, &redacted(&database), &origin);
            Some(Named { database, origin: origin.to_string() })
        }
        Err(problem) => {
            reader.problems.push(format!("{origin}: {problem}"));
            None
        }
    }
}

fn parse(text: &str) -> Result<SqlDatabase, &'static str> {
    if text.contains(":memory:") || text.contains("mode=memory") {
        return Err("a database in memory loses its rows. Use a file.");
    }
    SqlDatabase::of(text)
        .ok_or("the value is not the URL of a database. Use sqlite:FILE or postgres://HOST/DATABASE.")
}

fn redacted(database: &SqlDatabase) -> String {
    match database {
        SqlDatabase::Sqlite(options) => format!("sqlite:{}", options.get_filename().display()),
        SqlDatabase::Postgres(options) => {
            let database = options.get_database().unwrap_or_default();
            format!("postgres://{}:{}/{database}", options.get_host(), options.get_port())
        }
    }
}
