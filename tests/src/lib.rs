//! Shared code of the workspace's tests: fixtures, and deliveries signed as Svix signs them.

pub mod body;
pub mod clients;
pub mod metrics;
pub mod mutations;
pub mod process;
pub mod random;
pub mod request;
pub mod response;
pub mod round_trips;
pub mod secrecy;
pub mod sender;
pub mod servers;
pub mod vectors;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clerk_webhook_core::{MessageId, SignedHeaders, SigningSecret, Timestamp};
use clerk_webhook_test::fixture::AnyFixture;

pub use clerk_webhook_test::SECRET;

/// A second signing secret, for rotation.
pub const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

/// Returns [`SECRET`] as a `SigningSecret`.
#[must_use]
pub fn secret() -> SigningSecret {
    SigningSecret::parse(SECRET).expect("the constant is a valid secret")
}

/// Returns [`OTHER_SECRET`] as a `SigningSecret`.
#[must_use]
pub fn other_secret() -> SigningSecret {
    SigningSecret::parse(OTHER_SECRET).expect("the constant is a valid secret")
}

/// Returns a constant message id.
#[must_use]
pub fn message_id() -> MessageId {
    "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse().expect("the constant is a valid id")
}

/// Signs a body with [`SECRET`] and the current time.
#[must_use]
pub fn sign(body: &[u8]) -> SignedHeaders {
    secret().sign(&message_id(), Timestamp::now(), body)
}

/// Returns an event of exactly this many bytes.
///
/// # Panics
///
/// Panics if the length is shorter than the smallest event.
#[must_use]
pub fn event_of(length: usize) -> Vec<u8> {
    let mut body = br#"{"data":{},"type":"test"}"#.to_vec();
    assert!(length >= body.len());
    body.resize(length, b' ');
    body
}

/// Returns the bytes of one of the test kit's fixtures, such as `user.created`.
#[must_use]
pub fn fixture(name: &str) -> Vec<u8> {
    AnyFixture::named(name).expect("the fixture exists").body().to_vec()
}

/// Returns the names and bytes of all fixtures.
#[must_use]
pub fn fixtures() -> Vec<(String, Vec<u8>)> {
    AnyFixture::all().map(|fixture| (fixture.name().to_owned(), fixture.body().to_vec())).collect()
}

/// Returns the path of a file or folder in this package.
#[must_use]
pub fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the path of a folder or file that is not part of the repository, if it exists.
///
/// If it does not exist, the function prints that the test is skipped.
#[must_use]
pub fn beside_checkout(path: &str, needed_by: &str) -> Option<PathBuf> {
    let found = folder("../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    say_skipped(&format!("{needed_by} needs ../shared/{path}, which is not part of the repository"));
    None
}

/// Reports that a test was skipped.
pub(crate) fn say_skipped(why: &str) {
    say(&format!("skipped: {why}"));
}

/// Writes a line to stderr directly, because the test harness shows captured output only of failed tests.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Returns the stems and bytes of the JSON files in a folder, sorted by name.
#[must_use]
pub fn json_files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (stem, fs::read(&path).expect("the file can be read"))
        })
        .collect();
    files.sort();
    files
}

/// The snippets of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The snippets of the queue's README, which use the `clerk-webhook` crate.
#[cfg(doctest)]
#[doc = include_str!("../../crates/clerk-webhook-queue/README.md")]
pub struct QueueReadme;

/// The snippets of the guide. `tests/blank_projects.rs` runs its complete programs.
#[cfg(doctest)]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/quick_start.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/clerk.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/frameworks.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/axum.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/actix.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/poem.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/rocket.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/warp.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/tower.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/events.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/handlers.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/once.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/queue.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/database.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/import.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/serve.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/testing.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/command.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/deployment.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/troubleshooting.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/security.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/extending.md")]
#[doc = include_str!("../../crates/clerk-webhook/src/guide/benchmarks.md")]
pub struct Guide;

/// The snippets for coding agents.
#[cfg(doctest)]
#[doc = include_str!("../../skills/clerk-webhooks-rust/SKILL.md")]
pub struct Skill;

/// The snippets of CONTRIBUTING.md.
#[cfg(doctest)]
#[doc = include_str!("../../CONTRIBUTING.md")]
pub struct Contributing;
