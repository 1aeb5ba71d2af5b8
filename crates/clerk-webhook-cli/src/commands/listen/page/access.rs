//! Access control for the page.

use std::net::{IpAddr, SocketAddr};

use http::header::{COOKIE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request};

use super::entrance::{CODE, Entrance, Entry};
use super::token::{is_same, random};
use crate::server::proxy::is_proxied;

/// The path of the page.
pub(crate) const ROOT: &str = "/_clerk/";

/// The name of the query parameter for the token, with the equals sign.
const TOKEN: &str = "token=";

/// Decides which requests may access the page.
#[derive(Debug)]
pub(crate) struct PageAccess {
    host: IpAddr,
    port: u16,
    /// A request that carries this token may open the page.
    token: String,
    once: Entrance,
}

impl PageAccess {
    /// Creates a token for a listener. Fails if the system returns no random bytes.
    pub(crate) fn new(host: IpAddr, port: u16) -> Result<Self, getrandom::Error> {
        Ok(Self { host, port, token: random()?, once: Entrance::new()? })
    }

    /// Returns the printed URL, or `None` if the listener is not reachable through loopback.
    pub(crate) fn url(&self) -> Option<String> {
        self.absolute(&format!("{ROOT}?{TOKEN}{}", self.token))
    }

    /// Returns the URL that opens the page once, to pass to the browser as an argument.
    pub(crate) fn url_for_once(&self) -> Option<String> {
        self.absolute(&format!("{ROOT}?{CODE}{}", self.once.code()))
    }

    fn absolute(&self, entrance: &str) -> Option<String> {
        let host = match self.host {
            host if host.is_unspecified() => "127.0.0.1".to_owned(),
            host if !host.is_loopback() => return None,
            host => in_url(host),
        };
        Some(format!("http://{host}:{}{entrance}", self.port))
    }

    /// Returns whether a request uses the printed URL.
    pub(super) fn is_entered_by<B>(&self, request: &Request<B>) -> bool {
        let uri = request.uri();
        let token = uri.query().and_then(|query| query.strip_prefix(TOKEN));
        uri.path() == ROOT && token.is_some_and(|token| is_same(token, &self.token))
    }

    /// Uses the code in a request. Returns `None` if the request contains no code, or an invalid one.
    pub(super) fn entry<B>(&self, request: &Request<B>) -> Option<Entry<'_>> {
        let uri = request.uri();
        let code = uri.query().and_then(|query| query.strip_prefix(CODE))?;
        if *request.method() != Method::GET || uri.path() != ROOT {
            return None;
        }
        self.once.enter(code)
    }

    /// Returns the entrance for the address that works only once.
    pub(super) fn once(&self) -> &Entrance {
        &self.once
    }

    /// Returns whether a request has a valid cookie, from the printed URL or from `--open`.
    pub(crate) fn is_open_to<B>(&self, request: &Request<B>) -> bool {
        self.has_token(request) || self.cookies(request).any(|cookie| self.once.admits(cookie))
    }

    /// Returns whether a request has the cookie of the printed URL.
    pub(super) fn has_token<B>(&self, request: &Request<B>) -> bool {
        self.cookies(request).any(|cookie| is_same(cookie, &self.token))
    }

    /// Returns the `Set-Cookie` value for the printed URL.
    pub(super) fn token_cookie(&self) -> String {
        self.cookie(&self.token)
    }

    /// Returns the `Set-Cookie` value for a cookie of this listener.
    pub(super) fn cookie(&self, value: &str) -> String {
        format!("{}={value}; Path={ROOT}; HttpOnly; SameSite=Strict", self.cookie_name())
    }

    /// Returns the values of this listener's cookies.
    fn cookies<'r, B>(&self, request: &'r Request<B>) -> impl Iterator<Item = &'r str> + use<'r, B> {
        let name = self.cookie_name();
        let cookies = request.headers().get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|value| value.split(';')).filter_map(|one| one.trim().split_once('='));
        cookies.filter_map(move |(given, value)| (given == name).then_some(value))
    }

    /// Browsers share cookies between ports, so the name contains this listener's port.
    fn cookie_name(&self) -> String {
        format!("clerk-webhook-page-{}", self.port)
    }

    /// Returns whether a request comes from this machine, has this machine as its host, and has no proxy
    /// headers.
    pub(crate) fn is_local<B>(&self, peer: SocketAddr, request: &Request<B>) -> bool {
        let authority = request.uri().authority().map(|authority| authority.as_str());
        peer.ip().to_canonical().is_loopback()
            && only(request.headers(), &HOST).is_some_and(|host| self.is_own_name(host))
            && authority.is_none_or(|host| self.is_own_name(host))
            && !is_proxied(request.headers())
    }

    /// Returns whether a host always means this machine and this port.
    fn is_own_name(&self, host: &str) -> bool {
        let name = match host.strip_suffix(&format!(":{}", self.port)) {
            Some(name) => name,
            None if self.port == 80 => host,
            None => return false,
        };
        let is_own = self.host.is_loopback() && name == in_url(self.host);
        is_own || ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost")
    }
}

/// Formats an address as the host of a URL.
fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Returns whether a path belongs to the page, not to the endpoint.
pub(crate) fn is_for(path: &str) -> bool {
    path == ROOT.trim_end_matches('/') || path.starts_with(ROOT)
}

/// Returns whether a request can come from this page or from the address bar, and not from another site.
pub(super) fn is_own_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let from_here = match site {
        // Some browsers do not send this header.
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => navigates && *request.method() == Method::GET && request.uri().path() == ROOT,
    };
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    let own = only(headers, &HOST).map(|host| format!("http://{host}"));
    from_here && origin.is_none_or(|origin| own.is_some_and(|own| own.as_bytes() == origin))
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
