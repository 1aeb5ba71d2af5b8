//! Reads the request that a `curl` command line sends, without running it.

use std::iter::Peekable;
use std::str::Chars;

use super::request::Capture;

/// The short options that have a value.
const WITH_VALUE: &str = "AbCcDdEeFHhKkmoPQrTtUuwXxYyz";

/// The long options whose next word is a value that does not matter here.
const OTHER_OPTIONS: &str = "--request --output --user-agent --cookie --cookie-jar --referer --user --max-time \
                             --connect-timeout --retry --write-out --proxy --cacert --cert --key --resolve";

/// Reads a command such as `curl URL -H 'svix-id: msg_1' --data-raw '{}'`.
pub(super) fn read(place: &str, text: &str) -> Result<Capture, String> {
    let mut capture = Capture { place: place.to_owned(), ..Capture::default() };
    let mut data: Vec<String> = Vec::new();
    let words = words(text)?;
    if words.iter().any(|word| word == "^" || word == "`" || word.starts_with("^\"")) {
        return Err(
            "the curl command is for the command line of Windows. Copy it as a command for bash".to_owned()
        );
    }
    let mut words = words.into_iter().skip(1);
    while let Some(word) = words.next() {
        let (option, attached) = split(&word);
        let mut value = || attached.map(str::to_owned).or_else(|| words.next()).unwrap_or_default();
        match option {
            "-H" | "--header" => {
                let header = value();
                let Some((name, value)) = header.split_once(':') else {
                    return Err("a header of the curl command has no colon".to_owned());
                };
                capture.headers.push((name.trim().to_owned(), value.trim().as_bytes().to_vec()));
            }
            "-d" | "--data" | "--data-ascii" | "--data-binary" | "--json" => data.push(match value() {
                file if file.starts_with('@') => {
                    return Err(format!(
                        "the body of the curl command is in the file {}: pass this file to `clerk-webhook verify` with --body, \
                         and the headers with --id, --timestamp and --signature",
                        file.trim_start_matches('@')
                    ));
                }
                text => text,
            }),
            "--data-raw" => data.push(value()),
            "--data-urlencode" | "-F" | "--form" => {
                return Err(format!("{option} of curl is not supported: use --data-raw with the exact body"));
            }
            "--url" => capture.target = Some(value()),
            option if option.starts_with("--") => {
                drop(OTHER_OPTIONS.split(' ').any(|other| other == option).then(&mut value));
            }
            option if option.starts_with('-') => {
                drop(option.ends_with(|last| WITH_VALUE.contains(last)).then(&mut value));
            }
            url => capture.target = Some(url.to_owned()),
        }
    }
    capture.body = data.join("&").into();
    Ok(capture)
}

/// Splits short options such as `-sSd` or `-XPOST` at the first one that has a value.
fn split(word: &str) -> (&str, Option<&str>) {
    let letters = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')).unwrap_or_default();
    let Some((at, letter)) = letters.char_indices().find(|(_, letter)| WITH_VALUE.contains(*letter)) else {
        return (word, None);
    };
    let value = letters.get(at + letter.len_utf8()..).filter(|value| !value.is_empty());
    let option = match letter {
        'H' => "-H",
        'd' => "-d",
        'F' => "-F",
        _ => "-o",
    };
    (option, value)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    /// The quotes of bash's `$'…'`.
    Dollar,
}

/// Splits a command into words like a POSIX shell, with the `$'…'` of bash. Stops at the end of the command.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' => quoted(Quote::Single, word.get_or_insert_default(), &mut rest)?,
            '"' => quoted(Quote::Double, word.get_or_insert_default(), &mut rest)?,
            '$' if rest.next_if_eq(&'\'').is_some() => {
                quoted(Quote::Dollar, word.get_or_insert_default(), &mut rest)?;
            }
            '\\' => match rest.next() {
                Some('\n') => {}
                Some('\r') if rest.next_if_eq(&'\n').is_some() => {}
                other => word.get_or_insert_default().extend(other),
            },
            '\n' | ';' | '|' | '&' | '>' | '<' => break,
            character if character.is_whitespace() => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Reads to the closing quote.
