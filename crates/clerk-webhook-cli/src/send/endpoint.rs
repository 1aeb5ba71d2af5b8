//! The URL that deliveries are sent to.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use clap::Args;
use http::uri::Scheme;
use http::{HeaderValue, Uri};

use crate::environment;
use crate::failure::Failure;
use crate::output::{note, printable};
use crate::redact::without_query;
use crate::send::client::{Client, SVIX_USER_AGENT};
use crate::send::svix;

/// The URL without `--to` and without [`VARIABLE`].
const DEFAULT_URL: &str = "http://127.0.0.1:3000/webhooks/clerk";

/// The environment variable that replaces [`DEFAULT_URL`].
const VARIABLE: &str = "CLERK_WEBHOOK_URL";

/// The maximum length of a URL in messages, in characters.
const SHOWN: usize = 200;

/// The arguments that select an endpoint.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndpointArgs {
    /// URL of the endpoint [default: $CLERK_WEBHOOK_URL, else :3000/webhooks/clerk]
    ///
    /// This machine needs no http:// and no host: localhost:3000/webhooks/clerk or :3000/webhooks/clerk.
    #[arg(long = "to", value_name = "URL")]
    to: Option<String>,

    #[command(flatten)]
    remote: RemoteArgs,

    #[command(flatten)]
    agent: UserAgentArgs,
}

/// Whether deliveries may be sent to other machines.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RemoteArgs {
    /// Allow sending to another machine
    ///
    /// A server cannot distinguish these made-up events from real ones.
    #[arg(long)]
    allow_remote: bool,
}

/// How the requests identify their sender.
#[derive(Clone, Debug, Args)]
pub(crate) struct UserAgentArgs {
    /// User agent of the requests
    ///
    /// Firewalls and bot protections match it, so the default is a user agent of Svix, which sends Clerk's
    /// webhooks.
    #[arg(long, value_name = "TEXT", default_value = SVIX_USER_AGENT)]
    pub(crate) user_agent: HeaderValue,
}

impl EndpointArgs {
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        self.remote.endpoint_or_default("--to", self.to.as_deref())
    }

    /// Creates a client for the endpoint that waits for a response as long as Svix does.
    pub(crate) fn client(&self, endpoint: &Endpoint) -> Result<Client, Failure> {
        Ok(Client::new(endpoint.uri(), svix::TIMEOUT)?.with_user_agent(self.agent.user_agent.clone()))
    }
}

impl RemoteArgs {
    /// Parses a URL, and returns an error for another machine unless that is allowed.
    pub(crate) fn endpoint(self, url: &str) -> Result<Endpoint, Failure> {
        self.allow(Endpoint::parse(url)?)
    }

    /// Like [`endpoint`](Self::endpoint). Without a URL, uses the default for this argument.
    pub(crate) fn endpoint_or_default(self, argument: &str, url: Option<&str>) -> Result<Endpoint, Failure> {
        self.allow(match url {
            Some(url) => Endpoint::parse(url)?,
            None => Endpoint::of_environment(argument)?,
        })
    }

    /// Returns an error for another machine unless that is allowed, and for https without the `tls` feature.
    pub(crate) fn allow(self, endpoint: Endpoint) -> Result<Endpoint, Failure> {
        if !self.allow_remote && !endpoint.is_loopback() {
            return Err(Failure::usage(format_args!(
                "{} is not this machine: add --allow-remote if the endpoint is yours and may receive made-up events",
                endpoint.authority()
            )));
        }
        if !cfg!(feature = "tls") && endpoint.uri().scheme() == Some(&Scheme::HTTPS) {
            return Err(Failure::usage(
                "this clerk-webhook was built without the tls feature, which https URLs need: build it with the default features",
            ));
        }
        Ok(endpoint)
    }
}

/// An absolute HTTP URL.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Uri);

