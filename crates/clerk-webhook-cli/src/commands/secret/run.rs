//! `clerk-webhook secret`.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use clap::Subcommand;
use clerk_webhook_core::SigningSecret;
use serde_json::json;
use zeroize::Zeroizing;

use crate::args::secrets::SecretArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{BAD, GOOD, ODD, QUIET};
use crate::secret_check::{self, Checked};

/// Makes a signing secret, or says what is wrong with one
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  export CLERK_WEBHOOK_SIGNING_SECRET=$(clerk-webhook secret new)
  clerk-webhook secret check";

const EXAMPLES_OF_NEW: &str = "\
Examples:
  export CLERK_WEBHOOK_SIGNING_SECRET=$(clerk-webhook secret new)
  clerk-webhook secret new -n 24 > secret.txt";

const EXAMPLES_OF_CHECK: &str = "\
Examples:
  clerk-webhook secret check
  clerk-webhook secret check --secret-file /run/secrets/clerk-webhook
  pbpaste | clerk-webhook secret check -";

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a new secret, for tests or for a sender of your own; Clerk makes those of its endpoints itself
    #[command(after_help = EXAMPLES_OF_NEW)]
    New {
        /// Number of random bytes, 24 to 64
        #[arg(short = 'n', long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u8).range(24..=64))]
        bytes: u8,
    },
    /// Say whether a secret can be used, and what is wrong with it; it is never shown
    #[command(after_help = EXAMPLES_OF_CHECK)]
    Check {
        /// The secret, or - for standard input [default: that of --secret, --secret-file or the environment]
        #[arg(value_name = "SECRET", conflicts_with_all = ["secrets", "secret_file"], allow_hyphen_values = true)]
        text: Option<SecretText>,

        #[command(flatten)]
        secrets: SecretArgs,
    },
}

/// The text of a secret, which `Debug` does not show.
#[derive(Clone)]
struct SecretText(Zeroizing<String>);

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        match self.action {
            Action::New { bytes } => make(output, usize::from(bytes)),
            Action::Check { text, secrets } => check(&output.up_to_the_result(), text, &secrets),
        }
    }
}

fn make(output: &Output, length: usize) -> Result<(), Failure> {
    let mut key = Zeroizing::new(vec![0; length]);
    getrandom::fill(&mut key)
        .map_err(|error| Failure::usage(format_args!("the system has no random bytes to give: {error}")))?;
    let secret = SigningSecret::from_bytes(&key).map_err(Failure::usage)?.expose_secret();
    output.object(&json!({ "secret": *secret, "bytes": length }))?;
    output.line(secret.as_str())?;
    if io::stdout().is_terminal() && io::stderr().is_terminal() && !output.is_json() {
        let advice = "Set CLERK_WEBHOOK_SIGNING_SECRET to it where it is needed, and keep it out of what others can read.";
        let _ = writeln!(anstream::stderr().lock(), "{QUIET}{advice}{QUIET:#}");
    }
    Ok(())
}

fn check(output: &Output, text: Option<SecretText>, secrets: &SecretArgs) -> Result<(), Failure> {
    let mut all = Vec::new();
    match text {
        Some(text) if *text.0 == "-" => all.extend(secret_check::check("standard input", &standard_input()?)),
        Some(text) => all.extend(secret_check::check("argument", &text.0)),
        None => {
            for source in secrets.sources()? {
                all.extend(secret_check::check(&source.place, &source.text));
            }
        }
    }
    if all.is_empty() {
        return Err(Failure::usage(
            "there is no secret to check: give it as an argument or through standard input (-), or set \
             CLERK_WEBHOOK_SIGNING_SECRET",
        ));
    }
    let several = all.len() > 1;
    for (index, checked) in all.iter().enumerate() {
        write(output, index + 1, several, checked)?;
    }
    if all.iter().all(|checked| checked.verdict.is_ok()) { Ok(()) } else { Err(Failure::Negative) }
}

fn write(output: &Output, position: usize, several: bool, checked: &Checked) -> Result<(), Failure> {
    let Checked { place, verdict, warnings } = checked;
    output.object(&json!({
        "place": place,
        "position": position,
        "usable": verdict.is_ok(),
        "bytes": verdict.as_ref().ok(),
        "problem": verdict.as_ref().err(),
        "warnings": warnings,
    }))?;
    let which = if several { format!("{place}, secret {position}") } else { place.clone() };
    match verdict {
        Ok(bytes) => output.line(format_args!("{GOOD}fine{GOOD:#}  {which}: a key of {bytes} bytes"))?,
        Err(problem) => output.line(format_args!("{BAD}bad{BAD:#}   {which}: {problem}"))?,
    }
    warnings.iter().try_for_each(|warning| output.line(format_args!("      {ODD}warning{ODD:#} {warning}")))
}

fn standard_input() -> Result<Zeroizing<String>, Failure> {
    /// Many more secrets than anybody has.
    const MAX_BYTES: u64 = 64 * 1024;
    let mut text = Zeroizing::new(String::new());
    io::stdin()
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format_args!("cannot read a secret from standard input: {error}")))?;
    Ok(text)
}
