//! Which rows an import or a comparison writes.

use super::*;
use crate::schema::tables::USER_EMAILS;

/// The time of the version that the database contains.
const T: i64 = 1_700_000_000_000;

fn order(rank: Rank, updated_at: i64, event_at: i64) -> Order {
    Order { rank, updated_at, event_at, tie: "5".to_owned() }
}

/// Returns the child rows of a user with one email address.
fn addresses(id: &str, email: &str) -> Vec<Children> {
    let row = USER_EMAILS.row([("email", email.into()), ("verified", true.into())]);
    vec![vec![(id.to_owned(), row)], Children::new(), Children::new()]
}

fn row(entity: Entity, order: Order, columns: Vec<Value>, children: Vec<Children>) -> HashMap<String, Known> {
    let columns = compared(entity.table()).zip(columns).map(|(_, value)| value).collect();
    let rank = order.rank.as_number();
    HashMap::from([("id".to_owned(), Known { rank, order, columns, children })])
}

fn listed(entity: Entity, order: Order, columns: Vec<Value>, children: Vec<Children>) -> Observation {
    let observed = Observed::Version { order, columns, children: Some(children) };
    Observation { entity, id: "id".to_owned(), observed }
}

#[test]
fn an_object_is_compared_with_its_row() {
    let users = Entity::Users.table();
    let named = |name: &str| users.row([("first_name", name.into())]);
    let known = |order| row(Entity::Users, order, named("Ada"), addresses("idn_1", "ada@example.com"));
    let compared = |known: &HashMap<String, Known>, order, name: &str, children| {
        comparison(users, &listed(Entity::Users, order, named(name), children), known)
    };
    let same = || addresses("idn_1", "ada@example.com");
    let (whole, later) = (order(Rank::Whole, T, T + 5), order(Rank::Whole, T, T + 9));
    for (order, name, children, expected) in [
        (later.clone(), "Ada", same(), Comparison::Equal),
        (later.clone(), "Grace", same(), Comparison::Differing),
        (later.clone(), "Ada", addresses("idn_1", "grace@example.com"), Comparison::Differing),
        (later.clone(), "Ada", addresses("idn_2", "ada@example.com"), Comparison::Differing),
        (later, "Ada", vec![Children::new(); 3], Comparison::Differing),
        (order(Rank::Whole, T + 1, T + 9), "Ada", same(), Comparison::Stale),
        (order(Rank::Whole, T - 1, T + 9), "Ada", same(), Comparison::Newer),
        (order(Rank::Whole, T, T + 4), "Grace", same(), Comparison::Newer),
        (whole.clone(), "Grace", same(), Comparison::Newer),
    ] {
        let context = format!("{order:?} {name} {children:?}");
        assert_eq!(compared(&known(whole.clone()), order, name, children), expected, "{context}");
    }
    let copy = known(order(Rank::Copy, T, T + 5));
    assert_eq!(compared(&copy, whole.clone(), "Ada", same()), Comparison::Missing);
    assert_eq!(compared(&HashMap::new(), whole.clone(), "Ada", same()), Comparison::Missing);
    let mut erased = known(whole.clone());
    erased.values_mut().for_each(|known| known.rank = 9);
    assert_eq!(compared(&erased, whole, "Ada", same()), Comparison::Erased);
}

/// The row contains the smallest known value of a kept column.
#[test]
fn a_kept_column_differs_only_if_the_row_would_change() {
    let (integer, text) = (Kind::Integer.null(), Kind::Text.null());
    for (new, old, expected) in [
        (2.into(), 1.into(), true),
        (1.into(), 1.into(), true),
        (0.into(), 1.into(), false),
        ("b".into(), "a".into(), true),
        ("a".into(), "a".into(), true),
        ("a".into(), "b".into(), false),
        (integer.clone(), 1.into(), true),
        (1.into(), integer, false),
        (text.clone(), "a".into(), true),
        ("a".into(), text, false),
    ] {
        assert_eq!(keeps(&new, &old), expected, "{new:?} {old:?}");
        let membership = |value: &Value| match value.kind() {
            Kind::Integer => Entity::Memberships.table().row([("created_at", value.clone())]),
            _ => Entity::Memberships.table().row([("user_id", value.clone())]),
        };
        let known = row(Entity::Memberships, order(Rank::Whole, T, T), membership(&old), Vec::new());
        let new = listed(Entity::Memberships, order(Rank::Whole, T, T + 5), membership(&new), Vec::new());
        let expected = if expected { Comparison::Equal } else { Comparison::Differing };
        assert_eq!(comparison(Entity::Memberships.table(), &new, &known), expected);
    }
}

