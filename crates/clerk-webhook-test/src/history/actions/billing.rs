//! Actions on subscriptions, their items and payment attempts.

use serde_json::json;

use crate::history::event::Change;
use crate::history::kind::ObjectKind;
use crate::history::subscription::{FREE, Item, PAID, Plan, Subscription};
use crate::history::world::World;

impl World {
    /// A person gets the free plan.
    pub(super) fn subscribe(&mut self) {
        self.new_subscription();
    }

    fn new_subscription(&mut self) -> u32 {
        let person = self.anybody();
        let now = self.log.moment();
        let item = self.new_item(FREE, now);
        let key = self.subscriptions.insert(Subscription {
            person,
            id: self.log.id("csub"),
            payer_id: self.log.id("cpayer"),
            status: "active",
            item,
            latest_payment_id: None,
            created_at: now,
            updated_at: now,
            past_due_at: None,
        });
        self.record_subscription(key, "subscription.created");
        self.record_item(key, "subscriptionItem.created", None);
        self.change_item(key, "subscriptionItem.active", "active");
        key
    }

    /// A person pays for a plan. The old item ends and a new one begins.
    pub(super) fn upgrade(&mut self) {
        let key = self.any_subscription();
        self.pay(key, "checkout", true);
        self.change_item(key, "subscriptionItem.ended", "ended");
        let plan = self.log.random.pick(&PAID);
        let now = self.log.soon();
        self.subscriptions[key].item = self.new_item(plan, now);
        self.record_item(key, "subscriptionItem.active", None);
        self.change_subscription(key, "subscription.updated", "active");
        self.change_subscription(key, "subscription.active", "active");
    }

    /// A person starts a free trial, which then ends.
    pub(super) fn try_out(&mut self) {
        let key = self.any_subscription();
        self.change_item(key, "subscriptionItem.ended", "ended");
        let now = self.log.moment();
        let item = self.new_item(PAID[0], now);
        self.subscriptions[key].item = Item { is_free_trial: true, ..item };
        self.record_item(key, "subscriptionItem.active", None);
        self.change_item(key, "subscriptionItem.freeTrialEnding", "active");
    }

    /// A person begins a checkout and abandons it.
    pub(super) fn abandon_checkout(&mut self) {
        let key = self.any_subscription();
        let now = self.log.moment();
        let item = self.new_item(PAID[1], now);
        let item = Item { status: "incomplete", ..item };
        self.record_item(key, "subscriptionItem.incomplete", Some(&item));
        let now = self.log.next_version(item.updated_at);
        let item = Item { status: "abandoned", updated_at: now, ..item };
        self.record_item(key, "subscriptionItem.abandoned", Some(&item));
    }

    pub(super) fn fail_payment(&mut self) {
        let key = self.any_subscription();
        self.pay(key, "recurring", false);
        self.change_item(key, "subscriptionItem.pastDue", "past_due");
        self.subscriptions[key].past_due_at = Some(self.subscriptions[key].item.updated_at);
        self.change_subscription(key, "subscription.pastDue", "past_due");
    }

    /// A person cancels a plan. It remains active until the end of its period, and the free plan follows it.
    pub(super) fn cancel(&mut self) {
        let key = self.any_subscription();
        self.change_item(key, "subscriptionItem.canceled", "canceled");
        let now = self.log.soon();
        let item = self.new_item(FREE, now);
        let item = Item { status: "upcoming", ..item };
        self.record_item(key, "subscriptionItem.upcoming", Some(&item));
    }

    pub(super) fn discount(&mut self) {
        let key = self.any_subscription();
        let status = self.subscriptions[key].item.status;
        self.change_item(key, "subscriptionItem.updated", status);
    }

    /// Returns a random subscription of an existing person, or creates one.
    fn any_subscription(&mut self) -> u32 {
        let people = &self.people;
        let paying = |subscription: &Subscription| people.get(subscription.person).is_some();
        let key = self.subscriptions.any_with(&mut self.log.random, paying);
        key.unwrap_or_else(|| self.new_subscription())
    }

