//! The client against the fake Backend API of the test kit, which was written without it.

use std::collections::BTreeSet;
use std::time::Duration;

use clerk_webhook_test::{Delay, FakeBackendApi, Faults, History, ObjectKind, Scenario};
use http::Request;
use serde_json::Value;

use super::super::client::BackendApi;
use super::super::look::{Absent, Look};
use super::super::resource::Resource;
use super::super::transport::TransportError;
use super::pages::ids;

fn kind(resource: Resource) -> ObjectKind {
    match resource {
        Resource::Users => ObjectKind::User,
        Resource::Organizations => ObjectKind::Organization,
        Resource::Memberships => ObjectKind::OrganizationMembership,
        Resource::Invitations => ObjectKind::OrganizationInvitation,
        Resource::Domains => ObjectKind::OrganizationDomain,
        Resource::Roles => ObjectKind::Role,
        Resource::Permissions => ObjectKind::Permission,
        Resource::WaitlistEntries => ObjectKind::WaitlistEntry,
    }
}

fn history() -> History {
    History::builder().scenario(Scenario::All).seed(7).events(1_500).build()
}

/// Creates a client. Before each request, a number of events occurs.
fn client(fake: &FakeBackendApi, events: usize) -> BackendApi {
    let fake = fake.clone();
    let transport = move |request: Request<()>| {
        for _ in 0..events {
            fake.advance();
        }
        let response = fake.answer(&request);
        async move {
            if let Some(Delay(delay)) = response.extensions().get() {
                tokio::time::sleep(*delay).await;
            }
            Ok::<_, TransportError>(response)
        }
    };
    BackendApi::new(FakeBackendApi::SECRET_KEY, transport).unwrap()
}

#[tokio::test(start_paused = true)]
async fn lists_and_looks_at_every_object_of_the_fake_api() {
    let fake = FakeBackendApi::new(&history());
    let api = client(&fake, 0);
    assert_eq!(api.instance().await.unwrap().id, fake.instance_id());
    for resource in Resource::ALL {
        let objects = fake.objects(kind(*resource));
        let mut listing = api.list(*resource, None);
        let seen: BTreeSet<_> = ids(&mut listing).await.into_iter().collect();
        assert_eq!(seen, objects.keys().cloned().collect(), "{resource}");
        assert_eq!(listing.missing(), 0);
        assert!(!objects.is_empty(), "{resource}");
        for (id, json) in objects.iter().take(40) {
            let named = |name: &str, nested: [&str; 2]| {
                json.get(name).or_else(|| json.get(nested[0])?.get(nested[1])).and_then(Value::as_str)
            };
            let organization_id = named("organization_id", ["organization", "id"]);
            let user_id = named("user_id", ["public_user_data", "user_id"]);
            let row = Absent { id, organization_id, user_id };
            match api.look(*resource, row).await.unwrap() {
                Look::Exists { object, .. } => {
                    let read: Value = serde_json::from_str(object.json.get()).unwrap();
                    assert_eq!(
                        (read.get("id"), read.get("updated_at")),
                        (json.get("id"), json.get("updated_at"))
                    );
                }
                look => panic!("{resource} {row:?}: {look:?}"),
            }
            let gone = format!("{id}x");
            let look = api.look(*resource, Absent { id: &gone, ..row }).await.unwrap();
            assert!(
                matches!(look, Look::Gone { at } if (at - fake.now().as_millis()).abs() < 1_000),
                "{look:?}"
            );
        }
        if matches!(resource, Resource::Users | Resource::Organizations) {
            let mut asked: Vec<_> = objects.keys().map(String::as_str).collect();
            asked.push("nobody");
            assert_eq!(api.existing(*resource, &asked).await.unwrap().objects.len(), objects.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lists_what_existed_all_the_time_despite_faults_and_changes() {
    for seed in 0..3 {
        let events = history().events().to_vec();
        let begin = 400 + 200 * seed;
        for resource in Resource::ALL {
            let fake = FakeBackendApi::from_events(events.clone());
            fake.advance_to(begin);
            let fake = fake.with_faults(Faults::new(seed as u64));
            let before = fake.objects(kind(*resource));
            let mut listing = client(&fake, 7).list(*resource, None);
            let seen: BTreeSet<_> = ids(&mut listing).await.into_iter().collect();
            let after = fake.objects(kind(*resource));
            for id in before.keys().filter(|id| after.contains_key(*id)) {
                assert!(seen.contains(id), "{resource}, seed {seed}: {id}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_feature_that_is_off_is_an_error_and_a_rate_limit_is_none() {
    for resource in [Resource::Organizations, Resource::Memberships, Resource::WaitlistEntries] {
        let fake = FakeBackendApi::new(&history()).without(kind(resource));
        let error = client(&fake, 0).list(resource, None).next().await.unwrap_err();
        assert!(error.is_feature_off(), "{resource}: {error}");
    }
    // A development instance allows 100 requests in 10 s, of which the client uses a half.
    let fake = FakeBackendApi::new(&history()).with_rate_limit(100, Duration::from_secs(10));
    let api = client(&fake, 0);
    for _ in 0..100 {
        let wait = tokio::time::Instant::now();
        api.instance().await.unwrap();
        fake.pass(wait.elapsed());
    }
}
