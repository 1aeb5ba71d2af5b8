//! The page of the administrator: `/status` for people. It has no script, no form and no payload.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::status::Status;
use super::sweep_log::Ended;

const STYLE: &str = include_str!("page.css");

/// Returns the value of the `Content-Security-Policy` header: nothing is loaded, and only this style applies.
pub(super) fn content_security_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Returns the page.
pub(super) fn render(status: &Status, is_ready: bool) -> String {
    let mut page = String::with_capacity(8 * 1024);
    // Writing to a string cannot fail.
    let _ = write(&mut page, status, is_ready);
    page
}

fn write(page: &mut String, status: &Status, is_ready: bool) -> fmt::Result {
    let (class, word) = if is_ready { ("good", "ready") } else { ("bad", "not ready") };
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>clerk-webhook: {word}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<header><h1>clerk-webhook</h1><p class=\"{class}\">{word}</p></header>\n<main>\n"
    )?;
    let database = &status.database;
    let connection = match database.tls {
        Some(true) => ", with TLS",
        Some(false) => ", without TLS",
        None => "",
    };
    let version = database.schema_version.map(|version| format!("version {version}"));
    section(
        page,
        "Process",
        &[
            ("Version", Some(status.version.to_owned())),
            ("Started", time(Some(&status.started_at))),
            ("Clerk instance", status.instance_id.clone()),
            ("Database", Some(format!("{}{connection}", database.kind))),
            ("Tables", version),
        ],
        status.error.as_deref(),
    )?;
    let deliveries = &status.deliveries;
    section(
        page,
        "Deliveries since the start",
        &[
            ("Last delivery", time(deliveries.last_at.as_ref())),
            ("Last success", time(deliveries.last_success_at.as_ref())),
            ("In progress", Some(deliveries.in_flight.to_string())),
        ],
        None,
    )?;
    tables(page, status)?;
    let sweep = &status.sweep;
    section(
        page,
        "Imports and comparisons",
        &[
            ("Running", sweep.running.map(str::to_owned)),
            ("Last", sweep.last.as_ref().map(|last| format!("{}: {}", last.kind, last.result))),
            ("Started", time(sweep.last.as_ref().and_then(|last| last.started_at.as_ref()))),
            ("Finished", time(sweep.last.as_ref().and_then(|last| last.finished_at.as_ref()))),
            ("Changed rows", sweep.last.as_ref().and_then(changes)),
            ("Next comparison", time(sweep.next_at.as_ref())),
        ],
        None,
    )?;
    if let Some(queue) = &status.queue {
        section(
            page,
            "Queue of the forward",
            &[
                ("Waiting", Some(queue.ready.to_string())),
                ("Running", Some(queue.running.to_string())),
                ("Dead letters", Some(queue.dead.to_string())),
                ("Oldest waiting", queue.oldest_ready_s.map(|seconds| format!("{seconds} s"))),
            ],
            None,
        )?;
    }
    page.write_str(
        "</main>\n<footer>Times are in UTC. Reload the page to update it.</footer>\n</body>\n</html>\n",
    )
}

/// Writes a list of names and values. A missing value is a dash.
fn section(
    page: &mut String,
    title: &str,
    rows: &[(&str, Option<String>)],
    problem: Option<&str>,
) -> fmt::Result {
    write!(page, "<section>\n<h2>{}</h2>\n<dl>\n", Escaped(title))?;
    for (name, value) in rows {
        let value = value.as_deref().unwrap_or("–");
        writeln!(page, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(value))?;
    }
    page.write_str("</dl>\n")?;
    if let Some(problem) = problem {
        writeln!(page, "<p class=\"bad\">{}</p>", Escaped(problem))?;
    }
    page.write_str("</section>\n")
}

fn tables(page: &mut String, status: &Status) -> fmt::Result {
    let Some(tables) = &status.tables else { return Ok(()) };
    page.write_str(
        "<section>\n<h2>Rows</h2>\n<table>\n<thead><tr><th scope=\"col\">Table</th><th scope=\"col\">Live</th>\
         <th scope=\"col\">Deleted</th></tr></thead>\n<tbody>\n",
    )?;
    for (name, rows) in tables {
        writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            Escaped(name),
            rows.live,
            rows.deleted
        )?;
    }
    page.write_str("</tbody>\n</table>\n</section>\n")
}

/// Returns a time as people read it. The page says that times are in UTC.
fn time(rfc3339: Option<&String>) -> Option<String> {
    rfc3339.map(|time| time.replace('T', " ").trim_end_matches('Z').to_owned())
}

/// Returns the numbers of changed rows, if this process knows them.
fn changes(last: &Ended) -> Option<String> {
    let Ended { inserted: Some(inserted), updated: Some(updated), tombstoned: Some(tombstoned), .. } = last
    else {
        return None;
    };
    Some(format!("{inserted} inserted, {updated} updated, {tombstoned} deleted"))
}

/// A text in HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_every_character_with_a_meaning_in_html() {
        assert_eq!(
            Escaped(r#"<a b='c' d="e">&"#).to_string(),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;"
        );
    }

    #[test]
    fn the_policy_names_the_style_of_the_page() {
        // A browser hashes the text between the tags.
        assert!(!STYLE.contains("</"));
        assert!(content_security_policy().contains(&STANDARD.encode(Sha256::digest(STYLE.as_bytes()))));
    }
}
