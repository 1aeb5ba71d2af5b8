//! The names of the stream and its subjects.

use clerk_webhook_store::Scope;

/// The prefix of the names, unless the application sets another one.
pub(super) const DEFAULT_PREFIX: &str = "clerk_webhook";

/// The names that a queue uses on the server.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    stream: String,
    root: String,
}

impl Names {
    /// `prefix` must consist of ASCII letters, digits, `_` and `-`.
    pub(super) fn new(prefix: &str, scope: &Scope) -> Self {
        // A dot separates the tokens of a subject, and a stream's name contains neither `.` nor `/`.
        let scope = scope.as_str().replace('.', "%2E").replace('/', "%2F");
        Self {
            prefix: prefix.to_owned(),
            stream: format!("{prefix}_{scope}"),
            root: format!("{prefix}.{scope}"),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn stream(&self) -> &str {
        &self.stream
    }

    /// The subjects that the stream stores.
    pub(super) fn all(&self) -> String {
        format!("{}.>", self.root)
    }

    /// The subject of a message. Different ids have different subjects.
    pub(super) fn message(&self, id: &str) -> String {
        // An id consists of visible ASCII characters, without a dot. `*` and `>` are wildcards.
        let id = id.replace('%', "%25").replace('*', "%2A").replace('>', "%3E");
        format!("{}.message.{id}", self.root)
    }

    /// Returns the id of the message with this subject, or `None` if no message has this subject.
    pub(super) fn id_of(&self, subject: &str) -> Option<String> {
        let id = subject.strip_prefix(&self.root)?.strip_prefix(".message.")?;
        Some(id.replace("%3E", ">").replace("%2A", "*").replace("%25", "%"))
    }

    /// The subject of an empty message that is only newer than others.
    pub(super) fn mark(&self) -> String {
        format!("{}.mark", self.root)
    }
}

/// Returns whether a text can be the prefix of the names.
pub(super) fn is_prefix(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn different_ids_have_different_subjects_without_wildcards() {
        let names = Names::new("a", &"b/c.d".parse().unwrap());
        assert_eq!((names.stream(), &*names.all()), ("a_b%2Fc%2Ed", "a.b%2Fc%2Ed.>"));
        let ids = ["*", ">", "%", "%2A", "%3E", "%25", "%252A", "msg_1", "MSG_1", "$JS"];
        let subjects: HashSet<_> = ids.iter().map(|id| names.message(id)).collect();
        assert_eq!(subjects.len(), ids.len());
        assert!(subjects.iter().all(|subject| !subject.contains(['*', '>', ' '])), "{subjects:?}");
        assert!(ids.iter().all(|id| names.id_of(&names.message(id)).as_deref() == Some(*id)));
        assert_eq!(names.id_of(&names.mark()), None);
        assert_eq!(names.message("msg_1"), "a.b%2Fc%2Ed.message.msg_1");
    }

    #[test]
    fn accepts_only_prefixes_that_are_one_token() {
        assert!(is_prefix("shop-2_x") && is_prefix(&"x".repeat(64)));
        for prefix in ["", "a.b", "a b", "*", ">", "é", &"x".repeat(65)] {
            assert!(!is_prefix(prefix), "{prefix:?}");
        }
    }
}
