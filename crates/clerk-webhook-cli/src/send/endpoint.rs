//! The URL that deliveries are sent to.

use std::fmt;
use std::net::IpAddr;

use clap::Args;
use http::Uri;
use http::uri::Scheme;

use crate::failure::Failure;

/// The arguments that name an endpoint.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndpointArgs {
    /// Where to send it, such as http://127.0.0.1:3000/webhooks/clerk
    #[arg(long = "to", value_name = "URL")]
    to: String,

    #[command(flatten)]
    remote: RemoteArgs,
}

/// Whether other machines may be sent to.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RemoteArgs {
    /// Send to a machine other than this one: these are made-up events, and a server takes them for real ones
    #[arg(long)]
    allow_remote: bool,
}

impl EndpointArgs {
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        self.remote.endpoint(&self.to)
    }
}

impl RemoteArgs {
    /// Reads a URL, and refuses one of another machine unless that is allowed.
    pub(crate) fn endpoint(self, url: &str) -> Result<Endpoint, Failure> {
        let endpoint = Endpoint::parse(url)?;
        if !self.allow_remote && !endpoint.is_loopback() {
            return Err(Failure::usage(format_args!(
                "{} is not this machine: add --allow-remote if it is yours and may get made-up events",
                endpoint.authority()
            )));
        }
        Ok(endpoint)
    }
}

/// An absolute URL of HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Uri);

impl Endpoint {
    fn parse(url: &str) -> Result<Self, Failure> {
        const EXAMPLE: &str = "such as http://127.0.0.1:3000/webhooks/clerk";
        let wrong = |why: &str| Failure::usage(format_args!("{url} {why}, {EXAMPLE}"));
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL; write one"))?;
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => {}
            Some(scheme) if *scheme == Scheme::HTTPS && cfg!(feature = "tls") => {}
            Some(scheme) if *scheme == Scheme::HTTPS => {
                return Err(Failure::usage(
                    "this clerk-webhook was built without the feature tls, so it cannot send to https",
                ));
            }
            Some(_) => return Err(wrong("begins with neither http:// nor https://; write a URL")),
            None => return Err(wrong("does not begin with http:// or https://; write a whole URL")),
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err(Failure::usage(
                "leave name and password out of the URL: the sender of webhooks has none to send",
            ));
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(wrong("names no host; write a whole URL"));
        }
        // A port that cannot be read is none to the parser, and another one would be sent to.
        let after_host = authority.rsplit_once(']').map_or(authority, |(_, port)| port);
        if after_host.contains(':') && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("has no port from 1 to 65535; write a URL"));
        }
        Ok(Self(uri))
    }

    /// Returns the URL.
    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    /// Returns host and port.
    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Returns whether it is this machine: an address of loopback, or `localhost`, which every system resolves to one.
    ///
    /// Any other name that happens to lead to loopback does not count, `app.localhost` included: who resolves it is asked while
    /// the command runs, and can answer otherwise.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        address.is_some_and(|address| address.to_canonical().is_loopback())
    }
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
    fn this_machine_needs_no_permission() {
        for url in [
            "http://127.0.0.1:3000/webhooks/clerk",
            "http://127.9.9.9/",
            "http://[::1]:3000/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:3000",
            "http://LOCALHOST/hook?x=1",
        ] {
            assert!(endpoint(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn any_other_machine_does() {
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
    fn what_is_no_url_is_explained() {
        for url in [
            "",
            "127.0.0.1:3000",
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
