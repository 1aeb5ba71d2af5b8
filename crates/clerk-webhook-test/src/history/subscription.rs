//! Subscriptions and their items.

use serde_json::{Value, json};

use super::person::{IMAGE, Person};

const MONTH: i64 = 30 * 24 * 3_600_000;

/// A plan: the suffix of its id, its name, its slug and its price in cents.
pub(super) type Plan = (&'static str, &'static str, &'static str, i64);

pub(super) const FREE: Plan = ("gDbKdKWlzdcQDw4ktEOabfdNbv", "Free", "free_user", 0);
pub(super) const PAID: [Plan; 2] = [
    ("fAICNp2LxDVsZkacFsJSDMmS7G", "Atelier", "atelier", 1450),
    ("fBKdM1q3cVnW8ZtYxEr5uHsJpQa", "Manufaktur", "manufaktur", 4900),
];

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) person: u32,
    pub(super) id: String,
    pub(super) payer_id: String,
    pub(super) status: &'static str,
    pub(super) item: Item,
    pub(super) latest_payment_id: Option<String>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) past_due_at: Option<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) plan: Plan,
    pub(super) status: &'static str,
    pub(super) is_free_trial: bool,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

impl Item {
    pub(super) fn data(&self, subscription: &str, payer: &Value) -> Value {
        json!({
            "created_at": self.created_at,
            "id": self.id,
            "interval": "month",
            "is_free_trial": self.is_free_trial,
            "object": "commerce_subscription_item",
            "payer": payer,
            "period_end": (self.plan != FREE).then_some(self.created_at + MONTH),
            "period_start": self.created_at,
            "plan": self.plan_data(),
            "plan_id": self.plan_id(),
            "status": self.status,
            "subscription_id": subscription,
            "updated_at": self.updated_at,
        })
    }

    pub(super) fn plan_id(&self) -> String {
        format!("cplan_2{}", self.plan.0)
    }

    pub(super) fn plan_data(&self) -> Value {
        json!({
            "amount": self.plan.3,
            "currency": "EUR",
            "id": self.plan_id(),
            "is_recurring": self.plan != FREE,
            "name": self.plan.1,
            "slug": self.plan.2,
        })
    }
}

impl Subscription {
    pub(super) fn payer(&self, person: &Person) -> Value {
        json!({
            "created_at": self.created_at,
            "email": person.primary_email().map_or("", |email| &email.email_address),
            "first_name": person.first_name.unwrap_or(""),
            "id": self.payer_id,
            "image_url": IMAGE,
            "last_name": person.last_name.unwrap_or(""),
            "object": "commerce_payer",
            "organization_id": "",
            "organization_name": "",
            "updated_at": self.created_at,
            "user_id": person.id,
        })
    }

    pub(super) fn data(&self, payer: &Value) -> Value {
        json!({
            "active_at": self.created_at,
            "canceled_at": null,
            "created_at": self.created_at,
            "ended_at": null,
            "id": self.id,
            "items": [self.item.data(&self.id, payer)],
            "latest_payment_id": self.latest_payment_id,
            "object": "commerce_subscription",
            "past_due_at": self.past_due_at,
            "payer": payer,
            "payer_id": self.payer_id,
            "payment_source_id": null,
            "status": self.status,
            "updated_at": self.updated_at,
        })
    }
}
