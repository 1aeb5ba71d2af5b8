//! Candidates for the body that was signed.

use std::borrow::Cow;

use super::budget::Budget;
use super::cause::Cause;
use super::finding::Finding;
use super::json::{self, Escapes, Json, Numbers, Spacing, Style};
use super::wrappings::Unwrapped;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The cost per byte of examining the edges and line breaks of a body.
const EDGES: usize = 2;

/// All candidates for the body that was signed.
pub(super) struct Bodies<'u> {
    unwrapped: &'u [Unwrapped],
    json: Vec<Option<Json<'u>>>,
    /// Sorted by cost: twice the number of changes that a variant undoes, minus one for the likeliest
    /// variants.
    variants: Vec<(usize, Variant)>,
}

/// A candidate: one of the unwrapped bodies, and the change to apply to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant {
    body: usize,
    change: Change,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Edges { mark: Mark, lines: Lines, ends: Ends },
    Json { style: Style, end: &'static str },
}

/// The treatment of a leading byte-order mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    AsIs,
    Removed,
    Added,
}

/// The treatment of line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lines {
    AsIs,
    Lf,
    CrLf,
}

/// The treatment of whitespace around the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    AsIs,
    NewlineRemoved,
    TrimmedEnd,
    TrimmedStart,
    Trimmed,
    NewlineAdded(&'static str),
    AfterAdded(&'static str),
    BeforeAdded(&'static str),
}

const ENDS: [Ends; 13] = [
    Ends::AsIs,
    Ends::NewlineRemoved,
    Ends::NewlineAdded("\n"),
    Ends::NewlineAdded("\r\n"),
    Ends::TrimmedEnd,
    Ends::TrimmedStart,
    Ends::Trimmed,
    Ends::AfterAdded(" "),
    Ends::AfterAdded("\n\n"),
    Ends::AfterAdded("\t"),
    Ends::BeforeAdded(" "),
    Ends::BeforeAdded("\n"),
    Ends::BeforeAdded("\r\n"),
];

impl<'u> Bodies<'u> {
    pub(super) fn of(unwrapped: &'u [Unwrapped], budget: &mut Budget) -> Self {
        let json = unwrapped.iter().map(|body| json_of(&body.bytes, budget)).collect::<Vec<_>>();
        let mut variants = Vec::new();
        for (body, (unwrapped, json)) in unwrapped.iter().zip(&json).enumerate() {
            if budget.spend(EDGES * unwrapped.bytes.len()).is_none() {
                break;
            }
            let cost = unwrapped.findings.len();
            let edges =
                edges(&unwrapped.bytes).map(|(more, change)| ((cost + more) * 2, Variant { body, change }));
            variants.extend(edges);
            let styles = json.as_ref().and_then(|json| json.styles(budget)).unwrap_or_default();
            for (more, style) in styles.into_iter().filter(|(more, _)| *more > 0) {
                for (end, of_end) in [("", 0), ("\n", 1), ("\r\n", 1)] {
                    let changes = cost + more + of_end;
                    // Nearly all senders, Clerk included, sign compact JSON, so compact styles are likelier.
                    let likely = usize::from(style.spacing == Spacing::Compact && changes > 1);
                    variants
                        .push((changes * 2 - likely, Variant { body, change: Change::Json { style, end } }));
                }
            }
        }
        variants.sort_by_key(|(cost, _)| *cost);
        Self { unwrapped, json, variants }
    }

    /// Returns all variants with their cost, the cheapest first.
    pub(super) fn variants(&self) -> &[(usize, Variant)] {
        &self.variants
    }

    /// Returns the captured body.
    pub(super) fn captured(&self) -> &'u [u8] {
        self.unwrapped.first().map(|body| body.bytes.as_ref()).unwrap_or_default()
    }

    /// Returns the captured body as JSON.
    pub(super) fn json(&self) -> Option<&Json<'u>> {
        self.json.first()?.as_ref()
    }

    /// Returns the cost of producing the bytes of a variant.
    pub(super) fn cost(&self, variant: Variant) -> usize {
        match (variant.change, &self.json[variant.body]) {
            (Change::Edges { mark: Mark::AsIs, lines: Lines::AsIs, ends: Ends::AsIs }, _) => 0,
            (Change::Json { style, .. }, Some(json)) => json.cost(style),
            _ => self.unwrapped[variant.body].bytes.len(),
        }
    }

    /// Returns the bytes of a variant.
    pub(super) fn bytes(&self, variant: Variant) -> Cow<'u, [u8]> {
        let body: &'u [u8] = &self.unwrapped[variant.body].bytes;
        match variant.change {
            Change::Edges { mark, lines, ends } => changed(body, mark, lines, ends),
            Change::Json { style, end } => {
                let text =
                    self.json[variant.body].as_ref().map(|json| json.written(style)).unwrap_or_default();
                Cow::Owned((text + end).into_bytes())
            }
        }
    }

    /// Returns the findings if this variant is the body that was signed.
    pub(super) fn findings(&self, variant: Variant) -> Vec<Finding> {
        let Unwrapped { bytes, findings } = &self.unwrapped[variant.body];
        let mut findings = findings.clone();
        match variant.change {
            Change::Edges { mark, lines, ends } => of_edges(mark, lines, ends, &mut findings),
            Change::Json { style, end } => {
                if bytes.starts_with(BYTE_ORDER_MARK) {
                    of_edges(Mark::Removed, Lines::AsIs, Ends::AsIs, &mut findings);
                }
                if let Some(json) = &self.json[variant.body] {
                    of_json(json, style, &mut findings);
                }
                let is_spacing = |finding: &Finding| finding.cause == Cause::JsonSpacingChanged;
                let ends_with_newline = bytes.ends_with(b"\n");
                if !findings.iter().any(is_spacing) && ends_with_newline == end.is_empty() {
                    let ends = if end.is_empty() { Ends::NewlineRemoved } else { Ends::NewlineAdded(end) };
                    of_edges(Mark::AsIs, Lines::AsIs, ends, &mut findings);
                }
            }
        }
        findings
    }
}

