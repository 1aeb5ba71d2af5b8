//! Creates and checks secrets.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use clerk_webhook_core::SigningSecret;
use serde_json::json;
use zeroize::Zeroizing;

use super::args::{Action, Args};
use super::report::write;
use crate::args::secrets::{SecretArgs, SecretText};
use crate::failure::Failure;
use crate::output::style::QUIET;
use crate::output::{Output, note_terminal_input};
use crate::secret_check;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.action {
        Action::New { bytes } => make(output, usize::from(bytes)),
        Action::Check { text, secrets } => check(&output.up_to_the_result(), text, &secrets),
    }
}

fn make(output: &Output, length: usize) -> Result<(), Failure> {
    let mut key = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut key)
        .map_err(|error| Failure::usage(format_args!("the system returned no random bytes: {error}")))?;
    let secret = SigningSecret::from_bytes(&key).map_err(Failure::usage)?.expose_secret();
    output.object(&json!({ "secret": *secret, "bytes": length }))?;
    output.line(secret.as_str())?;
    if io::stdout().is_terminal() && io::stderr().is_terminal() && !output.is_json() {
        let advice = "Set CLERK_WEBHOOK_SIGNING_SECRET to this secret in the sender and the receiver. Keep it private.";
        let _ = writeln!(anstream::stderr().lock(), "{QUIET}{advice}{QUIET:#}");
    }
    Ok(())
}

fn check(output: &Output, text: Option<SecretText>, secrets: &SecretArgs) -> Result<(), Failure> {
    let mut all = Vec::new();
    match text {
        Some(text) if text.expose() == "-" => {
            all.extend(secret_check::check("standard input", &standard_input()?))
        }
        Some(text) => all.extend(secret_check::check("argument", text.expose())),
        None => {
            for source in secrets.sources()? {
                all.extend(secret_check::check(&source.place, &source.text));
            }
        }
    }
    if all.is_empty() {
        return Err(Failure::usage(
            "no secret to check: pass it as an argument or on standard input (-), or set CLERK_WEBHOOK_SIGNING_SECRET",
        ));
    }
    let several = all.len() > 1;
    for (index, checked) in all.iter().enumerate() {
        write(output, index + 1, several, checked)?;
    }
    if all.iter().all(|checked| checked.verdict.is_ok()) { Ok(()) } else { Err(Failure::Negative) }
}

fn standard_input() -> Result<Zeroizing<String>, Failure> {
    /// The maximum size of standard input, in bytes. This is enough for hundreds of secrets.
    const MAX_BYTES: u64 = 64 * 1024;
    note_terminal_input();
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format_args!("cannot read a secret from standard input: {error}")))?;
    Ok(text)
}
