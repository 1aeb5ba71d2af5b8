//! Parses the values of the settings. The errors say what is wrong and what to do, without the setting's name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clerk_webhook_sync::RawColumn;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{KeptTables, LogFormat};
use crate::output::printable;
use crate::send::endpoint::Endpoint;
use crate::sync::Schema;

/// The maximum length of a value in a message, in characters.
const SHOWN: usize = 60;

/// The endings of host names that only a private network resolves.
const PRIVATE_NAMES: [&str; 6] = [".internal", ".local", ".localhost", ".svc", ".lan", ".home.arpa"];

fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text, SHOWN))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("{} is not an address. Use an IP and a port: 127.0.0.1:3000.", quoted(text)))
}

pub(super) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" { Ok(None) } else { address(text).map(Some).map_err(|error| format!("{error} Or off.")) }
}

pub(super) fn port(text: &str) -> Result<SocketAddr, String> {
    let port: u16 = text.parse().map_err(|_| format!("{} is not a port. Use 1 to 65535.", quoted(text)))?;
    Ok(SocketAddr::from(([0, 0, 0, 0], port)))
}

pub(super) fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/')
        && text.len() > 1
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'));
    if !is_path {
        return Err(format!("{} is not a path. Use a path such as /webhooks/clerk.", quoted(text)));
    }
    if matches!(text, "/livez" | "/healthz" | "/readyz") {
        return Err(format!("{text} is a path of the health checks. Use another path."));
    }
    Ok(text.to_owned())
}

pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(format!("{} is not a switch. Use true or false.", quoted(text))),
    }
}

/// Parses `auto` or `off`.
pub(super) fn backfill(text: &str) -> Result<bool, String> {
    match text {
        "auto" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{} is not supported. Use auto or off.", quoted(text))),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{} is not a duration. Use a number and ms, s, m, h or d: 30s.", quoted(text));
    let digits = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" | "" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .filter(|all| *all <= 366 * 24 * 60 * 60)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

pub(super) fn interval_or_off(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    let interval = duration(text).map_err(|error| format!("{error} Or off."))?;
    if interval < Duration::from_secs(1) {
        return Err("the interval is too short. Use 1s or more, or off.".to_owned());
    }
    Ok(Some(interval))
}

pub(super) fn pool(text: &str) -> Result<u32, String> {
    let size = text.parse().ok().filter(|size| (2..=1000).contains(size));
    size.ok_or_else(|| format!("{} is not a number of connections. Use 2 to 1000.", quoted(text)))
}

pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share: &f64| (0.001..=1.0).contains(share));
    share.ok_or_else(|| format!("{} is not a share. Use 0.001 to 1.", quoted(text)))
}

pub(super) fn schema(text: &str) -> Result<Schema, String> {
    text.parse().map_err(|hint| format!("{} is not a name: {hint}.", quoted(text)))
}

pub(super) fn instance(text: &str) -> Result<String, String> {
    if text.starts_with("ins_") {
        return Ok(text.to_owned());
    }
    Err(format!("{} is not an instance id. The id begins with ins_.", quoted(text)))
}

/// Parses the name of a channel of Postgres.
pub(super) fn channel(text: &str) -> Result<Option<String>, String> {
    if text == "off" {
        return Ok(None);
    }
    let is_name = !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_name {
        return Ok(Some(text.to_owned()));
    }
    Err(format!("{} is not a channel. Use up to 63 letters, digits and _, or off.", quoted(text)))
}

pub(super) fn tables(text: &str) -> Result<KeptTables, String> {
    let mut kept = KeptTables::default();
    for word in text.split([',', ' ']).filter(|word| !matches!(*word, "" | "none")) {
        match word {
            "sessions" => kept.sessions = true,
            "billing" => kept.billing = true,
            "waitlist" => kept.waitlist = true,
            _ => {
                return Err(format!(
                    "{} is not an optional table. Use sessions, billing and waitlist.",
                    quoted(word)
                ));
            }
        }
    }
    Ok(kept)
}

