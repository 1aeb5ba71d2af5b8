//! Subscriptions and their items.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Step, World, pick};

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    id: String,
    /// A user or an organization.
    payer: String,
    status: &'static str,
    /// Those that have not ended.
    items: Vec<Item>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Clone, Debug)]
struct Item {
    id: String,
    status: &'static str,
    /// Whether it has had no event of its own yet.
    quiet: bool,
    created_at: i64,
    updated_at: i64,
}

/// A status, and the ends of the types of events that tell it.
const STATUS: [(&str, &str, &str); 4] = [
    ("active", "updated", "active"),
    ("canceled", "updated", "canceled"),
    ("past_due", "pastDue", "pastDue"),
    ("upcoming", "updated", "upcoming"),
];

impl World {
    pub(super) fn subscribe(&mut self, step: &Step) {
        let payer = match step.detail % 3 {
            0 => self.any_organization(step.who),
            _ => self.any_user(step.who),
        };
        let Some(payer) = payer else { return };
        let subscription = Subscription {
            id: self.id("csub"),
            payer,
            status: "active",
            items: vec![self.new_item(step)],
            created_at: self.now,
            updated_at: self.now,
        };
        self.subscriptions.push(subscription);
        let index = self.subscriptions.len() - 1;
        self.tell_item(index, 0, "active");
        self.tell_subscription(index, "created");
    }

    /// The item ends, and another one begins: of that the subscription tells as well.
    pub(super) fn change_plan(&mut self, step: &Step) {
        let Some(index) = pick(&self.subscriptions, step.whom) else { return };
        let new = self.new_item(step);
        let subscription = &mut self.subscriptions[index];
        subscription.updated_at = self.now;
        if let Some(ended) = pick(&subscription.items, step.who) {
            subscription.items[ended].status = "ended";
            subscription.items[ended].updated_at = self.now;
            self.tell_item(index, ended, "ended");
            self.subscriptions[index].items.remove(ended);
        }
        self.subscriptions[index].items.push(new);
        let last = self.subscriptions[index].items.len() - 1;
        if !step.detail.is_multiple_of(3) {
            // What it is in place of has ended already, but nothing of this one was told.
            self.tell_item(index, last, "active");
        }
        self.tell_subscription(index, "updated");
    }

    pub(super) fn change_item(&mut self, step: &Step) {
        let Some(index) = pick(&self.subscriptions, step.whom) else { return };
        let subscription = &mut self.subscriptions[index];
        let Some(changed) = pick(&subscription.items, step.who) else { return };
        let (status, of_subscription, of_item) = STATUS[usize::from(step.detail) % 4];
        let item = &mut subscription.items[changed];
        (item.status, item.updated_at) = (status, self.now);
        // Sometimes it speaks for itself from now on.
        item.quiet &= step.detail % 8 < 4;
        let is_told = item.quiet || step.detail % 16 < 8;
        self.tell_item(index, changed, of_item);
        if is_told {
            let subscription = &mut self.subscriptions[index];
            subscription.status = if status == "past_due" { "past_due" } else { "active" };
            subscription.updated_at = self.now;
            self.tell_subscription(index, of_subscription);
        }
    }

    fn new_item(&mut self, step: &Step) -> Item {
        let id = self.id("csub_item");
        Item {
            id,
            status: "active",
            quiet: step.detail.is_multiple_of(2),
            created_at: self.now,
            updated_at: self.now,
        }
    }

    fn tell_item(&mut self, subscription: usize, item: usize, event: &str) {
        let subscription = &self.subscriptions[subscription];
        let item = &subscription.items[item];
        if !item.quiet {
            let mut data = item.data();
            data["payer"] = subscription.payer();
            data["subscription_id"] = subscription.id.as_str().into();
            self.send(&format!("subscriptionItem.{event}"), &data);
        }
    }

    fn tell_subscription(&mut self, index: usize, event: &str) {
        let data = self.subscriptions[index].data();
        self.send(&format!("subscription.{event}"), &data);
    }

    /// A subscription ends with its payer, without an event of its own.
    pub(super) fn true_billing(&self, lines: &mut BTreeSet<String>) {
        for Subscription { id, payer, status, items, .. } in &self.subscriptions {
            if !self.is_there(payer) {
                continue;
            }
            let of_user = payer.starts_with("user");
            let (user, organization) = if of_user { (payer.as_str(), "-") } else { ("-", payer.as_str()) };
            lines.insert(format!("subscription {id} {user} {organization} {status}"));
            for item in items.iter().filter(|item| item.status != "upcoming") {
                let Item { id: item, status, .. } = item;
                lines.insert(format!("item {item} {id} {user} {organization} plan-{item} {status}"));
            }
        }
    }
}

impl Subscription {
    fn data(&self) -> Value {
        json!({
            "created_at": self.created_at, "id": self.id, "items": self.items.iter().map(Item::data).collect::<Vec<_>>(),
            "payer": self.payer(), "payer_id": "cpayer_1", "status": self.status, "updated_at": self.updated_at,
        })
    }

    fn payer(&self) -> Value {
        let mut payer = json!({ "email": "payer@example.com", "id": "cpayer_1", "image_url": "" });
        payer[if self.payer.starts_with("user") { "user_id" } else { "organization_id" }] =
            self.payer.as_str().into();
        payer
    }
}

impl Item {
    /// As its subscription shows it.
    fn data(&self) -> Value {
        let Self { id, status, created_at, updated_at, .. } = self;
        let name = format!("plan-{id}");
        json!({
            "created_at": created_at, "id": id, "period_start": created_at, "status": status, "updated_at": updated_at,
            "plan": { "amount": 1450, "currency": "EUR", "id": "cplan_1", "is_recurring": true, "name": name, "slug": name },
        })
    }
}
