//! Line breaks that `curl -d @file` drops from a file.

use std::ops::Range;

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone};
use super::json::tokens;

const FACT: &str = "the line breaks of the file are missing from the body, as after `curl -d @file`";

/// Restores the line breaks before indentation, or in a body without indentation, after each member.
pub(super) fn dropped(body: &Body<'_>) -> Vec<Undone> {
    let text = body.text.filter(|text| text.starts_with(['{', '[']) && !text.contains(['\n', '\r']));
    let Some((text, tokens)) = text.and_then(|text| Some((text, tokens(text)?))) else { return Vec::new() };
    let layouts = if gaps(text, &tokens).any(is_indentation) {
        vec![before_indentation(text, &tokens)]
    } else {
        let variants = [(1, false), (1, true), (usize::MAX, true)];
        variants.map(|(depth, braces)| after_members(text, &tokens, depth, braces)).into()
    };
    let mut undone = Vec::new();
    for layout in layouts.into_iter().filter(|layout| layout != text) {
        for line_break in ["\n", "\r\n"] {
            let file = layout.replace('\n', line_break);
            for bytes in [format!("{file}{line_break}"), file] {
                undone.push((Finding::new(Cause::LineBreaksDropped, FACT), bytes.into()));
            }
        }
    }
    undone
}

/// Returns a finding if a JSON text is indented, but has no line break. No program writes such JSON.
pub(in crate::diagnosis) fn is_indented_without_line_breaks(bytes: &[u8]) -> Option<Finding> {
    let text = str::from_utf8(bytes).ok()?.trim();
    let is_dropped =
        !text.contains(['\n', '\r']) && gaps(text, &tokens(text)?).next().is_some_and(is_indentation);
    is_dropped.then(|| {
        let fact = format!("{FACT}: the JSON is indented, but has no line break");
        Finding::new(Cause::LineBreaksDropped, fact)
    })
}

fn is_indentation(gap: &str) -> bool {
    gap.len() > 1 || gap == "\t"
}

/// Returns the text before each token that is not part of the previous token.
fn gaps<'t>(text: &'t str, tokens: &'t [Range<usize>]) -> impl Iterator<Item = &'t str> {
    let starts = tokens.iter().skip(1).map(|token| token.start);
    tokens.iter().zip(starts).filter_map(|(token, start)| text.get(token.end..start))
}

fn before_indentation(text: &str, tokens: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let gaps = std::iter::once("").chain(gaps(text, tokens));
    for (index, (token, gap)) in tokens.iter().zip(gaps).enumerate() {
        // The last brace of an indented file has no indentation.
        if is_indentation(gap) || index + 1 == tokens.len() {
            out.push('\n');
        }
        out.push_str(gap);
        out.push_str(text.get(token.clone()).unwrap_or_default());
    }
    out
}

/// Breaks the line after each member down to a depth, and optionally inside the braces.
fn after_members(text: &str, tokens: &[Range<usize>], max_depth: usize, braces: bool) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    for token in tokens.iter().filter_map(|token| text.get(token.clone())) {
        let line_break = |breaks: bool, depth: usize| if breaks && depth <= max_depth { "\n" } else { "" };
        match token {
            "{" | "[" => {
                depth += 1;
                out.push_str(token);
                out.push_str(line_break(braces, depth));
            }
            "}" | "]" => {
                out.push_str(line_break(braces, depth));
                out.push_str(token);
                depth = depth.saturating_sub(1);
            }
            "," => out.extend([token, line_break(true, depth)]),
            _ => out.push_str(token),
        }
    }
    out
}
