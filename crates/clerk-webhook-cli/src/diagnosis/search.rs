//! Searches for the changes that make a signature match.
//!
//! The search goes from few changes to many, so it finds the simplest explanation. It ends when the budget is
//! exhausted. A body of usual size does not exhaust the budget. For a body of 2 MiB, most single changes are
//! tried.

use clerk_webhook_core::SigningSecret;

use super::bodies::{Bodies, of_json};
use super::budget::Budget;
use super::cause::Cause;
use super::finding::Finding;
use super::headers::{Attempt, of_signature};
use super::json::{Escapes, Json, Numbers, Spacing, Style};
use super::keys::{self, Key};
use super::layouts::{self, Layout};
use super::signatures::{self, Form};

/// The fixed cost of a MAC.
pub(super) const MAC_COST: usize = 256;
/// The cost of comparing a MAC with a token.
pub(super) const TOKEN_COST: usize = 16;

/// The maximum weight (twice the number of changes) of a body with the correct key and layout.
const MAX_WEIGHT: usize = 14;
/// The maximum weight of a body in combination with another key or another layout.
const MAX_WEIGHT_BESIDE: usize = 6;

/// The changes that make a signature match.
#[derive(Debug)]
pub(super) struct Match {
    /// The changes to the delivery that must be undone for the signature to match.
    pub(super) findings: Vec<Finding>,
    pub(super) seconds: Option<i64>,
    pub(super) secret_index: usize,
}

/// A search and its progress.
pub(super) struct Search<'s> {
    attempts: &'s [Attempt],
    keys: Vec<Key>,
    bodies: &'s Bodies<'s>,
    budget: &'s mut Budget,
    pub(super) tried: usize,
}

/// The position of a match: the index of the attempt and the index of its token.
type Place = (usize, usize);

impl<'s> Search<'s> {
    pub(super) fn new(
        attempts: &'s [Attempt],
        secrets: &[SigningSecret],
        bodies: &'s Bodies<'s>,
        budget: &'s mut Budget,
    ) -> Self {
        Self { attempts, keys: keys::all(secrets), bodies, budget, tried: 0 }
    }

    pub(super) fn run(&mut self) -> Option<Match> {
        if self.attempts.is_empty() {
            return None;
        }
        self.by_number_of_changes()
            .or_else(|| self.other_hash())
            .or_else(|| self.milliseconds())
            .or_else(|| self.numbers())
    }

    fn by_number_of_changes(&mut self) -> Option<Match> {
        let bodies = self.bodies;
        let variants = bodies.variants();
        let standard: Vec<Layout> = self.attempts.iter().map(layouts::standard).collect();
        let others: Vec<Vec<Layout>> =
            self.attempts.iter().map(|attempt| layouts::all(attempt).split_off(1)).collect();
        let right = self.keys.iter().take_while(|key| key.finding.is_none()).count();
        let wrong = right..self.keys.len();
        for weight in 0..=MAX_WEIGHT {
            for &(_, variant) in variants.iter().filter(|(cost, _)| *cost == weight) {
                self.budget.spend(bodies.cost(variant))?;
                let body = bodies.bytes(variant);
                if let Some((key, place)) = self.any_key(0..right, &standard, &body) {
                    return Some(self.matched(place, key, None, bodies.findings(variant)));
                }
            }
            let beside = weight.checked_sub(3).filter(|beside| *beside <= MAX_WEIGHT_BESIDE);
            for &(_, variant) in variants.iter().filter(|(cost, _)| Some(*cost) == beside) {
                self.budget.spend(bodies.cost(variant))?;
                let body = bodies.bytes(variant);
                if let Some((key, place)) = self.any_key(wrong.clone(), &standard, &body) {
                    return Some(self.matched(place, key, None, bodies.findings(variant)));
                }
                if let Some((key, place, layout)) = self.any_layout(0..right, &others, &body) {
                    return Some(self.matched(place, key, Some(layout), bodies.findings(variant)));
                }
            }
            if weight == 6
                && let Some((key, place, layout)) = self.any_layout(wrong.clone(), &others, bodies.captured())
            {
                return Some(self.matched(place, key, Some(layout), Vec::new()));
            }
        }
        None
    }

    fn any_key(
        &mut self,
        keys: std::ops::Range<usize>,
        layouts: &[Layout],
        body: &[u8],
    ) -> Option<(usize, Place)> {
        for key in keys {
            for (attempt, layout) in layouts.iter().enumerate() {
                if let Some(token) = self.token(key, attempt, layout, body) {
                    return Some((key, (attempt, token)));
                }
            }
        }
        None
    }

