//! Serializes JSON in the styles of other programs, token by token, so that numbers and duplicate keys are
//! preserved.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::ops::Range;

use super::budget::Budget;

/// The maximum nesting depth.
const MAX_DEPTH: usize = 128;
/// The maximum number of tokens. Each token takes about 50 bytes of memory.
const MAX_TOKENS: usize = 1024 * 1024;

/// The cost of reading JSON, per byte.
pub(super) const READING: usize = 8;
/// The cost of writing JSON, per token.
const TOKEN: usize = 16;
/// The cost, per byte, of writing strings in which JSON allows characters to be escaped differently.
const ESCAPED: usize = 8;

/// A JSON text and the positions of its tokens.
pub(super) struct Json<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// For each opening token, the index of its closing token.
    closing: Vec<usize>,
    /// The total length of all tokens, in bytes.
    in_tokens: usize,
    /// The total length of the strings in which JSON allows characters to be escaped differently, in bytes.
    in_escaped: usize,
    /// The number of indents in an indented style, summed over all lines.
    indents: usize,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    range: Range<usize>,
    /// The decoded text of a string, if JSON allows some of its characters to be escaped differently.
    decoded: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Colon,
    String,
    Number,
    Word,
}

/// A style of serialized JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) spacing: Spacing,
    pub(super) sorted: bool,
    pub(super) escapes: Escapes,
    pub(super) numbers: Numbers,
}

/// The whitespace between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spacing {
    AsIs,
    Compact,
    /// `{"a": 1, "b": 2}`
    Spaced,
    /// `{ "a": 1, "b": 2 }`
    Airy,
    /// `{"a": 1,"b": 2}`
    AfterColon,
    Indented(&'static str),
}

impl Spacing {
    pub(super) const ALL: [Self; 9] = [
        Self::AsIs,
        Self::Compact,
        Self::Indented("  "),
        Self::Spaced,
        Self::Indented("    "),
        Self::Indented("\t"),
        Self::AfterColon,
        Self::Airy,
        Self::Indented(" "),
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AsIs => "unchanged",
            Self::Compact => "compact",
            Self::Spaced => "on one line with a space after colons and commas",
            Self::Airy => "on one line with spaces inside the braces",
            Self::AfterColon => "on one line with a space after colons",
            Self::Indented(" ") => "indented by 1 space",
            Self::Indented("  ") => "indented by 2 spaces",
            Self::Indented("\t") => "indented by tabs",
            Self::Indented(_) => "indented by 4 spaces",
        }
    }
}

/// Which characters in strings are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Escapes {
    AsIs,
    /// Only the characters that JSON requires to be escaped.
    Minimal,
    /// Like `Minimal`, and also `<`, `>` and `&`, as in Go and Rails.
    Html,
    /// Like `Minimal`, and also all characters outside ASCII, as in Python.
    Ascii,
    /// Like `Minimal`, and also all characters outside ASCII and the slash, as in PHP.
    AsciiSlash,
    /// Like `Minimal`, and also the slash.
    Slash,
    /// Like `Minimal`, and also all characters outside ASCII and `<`, `>`, `&`.
    AsciiHtml,
    /// Like `Ascii`, but with upper-case hexadecimal digits.
    AsciiUpper,
    /// The characters that .NET's System.Text.Json escapes.
    DotNet,
}

