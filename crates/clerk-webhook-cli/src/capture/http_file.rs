//! Reads and writes `.http` files, which contain one request as it was on the wire.

use std::fmt::Write as _;

use bytes::Bytes;

use super::recorded::Recorded;
use super::request::Capture;

/// Reads one request: a request line, headers, an empty line, and the body to the last byte of the file.
///
/// Skips comments before the request (`#`, `//`), except the comments of a recording.
pub(super) fn read(place: &str, bytes: &Bytes) -> Result<Capture, String> {
    let mut rest = 0;
    let mut line = || {
        let end = bytes[rest..].iter().position(|byte| *byte == b'\n').map(|length| rest + length);
        let line = &bytes[rest..end.unwrap_or(bytes.len())];
        rest = end.map_or(bytes.len(), |end| end + 1);
        (line.strip_suffix(b"\r").unwrap_or(line), end.is_some(), rest)
    };

    let mut recorded = Recorded::default();
    let request_line = loop {
        let (text, more, _) = line();
        if text.starts_with(b"#") {
            recorded.read(&String::from_utf8_lossy(text))?;
        }
        let ignored = text.trim_ascii().is_empty() || text.starts_with(b"#") || text.starts_with(b"//");
        if !ignored {
            break String::from_utf8_lossy(text).into_owned();
        }
        if !more {
            return Err("no request found: expected a line such as POST /webhooks/clerk HTTP/1.1".to_owned());
        }
    };
    let mut words = request_line.split_ascii_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(
            "the first line is not a request line: expected a line such as POST /webhooks/clerk HTTP/1.1"
                .to_owned(),
        );
    };
    if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(
            "the first line does not begin with a method: expected a line such as POST /webhooks/clerk HTTP/1.1".to_owned()
        );
    }

    let mut headers = Vec::new();
    let body = loop {
        let (text, more, next) = line();
        if text.is_empty() {
            break bytes.slice(next..);
        }
        let colon = text.iter().position(|byte| *byte == b':');
        let Some(colon) = colon else {
            let text = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
            return Err(format!("header line {} has no colon: {text}", headers.len() + 1));
        };
        let name = String::from_utf8_lossy(text[..colon].trim_ascii()).into_owned();
        headers.push((name, text[colon + 1..].trim_ascii().to_vec()));
        if !more {
            break Bytes::new();
        }
    };
    Ok(Capture { place: place.to_owned(), target: Some(target.to_owned()), headers, body, recorded })
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
    fn explains_why_a_file_is_not_a_request() {
        for (text, expected) in [
            ("", "no request found"),
            ("# only a comment\n", "no request found"),
            ("hello", "request line"),
            ("HTTP/1.1 200 OK\n\n", "method"),
            ("POST / HTTP/1.1\nno header\n\n", "no colon"),
        ] {
            let error = capture(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