fn quoted(quote: Quote, word: &mut String, rest: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    let end = if quote == Quote::Double { '"' } else { '\'' };
    while let Some(character) = rest.next() {
        match character {
            character if character == end => return Ok(()),
            '\\' if quote == Quote::Dollar => word.push(escaped(rest)?),
            '\\' if quote == Quote::Double => match rest.next() {
                Some('\n') | None => {}
                Some(character @ ('"' | '\\' | '$' | '`')) => word.push(character),
                Some(other) => word.extend(['\\', other]),
            },
            character => word.push(character),
        }
    }
    Err(format!("the curl command has an opening {end} without a closing {end}"))
}

/// Reads an escape sequence of `$'…'` after its backslash.
fn escaped(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
    let unsupported = || "the curl command has an unsupported escape in $'…'".to_owned();
    let unit = |rest: &mut Peekable<Chars<'_>>, digits: usize| {
        let digits: String = (0..digits).map_while(|_| rest.next_if(char::is_ascii_hexdigit)).collect();
        u16::from_str_radix(&digits, 16).map_err(|_| unsupported())
    };
    Ok(match rest.next().ok_or_else(unsupported)? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => {
            u8::try_from(unit(rest, 2)?).ok().filter(u8::is_ascii).map(char::from).ok_or_else(unsupported)?
        }
        'u' => {
            let first = unit(rest, 4)?;
            let mut units = vec![first];
            // Browsers write a character beyond U+FFFF as two escapes.
            if (0xd800..0xdc00).contains(&first) && rest.next() == Some('\\') && rest.next() == Some('u') {
                units.push(unit(rest, 4)?);
            }
            char::decode_utf16(units).next().and_then(Result::ok).ok_or_else(unsupported)?
        }
        character @ ('\\' | '\'' | '"' | '?') => character,
        _ => return Err(unsupported()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_quotes_and_options_of_commands() {
        for (command, body) in [
            ("curl http://a/hook -H 'svix-id: msg_1' --data-raw '{\"a\":\"it'\\''s\"}'", r#"{"a":"it's"}"#),
            (
                "curl -X POST \\\n -H \"svix-id: msg_1\" -d \"{\\\"a\\\":1}\" \\\r\n 'http://a/hook' | jq",
                r#"{"a":1}"#,
            ),
            (
                r"curl 'http://a/hook' -Hsvix-id:msg_1 --data-raw $'{\'a\':\u0021\ud83d\ude00\n}'",
                "{'a':!😀\n}",
            ),
            ("curl --url http://a/hook --header x:y -d a=1 -db=2 -H 'svix-id: msg_1' -sS -o out", "a=1&b=2"),
            ("curl http://a/hook -H 'svix-id: msg_1'\nrm -rf x", ""),
            (
                "curl -sSd 'a' -vH 'svix-id: msg_1' --connect-timeout 5 -w '%{http_code}' -kfL http://a/hook",
                "a",
            ),
        ] {
            let capture = read("a.sh", command).unwrap();
            assert_eq!(capture.target.as_deref(), Some("http://a/hook"), "{command}");
            assert_eq!(
                (capture.text("svix-id"), capture.body.as_ref()),
                (Some("msg_1"), body.as_bytes()),
                "{command}"
            );
        }
    }

    #[test]
    fn explains_why_a_command_cannot_be_read() {
        for (command, expected) in [
            ("curl a -d @body.json", "pass this file to `clerk-webhook verify` with --body"),
            ("curl a -d 'x", "without a closing '"),
            ("curl ^\"http://a^\" ^\n -H ^\"svix-id: msg_1^\"", "for bash"),
            ("curl a `\n -H 'svix-id: msg_1'", "for bash"),
            ("curl a -H @headers.txt", "has no colon"),
            ("curl a -F x=y", "use --data-raw"),
            (r"curl a -d $'\q'", "unsupported escape"),
            (r"curl a -d $'\xff'", "unsupported escape"),
        ] {
            let error = read("a.sh", command).unwrap_err();
            assert!(error.contains(expected), "{command}: {error}");
        }
    }
}