impl Escapes {
    const ALL: [Self; 9] = [
        Self::AsIs,
        Self::Minimal,
        Self::Html,
        Self::Ascii,
        Self::AsciiSlash,
        Self::Slash,
        Self::AsciiHtml,
        Self::AsciiUpper,
        Self::DotNet,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AsIs => "unchanged",
            Self::Minimal => "only quotes, backslashes and control characters escaped (like JSON.stringify)",
            Self::Html => "<, > and & escaped (like Go's json.Marshal)",
            Self::Ascii => "non-ASCII characters escaped (like Python's json.dumps)",
            Self::AsciiSlash => "slashes and non-ASCII characters escaped (like PHP's json_encode)",
            Self::Slash => "slashes escaped",
            Self::AsciiHtml => "<, >, & and non-ASCII characters escaped",
            Self::AsciiUpper => "non-ASCII characters escaped with upper-case digits",
            Self::DotNet => {
                "HTML special characters and non-ASCII characters escaped (like System.Text.Json)"
            }
        }
    }

    fn escapes(self, character: char) -> bool {
        let html = matches!(character, '<' | '>' | '&');
        match self {
            Self::AsIs | Self::Minimal => false,
            Self::Html => html || matches!(character, '\u{2028}' | '\u{2029}'),
            Self::Ascii | Self::AsciiUpper => !matches!(character, ' '..='~'),
            Self::AsciiSlash => !matches!(character, ' '..='~' | '\u{7f}') || character == '/',
            Self::Slash => matches!(character, '/' | '\u{2028}' | '\u{2029}'),
            Self::AsciiHtml => html || !matches!(character, ' '..='~'),
            Self::DotNet => {
                html || matches!(character, '\'' | '"' | '+' | '`') || !matches!(character, ' '..='~')
            }
        }
    }

    fn write(self, text: &str, out: &mut String) {
        let upper = matches!(self, Self::AsciiUpper | Self::DotNet);
        out.push('"');
        for character in text.chars() {
            let short = match character {
                '"' if self != Self::DotNet => Some('"'),
                '\\' => Some('\\'),
                '/' if self.escapes('/') => Some('/'),
                '\n' => Some('n'),
                '\r' => Some('r'),
                '\t' => Some('t'),
                '\u{8}' => Some('b'),
                '\u{c}' => Some('f'),
                _ => None,
            };
            if let Some(short) = short {
                out.push('\\');
                out.push(short);
            } else if character < ' ' || self.escapes(character) {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = if upper { write!(out, "\\u{unit:04X}") } else { write!(out, "\\u{unit:04x}") };
                }
            } else {
                out.push(character);
            }
        }
        out.push('"');
    }
}

/// The notation of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Numbers {
    AsIs,
    /// Whole numbers are written without a fraction or an exponent.
    Whole,
}

