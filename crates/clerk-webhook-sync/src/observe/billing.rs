//! Subscriptions and their items.

use clerk_webhook_core::event::payload::{BillingInterval, BillingPayer, Subscription, SubscriptionItem};

use super::{Observation, Observer, status};
use crate::apply::applied::IgnoredReason;
use crate::observe::canonical::{Leave, canonical_of_valid};
use crate::schema::tables::Entity;
use crate::value::{Value, digest};

/// An item's owner. Items inside a subscription do not contain it.
struct Owner<'a> {
    subscription_id: Option<&'a str>,
    payer_id: Option<&'a str>,
    payer: Option<&'a BillingPayer>,
}

impl<'a> Owner<'a> {
    fn of(subscription: &'a Subscription) -> Self {
        let payer = subscription.payer.as_ref();
        let payer_id = subscription.payer_id.as_deref().or(payer.and_then(|payer| payer.id.as_deref()));
        Self { subscription_id: Some(&subscription.id), payer_id, payer }
    }
}

impl Observer<'_> {
    /// Observes a subscription. The items come first, sorted by id, so that all transactions lock rows in the
    /// same order.
    pub(super) fn subscription(&self, subscription: &Subscription) -> Vec<Observation> {
        let data = digest(&canonical_of_valid(self.event.raw_data(), Leave::In, &[]));
        let copy = |item| self.item_copy(item, subscription, data.clone());
        let mut observations: Vec<_> = subscription.items.iter().filter_map(copy).collect();
        observations.sort_by(|one, other| one.id.cmp(&other.id));
        let owner = Owner::of(subscription);
        let columns = [
            ("created_at", subscription.created_at.into()),
            ("payer_id", owner.payer_id.into()),
            ("user_id", owner.payer.and_then(|payer| payer.user_id.as_deref()).into()),
            ("organization_id", owner.payer.and_then(|payer| payer.organization_id.as_deref()).into()),
            ("status", status(subscription.status.as_str())),
            ("active_at", subscription.active_at.into()),
            ("past_due_at", subscription.past_due_at.into()),
            ("canceled_at", subscription.canceled_at.into()),
            ("ended_at", subscription.ended_at.into()),
        ];
        let updated_at = subscription.updated_at;
        observations.push(self.whole(Entity::Subscriptions, &subscription.id, updated_at, columns));
        observations
    }

    /// Observes an item's copy in a subscription.
    ///
    /// The copy has its own times. It still has a lower rank than an event about the item, which contains
    /// more data and must not be overwritten. The copy is used if the endpoint does not subscribe to
    /// `subscriptionItem.*`. Its tie is the digest of the complete data, because the item's owner is outside
    /// of the item.
    fn item_copy(
        &self,
        item: &SubscriptionItem,
        subscription: &Subscription,
        tie: String,
    ) -> Option<Observation> {
        let event_at = self.event_at(subscription.updated_at);
        // Items sent before November 2025 have no time. The time of the event is correct for them, because
        // they had these values when it occurred.
        let updated_at = item.updated_at.map_or(event_at, |at| self.changed_at(at));
        let columns = item_columns(item, &Owner::of(subscription));
        let times = (updated_at, event_at);
        Some(self.copy(Entity::SubscriptionItems, item.id.as_deref()?, times, tie, columns))
    }

    pub(super) fn subscription_item(
        &self,
        item: &SubscriptionItem,
    ) -> Result<Vec<Observation>, IgnoredReason> {
        let id = item.id.as_deref().ok_or(IgnoredReason::WithoutId)?;
        let payer = item.payer.as_ref();
        let owner = Owner {
            subscription_id: item.subscription_id.as_deref(),
            payer_id: payer.and_then(|payer| payer.id.as_deref()),
            payer,
        };
        let columns = item_columns(item, &owner);
        Ok(vec![self.whole(Entity::SubscriptionItems, id, item.updated_at, columns)])
    }
}

fn item_columns(item: &SubscriptionItem, owner: &Owner<'_>) -> [(&'static str, Value); 16] {
    let plan = item.plan.as_ref();
    let interval = item.interval.as_ref().or(item.plan_period.as_ref());
    let price = item.amount.as_ref().map(|price| (price.amount, price.currency.as_deref()));
    let price = price.filter(|(amount, _)| amount.is_some());
    let (amount, currency) =
        price.or(plan.map(|plan| (plan.amount, plan.currency.as_deref()))).unwrap_or_default();
    [
        ("created_at", item.created_at.into()),
        ("subscription_id", owner.subscription_id.into()),
        ("payer_id", owner.payer_id.into()),
        ("user_id", owner.payer.and_then(|payer| payer.user_id.as_deref()).into()),
        ("organization_id", owner.payer.and_then(|payer| payer.organization_id.as_deref()).into()),
        ("plan_id", item.plan_id.as_deref().or(plan.and_then(|plan| plan.id.as_deref())).into()),
        ("plan_slug", plan.and_then(|plan| plan.slug.as_deref()).into()),
        ("plan_name", plan.and_then(|plan| plan.name.as_deref()).into()),
        ("status", status(item.status.as_str())),
        ("is_free_trial", item.is_free_trial.into()),
        ("period_start", item.period_start.into()),
        ("period_end", item.period_end.into()),
        ("billing_interval", interval.map(BillingInterval::as_str).into()),
        ("amount", amount.into()),
        ("currency", currency.into()),
        ("seats", item.seats.as_ref().and_then(|seats| seats.quantity).into()),
    ]
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::{Event, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::observe::observe;
    use crate::settings::Settings;

    /// Without this order, two transactions for subscriptions with the same items could deadlock.
    #[test]
    fn items_are_written_in_the_order_of_their_ids_and_the_subscription_last() {
        let item = |id: &str| json!({ "id": id, "period_start": 1, "status": "active", "updated_at": 2 });
        let body = json!({
            "data": {
                "created_at": 1, "id": "csub_0", "items": [item("csub_item_2"), item("csub_item_3"), item("csub_item_1")],
                "payer_id": "cpayer_1", "status": "active", "updated_at": 2,
            },
            "timestamp": 3, "type": "subscription.updated",
        });
        let event =
            Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.to_string().into()).unwrap();
        let settings = Settings { billing: true, ..Settings::default() };
        let observations = observe(&event, &settings).unwrap().unwrap();
        let rows: Vec<_> = observations.iter().map(|one| (one.entity, one.id.as_str())).collect();
        let items = ["csub_item_1", "csub_item_2", "csub_item_3"].map(|id| (Entity::SubscriptionItems, id));
        assert_eq!(rows, [&items[..], &[(Entity::Subscriptions, "csub_0")]].concat());
    }
}
