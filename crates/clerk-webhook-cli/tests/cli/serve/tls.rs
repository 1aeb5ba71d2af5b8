//! Encrypted connections to Postgres.

use std::process::{Command, Stdio};

use clerk_webhook_test::{Delivery, fixture};
use clerk_webhook_tests::servers::{self, Postgres};

use super::checks::refused;
use super::{Database, Server};
use crate::support::folder::Folder;
use crate::support::process::finish;

/// Runs OpenSSL in a folder.
fn openssl(folder: &Folder, args: &str) {
    let mut openssl = Command::new("openssl");
    let done = openssl.args(args.split(' ')).current_dir(folder.path()).stderr(Stdio::null()).status();
    assert!(done.as_ref().is_ok_and(|status| status.success()), "{args}: {done:?}");
}

/// Creates the certificates of two authorities, and one for 127.0.0.1 that the first authority signs.
fn create_certificates(folder: &Folder) {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["ca", "other"] {
        openssl(folder, &format!("req -x509 {KEY} -subj /CN={name} -keyout {name}.key -out {name}.pem"));
    }
    folder.write("names", b"subjectAltName=IP:127.0.0.1");
    openssl(folder, &format!("req {KEY} -subj /CN=postgres -keyout server.key -out server.csr"));
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem",
    );
}

/// Starts a Postgres server for a test with certificates.
fn postgres(folder: &Folder) -> Option<Postgres> {
    if !servers::has_program("openssl", "TLS to Postgres") {
        return None;
    }
    create_certificates(folder);
    Postgres::start("TLS to Postgres")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_full_accepts_only_the_certificate_of_its_authority_and_host() {
    let folder = Folder::new("serve-tls-verify");
    let Some(postgres) = postgres(&folder) else { return };
    postgres.require_tls(&folder.join("server.pem"), &folder.join("server.key"));
    let mut database = Database::postgres_at(&postgres.url(), "tls").await;
    let with = |authority: &str| {
        let authority = folder.join(authority);
        format!("{}?sslmode=verify-full&sslrootcert={}", postgres.url(), authority.display())
    };
    database.url = with("ca.pem");
    let server = database.serve();
    assert_eq!(server.deliver(&Delivery::of(fixture::user_created())).status, 200);
    assert_eq!(server.status()["database"]["tls"], true);
    drop(server);

    let without_authority = format!("{}?sslmode=verify-full", postgres.url());
    let other_host = with("ca.pem").replace("127.0.0.1", "localhost");
    for url in [with("other.pem"), without_authority, other_host] {
        let message = refused(database.command().env("DATABASE_URL", &url), 3);
        assert!(message.starts_with("cannot connect to Postgres at "), "{url}: {message}");
        assert!(message.contains("set sslrootcert in the URL"), "{url}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_mode_uses_tls_if_the_server_has_it_and_warns_otherwise() {
    let folder = Folder::new("serve-tls-prefer");
    let Some(postgres) = postgres(&folder) else { return };
    let database = Database::postgres_at(&postgres.url(), "tls_default").await;
    // Another notation of 127.0.0.1, which the command does not recognize as this machine.
    let elsewhere = |mode: &str| format!("{}{mode}", postgres.url().replace("127.0.0.1", "127.1"));
    let warns = |mode: &str| {
        let checked = finish(database.command().env("DATABASE_URL", elsewhere(mode)).arg("--check"), b"");
        assert_eq!(checked.code, 0, "{mode}: {checked:?}");
        checked.stderr.contains(
            "The connection to 127.1 is not encrypted. Set sslmode=verify-full in DATABASE_URL, or sslmode=disable.",
        )
    };
    assert_eq!(["", "?sslmode=prefer", "?sslmode=disable"].map(warns), [true, true, false]);
    let refused = |url: String| refused(database.command().env("DATABASE_URL", url), 3);
    let message = refused(elsewhere("?sslmode=require"));
    assert!(message.contains("check that the server supports TLS"), "{message}");

    postgres.require_tls(&folder.join("server.pem"), &folder.join("server.key"));
    for mode in ["", "?sslmode=prefer"] {
        let url = format!("{}{mode}", postgres.url());
        let server = Server::start(database.command().env("DATABASE_URL", url));
        assert_eq!(server.status()["database"]["tls"], true, "{mode}");
    }
    let message = refused(format!("{}?sslmode=disable", postgres.url()));
    assert!(message.contains("no encryption"), "{message}");
}