impl Json<'_> {
    /// Reads the tokens of a text. Returns `None` if the text is not JSON, is nested too deeply or has too
    /// many tokens.
    pub(super) fn read(text: &str) -> Option<Json<'_>> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        let bytes = text.as_bytes();
        let mut tokens: Vec<Token> = Vec::new();
        let mut closing = Vec::new();
        let mut open = Vec::new();
        let (mut in_tokens, mut in_escaped, mut indents) = (0, 0, 0);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let start = at;
            at += 1;
            let kind = match byte {
                b' ' | b'\t' | b'\r' | b'\n' => continue,
                b'{' | b'[' => Kind::Open,
                b'}' | b']' => Kind::Close,
                b',' => Kind::Comma,
                b':' => Kind::Colon,
                b'"' => {
                    while let Some(&byte) = bytes.get(at) {
                        at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                    Kind::String
                }
                _ => {
                    while bytes
                        .get(at)
                        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    {
                        at += 1;
                    }
                    if byte == b'-' || byte.is_ascii_digit() { Kind::Number } else { Kind::Word }
                }
            };
            closing.push(0);
            match kind {
                _ if tokens.len() == MAX_TOKENS => return None,
                Kind::Open if open.len() == MAX_DEPTH => return None,
                Kind::Open => open.push(tokens.len()),
                Kind::Close => closing[open.pop()?] = tokens.len(),
                _ => {}
            }
            if matches!(kind, Kind::Open | Kind::Comma | Kind::Close) {
                indents += open.len();
            }
            let range = start..at;
            let raw = text.get(range.clone())?;
            let plain =
                |byte: u8| byte.is_ascii_alphanumeric() || b" _-.:@#?=,;!()[]{}*~|^%$".contains(&byte);
            let decoded = match kind {
                Kind::String if !raw[1..raw.len() - 1].bytes().all(plain) => serde_json::from_str(raw).ok(),
                _ => None,
            };
            in_tokens += range.len();
            in_escaped += if decoded.is_some() { range.len() } else { 0 };
            tokens.push(Token { kind, range, decoded });
        }
        Some(Json { text, tokens, closing, in_tokens, in_escaped, indents })
    }

    /// Returns the styles that produce different texts, the likeliest first, each with the number of its
    /// changes.
    ///
    /// Returns `None` if the budget is exhausted.
    pub(super) fn styles(&self, budget: &mut Budget) -> Option<Vec<(usize, Style)>> {
        let escapes = self.escapes(budget)?;
        let spacings = self.spacings(budget)?;
        budget.spend(self.text.len() + TOKEN * self.tokens.len())?;
        let raw = |token: &Token| self.text.get(token.range.clone()).unwrap_or_default();
        let is_other = |token: &Token| {
            token.kind == Kind::Number && whole(raw(token)).is_some_and(|text| text != raw(token))
        };
        let mut numbers = vec![Numbers::AsIs];
        numbers.extend(self.tokens.iter().any(is_other).then_some(Numbers::Whole));
        let mut orders = vec![false];
        orders.extend((!self.is_sorted()).then_some(true));

        let compact = self.is_compact();
        let mut styles = Vec::new();
        for &sorted in &orders {
            for &spacing in &spacings {
                for &escapes in &escapes {
                    for &numbers in &numbers {
                        // Members cannot be reordered while the whitespace between them is preserved.
                        if sorted && spacing == Spacing::AsIs && !compact {
                            continue;
                        }
                        let spacing =
                            if sorted && spacing == Spacing::AsIs { Spacing::Compact } else { spacing };
                        let changes = [
                            sorted,
                            spacing != Spacing::AsIs && (!sorted || !compact),
                            escapes != Escapes::AsIs,
                            numbers != Numbers::AsIs,
                        ];
                        let changes = changes.into_iter().filter(|changed| *changed).count();
                        styles.push((changes, Style { spacing, sorted, escapes, numbers }));
                    }
                }
            }
        }
        styles.retain(|(_, style)| budget.allows(self.cost(*style)));
        styles.sort_by_key(|(changes, _)| *changes);
        Some(styles)
    }

    /// Returns the cost of writing the text in a style. It is never less than the length of the result.
    pub(super) fn cost(&self, style: Style) -> usize {
        let indent = match style.spacing {
            Spacing::Indented(indent) => indent.len() * self.indents,
            _ => 0,
        };
        let escapes = if style.escapes == Escapes::AsIs { 0 } else { ESCAPED * self.in_escaped };
        let numbers = if style.numbers == Numbers::AsIs { 0 } else { 2 * TOKEN * self.tokens.len() };
        self.text.len() + TOKEN * self.tokens.len() + indent + escapes + numbers
    }

    fn is_compact(&self) -> bool {
        self.in_tokens == self.text.len()
    }

    /// Returns the variants of `Escapes` that each produce a different text.
    fn escapes(&self, budget: &mut Budget) -> Option<Vec<Escapes>> {
        budget.spend(self.tokens.len() + ESCAPED * self.in_escaped)?;
        let decoded = || self.tokens.iter().filter_map(|token| Some((token, token.decoded.as_deref()?)));
        // Two variants write all strings identically if they write each character identically.
        let characters: String =
            decoded().flat_map(|(_, text)| text.chars()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut escapes = distinct(&Escapes::ALL[1..], |escapes| {
            let mut out = String::new();
            escapes.write(&characters, &mut out);
            out
        });
        let mut different = vec![Escapes::AsIs];
        let mut out = String::new();
        for escapes in escapes.drain(..) {
            for (token, text) in decoded() {
                budget.spend(ESCAPED * token.range.len())?;
                out.clear();
                escapes.write(text, &mut out);
                if self.text.get(token.range.clone()) != Some(&out) {
                    different.push(escapes);
                    break;
                }
            }
        }
        Some(different)
    }

    /// Returns the variants of `Spacing` that each produce a different text.
    fn spacings(&self, budget: &mut Budget) -> Option<Vec<Spacing>> {
        budget.spend(self.tokens.len())?;
        let has = |kind: Kind| self.tokens.iter().any(|token| token.kind == kind);
        let is_filled = self.tokens.len() > 2 && has(Kind::Open);
        // The smallest text that has the same kinds of positions for whitespace.
        let sample = match (is_filled, has(Kind::Colon), has(Kind::Comma)) {
            (false, ..) => "1",
            (true, false, false) => "[1]",
            (true, false, true) => "[1,1]",
            (true, true, false) => r#"{"a":1}"#,
            (true, true, true) => r#"{"a":1,"b":1}"#,
        };
        let sample = Json::read(sample)?;
        let others = distinct(&Spacing::ALL[1..], |spacing| sample.written(Style { spacing, ..AS_IS }));
        let gap = match self.tokens.as_slice() {
            [first, second, ..] => self.text.get(first.range.end..second.range.start),
            _ => None,
        };
        let mut different = vec![Spacing::AsIs];
        for spacing in others {
            let may_be = match (spacing, gap) {
                (Spacing::Compact, _) | (_, None) => false,
                (Spacing::Indented(indent), Some(gap)) => gap.strip_prefix('\n') == Some(indent),
                (Spacing::Airy, Some(gap)) => gap == " ",
                (_, Some(gap)) => gap.is_empty(),
            };
            let style = Style { spacing, ..AS_IS };
            let same = if spacing == Spacing::Compact {
                self.is_compact()
            } else if self.is_compact() || !may_be || !budget.allows(self.cost(style)) {
                false
            } else {
                budget.spend(self.cost(style))?;
                self.written(style) == self.text
            };
            if !same {
                different.push(spacing);
            }
        }
        Some(different)
    }

    /// Returns whether the keys of all objects are in alphabetical order.
    fn is_sorted(&self) -> bool {
        let is_object =
            |token: &Token| token.kind == Kind::Open && self.text.as_bytes()[token.range.start] == b'{';
        let objects = self.tokens.iter().enumerate().filter(|(_, token)| is_object(token));
        objects.into_iter().all(|(at, _)| self.items(at, true).is_sorted_by_key(|item| self.key(*item)))
    }

    /// Returns whether the style's whitespace between tokens differs from the text's.
    pub(super) fn differs_in_spacing(&self, spacing: Spacing) -> bool {
        self.written(Style { spacing, ..AS_IS }) != self.text
    }

    /// Returns the text in a style.
    pub(super) fn written(&self, style: Style) -> String {
        self.written_with(style, &[])
    }

    /// Returns the text in a style, with some numbers replaced.
    pub(super) fn written_with(&self, style: Style, replaced: &[(usize, &str)]) -> String {
        let mut out = String::with_capacity(self.text.len() + self.text.len() / 4);
        if style.spacing == Spacing::AsIs {
            let mut end = 0;
            for (index, token) in self.tokens.iter().enumerate() {
                out.push_str(self.text.get(end..token.range.start).unwrap_or_default());
                match replaced.iter().find(|(other, _)| *other == index) {
                    Some((_, text)) => out.push_str(text),
                    None => self.write_token(token, style, &mut out),
                }
                end = token.range.end;
            }
            out.push_str(self.text.get(end..).unwrap_or_default());
        } else if !self.tokens.is_empty() {
            self.write_value(0, 0, style, replaced, &mut out);
        }
        out
    }

    /// Writes the value that begins at a token, and returns the index of the token after it.
    fn write_value(
        &self,
        at: usize,
        depth: usize,
        style: Style,
        replaced: &[(usize, &str)],
        out: &mut String,
    ) -> usize {
        let token = &self.tokens[at];
        if token.kind != Kind::Open {
            match replaced.iter().find(|(index, _)| *index == at) {
                Some((_, text)) => out.push_str(text),
                None => self.write_token(token, style, out),
            }
            return at + 1;
        }
        let end = self.closing[at];
        let is_object = self.text.as_bytes()[token.range.start] == b'{';
        out.push(if is_object { '{' } else { '[' });
        let mut items = self.items(at, is_object);
        if style.sorted && is_object {
            items.sort_by(|left, right| self.key(*left).cmp(self.key(*right)));
        }
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match style.spacing {
                Spacing::Indented(indent) => {
                    out.push('\n');
                    (0..=depth).for_each(|_| out.push_str(indent));
                }
                Spacing::Airy => out.push(' '),
                Spacing::Spaced if index > 0 => out.push(' '),
                _ => {}
            }
            let mut value = *item;
            if is_object {
                self.write_token(&self.tokens[value], style, out);
                out.push(':');
                if style.spacing != Spacing::Compact {
                    out.push(' ');
                }
                value += 2;
            }
            self.write_value(value, depth + 1, style, replaced, out);
        }
        match style.spacing {
            Spacing::Indented(indent) if !items.is_empty() => {
                out.push('\n');
                (0..depth).for_each(|_| out.push_str(indent));
            }
            Spacing::Airy if !items.is_empty() => out.push(' '),
            _ => {}
        }
        out.push(if is_object { '}' } else { ']' });
        end + 1
    }

    /// Returns the indexes of the tokens at which members or elements begin.
    fn items(&self, at: usize, is_object: bool) -> Vec<usize> {
        let mut items = Vec::new();
        let mut item = at + 1;
        while item < self.closing[at] {
            items.push(item);
            let value = if is_object { item + 2 } else { item };
            let last = if self.tokens[value].kind == Kind::Open { self.closing[value] } else { value };
            // Skips the comma.
            item = last + 2;
        }
        items
    }

    fn key(&self, at: usize) -> &str {
        let token = &self.tokens[at];
        token
            .decoded
            .as_deref()
            .unwrap_or_else(|| self.text.get(token.range.start + 1..token.range.end - 1).unwrap_or_default())
    }

    fn write_token(&self, token: &Token, style: Style, out: &mut String) {
        let raw = self.text.get(token.range.clone()).unwrap_or_default();
        match (&token.decoded, token.kind) {
            (Some(decoded), _) if style.escapes != Escapes::AsIs => style.escapes.write(decoded, out),
            (_, Kind::Number) if style.numbers == Numbers::Whole => match whole(raw) {
                Some(whole) => out.push_str(&whole),
                None => out.push_str(raw),
            },
            _ => out.push_str(raw),
        }
    }

    /// Returns the token index of each number with its alternative notations.
    pub(super) fn other_numbers(&self, budget: &mut Budget) -> Vec<(usize, Vec<String>)> {
        const MOST: usize = 256;
        const TEXT: usize = 64;
        let numbers = self.tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Number);
        let of = |(index, token): (usize, &Token)| {
            let texts = other_texts(self.text.get(token.range.clone()).unwrap_or_default());
            budget.spend(TEXT * texts.len())?;
            Some((index, texts))
        };
        numbers.take(MOST).map_while(of).collect()
    }
}

