//! Compares the observations with the table of cases, and the differences between frameworks with the guide.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clerk_webhook_tests::folder;

use super::case::Case;
use super::inbox::Delivered;
use super::seen::Seen;
use super::stacks::Stack;

/// The difference if the answers end early.
const NOTHING: &str = "`nothing`";

/// The result of a case on a stack.
pub struct Observation {
    pub stack: Stack,
    pub case: usize,
    pub seen: Vec<Seen>,
    pub delivered: Vec<Delivered>,
}

impl Observation {
    pub fn is_unanswered(&self) -> bool {
        self.seen.contains(&Seen::Nothing)
    }

    /// Returns a description if the handler's calls differ from the case, or if the number of calls differs
    /// from the number of 200 answers. Such a difference always fails the test, even if the guide lists it.
    fn unexpected_calls(&self, case: &Case) -> Option<String> {
        if case.setup.is_handling() {
            let mut expected = case.delivered.clone();
            expected.sort();
            let calls = |delivered: &[Delivered]| {
                let call = |call: &Delivered| format!("{} attempt {:?}", call.id, call.attempt);
                delivered.iter().map(call).collect::<Vec<_>>().join(", ")
            };
            return (self.delivered != expected).then(|| {
                format!(
                    "the handlers were called with {} instead of {}",
                    calls(&self.delivered),
                    calls(&expected)
                )
            });
        }
        let accepted = self.seen.iter().filter(|seen| **seen == Seen::Accepted).count();
        if self.delivered.len() != accepted {
            let calls = self.delivered.len();
            return Some(format!(
                "the handler was called {calls} times, but the client received {accepted} answers with 200"
            ));
        }
        let mut expected = case.delivered.clone();
        for delivered in &self.delivered {
            let Some(index) = expected.iter().position(|expected| expected == delivered) else {
                let Delivered { id, event_type, body, .. } = delivered;
                return Some(format!(
                    "the handler received {id}, `{event_type}`, {} bytes, which the case does not expect",
                    body.len()
                ));
            };
            expected.swap_remove(index);
        }
        None
    }
}

/// The differences that are not listed in the guide.
pub struct Report {
    pub failures: Vec<String>,
    /// The number of rows in the guide's table.
    pub rows: usize,
}

impl Report {
    pub fn new(cases: &[Case], observations: &[Observation]) -> Self {
        let mut failures = Vec::new();
        // The unexpected answers, by kind of case and stack, and then by case.
        let mut seen_instead = BTreeMap::<(&str, Stack), BTreeMap<&str, Option<String>>>::new();
        for observation in observations {
            let (case, stack) = (&cases[observation.case], observation.stack);
            if let Some(wrong) = observation.unexpected_calls(case) {
                failures.push(format!("`{}` on {stack}: {wrong}", case.name));
            }
            let kind = case.kind_or_name();
            let instead = instead(&observation.seen, &case.expected());
            seen_instead.entry((kind, stack)).or_default().insert(&case.name, instead);
        }
        for stack in Stack::ALL {
            let seen = observations.iter().filter(|observation| observation.stack == stack).count();
            if seen < cases.len() {
                failures.push(format!("{} cases did not run on {stack}", cases.len() - seen));
            }
        }

        let mut listed = differences_of_the_guide();
        let rows = listed.iter().map(|(kind, ..)| kind).collect::<BTreeSet<_>>().len();
        for ((kind, stack), cases) in seen_instead {
            let instead: BTreeSet<_> = cases.values().flatten().collect();
            if instead.is_empty() {
                continue;
            }
            // A row of the guide must apply to all cases of its kind.
            let all_alike = instead.len() == 1 && cases.values().all(Option::is_some);
            let difference =
                (kind.to_owned(), stack.to_string(), instead.first().unwrap().as_str().to_owned());
            if !all_alike || !listed.remove(&difference) {
                for (case, instead) in &cases {
                    let instead = instead.as_deref().unwrap_or("as expected");
                    let kind = if *case == kind { String::new() } else { format!(" ({kind})") };
                    failures.push(format!("`{case}`{kind} on {stack}: {instead}"));
                }
            }
        }
        for (kind, stack, instead) in listed {
            failures.push(format!("the guide lists `{kind}` on {stack}: {instead}, but this difference did not occur; remove the row"));
        }
        Self { failures, rows }
    }
}

/// Returns the kinds of cases, with their stacks, that get no answer according to the guide.
pub fn unanswered() -> BTreeSet<(String, String)> {
    let listed = differences_of_the_guide().into_iter();
    listed.filter(|(.., instead)| instead == NOTHING).map(|(kind, stack, _)| (kind, stack)).collect()
}

/// Describes the difference between two lists of answers, without their common start and end.
fn instead(seen: &[Seen], expected: &[Seen]) -> Option<String> {
    if seen.contains(&Seen::Nothing) {
        return Some(NOTHING.to_owned());
    }
    let (mut seen, mut expected) = (seen, expected);
    while let ([first, seen_rest @ ..], [expected_first, expected_rest @ ..]) = (seen, expected)
        && first == expected_first
    {
        (seen, expected) = (seen_rest, expected_rest);
    }
    while let ([seen_rest @ .., last], [expected_rest @ .., expected_last]) = (seen, expected)
        && last == expected_last
    {
        (seen, expected) = (seen_rest, expected_rest);
    }
    let list = |seen: &[Seen]| seen.iter().map(Seen::to_string).collect::<Vec<_>>().join(", ");
    match (seen, expected) {
        ([], []) => None,
        (seen, []) => Some(format!("`{}` in addition", list(seen))),
        ([], expected) => Some(format!("no `{}`", list(expected))),
        (seen, expected) => Some(format!("`{}` instead of `{}`", list(seen), list(expected))),
    }
}

/// Reads the rows between the marks: the kind of case, the stack, and the difference up to the colon.
fn differences_of_the_guide() -> BTreeSet<(String, String, String)> {
    let chapter = folder("../crates/clerk-webhook/src/guide/frameworks.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let (_, rest) = chapter.split_once("<!-- differences -->").expect("the chapter has the table");
    let (table, _) = rest.split_once("<!-- /differences -->").expect("the table ends");
    let mut differences = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [kind, stacks, text] = cells[..] else { panic!("the row needs three cells: {row}") };
        let (instead, _) = text.split_once(": ").unwrap_or_else(|| panic!("the row gives no reason: {row}"));
        for stack in named(stacks) {
            differences.insert((kind.trim_matches('`').to_owned(), stack, instead.to_owned()));
        }
    }
    differences
}

/// Reads the names of the stacks. `all except` lists the other stacks.
fn named(stacks: &str) -> Vec<String> {
    let Some(others) = stacks.strip_prefix("all except ") else {
        return stacks.split(", ").map(str::to_owned).collect();
    };
    let others: Vec<_> = others.split(", ").collect();
    let all = Stack::ALL.map(|stack| stack.to_string());
    all.into_iter().filter(|stack| !others.contains(&stack.as_str())).collect()
}
