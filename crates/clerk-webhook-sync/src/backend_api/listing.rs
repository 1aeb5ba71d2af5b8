//! Reads all objects of a resource, page by page, while objects are created and deleted.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::answer::{self, Object, Page, ReadAt, Rows};
use super::client::BackendApi;
use super::endpoint::Request;
use super::error::BackendApiError;
use super::position::{Content, Position, Step};
use super::resource::Resource;
use super::seen::Seen;

/// How often a list is read if it contains fewer objects than Clerk counts.
const MAX_PASSES: u8 = 3;

/// How often a list is read by offset if it contains more objects than Clerk counts: some were deleted, which
/// can hide others.
const MAX_PASSES_AFTER_DELETIONS: u8 = 2;

/// A page by offset begins with a seen row, so it needs at least one more.
const MIN_LIMIT: u32 = 2;

/// The last user of a page, from which another process can continue the listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) id: String,
    pub(crate) created_at: i64,
}

/// A listing in progress.
///
/// Dropping the future of [`next`](Self::next) loses nothing: the next call repeats the request.
#[derive(Debug)]
pub(crate) struct Listing {
    api: BackendApi,
    resource: Resource,
    /// The request without its position.
    request: Request,
    limit: u32,
    way: Way,
    cursor: Option<Cursor>,
    is_resumed: bool,
    seen: Seen,
    pass: u8,
    /// How many ids the pass has seen.
    ids_in_pass: u64,
    /// How many rows of the pass had no id.
    without_id: u64,
    /// How many objects Clerk counts.
    total: Option<u64>,
    /// The bounds of the first and of the last answer.
    first: Option<ReadAt>,
    last: Option<ReadAt>,
    progress: Progress,
    /// Whether the end was read again since the last new object.
    is_end_checked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Reading,
    /// The pass is complete.
    AtEnd,
    Ended,
}

/// How the next page is requested.
#[derive(Clone, Debug)]
enum Way {
    /// After the last user of the previous page.
    After { cursor: Option<Cursor>, was_rejected: bool },
    /// From the creation of the last user, because the server rejected the cursor.
    Since(Cursor),
    /// By offset.
    Offset(Position),
}

impl BackendApi {
    /// Lists all objects of a resource, from the oldest to the newest.
    ///
    /// A resumed listing of users begins after its cursor. It does not see the users before the cursor, and
    /// does not compare the number of users with Clerk's.
    pub(crate) fn list(&self, resource: Resource, resume: Option<Cursor>) -> Listing {
        let way = match resource {
            Resource::Users => Way::After { cursor: resume.clone(), was_rejected: false },
            _ => Way::Offset(Position::new(0)),
        };
        let cursor = resume.filter(|_| resource == Resource::Users);
        let is_resumed = cursor.is_some();
        Listing { cursor, is_resumed, ..Listing::new(self.clone(), resource, Request::list(resource), way) }
    }

    /// Lists the objects that a request with a filter returns.
    pub(super) fn list_matching(&self, resource: Resource, request: Request) -> Listing {
        Listing::new(self.clone(), resource, request, Way::Offset(Position::new(0)))
    }
}

impl Listing {
    fn new(api: BackendApi, resource: Resource, request: Request, way: Way) -> Self {
        Self {
            limit: api.limit,
            api,
            resource,
            request,
            way,
            cursor: None,
            is_resumed: false,
            seen: Seen::default(),
            pass: 1,
            ids_in_pass: 0,
            without_id: 0,
            total: None,
            first: None,
            last: None,
            progress: Progress::Reading,
            is_end_checked: false,
        }
    }

