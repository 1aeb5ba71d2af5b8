//! Deliveries for a terminal.

use std::fmt::Write as _;

use crate::delivery::Delivery;

/// The longest body that is an argument: Linux takes none of more than 128 KiB.
const MAX_ARGUMENT: usize = 64 * 1024;

impl Delivery {
    /// Returns it as a command for any POSIX shell, which sends it to a URL and shows the answer.
    ///
    /// It is as timely as the delivery: a receiver takes it for five minutes after [`at`](Self::at). Where the body is text
    /// it stands in the command as it is; where it has control characters, or is longer than an argument may be, it is
    /// escaped and goes through a pipe. Nothing of it is ever taken for a command, an option or the name of a file.
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
            // What is written to a string is never lost.
            let _ = write!(command, "printf {} | ", printf_format(&body));
        }
        // Braces and brackets mean something to curl, too.
        let globbing = if url.contains(['{', '}', '[', ']']) { " --globoff" } else { "" };
        let _ = write!(command, "curl -i{globbing} {}", quote(url));
        let headers = self.headers();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            // Else curl would send that of a form.
            command.push_str(" \\\n  -H content-type:");
        }
        for (name, value) in headers {
            // After a semicolon stands nothing, and the header is sent all the same.
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

/// Quotes one argument for a POSIX shell, where it has to be.
fn quote(text: &str) -> String {
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_harmless) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Writes bytes as the format of `printf`, in visible ASCII characters.
fn printf_format(bytes: &[u8]) -> String {
    let mut format = String::with_capacity(bytes.len() + 2);
    format.push('\'');
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => format.push_str("%%"),
            b'\\' => format.push_str(r"\\"),
            // A dash in front would begin an option.
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
    fn only_what_has_to_be_is_quoted() {
        assert_eq!(quote("http://127.0.0.1:3000/hook"), "http://127.0.0.1:3000/hook");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("a b"), "'a b'");
        assert_eq!(quote("$(x) `y` \"z\" \\"), "'$(x) `y` \"z\" \\'");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn every_byte_has_a_form_that_printf_takes_for_it() {
        assert_eq!(printf_format(b"-a-%d\\n'\n\0\xff1"), r"'\055a-%%d\\n\047\012\000\3771'");
    }
}