impl Endpoint {
    /// Parses an absolute URL. For this machine, `http://` may be missing, and before `:3000` also the host.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        Self::parse_like(DEFAULT_URL, url)
    }

    /// Like [`parse`](Self::parse), with an example for errors.
    pub(crate) fn parse_like(example: &str, url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            // Text before an @ can be a password, and a query can contain a token.
            let shown = url.split(['?', '#']).next().filter(|shown| !shown.is_empty() && !url.contains('@'));
            let shown = printable(shown.unwrap_or("the URL"), SHOWN);
            Failure::usage(format_args!("{shown} {why}, such as {example}"))
        };
        if url.is_empty() {
            return Err(wrong("is empty: use an absolute URL"));
        }
        let url = completed(url);
        if !url.contains("://") {
            return Err(wrong("does not begin with http:// or https://: add the scheme"));
        }
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL: use an absolute URL"))?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => {}
            _ => return Err(wrong("begins with neither http:// nor https://: use an HTTP URL")),
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(Failure::usage(
                "remove the user name and password from the URL: webhook senders do not send credentials",
            ));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(wrong("has no host: use an absolute URL"));
        }
        // The parser ignores an invalid port, and the request would go to the default port.
        let after_host = authority.rsplit_once(']').map_or(authority, |(_, port)| port);
        if after_host.contains(':') && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("has an invalid port: use a URL with a port from 1 to 65535"));
        }
        Ok(Self(uri))
    }

    /// Returns the endpoint for commands without `--to`, and prints its URL.
    pub(crate) fn of_environment(argument: &str) -> Result<Self, Failure> {
        let variable = environment::vars(&[VARIABLE])?.pop();
        let (url, source) = match &variable {
            Some(variable) => (variable.value.as_str(), variable.to_string()),
            None => (DEFAULT_URL, "the default".to_owned()),
        };
        let endpoint = Self::parse(url).map_err(|failure| match failure {
            Failure::Usage(message) => Failure::Usage(format!("{source}: {message}")),
            other => other,
        })?;
        note(format_args!("{argument} is {}, {source}", endpoint.redacted()));
        Ok(endpoint)
    }

    /// Returns the URL without its query, for a terminal.
    pub(crate) fn redacted(&self) -> String {
        printable(without_query(&self.to_string()), SHOWN)
    }

    /// Returns the URL.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Returns host and port.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Returns whether the host is this machine: a loopback address, or `localhost`, which every system
    /// resolves to one.
    ///
    /// Other names are not accepted, including `app.localhost`: a resolver could return another address while
    /// the command runs.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        address.is_some_and(|address| address.to_canonical().is_loopback())
    }
}

/// Adds `http://` to a URL of this machine, and this machine to `:3000/path`.
fn completed(url: &str) -> Cow<'_, str> {
    let host = if url.starts_with(':') { "127.0.0.1" } else { "" };
    let candidate = format!("http://{host}{url}");
    if candidate.parse().is_ok_and(|uri| Endpoint(uri).is_loopback()) { candidate.into() } else { url.into() }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, allow_remote: bool) -> Result<Endpoint, Failure> {
        RemoteArgs { allow_remote }.endpoint(url)
    }

    #[test]
    fn accepts_this_machine_without_permission() {
        for url in [
            "http://127.0.0.1:3000/webhooks/clerk",
            "http://127.9.9.9/",
            "http://[::1]:3000/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:3000",
            "http://LOCALHOST/hook?x=1",
            "localhost:3000/hook?next=http://example.com/",
            "127.0.0.1",
            "[::1]:3000/",
            ":3000/",
        ] {
            assert!(endpoint(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn completes_urls_of_this_machine() {
        for (url, expected) in [
            ("localhost:3000/x", "http://localhost:3000/x"),
            ("localhost", "http://localhost/"),
            (":3000/x?y=:1", "http://127.0.0.1:3000/x?y=:1"),
            ("127.0.0.1:3000/x", "http://127.0.0.1:3000/x"),
            ("https://localhost:3000/x", "https://localhost:3000/x"),
        ] {
            assert_eq!(endpoint(url, false).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn rejects_other_machines_without_permission() {
        for url in [
            "http://example.com/",
            "http://10.0.0.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example/",
            "http://app.localhost/",
            "http://localhost./",
            "http://127.0.0.1./",
            "http://0.0.0.0/",
        ] {
            let Err(Failure::Usage(message)) = endpoint(url, false) else { panic!("{url}") };
            assert!(message.contains("--allow-remote"), "{message}");
            assert!(endpoint(url, true).is_ok(), "{url}");
        }
    }

    #[test]
    fn rejects_invalid_urls_without_showing_the_password() {
        for url in [
            "",
            ":",
            ":0/",
            "3000/webhooks",
            "example.com:3000/webhooks",
            "user:password@example.com/",
            "user:password@localhost:3000/",
            "localhost:99999/",
            "/webhooks",
            "ftp://127.0.0.1/",
            "http://user:password@127.0.0.1/",
            "http://",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:/",
            "http://[::1]:99999/",
        ] {
            let Err(Failure::Usage(message)) = endpoint(url, true) else { panic!("{url}") };
            assert!(!message.contains("password@"), "{message}");
        }
    }
}
