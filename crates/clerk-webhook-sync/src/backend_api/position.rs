//! The position in a listing by offset.

/// The number of rows, besides the rows of two complete passes, that a listing reads without finding a new one.
const SPARE: u64 = 1_000;

/// What a request without a row counts for.
const REQUEST: u64 = 16;

/// The position in a listing by offset, anchored at a row that the pass has seen.
///
/// The rows are in the order of their creation, so new rows are at the end. If a row before the position is
/// deleted, the following rows move forward. A page therefore begins with the last row of the previous page.
/// If no row of a page was seen, rows in between can be missing, and the next request goes back, twice as far
/// each time. From a seen row on, the page contains all rows, and all rows before it were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of rows before the position.
    offset: u64,
    /// How far before the position the next request begins.
    back: u64,
    /// The highest position at which a new row was found.
    furthest: u64,
    /// How much was read since the last new row.
    idle: u64,
}

/// What a page means for the listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The rows do not follow the seen ones. Discard them, and ask again.
    GoBack,
    /// The rows continue the listing.
    Continue,
    /// The rows are the last ones of the listing.
    End,
    /// The server repeats rows.
    Repeats,
}

/// A page as the position sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) rows: u64,
    /// Whether the pass has seen a row of the page before.
    pub(super) has_seen: bool,
    /// Whether the pass has not seen a row of the page before.
    pub(super) has_new: bool,
    pub(super) total: Option<u64>,
}

impl Position {
    pub(super) fn new(offset: u64) -> Self {
        Self { offset, back: 1, furthest: offset, idle: 0 }
    }

    /// Returns the offset of the next request.
    pub(super) fn offset(&self) -> u64 {
        self.offset.saturating_sub(self.back)
    }

    pub(super) fn advance(&mut self, page: Content) -> Step {
        let begin = self.offset();
        if !page.has_seen && begin > 0 {
            self.back = self.back.saturating_mul(2);
            return self.idle_step(REQUEST, Step::GoBack);
        }
        let is_last = page.rows <= 1 && !page.has_new || page.rows == 0;
        self.offset = begin.saturating_add(page.rows);
        self.back = 1;
        if is_last {
            return Step::End;
        }
        if !page.has_new {
            return self.idle_step(page.rows.max(REQUEST), Step::Continue);
        }
        self.furthest = self.furthest.max(self.offset);
        self.idle = 0;
        if page.total.is_some_and(|total| self.offset >= total) { Step::End } else { Step::Continue }
    }

    /// Counts a request that found no new row. A list that shrinks can cause many of them, but they cannot
    /// read more rows than the list had.
    fn idle_step(&mut self, rows: u64, step: Step) -> Step {
        self.idle = self.idle.saturating_add(rows);
        if self.idle > self.furthest.saturating_mul(2).saturating_add(SPARE) { Step::Repeats } else { step }
    }
}
