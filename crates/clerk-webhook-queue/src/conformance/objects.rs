use std::time::Instant;

use clerk_webhook_store::LeaseState;

use super::client::{LONG, SHORT, held, leased, lost};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::job_queue::TakeOptions;

impl<H: Harness> Suite<'_, H> {
    /// If the options ask for it, a job is skipped while another job about the same object is running, and
    /// an expired lease is not renewed during that time.
    ///
    /// A membership is identified by its organization and its user. Data without an id has no object.
    pub async fn one_object_at_a_time(&self) {
        let membership = |id: &str, user: &str| {
            format!(
                r#"{{"id":"{id}","organization":{{"id":"org_1"}},"public_user_data":{{"user_id":"{user}"}}}}"#
            )
        };
        let (user, other) = (r#"{"id":"user_1"}"#.to_owned(), r#"{"id":"user_2"}"#.to_owned());
        let member = "organizationMembership.updated";
        let rows = [
            ("user.updated", &user, "user.deleted", &user, "user.updated", &other),
            (
                member,
                &membership("m_1", "u_1"),
                member,
                &membership("m_2", "u_1"),
                member,
                &membership("m_1", "u_2"),
            ),
        ];
        for (first_type, first_data, second_type, second_data, other_type, other_data) in rows {
            let (one, two) = self.two_clients().await;
            let options = TakeOptions { one_object_at_a_time: true, ..leased(LONG) };
            let running = self.event_with(first_type, first_data, "");
            let blocked = self.event_with(second_type, second_data, "");
            let free = self.event_with(other_type, other_data, "");
            for event in [&running, &blocked, &free] {
                one.add(event).await;
            }
            let job = one.job(&options, "a new job").await;
            let (job, next) = if job.event.message_id() == free.message_id() {
                (one.job(&options, "a job about another object").await, job)
            } else {
                (job, two.job(&options, "a job about another object").await)
            };
            let text = "two jobs about the same object run at the same time";
            Rule::OneObject.check(next.event.message_id() == free.message_id(), text);
            two.nothing(&options, Rule::OneObject, "a job about an object whose other job is running").await;

            let both = two.job(&leased(LONG), "a job, without the limit for an object,").await;
            held(two.give_back(&both.lease).await, "an owner gave back");
            two.nothing(&options, Rule::OneObject, "a job that was given back").await;

            // The end of the running job makes the other one ready.
            held(one.retry(&job.lease, LONG, "a failure").await, "an owner retried");
            let job = two.job(&options, "a job about an object whose other job waits for its retry").await;
            held(two.complete(&job.lease).await, "an owner completed");
        }
        self.a_crashed_worker_blocks_its_object_until_its_lease_expires().await;
        self.a_late_renewal_waits_for_the_other_job_about_its_object().await;
        self.events_without_an_object_run_together().await;
    }

    async fn a_crashed_worker_blocks_its_object_until_its_lease_expires(&self) {
        let (one, two) = self.two_clients().await;
        let options = |lease| TakeOptions { one_object_at_a_time: true, ..leased(lease) };
        for _ in 0..2 {
            one.add(&self.event_with("user.updated", r#"{"id":"user_1"}"#, "")).await;
        }
        let asked = Instant::now();
        drop(one.job(&options(SHORT), "a new job").await);
        let what = "a job about an object whose worker crashed";
        let job = two.job_after(asked, SHORT, &options(LONG), Rule::OneObject, what).await;
        two.nothing(&options(LONG), Rule::OneObject, what).await;
        held(two.complete(&job.lease).await, "an owner completed");
        let job = two.job(&options(LONG), what).await;
        held(two.complete(&job.lease).await, "an owner completed");
    }

    async fn a_late_renewal_waits_for_the_other_job_about_its_object(&self) {
        let (one, two) = self.two_clients().await;
        for _ in 0..2 {
            one.add(&self.event_with("user.updated", r#"{"id":"user_1"}"#, "")).await;
        }
        let job = one.job(&leased(LONG), "a new job").await;
        let late = two.job(&leased(SHORT), "a job, without the limit for an object,").await;
        held(one.give_back(&job.lease).await, "an owner gave back");
        tokio::time::sleep(SHORT * 2).await;
        let options = TakeOptions { one_object_at_a_time: true, ..leased(LONG) };
        let job = one.job(&options, "a job about an object whose worker crashed").await;
        if job.event.message_id() == late.event.message_id() {
            // The queue prefers the job of the crashed worker, so no other job can overtake it.
            return;
        }
        let text = "an expired lease was renewed while another job about the object was running";
        lost(Rule::OneObject, two.renew(&late.lease, LONG).await, text);
        held(one.complete(&job.lease).await, "an owner completed");
        let text = "an owner lost its expired lease, but no other client took the job";
        let renewed = two.renew(&late.lease, LONG).await;
        Rule::OwnerUntilOvertaken.check(renewed == LeaseState::Held, text);
        held(two.complete(&late.lease).await, "an owner completed");
    }

    async fn events_without_an_object_run_together(&self) {
        let (one, two) = self.two_clients().await;
        let options = TakeOptions { one_object_at_a_time: true, ..leased(LONG) };
        let user = |number: u32| format!(r#"{{"id":"user_{number}"}}"#);
        let events =
            [&user(1), "{}", "{}", &user(2), "{}"].map(|data| self.event_with("user.updated", data, ""));
        for event in &events {
            one.add(event).await;
        }
        for client in [&one, &two].into_iter().cycle().take(events.len()) {
            let what = "a job without an object, or about another object than the running jobs,";
            drop(client.job(&options, what).await);
        }
    }
}
