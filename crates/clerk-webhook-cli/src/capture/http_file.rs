//! Reads and writes `.http` files, which contain one request as it was on the wire.

use std::fmt::Write as _;

use bytes::Bytes;

use super::request::Capture;

/// What to do with a file that is not a request.
pub(super) const CONVERT: &str = "Write the request as a line such as POST /webhooks/clerk HTTP/1.1, the headers, an empty line, and the \
                       exact body. To verify a body, pass it to `clerk-webhook verify` with --body, and the headers with --id, \
                       --timestamp and --signature. To send your own body, use `clerk-webhook trigger --file`";

/// Headers that show that lines are a request, even without a request line.
const USUAL: [&str; 5] = ["accept", "content-length", "content-type", "host", "user-agent"];

/// Reads one request: a request line, headers, an empty line, and the body to the last byte of the file.
///
/// The request line can be missing, or be replaced by pseudo-headers of HTTP/2 (`:path: /hook`). Skips comments
/// before the request (`#`, `//`), except the comments of a recording.
pub(super) fn read(place: &str, bytes: &Bytes) -> Result<Capture, String> {
    let mut capture = Capture { place: place.to_owned(), ..Capture::default() };
    let mut rest = bytes.clone();
    let (mut is_first, mut is_request) = (true, false);
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = rest.split_to(end.map_or(rest.len(), |end| end + 1));
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_comment = line.starts_with(b"#") || line.starts_with(b"//") || line.trim_ascii().is_empty();
        if is_first && is_comment {
            if line.starts_with(b"#") {
                capture.recorded.read(&String::from_utf8_lossy(line))?;
            }
            if end.is_none() {
                return Err(incomplete(false));
            }
            continue;
        }
        if line.is_empty() {
            capture.body = rest;
            return if is_request && end.is_some() { Ok(capture) } else { Err(incomplete(is_request)) };
        }
        if let Some((name, value)) = line.strip_prefix(b":").and_then(header) {
            is_request = true;
            // Of the pseudo-headers of HTTP/2, only the path matters.
            capture.target =
                (name == "path").then(|| String::from_utf8_lossy(&value).into_owned()).or(capture.target);
        } else if let Some((name, value)) = header(line) {
            let lower = name.to_ascii_lowercase();
            is_request |=
                USUAL.contains(&lower.as_str()) || lower.contains("svix") || lower.starts_with("webhook-");
            capture.headers.push((name, value));
        } else if is_first {
            capture.target = Some(target(&String::from_utf8_lossy(line))?);
            is_request = true;
        } else if !is_request {
            return Err(incomplete(is_request));
        } else {
            let number = capture.headers.len() + 1;
            return Err(format!(
                "line {number} of the headers is not a header. Write an empty line between the headers and the body"
            ));
        }
        is_first = false;
        if end.is_none() {
            return Err(incomplete(is_request));
        }
    }
}

fn incomplete(is_request: bool) -> String {
    let what = if is_request { "no empty line and no body follow the headers" } else { "no request found" };
    format!("{what}. {CONVERT}")
}

/// Splits a header line at its colon.
fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii().to_vec();
    // The characters of RFC 9110, section 5.1.
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let name = name.trim_ascii();
    let is_name = !name.is_empty() && name.iter().all(is_token);
    is_name.then(|| (String::from_utf8_lossy(name).into_owned(), value))
}

/// Returns the target of a request line.
fn target(line: &str) -> Result<String, String> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some(method), Some(target)) if method.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Ok(target.to_owned())
        }
        _ => Err(format!("the first line is not a request line or a header. {CONVERT}")),
    }
}

/// Writes a request in the format that [`read`] reads. The body is written unchanged.
pub(crate) fn write<'h>(
    target: &str,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
) -> Vec<u8> {
    let mut head = String::new();
    let _ = write!(head, "POST {target} HTTP/1.1\r\n");
    let mut bytes = head.into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(text: &'static str) -> Result<Capture, String> {
        read("a.http", &Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn reads_a_written_request_unchanged() {
        let headers = [("Svix-Id", b"msg_1".as_slice()), ("svix-id", b"twice"), ("X-Odd", b"\xff")];
        for body in ["", "{}", "{}\n", "\r\n\r\n", "a\nb: c\r\n"] {
            let bytes = write("/hook?x=1", headers, body.as_bytes());
            let capture = read("a.http", &bytes.into()).unwrap();
            assert_eq!(capture.target.as_deref(), Some("/hook?x=1"));
            assert_eq!(capture.body, body);
            let read: Vec<_> =
                capture.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            assert_eq!(read, headers);
        }
    }

    #[test]
    fn reads_requests_written_in_editors() {
        let capture = capture(
            "### from the log\n# @name hook\n\nPOST http://localhost:3000/hook\nsvix-id:  msg_1 \n\n{}\n",
        )
        .unwrap();
        assert_eq!(capture.target.as_deref(), Some("http://localhost:3000/hook"));
        assert_eq!(capture.text("Svix-Id"), Some("msg_1"));
        assert_eq!(capture.body, "{}\n");
    }

    #[test]
    fn reads_requests_without_a_request_line() {
        for (text, target) in [
            ("host: a\nsvix-id: msg_1\n\n{}\n", None),
            (
                ":method: POST\r\n:path: /hook?x\r\n:scheme: https\r\nsvix-id: msg_1\r\n\r\n{}\n",
                Some("/hook?x"),
            ),
            ("# pasted\n:authority: a\nsvix-id: msg_1\n\n{}\n", None),
        ] {
            let capture = capture(text).unwrap();
            assert_eq!(
                (capture.target.as_deref(), capture.text("svix-id")),
                (target, Some("msg_1")),
                "{text}"
            );
            assert_eq!(capture.body, "{}\n");
        }
    }

    #[test]
    fn explains_why_a_file_is_not_a_request() {
        for (text, expected) in [
            ("", "no request found"),
            ("# only a comment\n", "no request found"),
            ("hello", "not a request line or a header. Write the request as"),
            ("HTTP/1.1 200 OK\n\n", "not a request line"),
            ("2026-11-28T10:00:00Z INFO received a webhook\n\n{}", "no request found. Write the request"),
            ("type: collection\nname: hook\n- url: http://a\n", "no request found. Write the request"),
            ("1432:9:websocket;0:~8:response;", "no request found. Write the request"),
            ("POST / HTTP/1.1\nsvix-id: msg_1\n", "no empty line and no body follow the headers. Write"),
            ("POST / HTTP/1.1\nno header\n\n", "line 1 of the headers is not a header"),
            ("svix-id: msg_1\nno header\n\n", "line 2 of the headers is not a header"),
            ("svix-id: msg_1\n{\"data\":{}}\n", "line 2 of the headers is not a header. Write an empty line"),
        ] {
            let error = capture(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
