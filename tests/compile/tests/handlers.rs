//! A function with a wrong signature is no handler, and the compiler says what a handler is; for Axum it names `debug_handler`.
//!
//! What is compared is a text of the compiler, which is another one in another version: look at what it says now, and
//! keep it by `TRYBUILD=overwrite cargo test -p clerk-webhook-compile-tests`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::Command;

/// The version whose texts are kept, that of the continuous integration.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn the_compiler_says_what_a_handler_is() {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if !version.starts_with(COMPILER) {
        let _ = writeln!(
            io::stderr(),
            "skipped: what the compiler says is kept for {COMPILER}, this is {version}"
        );
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/handlers/*.rs");
    cases.compile_fail("tests/axum/*.rs");
}
