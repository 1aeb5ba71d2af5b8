//! Who may read `/status` and the page.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use zeroize::Zeroizing;

use super::config::AdminToken;
use crate::server::proxy::is_proxied;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Granted,
    /// The request has no token, or a wrong one.
    Unauthorized,
    /// No token is configured, and the request does not come from this machine.
    LocalOnly,
}

/// Checks a request. With a token, the request must contain it. Without one, the request must come from this
/// machine.
pub(super) fn check(token: Option<&AdminToken>, headers: &HeaderMap, peer: SocketAddr) -> Access {
    match token {
        Some(token) if given(headers).is_some_and(|given| token.matches(&given)) => Access::Granted,
        Some(_) => Access::Unauthorized,
        None if is_local(headers, peer) => Access::Granted,
        None => Access::LocalOnly,
    }
}

/// Returns the token of the request: a bearer token, or the password of Basic authentication.
fn given(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(credentials.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(credentials).ok()?);
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

/// Returns whether a request comes from this machine, and not through a proxy on it.
///
/// The host must be an address or a local name. Otherwise a website could let its own name point to this machine,
/// and read the answer in a browser that runs here.
fn is_local(headers: &HeaderMap, peer: SocketAddr) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    peer.ip().to_canonical().is_loopback() && !is_proxied(headers) && host.is_none_or(is_local_host)
}

fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn reads_the_token_of_both_schemes() {
        for (value, expected) in [
            ("Bearer secret", Some("secret")),
            ("bearer  secret", Some("secret")),
            ("Basic YWRtaW46c2VjcmV0", Some("secret")),
            ("basic OnNlOmNyZXQ=", Some("se:cret")),
            ("Basic c2VjcmV0", None),
            ("Basic !", None),
            ("Digest secret", None),
            ("secret", None),
        ] {
            let headers = headers(&[("authorization", value)]);
            assert_eq!(given(&headers).as_deref().map(String::as_str), expected, "{value}");
        }
        assert_eq!(given(&HeaderMap::new()), None);
    }

    #[test]
    fn without_a_token_only_this_machine_may_read() {
        for (peer, fields, expected) in [
            ("127.0.0.1:1", &[("host", "127.0.0.1:9464")][..], Access::Granted),
            ("127.0.0.1:1", &[("host", "localhost:9464")], Access::Granted),
            ("[::1]:1", &[("host", "[::1]:9464")], Access::Granted),
            ("[::ffff:127.0.0.1]:1", &[], Access::Granted),
            ("10.0.0.7:1", &[("host", "127.0.0.1:9464")], Access::LocalOnly),
            ("127.0.0.1:1", &[("host", "evil.example:9464")], Access::LocalOnly),
            ("127.0.0.1:1", &[("host", "127.0.0.1.evil.example")], Access::LocalOnly),
            ("127.0.0.1:1", &[("host", "localhost"), ("x-forwarded-for", "10.0.0.7")], Access::LocalOnly),
            ("127.0.0.1:1", &[("host", "localhost"), ("forwarded", "for=10.0.0.7")], Access::LocalOnly),
            ("127.0.0.1:1", &[("host", "localhost"), ("x-real-ip", "10.0.0.7")], Access::LocalOnly),
        ] {
            assert_eq!(check(None, &headers(fields), peer.parse().unwrap()), expected, "{peer} {fields:?}");
        }
    }
}