    /// Returns the next page with objects that no earlier page contained, or `None` when the listing has
    /// ended completely.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, BackendApiError> {
        loop {
            match self.progress {
                Progress::Ended => return Ok(None),
                Progress::AtEnd => {
                    self.finish_pass().await?;
                    continue;
                }
                Progress::Reading => {}
            }
            if self.total.is_none() {
                self.count_users().await?;
            }
            let Some((rows, read_at)) = self.request_rows().await? else { continue };
            self.first.get_or_insert(read_at);
            self.last = Some(read_at);
            self.total = rows.total.or(self.total);
            let objects = self.accept(rows)?;
            if !objects.is_empty() {
                self.is_end_checked = false;
                return Ok(Some(Page { objects, total: self.total, read_at: read_at.earliest }));
            }
        }
    }

    /// Returns what is listed.
    pub(crate) fn resource(&self) -> Resource {
        self.resource
    }

    /// Returns the last user of the last page.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.cursor.clone()
    }

    /// Returns whether a page contained an object with this id.
    pub(crate) fn has_seen(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    /// Returns when the first page was read, at the earliest: milliseconds on Clerk's clock, or 0 before the
    /// first page.
    pub(crate) fn started_at(&self) -> i64 {
        self.first.map_or(0, |read_at| read_at.earliest)
    }

    /// Returns how many objects the pages lacked, according to Clerk's count, when the listing has ended.
    pub(crate) fn missing(&self) -> u64 {
        let counted = self.seen.len() + self.without_id;
        self.total.filter(|_| !self.is_resumed).map_or(0, |total| total.saturating_sub(counted))
    }

    /// Returns how many objects have no id.
    pub(crate) fn without_id(&self) -> u64 {
        self.without_id
    }

    /// Returns whether the pages contained exactly as many objects as Clerk counts.
    pub(super) fn is_complete(&self) -> bool {
        self.total == Some(self.seen.len())
    }

    /// Returns when the last page was read, at the latest: milliseconds on Clerk's clock.
    pub(super) fn ended_at(&self) -> Option<i64> {
        self.last.map(|read_at| read_at.latest)
    }

    /// Asks for the number of users, because their pages do not contain it.
    async fn count_users(&mut self) -> Result<(), BackendApiError> {
        if self.resource == Resource::Users {
            let (total, _) = self.api.get(&Request::users_count(), answer::count).await?;
            self.total = Some(total);
        }
        Ok(())
    }

    /// Returns the rows at the position. Returns `None` if the position or the limit has to change first.
    async fn request_rows(&mut self) -> Result<Option<(Rows, ReadAt)>, BackendApiError> {
        let request = self.request.clone().with("limit", self.limit).with("order_by", "created_at");
        let request = match &self.way {
            Way::After { cursor: None, .. } => request,
            Way::After { cursor: Some(cursor), .. } => request.with("starting_after", &cursor.id),
            Way::Since(cursor) => {
                request.with("created_at_after", cursor.created_at.saturating_sub(1).max(0))
            }
            Way::Offset(position) => request.with("offset", position.offset()),
        };
        let resource = self.resource;
        match self.api.get(&request, |body| answer::rows(body, resource)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_too_large() && self.limit > MIN_LIMIT => {
                self.limit = (self.limit / 2).max(MIN_LIMIT);
                Ok(None)
            }
            Err(error) => match &self.way {
                Way::After { cursor: Some(cursor), was_rejected } if is_about_request(&error) => {
                    self.way = match was_rejected {
                        false => Way::Since(cursor.clone()),
                        true => Way::Offset(Position::new(self.ids_in_pass)),
                    };
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Moves the position after these rows. Returns the objects that no page contained before.
    fn accept(&mut self, rows: Rows) -> Result<Vec<Object>, BackendApiError> {
        let is_seen = |object: &Object| self.seen.is_in_pass(&object.id, self.pass);
        let has_seen = rows.objects.iter().any(is_seen);
        let has_new = !rows.objects.iter().all(is_seen);
        let last = rows.objects.last();
        let last = last.map(|last| Cursor { id: last.id.clone(), created_at: last.created_at });
        match (&mut self.way, last.clone()) {
            (Way::Offset(position), _) => {
                let content = Content { rows: rows.len(), has_seen, has_new, total: rows.total };
                match position.advance(content) {
                    Step::GoBack => return Ok(Vec::new()),
                    Step::Continue => {}
                    Step::End => self.progress = Progress::AtEnd,
                    Step::Repeats => return Err(BackendApiError::repeating(self.request.endpoint)),
                }
            }
            (_, None) => self.progress = Progress::AtEnd,
            // The server does not know the parameter.
            (Way::After { cursor: Some(_), .. }, _) if !has_new => {
                self.way = Way::Offset(Position::new(self.ids_in_pass));
            }
            (Way::After { .. }, cursor) => self.way = Way::After { cursor, was_rejected: false },
            (Way::Since(_), cursor) => self.way = Way::After { cursor, was_rejected: true },
        }
        if self.resource == Resource::Users && last.is_some() {
            self.cursor = last;
        }
        self.without_id += rows.without_id;
        let mut objects = rows.objects;
        objects.retain(|object| {
            let earlier = self.seen.insert(&object.id, self.pass);
            self.ids_in_pass += u64::from(earlier != Some(self.pass));
            earlier.is_none()
        });
        Ok(objects)
    }

    /// Compares the number of seen objects with Clerk's, and begins another pass if they differ.
    async fn finish_pass(&mut self) -> Result<(), BackendApiError> {
        self.count_users().await?;
        let counted = self.seen.len() + self.without_id;
        let difference = match self.total {
            Some(total) if !self.is_resumed => counted.cmp(&total),
            _ => Ordering::Equal,
        };
        let is_by_offset = matches!(self.way, Way::Offset(_));
        match difference {
            // An object was created after the last page.
            Ordering::Less if !self.is_end_checked => {
                self.is_end_checked = true;
                self.progress = Progress::Reading;
            }
            Ordering::Less if self.pass < MAX_PASSES => self.begin_pass(),
            Ordering::Greater if is_by_offset && self.pass < MAX_PASSES_AFTER_DELETIONS => self.begin_pass(),
            _ => self.progress = Progress::Ended,
        }
        Ok(())
    }

    fn begin_pass(&mut self) {
        self.way = match self.way {
            Way::Offset(_) => Way::Offset(Position::new(0)),
            _ => Way::After { cursor: None, was_rejected: false },
        };
        self.pass += 1;
        self.ids_in_pass = 0;
        self.without_id = 0;
        self.is_end_checked = false;
        self.progress = Progress::Reading;
    }
}

/// Returns whether the server rejects the parameters of a request, and not the key or the rate.
fn is_about_request(error: &BackendApiError) -> bool {
    matches!(error.status(), Some(400 | 404 | 409 | 410 | 422))
}