    fn new_item(&mut self, plan: Plan, now: i64) -> Item {
        let id = self.log.id("csub_item");
        Item { id, plan, status: "active", is_free_trial: false, created_at: now, updated_at: now }
    }

    fn change_item(&mut self, key: u32, event_type: &'static str, status: &'static str) {
        let item = &mut self.subscriptions[key].item;
        item.updated_at = self.log.next_version(item.updated_at);
        item.status = status;
        self.record_item(key, event_type, None);
    }

    fn change_subscription(&mut self, key: u32, event_type: &'static str, status: &'static str) {
        let subscription = &mut self.subscriptions[key];
        subscription.updated_at = self.log.next_version(subscription.updated_at);
        subscription.status = status;
        self.record_subscription(key, event_type);
    }

    fn pay(&mut self, key: u32, charge_type: &'static str, paid: bool) {
        let created_at = self.log.moment();
        let attempt = self.log.id("pa");
        let payment = self.log.id("cpa");
        let invoice = self.log.id("inv");
        let subscription = &mut self.subscriptions[key];
        subscription.latest_payment_id = Some(payment.clone());
        let subscription = &self.subscriptions[key];
        let payer = subscription.payer(&self.people[subscription.person]);
        let cents = subscription.item.plan.3.max(PAID[0].3);
        let amount = json!({
            "amount": cents,
            "amount_formatted": format!("{}.{:02}", cents / 100, cents % 100),
            "currency": "EUR",
            "currency_symbol": "€",
        });
        let data = |status: &str, updated_at: i64| {
            json!({
                "billing_date": created_at,
                "charge_type": charge_type,
                "created_at": created_at,
                "failed_at": (status == "failed").then_some(updated_at),
                "failed_reason": (status == "failed").then(
                    || json!({ "code": "card_declined", "decline_code": "insufficient_funds" }),
                ),
                "gateway_external_id": "pi_Own0Example0Intent0042",
                "id": attempt,
                "instance_id": "ins_2fAArUK24oCKCd5jY4gJfpP89tC",
                "invoice_id": invoice,
                "object": "commerce_payment_attempt",
                "paid_at": (status == "paid").then_some(updated_at),
                "payee": {
                    "gateway_external_id": "acct_Own0Example042",
                    "gateway_status": "active",
                    "gateway_type": "stripe",
                    "id": "cpayee_2gDuTdvIEeP9uySdim1vnT3sziZ",
                },
                "payer": payer,
                "payment_id": payment,
                "payment_source": null,
                "statement_id": null,
                "status": status,
                "subscription_items": [subscription.item.data(&subscription.id, &payer)],
                "totals": {
                    "grand_total": amount,
                    "subtotal": amount,
                    "tax_total": {
                        "amount": 0,
                        "amount_formatted": "0.00",
                        "currency": "EUR",
                        "currency_symbol": "€",
                    },
                },
                "updated_at": updated_at,
            })
        };
        let change = || Change::written(ObjectKind::PaymentAttempt, &attempt);
        self.log.record("paymentAttempt.created", &data("pending", created_at), change());
        let decided_at = self.log.next_version(created_at);
        let status = if paid { "paid" } else { "failed" };
        self.log.record("paymentAttempt.updated", &data(status, decided_at), change());
    }

    fn record_subscription(&mut self, key: u32, event_type: &'static str) {
        let subscription = &self.subscriptions[key];
        let payer = subscription.payer(&self.people[subscription.person]);
        let change = Change::written(ObjectKind::Subscription, &subscription.id);
        self.log.record(event_type, &subscription.data(&payer), change);
    }

    /// Records an event about the current item of a subscription, or about another item.
    fn record_item(&mut self, key: u32, event_type: &'static str, other: Option<&Item>) {
        let subscription = &self.subscriptions[key];
        let item = other.unwrap_or(&subscription.item);
        let payer = subscription.payer(&self.people[subscription.person]);
        let change = Change::written(ObjectKind::SubscriptionItem, &item.id);
        self.log.record(event_type, &item.data(&subscription.id, &payer), change);
    }
}
