//! Pages of lists.

use serde_json::{Value, json};

use super::error::ApiError;
use super::filters::Filter;
use super::json::Shape;
use super::query::{Order, Query};
use super::world::{Object, Place, World};
use crate::history::ObjectKind;

/// A list of the API: the kind of its objects, the object that they belong to, and the form of the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct List<'r> {
    pub(super) kind: ObjectKind,
    /// The user or organization to which the objects belong. Without it, the list contains all objects.
    pub(super) owner: Option<(ObjectKind, &'r str)>,
    pub(super) public_organization: bool,
}

/// A value by which a list is sorted. Missing values come first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Missing,
    Number(i64),
    Text(String),
}

impl List<'_> {
    pub(super) fn all(kind: ObjectKind) -> Self {
        let public_organization = kind == ObjectKind::OrganizationInvitation;
        Self { kind, owner: None, public_organization }
    }

    /// Returns a page if the owner exists: an array of users, or an object with the total count for every other kind.
    pub(super) fn page(self, world: &World, query: &Query) -> Result<Value, ApiError> {
        if let Some((kind, id)) = self.owner
            && world.get(kind, id).is_none()
        {
            return Err(ApiError::not_found(id));
        }
        let page = query.page()?;
        let order = query.order(self.order_fields())?;
        let filter = Filter::new(self.kind, query)?;
        let shape = Shape { public_organization: self.public_organization, ..Shape::of(query)? };
        let cursor = self.cursor(world, query, order)?;
        let (total, objects) = if filter.is_empty() && self.owner.is_none() && order.field == "created_at" {
            self.slice(world, order.descending, cursor, page.offset, page.limit)
        } else {
            let objects = self.sorted(world, &filter, order);
            let after = |object: &&Object| match (cursor, world.place(self.kind, &object.id)) {
                (Some(cursor), Some(place)) if order.descending => place < cursor,
                (Some(cursor), Some(place)) => place > cursor,
                _ => true,
            };
            let total = objects.len();
            (total, objects.into_iter().filter(after).skip(page.offset).take(page.limit).collect())
        };
        let data = objects.into_iter().map(|object| world.json(self.kind, object, shape));
        Ok(match self.kind {
            ObjectKind::User => data.collect(),
            _ => json!({ "data": data.collect::<Value>(), "total_count": total }),
        })
    }

    /// Returns how many objects the filters select.
    pub(super) fn count(self, world: &World, query: &Query) -> Result<usize, ApiError> {
        let filter = Filter::new(self.kind, query)?;
        Ok(match filter.is_empty() {
            true => world.count(self.kind),
            false => self.selected(world, &filter).len(),
        })
    }

    fn order_fields(self) -> &'static [&'static str] {
        match self.kind {
            ObjectKind::User => &[
                "created_at",
                "updated_at",
                "email_address",
                "web3wallet",
                "first_name",
                "last_name",
                "phone_number",
                "username",
                "last_active_at",
                "last_sign_in_at",
            ],
            ObjectKind::Organization => &["name", "created_at", "members_count"],
            ObjectKind::OrganizationMembership => {
                &["created_at", "phone_number", "email_address", "first_name", "last_name", "username"]
            }
            ObjectKind::OrganizationInvitation => &["created_at", "email_address"],
            ObjectKind::OrganizationDomain => &["name", "created_at"],
            ObjectKind::WaitlistEntry => &["created_at", "email_address", "invited_at"],
            _ => &["created_at", "name", "key"],
        }
    }

    /// Returns the place of the user in `starting_after`.
    fn cursor(self, world: &World, query: &Query, order: Order) -> Result<Option<Place>, ApiError> {
        const NAME: &str = "starting_after";
        let Some(id) = query.get(NAME).filter(|_| self.kind == ObjectKind::User) else { return Ok(None) };
        if order.field != "created_at" {
            return Err(ApiError::invalid(NAME, "starting_after requires ordering by created_at"));
        }
        if query.number("offset")?.is_some_and(|offset| offset != 0) {
            return Err(ApiError::invalid(NAME, "starting_after cannot be combined with offset"));
        }
        let place = world.place(self.kind, id);
        place.map(Some).ok_or_else(|| ApiError::invalid(NAME, "starting_after is not the id of a user"))
    }

    /// Returns a page of all objects without visiting the objects after the page.
    fn slice(
        self,
        world: &World,
        descending: bool,
        cursor: Option<Place>,
        offset: usize,
        limit: usize,
    ) -> (usize, Vec<&Object>) {
        let total = world.count(self.kind);
        let objects = match (descending, cursor) {
            (true, Some(cursor)) => take(world.before(self.kind, cursor).rev(), offset, limit),
            (true, None) => take(world.all(self.kind).rev(), offset, limit),
            (false, Some(cursor)) => take(world.after(self.kind, cursor), offset, limit),
            (false, None) => take(world.all(self.kind), offset, limit),
        };
        (total, objects)
    }

    /// Returns the selected objects from the oldest to the newest.
    fn selected<'w>(self, world: &'w World, filter: &Filter) -> Vec<&'w Object> {
        let mut objects: Vec<&Object> = match (self.owner, filter.ids()) {
            (Some((_, owner)), _) => world.owned_by(owner, self.kind),
            (None, Some(ids)) => {
                let mut places: Vec<_> = ids.filter_map(|id| world.place(self.kind, id)).collect();
                places.sort_unstable();
                places.into_iter().filter_map(|place| world.at(self.kind, place)).collect()
            }
            (None, None) => world.all(self.kind).collect(),
        };
        objects.retain(|object| filter.selects(world, object));
        objects
    }

    fn sorted<'w>(self, world: &'w World, filter: &Filter, order: Order) -> Vec<&'w Object> {
        let mut objects = self.selected(world, filter);
        if order.field != "created_at" {
            objects.sort_by_cached_key(|object| self.key(world, object, order.field));
        }
        if order.descending {
            objects.reverse();
        }
        objects
    }

    fn key(self, world: &World, object: &Object, field: &str) -> Key {
        let user = object.user_id.as_deref().and_then(|id| world.get(ObjectKind::User, id));
        let data = match (self.kind, user) {
            (ObjectKind::OrganizationMembership, Some(user)) => user.parsed(),
            (kind, _) => world.json(kind, object, Shape::COMPLETE),
        };
        let value = match field {
            "email_address" if data["email_addresses"].is_array() => {
                &data["email_addresses"][0]["email_address"]
            }
            "phone_number" => &data["phone_numbers"][0]["phone_number"],
            "web3wallet" => &data["web3_wallets"][0]["web3_wallet"],
            "invited_at" => &data["invitation"]["created_at"],
            field => &data[field],
        };
        match value {
            Value::Number(number) => Key::Number(number.as_i64().unwrap_or_default()),
            Value::String(text) => Key::Text(text.to_lowercase()),
            _ => Key::Missing,
        }
    }
}

fn take<'w>(objects: impl Iterator<Item = &'w Object>, offset: usize, limit: usize) -> Vec<&'w Object> {
    objects.skip(offset).take(limit).collect()
}
