//! The rate limit of an instance.

/// Counts requests in windows of a fixed length. A window begins with its first request.
#[derive(Debug)]
pub(super) struct RateLimit {
    requests: u32,
    /// The length of a window in milliseconds.
    length: i64,
    began: i64,
    counted: u32,
}

impl RateLimit {
    pub(super) fn new(requests: u32, length: i64) -> Self {
        Self { requests, length: length.max(1), began: i64::MIN / 2, counted: 0 }
    }

    /// Counts a request, or returns the seconds after which a request is allowed.
    pub(super) fn count(&mut self, now: i64) -> Result<(), u64> {
        if now - self.began >= self.length {
            self.began = now;
            self.counted = 0;
        }
        if self.counted < self.requests {
            self.counted += 1;
            return Ok(());
        }
        let left = self.began + self.length - now;
        Err(u64::try_from(left).unwrap_or(0).div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_requests_again_when_the_window_ends() {
        let mut limit = RateLimit::new(2, 10_000);
        let counted: Vec<_> =
            [100, 200, 300, 10_099, 10_100, 10_101, 10_102].into_iter().map(|now| limit.count(now)).collect();
        assert_eq!(counted, [Ok(()), Ok(()), Err(10), Err(1), Ok(()), Ok(()), Err(10)]);
    }
}
