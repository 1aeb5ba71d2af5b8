//! Listings, while random objects are created and deleted between any two requests.

use std::collections::HashSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::resource::Resource;
use super::pages::ids;
use super::world::{Cursors, World};

/// What happens between two requests.
#[derive(Clone, Debug)]
enum Change {
    /// Creates objects, in the same millisecond as the newest one or later.
    Create { count: usize, in_same_millisecond: bool },
    /// Deletes the objects at these positions, as parts of the list.
    Delete(Vec<f64>),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1..3_usize, any::<bool>())
            .prop_map(|(count, in_same_millisecond)| Change::Create { count, in_same_millisecond }),
        vec(0.0..1.0, 1..6).prop_map(Change::Delete),
    ]
}

fn cursors() -> impl Strategy<Value = Cursors> {
    prop_oneof![
        Just(Cursors::Known(404)),
        Just(Cursors::Known(422)),
        Just(Cursors::Ignored),
        Just(Cursors::Rejected)
    ]
}

fn apply(change: &Change, number: usize, world: &mut World) {
    match change {
        Change::Create { count, in_same_millisecond } => {
            let newest = world.objects.last().map_or(1_000, |(_, created_at)| *created_at);
            let created_at = newest + i64::from(!in_same_millisecond);
            (0..*count).for_each(|index| world.create(&format!("new_{number}_{index}"), created_at));
        }
        Change::Delete(parts) => {
            for part in parts {
                let index = (*part * world.objects.len() as f64) as usize;
                if index < world.objects.len() {
                    world.objects.remove(index);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_listing_contains_every_object_that_existed_all_the_time_and_none_twice(
        resource in prop_oneof![Just(Resource::Users), Just(Resource::Memberships)],
        cursors in cursors(),
        count in 0..24_usize,
        ties in any::<u32>(),
        page in 2..6_usize,
        changes in vec(proptest::option::of(change()), 0..24),
    ) {
        let mut world = World::new(count, page);
        world.cursors = cursors;
        // Some objects were created in the same millisecond as the previous one.
        let mut created_at = 1_000;
        for (index, object) in world.objects.iter_mut().enumerate() {
            created_at += i64::from(ties >> (index % 32) & 1);
            object.1 = created_at;
        }
        let before: HashSet<_> = world.objects.iter().map(|(id, _)| id.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (seen, world, missing) = runtime.block_on(async {
            let (server, world) = world.serve(move |number, _, world| {
                if let Some(Some(change)) = changes.get(number) {
                    apply(change, number, world);
                }
            });
            let mut listing = server.api.list(resource, None);
            let seen = ids(&mut listing).await;
            (seen, world, listing.missing())
        });
        let world = world.lock().unwrap();
        let all: HashSet<_> = seen.iter().cloned().collect();
        prop_assert_eq!(all.len(), seen.len(), "an object twice: {:?}", seen);
        for (id, _) in &world.objects {
            prop_assert!(all.contains(id) || !before.contains(id), "{} is missing in {:?}", id, seen);
        }
        prop_assert_eq!(missing, 0);
    }
}