/// Adds a finding for each difference between the captured JSON and the signed style.
pub(super) fn of_json(json: &Json<'_>, style: Style, findings: &mut Vec<Finding>) {
    if style.sorted {
        let fact = "the JSON keys were in alphabetical order when the body was signed";
        findings.push(Finding::new(Cause::JsonKeysReordered, fact));
    }
    if style.escapes != Escapes::AsIs {
        let fact =
            format!("the JSON strings had other escapes when the body was signed: {}", style.escapes.name());
        findings.push(Finding::new(Cause::JsonEscapesChanged, fact));
    }
    if style.numbers != Numbers::AsIs {
        let fact = "whole numbers in the JSON had no fraction or exponent when the body was signed";
        findings.push(Finding::new(Cause::JsonNumbersChanged, fact));
    }
    if style.spacing != Spacing::AsIs && json.differs_in_spacing(style.spacing) {
        let fact = format!("the JSON was {} when the body was signed", style.spacing.name());
        findings.push(Finding::new(Cause::JsonSpacingChanged, fact));
    }
}

fn of_edges(mark: Mark, lines: Lines, ends: Ends, findings: &mut Vec<Finding>) {
    let mut add = |cause: Cause, fact: &str| findings.push(Finding::new(cause, fact));
    match mark {
        Mark::AsIs => {}
        Mark::Removed => {
            add(Cause::ByteOrderMarkAdded, "the body begins with a byte-order mark that was not signed");
        }
        Mark::Added => {
            add(Cause::ByteOrderMarkRemoved, "the byte-order mark that was signed is missing from the body");
        }
    }
    match lines {
        Lines::AsIs => {}
        Lines::Lf => add(Cause::LineBreaksChanged, "the body has CRLF line breaks, but LF was signed"),
        Lines::CrLf => add(Cause::LineBreaksChanged, "the body has LF line breaks, but CRLF was signed"),
    }
    match ends {
        Ends::AsIs => {}
        Ends::NewlineRemoved => {
            add(Cause::TrailingNewlineAdded, "the body ends in a line break that was not signed");
        }
        Ends::NewlineAdded(_) => {
            add(
                Cause::TrailingNewlineRemoved,
                "the trailing line break that was signed is missing from the body",
            );
        }
        Ends::TrimmedEnd => add(Cause::WhiteSpaceAdded, "the body ends in whitespace that was not signed"),
        Ends::TrimmedStart => {
            add(Cause::WhiteSpaceAdded, "the body begins with whitespace that was not signed");
        }
        Ends::Trimmed => {
            add(Cause::WhiteSpaceAdded, "the body begins and ends with whitespace that was not signed");
        }
        Ends::AfterAdded(_) => {
            add(Cause::WhiteSpaceRemoved, "the trailing whitespace that was signed is missing from the body");
        }
        Ends::BeforeAdded(_) => {
            add(Cause::WhiteSpaceRemoved, "the leading whitespace that was signed is missing from the body");
        }
    }
}

