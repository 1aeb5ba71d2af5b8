//! Suggestions for misspelled event names.

use clerk_webhook_test::fixture::AnyFixture;

/// Returns "; did you mean …?" with the closest known events, or an empty text if none is close.
pub(crate) fn event(written: &str) -> String {
    // Names of variants contain `__`. They are suggested only if the written name contains it too.
    let variants = written.contains("__");
    let names =
        AnyFixture::all().map(|fixture| fixture.name()).filter(|name| variants || !name.contains("__"));
    question(&closest(written, names))
}

/// Returns up to three names that resemble the given one, the closest first.
pub(crate) fn closest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let folded = fold(written);
    // No event name is this long, and the time to compute a distance grows with the product of both lengths.
    if folded.is_empty() || folded.len() > 100 {
        return Vec::new();
    }
    let mut ranked: Vec<_> = names
        .into_iter()
        .filter_map(|name| {
            let other = fold(name);
            let distance = distance(&folded, &other);
            let contained = contains(&other, &folded);
            (distance <= folded.len() / 3 || contained).then_some((distance, name))
        })
        .collect();
    ranked.sort();
    ranked.truncate(3);
    ranked.into_iter().map(|(_, name)| name).collect()
}

/// Formats the suggestions as a question, or returns an empty text if there are none.
fn question(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => format!("; did you mean {name}?"),
        [names @ .., last] => format!("; did you mean {} or {last}?", names.join(", ")),
    }
}

/// Returns the characters to compare, without case and punctuation: `subscription.past_due` equals
/// `subscription.pastDue`.
fn fold(name: &str) -> Vec<char> {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn contains(name: &[char], part: &[char]) -> bool {
    part.len() >= 4 && name.windows(part.len()).any(|window| window == part)
}

/// Returns the Levenshtein distance between two names.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::EventType;

    use super::*;

    #[test]
    fn suggests_close_names() {
        for (written, expected) in [
            ("user.create", "user.created"),
            ("User.Created", "user.created"),
            ("usr.deleted", "user.deleted"),
            ("subscription.past_due", "subscription.pastDue"),
            ("organization_membership.created", "organizationMembership.created"),
            ("emails.created", "email.created"),
            ("waitlist", "waitlistEntry.created"),
        ] {
            let found = closest(written, EventType::ALL.iter().map(EventType::as_str));
            assert_eq!(found.first(), Some(&expected), "{written}: {found:?}");
        }
    }

    #[test]
    fn suggests_nothing_for_unrelated_names() {
        for written in ["", "...", "invoice.paid", &"x".repeat(100_000)] {
            let found = closest(written, EventType::ALL.iter().map(EventType::as_str));
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn formats_suggestions_as_a_question() {
        assert_eq!(question(&[]), "");
        assert_eq!(question(&["a"]), "; did you mean a?");
        assert_eq!(question(&["a", "b", "c"]), "; did you mean a, b or c?");
    }
}
