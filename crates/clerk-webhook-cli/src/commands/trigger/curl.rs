//! A request as a line for `sh`.

use std::fmt::Write as _;

/// The longest body that becomes an argument; Linux takes arguments of up to 128 KiB.
const MAX_ARGUMENT: usize = 64 * 1024;

/// Returns a line that sends a request with curl, the body to the byte.
pub(super) fn line(url: &str, headers: &[(&str, String)], body: &[u8]) -> String {
    let mut line = String::new();
    // Only a body of plain text can be an argument; any other one, and a long one, is written by printf.
    let argument = std::str::from_utf8(body)
        .ok()
        .filter(|text| text.len() <= MAX_ARGUMENT && !text.chars().any(char::is_control));
    if argument.is_none() {
        let _ = write!(line, "printf '{}' | ", escaped(body));
    }
    // Brackets of an IPv6 address would be a range to curl.
    let _ = write!(line, "curl -sS -i -g {}", quoted(url));
    for (name, value) in headers {
        let _ = write!(line, " -H {}", quoted(&format!("{name}: {value}")));
    }
    match argument {
        Some(text) => {
            let _ = write!(line, " --data-raw {}", quoted(text));
        }
        None => line.push_str(" --data-binary @-"),
    }
    line
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Writes bytes as printf reads them.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'%' => text.push_str("%%"),
            b'\'' | b'\\' | ..b' ' | 0x7f.. => {
                let _ = write!(text, "\\{byte:03o}");
            }
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_text_is_an_argument() {
        let headers = [("svix-id", "msg_1".to_owned())];
        assert_eq!(
            line("http://[::1]:1/a?b&c", &headers, br#"{"name":"O'Hara"}"#),
            r#"curl -sS -i -g 'http://[::1]:1/a?b&c' -H 'svix-id: msg_1' --data-raw '{"name":"O'\''Hara"}'"#
        );
    }

    #[test]
    fn any_other_body_is_written_by_printf() {
        assert_eq!(
            line("http://a/", &[], b"50%\\n\n\xff\x00'1"),
            r"printf '50%%\134n\012\377\000\0471' | curl -sS -i -g 'http://a/' --data-binary @-"
        );
        assert!(line("http://a/", &[], &[b'a'; MAX_ARGUMENT + 1]).starts_with("printf '"));
    }
}