const AS_IS: Style =
    Style { spacing: Spacing::AsIs, sorted: false, escapes: Escapes::AsIs, numbers: Numbers::AsIs };

/// Returns the items whose texts differ from the texts of earlier items.
fn distinct<T: Copy>(all: &[T], text: impl Fn(T) -> String) -> Vec<T> {
    let mut seen = HashSet::new();
    all.iter().copied().filter(|item| seen.insert(text(*item))).collect()
}

/// Formats a number without fraction and exponent if it is whole and a float represents it exactly.
fn whole(raw: &str) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if !raw.contains(['.', 'e', 'E']) {
        return None;
    }
    let number: f64 = raw.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT).then(|| format!("{number:.0}"))
}

/// Returns the texts that a number may have had before it was serialized again.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn other_texts(raw: &str) -> Vec<String> {
    /// Above this number, a float cannot represent every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    /// Up to this number, whole numbers fit into 128 bits.
    const LARGEST: f64 = 1e36;
    /// The maximum number of candidates that round to the same float.
    const MOST: i128 = 4096;

    let mut texts = Vec::new();
    let Ok(number) = raw.parse::<f64>() else { return texts };
    let magnitude = number.abs();
    if magnitude > EXACT && magnitude < LARGEST {
        let (below, exact, above) = (number.next_down() as i128, number as i128, number.next_up() as i128);
        let (from, to) = (exact - (exact - below) / 2, exact + (above - exact) / 2);
        if to - from <= MOST {
            texts.extend((from..=to).map(|candidate| candidate.to_string()).filter(|text| text != raw));
        }
    } else if raw.contains(['.', 'e', 'E']) {
        texts.extend([format!("{raw}0"), format!("{raw}00")]);
    } else {
        texts.extend([format!("{raw}.0"), format!("{raw}.00")]);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::super::budget::Limits;
    use super::*;

    const TEXT: &str = r#"{"b":[1,{"y":"é/<&>","x":""},[],{}],"a":1.0,"a":"\u00e9\n","n":null}"#;

    fn written(text: &str, style: Style) -> String {
        Json::read(text).unwrap().written(style)
    }

    #[test]
    fn writes_the_styles_of_other_programs() {
        let compact = Style { spacing: Spacing::Compact, ..AS_IS };
        assert_eq!(written(TEXT, compact), TEXT);
        assert_eq!(written(&format!(" {} \n", TEXT.replace(',', " , ")), compact), TEXT);
        assert_eq!(
            written(TEXT, Style { sorted: true, ..compact }),
            r#"{"a":1.0,"a":"\u00e9\n","b":[1,{"x":"","y":"é/<&>"},[],{}],"n":null}"#,
        );
        assert_eq!(
            written(TEXT, Style { spacing: Spacing::Spaced, escapes: Escapes::Ascii, ..AS_IS }),
            r#"{"b": [1, {"y": "\u00e9/<&>", "x": ""}, [], {}], "a": 1.0, "a": "\u00e9\n", "n": null}"#,
        );
        assert_eq!(
            written(TEXT, Style { spacing: Spacing::Indented("  "), escapes: Escapes::AsciiSlash, ..AS_IS }),
            "{\n  \"b\": [\n    1,\n    {\n      \"y\": \"\\u00e9\\/<&>\",\n      \"x\": \"\"\n    },\n    [],\n    {}\n  ],\n  \"a\": 1.0,\n  \"a\": \"\\u00e9\\n\",\n  \"n\": null\n}",
        );
        assert_eq!(
            written(TEXT, Style { escapes: Escapes::Html, numbers: Numbers::Whole, ..AS_IS }),
            r#"{"b":[1,{"y":"é/\u003c\u0026\u003e","x":""},[],{}],"a":1,"a":"é\n","n":null}"#,
        );
        assert_eq!(written("\"\u{1f600}\"", Style { escapes: Escapes::Ascii, ..AS_IS }), r#""\ud83d\ude00""#);
        assert_eq!(written(r#"{ "a" : 1 }"#, Style { numbers: Numbers::Whole, ..AS_IS }), r#"{ "a" : 1 }"#);
    }

    #[test]
    fn rejects_invalid_json_and_deep_nesting() {
        for text in ["", "{", "{\"a\"", "\"", "[1,]", "{} {}", "nul"] {
            assert!(Json::read(text).is_none(), "{text}");
        }
        assert!(Json::read(&"[".repeat(100_000)).is_none());
        for text in ["null", "1", "\"a\\\"\"", "[]", "{}"] {
            assert_eq!(written(text, Style { spacing: Spacing::Compact, ..AS_IS }), text);
        }
        // A lone surrogate is not a character, so it is not changed.
        let lone = r#"["\ud800",1]"#;
        assert!(
            Json::read(lone)
                .is_none_or(|json| json.written(Style { escapes: Escapes::Ascii, ..AS_IS }) == lone)
        );
    }

    #[test]
    fn omits_styles_that_produce_the_same_text() {
        let mut budget = Budget::new(Limits::BRIEF);
        let mut styles = |text: &str| Json::read(text).unwrap().styles(&mut budget).unwrap();
        for text in ["1", "[]", "{}"] {
            assert_eq!(styles(text).len(), 1, "{text}");
        }
        let mut different = |text: &str| {
            let styles = styles(text);
            assert_eq!(styles[0].0, 0);
            let mut texts = HashSet::new();
            let json = Json::read(text).unwrap();
            for (_, style) in &styles {
                assert!(texts.insert(json.written(*style)), "{text} {style:?}");
            }
            styles.len()
        };
        assert!(different(TEXT) > 100);
        let json = Json::read(TEXT).unwrap();
        for spacing in Spacing::ALL {
            for escapes in Escapes::ALL {
                different(&json.written(Style { spacing, escapes, ..AS_IS }));
            }
        }
        for text in ["[1]", "[1, 2]", "[[]]", "{\"a\": 1}", "{ \"a\": {} }", "\"\u{e9}\"", "[\n]", "[\n 1\n]"]
        {
            different(text);
        }
    }

    #[test]
    fn the_cost_is_at_least_the_length_of_the_result() {
        let deep = format!("{}1{}{}", "[".repeat(100), ",\"<\u{e9}\u{1f600}\"".repeat(50), "]".repeat(100));
        for text in [TEXT, &deep] {
            let json = Json::read(text).unwrap();
            for (_, style) in json.styles(&mut Budget::new(Limits::THOROUGH)).unwrap() {
                assert!(json.written(style).len() <= json.cost(style), "{style:?}");
            }
        }
    }

    #[test]
    fn candidates_include_numbers_that_a_float_rounded() {
        assert!(other_texts("12345678901234567000").contains(&"12345678901234567890".to_owned()));
        assert!(other_texts("1.2345678901234567e19").contains(&"12345678901234567890".to_owned()));
        assert!(other_texts("9007199254740992").contains(&"9007199254740992.0".to_owned()));
        assert!(other_texts("9007199254740996").contains(&"9007199254740995".to_owned()));
        assert_eq!(other_texts("1"), ["1.0", "1.00"]);
        assert_eq!(other_texts("0.5"), ["0.50", "0.500"]);
        assert!(other_texts("1e400").len() <= 2);
    }
}
