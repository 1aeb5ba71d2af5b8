//! Which objects of a list a request selects.

use serde_json::Value;

use super::error::ApiError;
use super::query::{Query, Values};
use super::world::{Object, World};
use crate::history::ObjectKind;

/// A condition on an object.
#[derive(Debug)]
pub(super) struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    /// The object's id is one of these.
    Id(Values),
    /// The user is a member of one of these organizations.
    MemberOf(Values),
    /// One of these users is a member of the organization.
    HasMember(Values),
    /// A condition on the user of a membership.
    User(Box<Condition>),
    Data(DataCondition),
}

/// A condition on an object's JSON.
#[derive(Debug)]
enum DataCondition {
    /// One of the texts in the field is one of these.
    Text(Field, Values),
    /// One of the texts in the fields contains this text, ignoring case, or the id is equal to it.
    Contains(&'static [Field], String),
    /// A number is greater than the first bound and less than the second one.
    Between(&'static str, Option<i64>, Option<i64>),
    Flag(&'static str, bool),
    /// The domain is verified or not.
    Verified(bool),
}

/// Where the texts are: a field, or a field of each element of a list.
type Field = (&'static str, Option<&'static str>);

const ID: Field = ("id", None);
const EMAIL: Field = ("email_addresses", Some("email_address"));
const PHONE: Field = ("phone_numbers", Some("phone_number"));
const WALLET: Field = ("web3_wallets", Some("web3_wallet"));
const USERNAME: Field = ("username", None);
const NAMES: &[Field] = &[("first_name", None), ("last_name", None)];
const ANYTHING: &[Field] = &[ID, EMAIL, PHONE, WALLET, USERNAME, ("first_name", None), ("last_name", None)];

impl Filter {
    pub(super) fn new(kind: ObjectKind, query: &Query) -> Result<Self, ApiError> {
        let mut conditions = Vec::new();
        match kind {
            ObjectKind::User => {
                conditions.extend(query.values("user_id")?.map(Condition::Id));
                conditions.extend(query.values("organization_id")?.map(Condition::MemberOf));
                conditions.extend(of_users(query)?);
                conditions.extend(text(query, "external_id")?);
                conditions.extend(
                    query.flag("banned")?.map(|flag| Condition::Data(DataCondition::Flag("banned", flag))),
                );
                let account = ("external_accounts", Some("provider_user_id"));
                conditions.extend(query.values("provider_user_id")?.map(text_in(account)));
            }
            ObjectKind::Organization => {
                conditions.extend(query.values("organization_id")?.map(Condition::Id));
                conditions.extend(query.values("user_id")?.map(Condition::HasMember));
                conditions.extend(contains(query, "query", &[("name", None), ("slug", None)]));
            }
            ObjectKind::OrganizationMembership => {
                let user = |condition| Condition::User(Box::new(condition));
                conditions.extend(query.values("user_id")?.map(Condition::Id).map(user));
                conditions.extend(of_users(query)?.into_iter().map(user));
                conditions.extend(text(query, "role")?);
            }
            ObjectKind::OrganizationInvitation => {
                conditions.extend(one_of(query, "status", &["pending", "accepted", "revoked", "expired"])?);
                conditions.extend(contains(query, "query", &[("email_address", None)]));
                conditions.extend(text(query, "email_address")?);
            }
            ObjectKind::OrganizationDomain => {
                conditions.extend(text(query, "organization_id")?);
                conditions.extend(text(query, "enrollment_mode")?);
                conditions.extend(query.flag("verified")?.map(DataCondition::Verified).map(Condition::Data));
                conditions.extend(query.values("domains")?.map(text_in(("name", None))));
                conditions.extend(contains(query, "query", &[("name", None), ("organization_id", None)]));
            }
            ObjectKind::Role | ObjectKind::Permission => {
                conditions.extend(contains(query, "query", &[("name", None), ("key", None)]));
            }
            ObjectKind::WaitlistEntry => {
                conditions.extend(one_of(query, "status", &["pending", "invited", "completed", "rejected"])?);
                conditions.extend(contains(query, "query", &[("email_address", None)]));
            }
            _ => {}
        }
        Ok(Self { conditions })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Returns the only ids that can be selected, if the filter limits the ids.
    pub(super) fn ids(&self) -> Option<impl Iterator<Item = &str>> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Id(ids) if !ids.included.is_empty() => Some(ids.included.iter().map(String::as_str)),
            _ => None,
        })
    }

    pub(super) fn selects(&self, world: &World, object: &Object) -> bool {
        let mut data = None;
        self.conditions.iter().all(|condition| condition.selects(world, object, &mut data))
    }
}

impl Condition {
    /// `data` keeps the object's parsed JSON for the next condition.
    fn selects(&self, world: &World, object: &Object, data: &mut Option<Value>) -> bool {
        let memberships = || world.owned_by(&object.id, ObjectKind::OrganizationMembership).into_iter();
        match self {
            Self::Id(ids) => ids.select([object.id.as_str()]),
            Self::MemberOf(ids) => {
                ids.select(memberships().filter_map(|membership| membership.organization_id.as_deref()))
            }
            Self::HasMember(ids) => {
                ids.select(memberships().filter_map(|membership| membership.user_id.as_deref()))
            }
            Self::User(condition) => {
                let user = object.user_id.as_deref().and_then(|id| world.get(ObjectKind::User, id));
                user.is_some_and(|user| condition.selects(world, user, &mut None))
            }
            Self::Data(condition) => condition.selects(&*data.get_or_insert_with(|| object.parsed())),
        }
    }
}

impl DataCondition {
    fn selects(&self, data: &Value) -> bool {
        match self {
            Self::Text(field, values) => values.select(texts(data, *field)),
            Self::Contains(fields, part) => {
                let part = part.to_lowercase();
                let contains =
                    |field: &Field| texts(data, *field).any(|text| text.to_lowercase().contains(&part));
                data["id"].as_str().is_some_and(|id| id.to_lowercase() == part) || fields.iter().any(contains)
            }
            Self::Between(field, after, before) => data[*field].as_i64().is_some_and(|number| {
                after.is_none_or(|after| number > after) && before.is_none_or(|before| number < before)
            }),
            Self::Flag(field, value) => data[*field].as_bool() == Some(*value),
            Self::Verified(value) => (data["verification"]["status"] == "verified") == *value,
        }
    }
}

/// Returns the condition that one of the texts in a field is one of the values.
fn text_in(field: Field) -> impl Fn(Values) -> Condition {
    move |values| Condition::Data(DataCondition::Text(field, values))
}

/// Returns the conditions on users, which the lists of users and of members share.
fn of_users(query: &Query) -> Result<Vec<Condition>, ApiError> {
    let mut conditions = Vec::new();
    for (name, field) in
        [("email_address", EMAIL), ("phone_number", PHONE), ("username", USERNAME), ("web3_wallet", WALLET)]
    {
        conditions.extend(query.values(name)?.map(text_in(field)));
    }
    conditions.extend(contains(query, "query", ANYTHING));
    conditions.extend(contains(query, "email_address_query", &[EMAIL]));
    conditions.extend(contains(query, "phone_number_query", &[PHONE]));
    conditions.extend(contains(query, "username_query", &[USERNAME]));
    conditions.extend(contains(query, "name_query", NAMES));
    for (field, after, before) in [
        ("created_at", "created_at_after", "created_at_before"),
        ("last_active_at", "last_active_at_after", "last_active_at_before"),
        ("last_sign_in_at", "last_sign_in_at_after", "last_sign_in_at_before"),
    ] {
        let (after, before) = (query.number(after)?, query.number(before)?);
        if after.is_some() || before.is_some() {
            conditions.push(Condition::Data(DataCondition::Between(field, after, before)));
        }
    }
    Ok(conditions)
}

fn contains(query: &Query, parameter: &str, fields: &'static [Field]) -> Option<Condition> {
    let part = query.get(parameter).filter(|part| !part.is_empty())?;
    Some(Condition::Data(DataCondition::Contains(fields, part.to_owned())))
}

/// Returns the condition of a parameter with the name of its field.
fn text(query: &Query, name: &'static str) -> Result<Option<Condition>, ApiError> {
    Ok(query.values(name)?.map(text_in((name, None))))
}

fn one_of(query: &Query, name: &'static str, known: &[&str]) -> Result<Option<Condition>, ApiError> {
    match query.get(name) {
        Some(value) if !known.contains(&value) => {
            Err(ApiError::invalid(name, format!("{name} must be one of {}", known.join(", "))))
        }
        _ => text(query, name),
    }
}

fn texts(data: &Value, (field, inner): Field) -> impl Iterator<Item = &str> {
    let list = data[field].as_array().into_iter().flatten();
    let inner = list.filter_map(move |element| element[inner?].as_str());
    data[field].as_str().into_iter().chain(inner)
}
