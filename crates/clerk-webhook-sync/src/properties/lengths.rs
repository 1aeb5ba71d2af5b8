//! Texts of any length can be written and read.

use clerk_webhook_tests::random::Random;

use super::tables::dump;
use super::{DISORDERED, memory, postgres, runtime};
use crate::apply::engine::SyncDatabase;
use crate::observe::{Observation, Observed, Order, Rank};
use crate::schema::table::Column;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// Returns 3,000 random characters. Compression cannot make them fit into an index entry.
fn long(random: &mut Random) -> String {
    let character = |_| char::from_u32(0x21 + u32::try_from(random.below(0x2000)).unwrap()).unwrap();
    (0..3_000).map(character).collect()
}

fn row(columns: &[Column], random: &mut Random) -> Vec<Value> {
    let value = |column: &Column| match column.kind {
        Kind::Text => column.fit(Value::text(&long(random))),
        Kind::Integer => 1.into(),
        Kind::Boolean => true.into(),
        Kind::Json => Value::Json(Some(format!("\"{}\"", "x".repeat(3_000)))),
    };
    columns.iter().map(value).collect()
}

/// Inserts, updates and deletes a row in each table. Every text in the row is long.
async fn all_tables<DB: SyncDatabase>(pool: sqlx::Pool<DB>) {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let sync = ClerkSync::new(pool.clone()).prefix(DISORDERED).unwrap();
    sync.migrate().await.unwrap();
    let mut connection = pool.begin().await.unwrap();
    for &entity in Entity::ALL {
        let table = entity.table();
        let id = long(&mut random);
        let mut write = async |observed| {
            let observations = vec![Observation { entity, id: id.clone(), observed }];
            let applied = sync.write(&mut connection, observations, false, crate::Origin::Event).await;
            assert!(applied.unwrap().is_change(), "{} with SEED={seed}", table.name);
            dump::<DB>(DISORDERED, &mut connection).await
        };
        for updated_at in 1..3 {
            let columns = row(table.columns, &mut random);
            let children =
                table.children.iter().map(|child| (long(&mut random), row(child.columns, &mut random)));
            let children: Vec<_> = children.map(|row| vec![row]).collect();
            let order = Order { rank: Rank::Whole, updated_at, event_at: 1, tie: String::new() };
            let texts = columns.iter().chain(children.iter().flatten().flat_map(|(_, row)| row)).cloned();
            let texts: Vec<_> = texts.filter(|value| value.kind() == Kind::Text).collect();
            let lines = write(Observed::Version { order, columns, children: Some(children) }).await;
            for text in texts {
                let Value::Text(Some(text)) = text else { unreachable!() };
                let is_written = lines.iter().any(|line| line.contains(&text));
                // The second version does not change the kept ids.
                let is_kept = !table.kept.is_empty() && text.starts_with("sha256:");
                assert!(is_written || is_kept, "{}: {text} with SEED={seed}", table.name);
            }
        }
        let kept = table.kept_columns().map(|column| column.kind.null()).collect();
        write(Observed::Deleted { at: 1, kept }).await;
    }
}

#[test]
fn every_text_can_be_long() {
    runtime().block_on(async { all_tables(memory().await).await });
}

#[test]
fn every_text_can_be_long_in_postgres() {
    runtime().block_on(async {
        if let Some(pool) = postgres("lengths").await {
            all_tables(pool).await;
        }
    });
}