    fn any_layout<'l>(
        &mut self,
        keys: std::ops::Range<usize>,
        layouts: &'l [Vec<Layout>],
        body: &[u8],
    ) -> Option<(usize, Place, &'l Layout)> {
        for key in keys {
            for (attempt, layouts) in layouts.iter().enumerate() {
                for layout in layouts {
                    if let Some(token) = self.token(key, attempt, layout, body) {
                        return Some((key, (attempt, token), layout));
                    }
                }
            }
        }
        None
    }

    /// Returns the index of the attempt's token that matches the MAC of this body.
    fn token(&mut self, key: usize, attempt: usize, layout: &Layout, body: &[u8]) -> Option<usize> {
        let tokens = &self.attempts[attempt].tokens;
        let around = layout.before.len() + layout.after.len();
        self.budget.spend(around + body.len() + MAC_COST + TOKEN_COST * tokens.len())?;
        self.tried += 1;
        let mac = self.keys[key].mac(&[&layout.before, body, &layout.after]);
        signatures::matching(tokens, &mac)
    }

    /// Collects the changes that must be undone for the signature to match, header problems first.
    fn matched(
        &self,
        (attempt, token): Place,
        key: usize,
        layout: Option<&Layout>,
        body: Vec<Finding>,
    ) -> Match {
        let attempt = &self.attempts[attempt];
        let key = &self.keys[key];
        let token = &attempt.tokens[token];
        let mut findings = attempt.findings.clone();
        findings.extend(token.flaws.iter().map(|cause| of_signature(*cause, &token.form)));
        findings.extend(layout.and_then(|layout| layout.finding.clone()));
        findings.extend(key.finding.clone());
        findings.extend(body);
        Match { findings, seconds: attempt.seconds, secret_index: key.secret_index }
    }

    /// Checks whether a signature of 64 bytes is an HMAC-SHA-512.
    fn other_hash(&mut self) -> Option<Match> {
        let body = self.bodies.captured();
        for (index, attempt) in self.attempts.iter().enumerate() {
            for (token, form) in attempt.tokens.iter().enumerate() {
                let Form::Long(expected) = form.form else { continue };
                let before = layouts::standard(attempt).before;
                for key in 0..self.keys.len() {
                    self.budget.spend(before.len() + body.len() + MAC_COST)?;
                    self.tried += 1;
                    if self.keys[key].long_mac(&[&before, body]) == Some(expected) {
                        return Some(self.matched((index, token), key, None, Vec::new()));
                    }
                }
            }
        }
        None
    }

    /// Checks whether the timestamp was signed with milliseconds that the header omits.
    fn milliseconds(&mut self) -> Option<Match> {
        let body = self.bodies.captured();
        for index in 0..self.attempts.len() {
            for layout in layouts::in_milliseconds(&self.attempts[index]) {
                for key in 0..self.keys.iter().take_while(|key| key.finding.is_none()).count() {
                    if let Some(token) = self.token(key, index, &layout, body) {
                        return Some(self.matched((index, token), key, Some(&layout), Vec::new()));
                    }
                }
            }
        }
        None
    }

    /// Checks, number by number, whether one or two numbers were written differently in the signed body.
    fn numbers(&mut self) -> Option<Match> {
        let json = self.bodies.json()?;
        let numbers = json.other_numbers(self.budget);
        if numbers.is_empty() {
            return None;
        }
        let mut styles = Vec::new();
        for (spacing, sorted) in [(Spacing::AsIs, false), (Spacing::Compact, false), (Spacing::Compact, true)]
        {
            for escapes in [Escapes::AsIs, Escapes::Minimal, Escapes::Html] {
                styles.push(Style { spacing, sorted, escapes, numbers: Numbers::AsIs });
            }
        }
        for style in styles {
            if !self.budget.allows(json.cost(style)) {
                continue;
            }
            for (token, texts) in &numbers {
                self.budget.spend(json.cost(style))?;
                let (before, after) = around(json, style, *token);
                if let Some(found) = self.one_number(json, style, &before, &after, texts) {
                    return Some(found);
                }
            }
            let small: Vec<_> = numbers.iter().filter(|(_, texts)| texts.len() == 2).take(24).collect();
            for (index, (first, first_texts)) in small.iter().enumerate() {
                for (second, second_texts) in &small[index + 1..] {
                    self.budget.spend(json.cost(style))?;
                    let body =
                        json.written_with(style, &[(*first, &first_texts[0]), (*second, &second_texts[0])]);
                    if let Some(found) = self.one_number(json, style, &body, "", &[String::new()]) {
                        return Some(found);
                    }
                }
            }
        }
        None
    }

    fn one_number(
        &mut self,
        json: &Json<'_>,
        style: Style,
        before: &str,
        after: &str,
        texts: &[String],
    ) -> Option<Match> {
        for attempt in 0..self.attempts.len() {
            let head = layouts::standard(&self.attempts[attempt]).before;
            for key in 0..self.keys.iter().take_while(|key| key.finding.is_none()).count() {
                self.budget.spend(head.len() + before.len() + MAC_COST)?;
                let begun = self.keys[key].begun(&[&head, before.as_bytes()]);
                for text in texts {
                    let tokens = &self.attempts[attempt].tokens;
                    self.budget.spend(after.len() + MAC_COST + TOKEN_COST * tokens.len())?;
                    self.tried += 1;
                    let mac = begun.ended(&[text.as_bytes(), after.as_bytes()]);
                    let Some(token) = signatures::matching(tokens, &mac) else { continue };
                    let fact = "a JSON number was written differently when the body was signed (such as 1.0 instead of \
                                1, or more digits than a float can represent)";
                    let mut findings = Vec::new();
                    of_json(json, style, &mut findings);
                    findings.insert(0, Finding::new(Cause::JsonNumbersChanged, fact));
                    return Some(self.matched((attempt, token), key, None, findings));
                }
            }
        }
        None
    }
}

/// Returns the text before and after a number.
fn around(json: &Json<'_>, style: Style, token: usize) -> (String, String) {
    // JSON text never contains this character unescaped.
    const MARK: &str = "\u{0}";
    let text = json.written_with(style, &[(token, MARK)]);
    match text.split_once(MARK) {
        Some((before, after)) => (before.to_owned(), after.to_owned()),
        None => (text, String::new()),
    }
}
