//! The introduction before the first delivery, and the summary at the end.

use super::history::History;
use super::printer::{say, shown};
use super::state::Listener;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{ODD, QUIET, STRONG};

/// The path in the shown URL, if the listener accepts any path.
pub(super) const ANY_PATH: &str = "/webhooks/clerk";

fn verifies(secrets: usize) -> String {
    match secrets {
        0 => "nothing, because no signing secret is set".to_owned(),
        1 => "with one signing secret".to_owned(),
        several => format!("with {several} signing secrets"),
    }
}

/// Prints the addresses and the settings. With `--json`, prints to standard error.
pub(super) fn introduce(output: &Output, listener: &Listener) -> Result<(), Failure> {
    let endpoint = &listener.endpoint;
    let taken = if listener.judge.secrets().is_empty() { "every event" } else { "authentic events" };
    let answers = match (&listener.script, &listener.forward) {
        (Some(script), _) => format!("with {script} to {taken}, with 400 to everything else"),
        (None, Some(forward)) => format!("with the response of {}", forward.endpoint().redacted()),
        (None, None) => format!("with 200 to {taken}, with 400 to everything else"),
    };
    let any = if listener.path.is_none() { "  (or any other path)" } else { "" };
    let mut lines = vec![
        format!("endpoint  {STRONG}{endpoint}{STRONG:#}{QUIET}{any}{QUIET:#}"),
        match listener.page.url() {
            Some(page) => format!("page      {STRONG}{page}{STRONG:#}"),
            None => "page      none: listen on 127.0.0.1 or 0.0.0.0 to enable it, for this machine only"
                .to_owned(),
        },
        format!("verifies  {}", verifies(listener.judge.secrets().len())),
    ];
    if listener.judge.secrets().is_empty() {
        lines.push(format!(
            "{ODD}          To verify, set CLERK_WEBHOOK_SIGNING_SECRET, or pass --secret or --secret-file.{ODD:#}"
        ));
    }
    lines.push(format!("responds  {answers}"));
    if let (Some(_), Some(forward)) = (&listener.script, &listener.forward) {
        lines.push(format!("forwards  to {}", forward.endpoint().redacted()));
    }
    if let Some(folder) = &listener.record {
        lines.push(format!("records   to {}, including personal data", folder.path().display()));
    }
    if !listener.host.is_loopback() {
        lines.push(format!(
            "{ODD}Anyone who can reach {} can send deliveries here. Only this machine can open the page.{ODD:#}",
            listener.host
        ));
    }
    lines.push(String::new());
    lines.push(format!(
        "{QUIET}The listener fetches nothing from Clerk. Send events with one of these:{QUIET:#}"
    ));
    lines.push(format!("  clerk-webhook trigger user.created --to {endpoint}"));
    lines.push(format!("  clerk webhooks listen --forward-to {endpoint}"));
    let origin = endpoint.strip_suffix(listener.path.as_deref().unwrap_or(ANY_PATH)).unwrap_or(endpoint);
    lines.push(format!("  cloudflared tunnel --url {origin}"));
    lines.push(format!("{QUIET}Press Ctrl-C to stop.{QUIET:#}\n"));
    for line in lines {
        if output.is_json() {
            say(line);
        } else {
            output.line(line)?;
        }
    }
    Ok(())
}

/// Returns the number of deliveries with each outcome.
pub(super) fn summary(history: &History) -> String {
    let outcomes = history.outcomes();
    let all: u64 = outcomes.values().sum();
    let each: Vec<_> =
        outcomes.iter().map(|(outcome, count)| format!("{count} {}", shown(outcome))).collect();
    match all {
        0 => "no deliveries".to_owned(),
        1 => format!("1 delivery: {}", outcomes.keys().copied().map(shown).collect::<String>()),
        _ => format!("{all} deliveries: {}", each.join(", ")),
    }
}
