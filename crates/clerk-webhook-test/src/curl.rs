//! Converts deliveries into `curl` commands.

use std::fmt::Write as _;

use crate::delivery::Delivery;

/// The maximum length of a body that is passed as an argument, in bytes. Linux limits an argument to 128 KiB.
const MAX_ARGUMENT: usize = 64 * 1024;

impl Delivery {
    /// Returns a command for any POSIX shell that sends the delivery to a URL and prints the response.
    ///
    /// The command contains the signature, so a receiver with the default tolerance accepts the delivery for
    /// five minutes after [`at`](Self::at). A text body is an argument of the command. A body that is not
    /// UTF-8, contains control characters or is longer than 64 KiB is escaped and passed through a pipe. No
    /// part of the body is interpreted as a command, an option or a file name.
    ///
    /// ```
    /// use clerk_webhook_test::Delivery;
    ///
    /// let command = Delivery::of_body("it's").id("msg_1").unsigned().curl("http://127.0.0.1:3000/webhooks/clerk");
    /// assert_eq!(
    ///     command,
    ///     r"curl -i http://127.0.0.1:3000/webhooks/clerk \
    ///   -H 'content-type: application/json' \
    ///   --data-raw 'it'\''s'",
    /// );
    /// ```
    #[must_use]
    pub fn curl(&self, url: &str) -> String {
        let body = self.body();
        let is_plain = |text: &&str| text.len() <= MAX_ARGUMENT && !text.chars().any(char::is_control);
        let text = std::str::from_utf8(&body).ok().filter(is_plain);

        let mut command = String::new();
        if text.is_none() {
            // Writing to a string cannot fail.
            let _ = write!(command, "printf {} | ", printf_format(&body));
        }
        // curl expands braces and brackets in URLs.
        let globbing = if url.contains(['{', '}', '[', ']']) { " --globoff" } else { "" };
        let _ = write!(command, "curl -i{globbing} {}", quote(url));
        let headers = self.headers();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            // Without this option, curl sends the content type of a form.
            command.push_str(" \\\n  -H content-type:");
        }
        for (name, value) in headers {
            // With `name;`, curl sends the header with an empty value.
            let header =
                if value.trim().is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            let _ = write!(command, " \\\n  -H {}", quote(&header));
        }
        let _ = match text {
            Some(text) => write!(command, " \\\n  --data-raw {}", quote(text)),
            None => write!(command, " \\\n  --data-binary @-"),
        };
        command
    }
}

/// Quotes an argument for a POSIX shell, if necessary.
fn quote(text: &str) -> String {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_harmless) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Formats bytes as a quoted `printf` format that contains only printable ASCII characters.
fn printf_format(bytes: &[u8]) -> String {
    let mut format = String::with_capacity(bytes.len() + 2);
    format.push('\'');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => format.push_str("%%"),
            b'\\' => format.push_str(r"\\"),
            // A leading dash would begin an option.
            b' '..=b'~' if byte != b'\'' && !(byte == b'-' && index == 0) => format.push(byte.into()),
            _ => {
                let _ = write!(format, r"\{byte:03o}");
            }
        }
    }
    format.push('\'');
    format
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_if_necessary() {
        assert_eq!(quote("http://127.0.0.1:3000/hook"), "http://127.0.0.1:3000/hook");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("$(x) `y` \"z\" \\"), "'$(x) `y` \"z\" \\'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn escapes_bytes_for_printf() {
        assert_eq!(printf_format(b"-a-%d\\n'\n\0\xff1"), r"'\055a-%%d\\n\047\012\000\3771'");
    }
}
