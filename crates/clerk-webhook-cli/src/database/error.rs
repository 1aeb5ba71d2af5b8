//! The reasons for errors of databases.

use std::io::ErrorKind;

use crate::output::printable;

/// The maximum length of a database message, in characters.
pub(crate) const LONGEST: usize = 300;

/// Returns the reason for an error, without parts of the URL.
pub(crate) fn why(error: &sqlx::Error) -> String {
    let reason = match error {
        // SQLITE_BUSY.
        sqlx::Error::Database(error) if error.message() == "database is locked" => {
            "the database is locked: another process is writing to it. Try again when it has finished"
                .to_owned()
        }
        sqlx::Error::Database(error) => error.message().to_owned(),
        // A handshake that failed, mostly because of the certificate.
        sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => format!(
            "the TLS connection failed: use the host name of the server's certificate, and set sslrootcert in the URL if \
             the certificate is not from a public authority ({error})"
        ),
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Tls(_) if cfg!(feature = "tls") => {
            "the TLS connection failed: check that the server supports TLS, and set sslrootcert in the URL if its \
             certificate is not from a public authority"
                .to_owned()
        }
        sqlx::Error::Tls(_) => "the URL requires TLS: install the command with the `tls` feature".to_owned(),
        sqlx::Error::PoolTimedOut => "the database did not respond in time".to_owned(),
        sqlx::Error::Protocol(_) => {
            "the server does not respond as a database does: check the host and the port in the URL".to_owned()
        }
        _ => "the database client failed: check that the URL names the correct database, and try again".to_owned(),
    };
    printable(reason.as_bytes(), LONGEST)
}
