//! Compiler errors for invalid handlers. They must name the requirements, and for Axum `debug_handler`.
//!
//! The expected texts depend on the compiler version. To update them after a review, run
//! `TRYBUILD=overwrite cargo test -p clerk-webhook-compile-tests`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::Command;

/// The compiler version of the expected texts, which CI uses.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn the_compiler_errors_name_the_requirements_of_a_handler() {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if !version.starts_with(COMPILER) {
        let _ = writeln!(
            io::stderr(),
            "skipped: the expected compiler errors are for {COMPILER}, not for {version}"
        );
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/handlers/*.rs");
    cases.compile_fail("tests/axum/*.rs");
}
