//! The layouts of the signed text, including common mistakes.

use super::cause::Cause;
use super::finding::Finding;
use super::headers::Attempt;

/// The bytes before and after the body in the signed text.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    pub(super) finding: Option<Finding>,
}

/// Returns the correct layout, then the layouts of common mistakes.
pub(super) fn all(attempt: &Attempt) -> Vec<Layout> {
    let (id, time) = (attempt.id.as_slice(), attempt.timestamp.as_slice());
    let mut layouts = vec![standard(attempt)];
    let mut add = |cause: Cause, fact: &str, before: &[&[u8]], after: &[&[u8]]| {
        let finding = Some(Finding::new(cause, fact));
        layouts.push(Layout { before: before.concat(), after: after.concat(), finding });
    };

    add(Cause::SignedBodyOnly, "only the body was signed", &[], &[]);
    add(Cause::SignedWithoutTimestamp, "<id>.<body> was signed, without the timestamp", &[id, b"."], &[]);
    let without_id = "was signed, without the id";
    for (separator, shown) in [(".", "."), (":", ":"), ("", ""), ("\n", "\\n")] {
        let fact = format!("<timestamp>{shown}<body> {without_id}");
        add(Cause::SignedWithoutId, &fact, &[time, separator.as_bytes()], &[]);
    }
    for version in ["v0", "v1"] {
        let fact = format!("{version}:<timestamp>:<body> {without_id}");
        add(Cause::SignedWithoutId, &fact, &[version.as_bytes(), b":", time, b":"], &[]);
    }

    let order = Cause::SignedInOtherOrder;
    add(order, "<timestamp>.<id>.<body> was signed", &[time, b".", id, b"."], &[]);
    add(order, "<id>.<body>.<timestamp> was signed", &[id, b"."], &[b".", time]);
    add(order, "<timestamp>.<body>.<id> was signed", &[time, b"."], &[b".", id]);
    add(order, "<body>.<id>.<timestamp> was signed", &[], &[b".", id, b".", time]);
    add(order, "<body>.<timestamp>.<id> was signed", &[], &[b".", time, b".", id]);
    add(Cause::SignedWithoutId, "<body>.<timestamp> was signed, without the id", &[], &[b".", time]);
    add(Cause::SignedWithoutTimestamp, "<body>.<id> was signed, without the timestamp", &[], &[b".", id]);

    for (separator, shown) in [
        ("", "nothing"),
        (":", ":"),
        ("\n", "\\n"),
        ("|", "|"),
        (",", ","),
        ("-", "-"),
        (" ", "a space"),
        ("_", "_"),
    ] {
        let fact = format!("id, timestamp and body were signed with {shown} between them instead of dots");
        let separator = separator.as_bytes();
        add(Cause::SignedWithOtherSeparator, &fact, &[id, separator, time, separator], &[]);
    }

    add(Cause::SignedMilliseconds, MILLISECONDS, &[id, b".", time, b"000."], &[]);

    let blank = |what: &str| format!("{what} was signed with whitespace around it, which HTTP removes");
    for end in [" ", "\n", "\r\n", "\t"] {
        let end = end.as_bytes();
        add(Cause::SignedWithBlanks, &blank("the id"), &[id, end, b".", time, b"."], &[]);
        add(Cause::SignedWithBlanks, &blank("the id"), &[end, id, b".", time, b"."], &[]);
        add(Cause::SignedWithBlanks, &blank("the timestamp"), &[id, b".", time, end, b"."], &[]);
        add(Cause::SignedWithBlanks, &blank("the timestamp"), &[id, b".", end, time, b"."], &[]);
    }
    add(Cause::SignedWithBlanks, &blank("the id"), &[b" ", id, b" .", time, b"."], &[]);
    layouts
}

/// Returns the layout that Svix signs: `<id>.<timestamp>.<body>`.
pub(super) fn standard(attempt: &Attempt) -> Layout {
    let before = [attempt.id.as_slice(), b".", &attempt.timestamp, b"."].concat();
    Layout { before, after: Vec::new(), finding: None }
}

/// Returns the layouts with a timestamp in milliseconds whose last three digits are not in the header.
pub(super) fn in_milliseconds(attempt: &Attempt) -> impl Iterator<Item = Layout> {
    (1..1000).map(|millis| Layout {
        before: [&attempt.id, b".".as_slice(), &attempt.timestamp, format!("{millis:03}.").as_bytes()]
            .concat(),
        after: Vec::new(),
        finding: Some(Finding::new(Cause::SignedMilliseconds, MILLISECONDS)),
    })
}

const MILLISECONDS: &str = "the timestamp was signed in milliseconds, but the header contains seconds";