pub(super) fn raw(text: &str) -> Result<RawColumn, String> {
    match text {
        "public" => Ok(RawColumn::Redacted),
        "full" => Ok(RawColumn::Full),
        "off" => Ok(RawColumn::Off),
        _ => Err(format!("{} is not supported. Use public, full or off.", quoted(text))),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{} is not supported. Use text or json.", quoted(text))),
    }
}

/// Checks the levels of the log. A word without a level would be the name of a module.
pub(super) fn log_levels(text: &str) -> Result<String, String> {
    let is_level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    // The crate reads an empty text as the level error.
    if !text.is_empty() && text.split(',').all(is_level) && text.parse::<Targets>().is_ok() {
        return Ok(text.to_owned());
    }
    Err("the levels are not valid. Use a level such as info, or info,sqlx=warn.".to_owned())
}

/// Parses the target of the forward: https, or http in a private network, because the events contain personal data.
pub(super) fn forward(text: &str) -> Result<Endpoint, String> {
    let endpoint = Endpoint::parse(text).map_err(|failure| failure.message().to_owned())?;
    let is_https = endpoint.uri().scheme_str() == Some("https");
    if is_https && !cfg!(feature = "tls") {
        return Err("https needs the tls feature: build the command with the default features.".to_owned());
    }
    if !is_https && !is_private(endpoint.uri().host().unwrap_or_default()) {
        return Err("http is only for private addresses. Use https.".to_owned());
    }
    Ok(endpoint)
}

fn is_private(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address == Ipv6Addr::LOCALHOST || address.is_unique_local() || address.is_unicast_link_local()
        }
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            !name.contains('.') || PRIVATE_NAMES.iter().any(|ending| name.ends_with(ending))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_durations() {
        for (text, expected) in [("0", 0), ("5", 5_000), ("250ms", 250), ("30s", 30_000), ("24h", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in ["", "s", "-1s", "1.5h", "5 m", "99999999999999d", "1w"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(interval_or_off("off"), Ok(None));
        assert!(interval_or_off("0s").is_err());
    }

    #[test]
    fn forwards_personal_data_without_tls_only_in_private_networks() {
        for url in [
            "http://127.0.0.1:3000/x",
            "http://10.1.2.3/x",
            "http://192.168.0.9/x",
            "http://[fd00::1]:80/x",
            "http://app:8080/hooks",
            "http://app.default.svc/hooks",
            "http://app.internal/hooks",
        ] {
            assert!(forward(url).is_ok(), "{url}");
        }
        for url in [
            "http://example.com/x",
            "http://8.8.8.8/x",
            "http://internal.example/x",
            "ftp://app/x",
            "http://u:p@app/",
        ] {
            assert!(forward(url).is_err(), "{url}");
        }
        assert_eq!(forward("https://example.com/x").is_ok(), cfg!(feature = "tls"));
    }

    #[test]
    fn accepts_levels_of_the_log() {
        for levels in ["info", "WARN", "off", "info,sqlx=warn", "clerk_webhook=debug"] {
            assert!(log_levels(levels).is_ok(), "{levels}");
        }
        for levels in ["loud", "info,loud", "sqlx=loud", ""] {
            assert!(log_levels(levels).is_err(), "{levels}");
        }
    }

    #[test]
    fn rejects_other_values() {
        for (result, text) in [
            (address("localhost:80").map(drop), "localhost:80"),
            (address_or_off("on").map(drop), "on"),
            (port("70000").map(drop), "70000"),
            (path("webhooks").map(drop), "webhooks"),
            (path("/a?b").map(drop), "/a?b"),
            (switch("maybe").map(drop), "maybe"),
            (backfill("on").map(drop), "on"),
            (pool("1").map(drop), "1"),
            (share("2").map(drop), "2"),
            (schema("Clerk").map(drop), "Clerk"),
            (schema("a.b").map(drop), "a.b"),
            (instance("org_1").map(drop), "org_1"),
            (channel("a;b").map(drop), "a;b"),
            (tables("users").map(drop), "users"),
            (raw("all").map(drop), "all"),
            (log_format("xml").map(drop), "xml"),
        ] {
            assert!(result.is_err_and(|error| error.contains(text)), "{text}");
        }
    }
}
