//! The address of the API.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use http::Uri;

const DEFAULT: &str = "https://api.clerk.com/v1";

/// The beginning of every request's URL, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidBaseUrl> {
        let text = text.trim();
        if text.contains(['?', '#']) {
            return Err(InvalidBaseUrl(Mistake::Query));
        }
        let uri: Uri = text.parse().map_err(|_| InvalidBaseUrl(Mistake::NotUrl))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(InvalidBaseUrl(Mistake::NotUrl));
        };
        if authority.as_str().contains('@') {
            return Err(InvalidBaseUrl(Mistake::Credentials));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => return Err(InvalidBaseUrl(Mistake::Unencrypted)),
            _ => return Err(InvalidBaseUrl(Mistake::NotUrl)),
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BaseUrl {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    NotUrl,
    Query,
    Credentials,
    Unencrypted,
}

/// The error for a URL that cannot be the base URL of the Backend API.
#[derive(Clone, PartialEq, Eq)]
pub struct InvalidBaseUrl(Mistake);

impl fmt::Display for InvalidBaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Mistake::NotUrl => "the base URL is not a URL with https. Use a URL such as https://api.clerk.com/v1.",
            Mistake::Query => "the base URL contains ? or #. Remove this character and the text after it.",
            Mistake::Credentials => {
                "the base URL contains a user or a password. Remove the text before @, which Clerk does not use."
            }
            Mistake::Unencrypted => {
                "the base URL has no encryption, so others on the network could read the secret key. Use https. \
                 Only a server on this machine (localhost, 127.0.0.1 or [::1]) can use http."
            }
        })
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for InvalidBaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidBaseUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_http_only_to_this_machine() {
        for (text, expected) in [
            ("https://api.clerk.com/v1", "https://api.clerk.com/v1"),
            (" https://proxy.example:8443/clerk/v1/\n", "https://proxy.example:8443/clerk/v1"),
            ("http://localhost:4011", "http://localhost:4011"),
            ("http://LOCALHOST/v1", "http://LOCALHOST/v1"),
            ("http://127.0.0.1:4011/v1/", "http://127.0.0.1:4011/v1"),
            ("http://127.9.9.9/", "http://127.9.9.9"),
            ("http://[::1]:4011/v1", "http://[::1]:4011/v1"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), expected);
        }
        for (text, expected) in [
            ("", Mistake::NotUrl),
            ("api.clerk.com", Mistake::NotUrl),
            ("/v1", Mistake::NotUrl),
            ("ftp://api.clerk.com", Mistake::NotUrl),
            ("https://api clerk.com", Mistake::NotUrl),
            ("http://api.clerk.com/v1", Mistake::Unencrypted),
            ("http://localhost.example/v1", Mistake::Unencrypted),
            ("http://128.0.0.1/v1", Mistake::Unencrypted),
            ("http://[::2]/v1", Mistake::Unencrypted),
            ("http://localhost@evil.example", Mistake::Credentials),
            ("https://user:password@api.clerk.com/v1", Mistake::Credentials),
            ("https://api.clerk.com/v1?limit=1", Mistake::Query),
            ("https://api.clerk.com/v1#users", Mistake::Query),
        ] {
            assert!(BaseUrl::parse(text).unwrap_err().0 == expected, "{text}");
        }
        assert_eq!(BaseUrl::parse(DEFAULT), Ok(BaseUrl::default()));
    }
}
