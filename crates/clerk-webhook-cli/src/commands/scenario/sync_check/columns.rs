//! Columns: their expected values, how they are compared, and which values are printed.

use serde_json::Value;

/// A column and the source of its expected value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) form: Form,
    source: Source,
    is_shown: bool,
}

/// The only texts that are printed, from columns that `Column::shown` marks.
const WORDS: &[&str] = &[
    "accepted",
    "automatic_invitation",
    "automatic_suggestion",
    "expired",
    "manual_invitation",
    "pending",
    "revoked",
    "system",
    "user",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Number,
    Boolean,
    Json,
    /// An array whose order does not matter.
    Set,
    /// Null, or the object's data. Depending on the sync settings, members of the data can be missing.
    Raw,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// The object's member with this name.
    Member(&'static str),
    /// Computed from the object and its owner. For an object without an owner, the owner is the object
    /// itself.
    Computed(fn(&Value, &Value) -> Value),
    /// All of the object's members except these, which are copies of other objects.
    AllBut(&'static [&'static str]),
}

impl Column {
    pub(super) const fn new(name: &'static str, form: Form, source: Source) -> Self {
        let is_shown = matches!(form, Form::Number | Form::Boolean);
        Self { name, form, source, is_shown }
    }

    pub(super) const fn text(name: &'static str) -> Self {
        Self::new(name, Form::Text, Source::Member(name))
    }

    pub(super) const fn number(name: &'static str) -> Self {
        Self::new(name, Form::Number, Source::Member(name))
    }

    pub(super) const fn boolean(name: &'static str) -> Self {
        Self::new(name, Form::Boolean, Source::Member(name))
    }

    pub(super) const fn json(name: &'static str) -> Self {
        Self::new(name, Form::Json, Source::Member(name))
    }

    pub(super) const fn raw(without: &'static [&'static str]) -> Self {
        Self::new("raw", Form::Raw, Source::AllBut(without))
    }

    pub(super) const fn computed(
        name: &'static str,
        form: Form,
        source: fn(&Value, &Value) -> Value,
    ) -> Self {
        Self::new(name, form, Source::Computed(source))
    }

    /// Marks a text column whose values are printed: it contains no personal data, but one of `WORDS`.
    pub(super) const fn shown(self) -> Self {
        Self { is_shown: true, ..self }
    }

    /// Returns the expected value of the column for an object.
    pub(super) fn expected(&self, object: &Value, owner: &Value) -> Value {
        match self.source {
            Source::Member(name) => object[name].clone(),
            Source::Computed(compute) => compute(object, owner),
            Source::AllBut(names) => {
                let mut object = object.clone();
                if let Some(members) = object.as_object_mut() {
                    members.retain(|name, _| !names.contains(&name.as_str()));
                }
                object
            }
        }
    }

    /// Returns whether a value from the database matches the expected value.
    pub(super) fn is_right(&self, expected: &Value, found: &Value) -> bool {
        match self.form {
            Form::Raw => found.is_null() || is_version(found, expected),
            Form::Set => sorted(expected) == sorted(found),
            _ => expected == found,
        }
    }

    /// Returns whether a value is printed. Personal data is never printed.
    pub(super) fn can_show(&self, value: &Value) -> bool {
        // Checks the value too, because a faulty application can write anything to the column.
        self.is_shown
            && match value {
                Value::Null | Value::Bool(_) | Value::Number(_) => true,
                Value::String(word) if self.form == Form::Text => WORDS.contains(&word.as_str()),
                _ => false,
            }
    }

    /// Parses the text of a value from the database.
    pub(super) fn read(&self, text: Option<String>) -> Value {
        let Some(text) = text else { return Value::Null };
        let read = match self.form {
            Form::Text => None,
            Form::Number => text.parse::<i64>().ok().map(Value::from),
            Form::Boolean => match text.as_str() {
                "1" | "true" => Some(Value::Bool(true)),
                "0" | "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Form::Json | Form::Set | Form::Raw => serde_json::from_str(&text).ok(),
        };
        read.unwrap_or(Value::String(text))
    }
}

/// Returns whether `part` is the same version of the object as `whole`, possibly with members removed.
fn is_version(part: &Value, whole: &Value) -> bool {
    ["id", "updated_at"].iter().all(|name| part[*name] == whole[*name]) && is_within(part, whole)
}

/// Returns whether `part` equals `whole`, except for removed members of objects.
fn is_within(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|other| is_within(value, other)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_within(part, whole))
        }
        _ => part == whole,
    }
}

fn sorted(value: &Value) -> Vec<String> {
    let mut texts: Vec<_> = match value {
        Value::Array(values) => values.iter().map(ToString::to_string).collect(),
        other => vec![other.to_string()],
    };
    texts.sort_unstable();
    texts
}