#[test]
fn child_rows_are_equal_in_any_order() {
    let child = |id: &str, value: i64| (id.to_owned(), vec![value.into()]);
    let long = "x".repeat(300);
    for (new, old, expected) in [
        (vec![], vec![], true),
        (vec![child("a", 1), child("b", 2)], vec![child("b", 2), child("a", 1)], true),
        (vec![child("a", 1)], vec![child("a", 1), child("b", 2)], false),
        (vec![child("a", 1), child("b", 2)], vec![child("a", 1)], false),
        (vec![child("a", 1)], vec![child("b", 1)], false),
        (vec![child("a", 1)], vec![child("a", 2)], false),
        (vec![child(&long, 1)], vec![child(&value::id(&long), 1)], true),
    ] {
        assert_eq!(same_children(&new, &old), expected, "{new:?} {old:?}");
    }
}

#[test]
fn json_is_compared_by_its_meaning() {
    for (new, old, expected) in [
        ("1", "1.0", true),
        ("1.5", "15e-1", true),
        ("1", "2", false),
        ("1.5", "2.5", false),
        // As 64-bit floating-point numbers, these pairs would be equal.
        ("9007199254740993", "9007199254740992", false),
        ("-9007199254740993", "-9007199254740992", false),
        ("18446744073709551615", "18446744073709551614", false),
        ("[1,2]", "[1, 2.0]", true),
        ("[1,2]", "[2,1]", false),
        ("[1]", "[1,2]", false),
        ("[1,2]", "[1]", false),
        (r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#, true),
        (r#"{"a":1}"#, r#"{"a":2}"#, false),
        (r#"{"a":1}"#, r#"{"b":1}"#, false),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, false),
        (r#""a""#, r#""\u0061""#, true),
        (r#""a""#, r#""b""#, false),
        ("true", "false", false),
        ("[]", "{}", false),
        ("{", "[", false),
    ] {
        let json = |text: &str| Value::Json(Some(text.to_owned()));
        assert_eq!(same(&json(new), &json(old)), expected, "{new} {old}");
        assert!(same(&json(new), &json(new)));
    }
    assert!(!same(&"1".into(), &"1.0".into()));
}

/// Only the event of an acceptance contains the user's id.
#[test]
fn a_listed_invitation_yields_to_an_event_of_the_same_version() {
    let invitation = |user: Option<&str>, role: Option<&str>| {
        Entity::Invitations.table().row([("user_id", user.into()), ("role", role.into())])
    };
    let read_at = T + 50;
    for (known_order, user, new_user, event_at, expected_user) in [
        (order(Rank::Whole, T, T + 5), Some("user_1"), None, T + 6, Some("user_1")),
        (order(Rank::Whole, T, T + 5), Some("user_1"), Some("user_2"), T + 6, Some("user_2")),
        (order(Rank::Whole, T, T + 5), None, None, T + 6, None),
        // The event is not before the list.
        (order(Rank::Whole, T, read_at), Some("user_1"), None, 0, None),
        (order(Rank::Whole, T, read_at + 1), Some("user_1"), None, 0, None),
        // The row contains another version.
        (order(Rank::Whole, T - 1, T + 5), Some("user_1"), None, 0, None),
        (order(Rank::Copy, T, T + 5), Some("user_1"), None, 0, None),
    ] {
        let known =
            row(Entity::Invitations, known_order.clone(), invitation(user, Some("org:old")), Vec::new());
        let mut new = listed(
            Entity::Invitations,
            order(Rank::Whole, T, read_at),
            invitation(new_user, None),
            Vec::new(),
        );
        yield_to_events(&mut new, &known);
        let expected = listed(
            Entity::Invitations,
            order(Rank::Whole, T, event_at),
            invitation(expected_user, None),
            Vec::new(),
        );
        assert_eq!(new, expected, "{known_order:?}");
    }
    // Without a row, and for other objects.
    let mut new =
        listed(Entity::Invitations, order(Rank::Whole, T, read_at), invitation(None, None), Vec::new());
    yield_to_events(&mut new, &HashMap::new());
    assert!(matches!(new.observed, Observed::Version { order, .. } if order.event_at == 0));
    let user = listed(Entity::Users, order(Rank::Whole, T, read_at), Vec::new(), Vec::new());
    let mut unchanged = user.clone();
    yield_to_events(&mut unchanged, &HashMap::new());
    assert_eq!(unchanged, user);
}
