//! Compares what was seen with the table, and where frameworks differ with the README.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clerk_webhook_tests::folder;

use super::case::Case;
use super::inbox::Delivered;
use super::seen::Seen;
use super::stacks::Stack;

/// What came of a case on a stack.
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

    /// Says where a handler did not run as often as a client was told 200, or for what is not to be delivered. No
    /// difference between frameworks excuses that.
    fn wrongly_delivered(&self, case: &Case) -> Option<String> {
        if case.setup.is_handling() {
            let mut expected = case.delivered.clone();
            expected.sort();
            let calls = |delivered: &[Delivered]| {
                let call = |call: &Delivered| format!("{} attempt {:?}", call.id, call.attempt);
                delivered.iter().map(call).collect::<Vec<_>>().join(", ")
            };
            return (self.delivered != expected).then(|| {
                format!("the handlers were called with {}, not {}", calls(&self.delivered), calls(&expected))
            });
        }
        let accepted = self.seen.iter().filter(|seen| **seen == Seen::Accepted).count();
        if self.delivered.len() != accepted {
            let calls = self.delivered.len();
            return Some(format!("the handler was called {calls} times, and 200 was seen {accepted} times"));
        }
        let mut expected = case.delivered.clone();
        for delivered in &self.delivered {
            let Some(index) = expected.iter().position(|expected| expected == delivered) else {
                let Delivered { id, event_type, body, .. } = delivered;
                return Some(format!(
                    "the handler got {id}, `{event_type}`, {} bytes, which is not to be delivered",
                    body.len()
                ));
            };
            expected.swap_remove(index);
        }
        None
    }
}

/// What is not as it has to be.
pub struct Report {
    pub failures: Vec<String>,
    /// How many rows the table in the README has.
    pub rows: usize,
}

impl Report {
    pub fn new(cases: &[Case], observations: &[Observation]) -> Self {
        let mut failures = Vec::new();
        // What is seen instead, of every kind of case on every stack, by the case.
        let mut seen_instead = BTreeMap::<(&str, Stack), BTreeMap<&str, Option<String>>>::new();
        for observation in observations {
            let (case, stack) = (&cases[observation.case], observation.stack);
            if let Some(wrong) = observation.wrongly_delivered(case) {
                failures.push(format!("`{}` on {stack}: {wrong}", case.name));
            }
            let kind = case.kind.unwrap_or(&case.name);
            let instead = instead(&observation.seen, &case.expected());
            seen_instead.entry((kind, stack)).or_default().insert(&case.name, instead);
        }
        for stack in Stack::ALL {
            let seen = observations.iter().filter(|observation| observation.stack == stack).count();
            if seen < cases.len() {
                failures.push(format!("{} cases were not tried on {stack}", cases.len() - seen));
            }
        }

        let mut listed = differences_in_the_guide();
        let rows = listed.iter().map(|(kind, ..)| kind).collect::<BTreeSet<_>>().len();
        for ((kind, stack), cases) in seen_instead {
            let instead: BTreeSet<_> = cases.values().flatten().collect();
            if instead.is_empty() {
                continue;
            }
            // A row speaks of all cases of its kind.
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
            failures.push(format!("the guide says of `{kind}` on {stack}: {instead}, which was not seen"));
        }
        Self { failures, rows }
    }
}

/// Says what was seen instead of what, without what is the same before and after it.
fn instead(seen: &[Seen], expected: &[Seen]) -> Option<String> {
    let (mut seen, mut expected) = (seen, expected);
    while let ([first, seen_rest @ ..], [wanted, expected_rest @ ..]) = (seen, expected)
        && first == wanted
    {
        (seen, expected) = (seen_rest, expected_rest);
    }
    while let ([seen_rest @ .., last], [expected_rest @ .., wanted]) = (seen, expected)
        && last == wanted
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

/// Reads the rows between the marks: the kind of case, the stacks, and up to a colon what is seen there.
fn differences_in_the_guide() -> BTreeSet<(String, String, String)> {
    let chapter = folder("../crates/clerk-webhook/src/guide/frameworks.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let (_, rest) = chapter.split_once("<!-- differences -->").expect("the chapter has the table");
    let (table, _) = rest.split_once("<!-- /differences -->").expect("the table ends");
    let mut differences = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [kind, stacks, text] = cells[..] else { panic!("not a row of three cells: {row}") };
        let (instead, _) = text.split_once(": ").unwrap_or_else(|| panic!("no reason: {row}"));
        for stack in named(stacks) {
            differences.insert((kind.trim_matches('`').to_owned(), stack, instead.to_owned()));
        }
    }
    differences
}

/// Reads the names of stacks, or of those that are left out.
fn named(stacks: &str) -> Vec<String> {
    let Some(others) = stacks.strip_prefix("all but ") else {
        return stacks.split(", ").map(str::to_owned).collect();
    };
    let others: Vec<_> = others.split(", ").collect();
    let all = Stack::ALL.map(|stack| stack.to_string());
    all.into_iter().filter(|stack| !others.contains(&stack.as_str())).collect()
}
