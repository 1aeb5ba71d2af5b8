//! The header names, header values and paths that every framework accepts.

/// Returns whether a text is a valid header name (RFC 9110, section 5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_byte)
}

/// Returns whether every framework accepts a text as a header value.
pub(crate) fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte))
}

/// Returns whether every framework accepts a text as a path with an optional query (RFC 3986, sections 3.3
/// and 3.4).
pub(crate) fn is_path(path: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    path.starts_with('/') && path.len() <= 8000 && path.bytes().all(is_legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_valid_from_invalid_names_values_and_paths() {
        assert!(
            is_token("X-Test_1.a")
                && !is_token("")
                && !is_token("a b")
                && !is_token("a:")
                && !is_token("\u{e9}")
        );
        assert!(is_field_value("") && is_field_value("a \t~") && !is_field_value("a\r\nb: c"));
        assert!(!is_field_value("\0") && !is_field_value("\x7f") && !is_field_value("\u{e9}"));
        assert!(is_path("/") && is_path("/a%20b?c=d&e") && is_path("//"));
        for wrong in ["", "a", "http://a/", "/a b", "/\u{e9}", "/a#b", "/\\", "/\"", "/<>", "/{id}", "/a\n"] {
            assert!(!is_path(wrong), "{wrong:?}");
        }
        assert!(!is_path(&"/".repeat(8001)));
    }
}
