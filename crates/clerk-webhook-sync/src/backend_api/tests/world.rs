//! A small model of Clerk's lists.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::server::{Reaction, Server, ok, refusal};

/// What the server does with `starting_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursors {
    /// It knows the parameter, and answers with this status if the user does not exist.
    Known(u16),
    /// It ignores the parameter.
    Ignored,
    /// It rejects the parameter.
    Rejected,
}

/// The objects of a resource, and how the server lists them.
#[derive(Clone, Debug)]
pub(super) struct World {
    /// The ids and creation times, from the oldest to the newest.
    pub(super) objects: Vec<(String, i64)>,
    /// The maximum number of rows in a page.
    pub(super) page: usize,
    pub(super) cursors: Cursors,
}

impl World {
    /// Creates a world with objects `0`, `1`, … that were created one after another.
    pub(super) fn new(count: usize, page: usize) -> Self {
        let objects = (0..count).map(|index| (index.to_string(), 1_000 + index as i64)).collect();
        Self { objects, page, cursors: Cursors::Known(404) }
    }

    pub(super) fn delete(&mut self, id: &str) {
        self.objects.retain(|(other, _)| other != id);
    }

    pub(super) fn create(&mut self, id: &str, created_at: i64) {
        self.objects.push((id.to_owned(), created_at));
    }

    /// Creates a server. The function changes the world before the request with this number, from 0, is
    /// answered.
    pub(super) fn serve(
        self,
        change: impl Fn(usize, &str, &mut World) + Send + Sync + 'static,
    ) -> (Server, Arc<Mutex<World>>) {
        let world = Arc::new(Mutex::new(self));
        let served = Arc::clone(&world);
        let server = Server::new(move |number, target| {
            let mut world = served.lock().unwrap();
            change(number, target, &mut world);
            world.answer(target)
        });
        (server, world)
    }

    pub(super) fn answer(&self, target: &str) -> Reaction {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        if path == "/users/count" {
            return ok(format!(r#"{{"object":"total_count","total_count":{}}}"#, self.objects.len()));
        }
        let number = |name: &str| query.get(name).map(|value| value.parse::<i64>().unwrap());
        let mut begin = number("offset").unwrap_or(0) as usize;
        match (query.get("starting_after"), self.cursors) {
            (None, _) | (_, Cursors::Ignored) => {}
            (Some(_), Cursors::Rejected) => return refusal(422, "form_param_unknown"),
            (Some(cursor), Cursors::Known(status)) => {
                match self.objects.iter().position(|(id, _)| id == cursor) {
                    Some(index) => begin = index + 1,
                    None => return refusal(status, "resource_not_found"),
                }
            }
        }
        let limit = self.page.min(number("limit").unwrap_or(10) as usize);
        let since = number("created_at_after").unwrap_or(0);
        let rows = self.objects.iter().filter(|(_, created_at)| *created_at > since).skip(begin).take(limit);
        let rows: Vec<_> =
            rows.map(|(id, created_at)| format!(r#"{{"id":"{id}","created_at":{created_at}}}"#)).collect();
        let (rows, total) = (rows.join(","), self.objects.len());
        match path {
            "/users" => ok(format!("[{rows}]")),
            _ => ok(format!(r#"{{"data":[{rows}],"total_count":{total}}}"#)),
        }
    }
}
