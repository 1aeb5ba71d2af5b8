//! Database errors that tell the user what to do.

use std::error::Error;
use std::fmt;

use sqlx::error::DatabaseError;

/// Adds advice to the error from a statement on one of this project's tables.
#[must_use]
pub fn advise(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(error) if is_missing_table(&*error) => {
            sqlx::Error::Configuration(Box::new(MissingTable { message: error.message().to_owned() }))
        }
        error => error,
    }
}

/// Returns whether the error means that the table is missing. Compares the message in addition to the code,
/// because SQLite uses one code for most errors.
fn is_missing_table(error: &dyn DatabaseError) -> bool {
    /// In Postgres: `undefined_table`, and `invalid_schema_name` and `undefined_function` for a function in a
    /// schema.
    const UNDEFINED: [&str; 3] = ["42P01", "3F000", "42883"];
    error.code().is_some_and(|code| UNDEFINED.contains(&&*code))
        || error.message().starts_with("no such table")
}

/// The error if the store's table does not exist. It has no source, because its text contains the database's
/// message.
struct MissingTable {
    message: String,
}

impl fmt::Display for MissingTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Call `migrate()` when the application starts", self.message)
    }
}

debug_is_display!(MissingTable);

impl Error for MissingTable {}

/// The error if a store cannot connect to its database or open its file.
///
/// The error's text states what happened and what to do. It contains the host or the path, and never a
/// password.
pub struct ConnectError {
    what: String,
    error: sqlx::Error,
    advice: &'static str,
}

impl ConnectError {
    #[cfg(feature = "postgres")]
    pub(crate) fn invalid_url(error: sqlx::Error) -> Self {
        let advice = "Use a URL such as postgres://user:password@host:5432/database, and escape special \
                      characters in the password as %XX";
        Self { what: "the URL of the Postgres database is invalid".to_owned(), error, advice }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(host: &str, port: u16, error: sqlx::Error) -> Self {
        let advice = match &error {
            sqlx::Error::Tls(error) if error.to_string().contains("without TLS support") => {
                "The URL requires TLS. Enable the `tls-rustls` feature of clerk-webhook"
            }
            sqlx::Error::Tls(_) => {
                "Check that the server supports TLS, and set sslrootcert in the URL if its certificate is not \
                 from a public authority"
            }
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("28P01" | "28000") => "Check the user and the password in the URL",
                Some("3D000") => "Create the database, or correct its name in the URL",
                _ => "Check the URL and the server's settings",
            },
            _ => "Check that the server is running, and that the host and the port in the URL are correct",
        };
        Self { what: format!("could not connect to Postgres at {host}:{port}"), error, advice }
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn sqlite(path: &std::path::Path, error: sqlx::Error) -> Self {
        let advice =
            "Check that the folder exists, and that this process can write to the folder and to the file";
        Self { what: format!("could not open the SQLite file {}", path.display()), error, advice }
    }

    /// Returns sqlx's error.
    #[must_use]
    pub fn sqlx_error(&self) -> &sqlx::Error {
        &self.error
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}", self.what, self.error, self.advice)
    }
}

debug_is_display!(ConnectError);

/// Has no source, because the text contains the sqlx error's text.
impl Error for ConnectError {}

impl From<ConnectError> for sqlx::Error {
    fn from(error: ConnectError) -> Self {
        Self::Configuration(Box::new(error))
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    /// sqlx returns the first text if it was built without TLS, which no test with all features can be.
    #[test]
    fn a_tls_error_advises_to_enable_the_feature_only_if_it_is_disabled() {
        for (text, advice) in [
            (
                "TLS upgrade required, but SQLx was built without TLS support enabled",
                "Enable the `tls-rustls` feature",
            ),
            ("server does not support TLS", "Check that the server supports TLS"),
        ] {
            let error = ConnectError::postgres("127.0.0.1", 5432, sqlx::Error::Tls(text.into()));
            assert!(error.to_string().contains(advice), "{error}");
        }
    }
}
