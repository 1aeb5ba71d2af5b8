//! Reads HTTP/1.1 responses that have a length, without a client library.

use std::io;

/// The head of a response whose body may not have arrived yet.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: u16,
    /// The value of `Content-Length`.
    pub content_length: usize,
    /// Where the body begins in the received bytes.
    pub body_start: usize,
    fields: &'a str,
}

impl<'a> ResponseHead<'a> {
    /// Parses a head, or returns `None` if it is incomplete.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not the head of an HTTP/1.1 response with `Content-Length`.
    pub fn parse(received: &'a [u8]) -> io::Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let malformed = || io::Error::other("the response is not HTTP/1.1 with a Content-Length");
        let head = str::from_utf8(&received[..end]).map_err(|_| malformed())?;
        let (status, fields) = head.split_once("\r\n").ok_or_else(malformed)?;
        let status = status.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let mut head = Self { status: 0, content_length: 0, body_start: end + 4, fields };
        head.status = status.ok_or_else(malformed)?;
        head.content_length =
            head.field("content-length").and_then(|length| length.parse().ok()).ok_or_else(malformed)?;
        Ok(Some(head))
    }

    /// Returns the first value of a header field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let mut fields = self.fields.lines().filter_map(|field| field.split_once(':'));
        fields.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