fn json_of<'u>(bytes: &'u [u8], budget: &mut Budget) -> Option<Json<'u>> {
    if !matches!(
        bytes.trim_ascii_start().first(),
        Some(b'{' | b'[' | b'"' | 0xef | b'-' | b'0'..=b'9' | b'a'..=b'z')
    ) {
        return None;
    }
    budget.take_json(bytes.len())?;
    budget.spend(json::READING * bytes.len())?;
    let text = std::str::from_utf8(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)).ok()?;
    Json::read(text.trim_ascii())
}

/// Returns the edge changes that have an effect, each with the number of changes that it undoes.
fn edges(body: &[u8]) -> impl Iterator<Item = (usize, Change)> {
    let has_mark = body.starts_with(BYTE_ORDER_MARK);
    let marks = [Mark::AsIs, if has_mark { Mark::Removed } else { Mark::Added }];
    let has_crlf = body.windows(2).any(|pair| pair == b"\r\n");
    let has_lf =
        body.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || body[at - 1] != b'\r'));
    let mut lines = vec![Lines::AsIs];
    lines.extend(has_crlf.then_some(Lines::Lf));
    lines.extend(has_lf.then_some(Lines::CrLf));
    let plain = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let newline_removed = without_newline(plain).len();
    let lengths =
        [plain.len(), plain.trim_ascii_end().len(), plain.trim_ascii_start().len(), plain.trim_ascii().len()];
    let [whole, end_trimmed, start_trimmed, trimmed] = lengths;
    let applies = move |ends: &Ends| match ends {
        Ends::AsIs | Ends::NewlineAdded(_) | Ends::AfterAdded(_) | Ends::BeforeAdded(_) => true,
        Ends::NewlineRemoved => newline_removed < whole,
        Ends::TrimmedEnd => end_trimmed < newline_removed,
        Ends::TrimmedStart => start_trimmed < whole,
        Ends::Trimmed => trimmed < start_trimmed && trimmed < end_trimmed,
    };
    let ends: Vec<Ends> = ENDS.into_iter().filter(applies).collect();
    marks.into_iter().flat_map(move |mark| {
        let ends = ends.clone();
        lines.clone().into_iter().flat_map(move |lines| {
            ends.clone().into_iter().map(move |ends| {
                let changes = [mark != Mark::AsIs, lines != Lines::AsIs, ends != Ends::AsIs];
                let cost = changes.into_iter().filter(|changed| *changed).count();
                (cost, Change::Edges { mark, lines, ends })
            })
        })
    })
}

fn changed(body: &[u8], mark: Mark, lines: Lines, ends: Ends) -> Cow<'_, [u8]> {
    let plain = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let (before, text, after) = match ends {
        Ends::AsIs => ("", plain, ""),
        Ends::NewlineRemoved => ("", without_newline(plain), ""),
        Ends::TrimmedEnd => ("", plain.trim_ascii_end(), ""),
        Ends::TrimmedStart => ("", plain.trim_ascii_start(), ""),
        Ends::Trimmed => ("", plain.trim_ascii(), ""),
        Ends::NewlineAdded(text) | Ends::AfterAdded(text) => ("", plain, text),
        Ends::BeforeAdded(text) => (text, plain, ""),
    };
    let text = with_lines(text, lines);
    let has_mark = match mark {
        Mark::AsIs => plain.len() < body.len(),
        Mark::Removed => false,
        Mark::Added => true,
    };
    match text {
        Cow::Borrowed(text) if before.is_empty() && after.is_empty() && !has_mark => Cow::Borrowed(text),
        text => {
            let mark = if has_mark { BYTE_ORDER_MARK } else { b"" };
            Cow::Owned([mark, before.as_bytes(), &text, after.as_bytes()].concat())
        }
    }
}

fn without_newline(body: &[u8]) -> &[u8] {
    body.strip_suffix(b"\r\n")
        .or_else(|| body.strip_suffix(b"\n"))
        .or_else(|| body.strip_suffix(b"\r"))
        .unwrap_or(body)
}

fn with_lines(body: &[u8], lines: Lines) -> Cow<'_, [u8]> {
    if lines == Lines::AsIs {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len() + body.len() / 16);
    let mut rest = body;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'\r', [b'\n', ..]) => {}
            (b'\n', _) if lines == Lines::CrLf => out.extend_from_slice(b"\r\n"),
            (byte, _) => out.push(*byte),
        }
    }
    Cow::Owned(out)
}
