//! Collects the frames of a body.

use std::mem;

use bytes::{Buf, Bytes};

/// The size of a segment in bytes.
const SEGMENT: usize = 65_536;

/// The minimum allocation in bytes when a second frame arrives.
const FIRST_ALLOCATION: usize = 4_096;

/// The received part of a body.
///
/// A single frame is stored without a copy. Further frames are copied into segments, not into one growing
/// buffer, because an allocator that has to move a buffer to grow it holds both copies at the same time. Only
/// [`into_bytes`](Self::into_bytes) joins the segments, after verification. Therefore an unverified body uses
/// at most one segment more memory than the bytes that have arrived.
#[derive(Default)]
pub(crate) struct Body {
    length: usize,
    content: Content,
}

enum Content {
    Frame(Bytes),
    Segments(Segments),
}

#[derive(Default)]
struct Segments {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Adds a frame that is not empty, and calls `see` with its bytes.
    pub(crate) fn push(&mut self, mut frame: impl Buf, mut see: impl FnMut(&[u8])) {
        let is_first = self.length == 0;
        self.length += frame.remaining();
        if is_first {
            // This does not copy the frame if its type is `Bytes`.
            let frame = frame.copy_to_bytes(frame.remaining());
            see(&frame);
            self.content = Content::Frame(frame);
            return;
        }
        let mut segments = mem::take(&mut self.content).into_segments();
        while frame.has_remaining() {
            let chunk = frame.chunk();
            see(chunk);
            segments.extend(chunk);
            frame.advance(chunk.len());
        }
        self.content = Content::Segments(segments);
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self.content {
            Content::Frame(frame) => frame,
            Content::Segments(segments) => segments.join(self.length).into(),
        }
    }
}

impl Content {
    fn into_segments(self) -> Segments {
        match self {
            Self::Segments(segments) => segments,
            Self::Frame(frame) => {
                let mut segments = Segments::default();
                segments.extend(&frame);
                segments
            }
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Frame(Bytes::new())
    }
}

impl Segments {
    fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.last.len() == SEGMENT {
                // A body that has filled a segment probably needs most of the next one.
                let next = Vec::with_capacity(SEGMENT);
                self.full.push(mem::replace(&mut self.last, next));
            }
            let (fitting, rest) = bytes.split_at(bytes.len().min(SEGMENT - self.last.len()));
            self.reserve(fitting.len());
            self.last.extend_from_slice(fitting);
            bytes = rest;
        }
    }

    /// Reserves twice the needed capacity, up to the size of a segment.
    fn reserve(&mut self, additional: usize) {
        let needed = self.last.len() + additional;
        if needed > self.last.capacity() {
            let capacity = (2 * needed).clamp(FIRST_ALLOCATION, SEGMENT);
            self.last.reserve_exact(capacity - self.last.len());
        }
    }

    fn join(self, length: usize) -> Vec<u8> {
        if self.full.is_empty() {
            return self.last;
        }
        let mut whole = Vec::with_capacity(length);
        // Each segment is freed immediately after it is copied.
        for segment in self.full.into_iter().chain([self.last]) {
            whole.extend_from_slice(&segment);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocates_at_most_a_segment_more_than_the_received_bytes() {
        for size in [1, 1000, 4096, 65_535, 65_536, 65_537, 200_000] {
            let frame: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let (mut body, mut expected, mut seen) = (Body::default(), Vec::new(), Vec::new());
            while expected.len() < 3 * SEGMENT.max(size) {
                body.push(&*frame, |chunk| seen.extend_from_slice(chunk));
                expected.extend_from_slice(&frame);
                assert_eq!(body.len(), expected.len());
                if let Content::Segments(segments) = &body.content {
                    let full: usize = segments.full.iter().map(Vec::capacity).sum();
                    let allocated = full + segments.last.capacity();
                    assert!(allocated <= expected.len() + SEGMENT, "{allocated} for {}", expected.len());
                }
            }
            assert_eq!(seen, expected);
            assert_eq!(body.into_bytes(), expected, "frames of {size}");
        }
    }

    #[test]
    fn small_frames_do_not_allocate_a_segment() {
        // The second frame allocates twice the needed capacity, but at least 4 KiB.
        for (size, expected) in [(5, 4096), (2048, 4096), (5000, 10_000)] {
            let frame = vec![7; size];
            let mut body = Body::default();
            (0..2).for_each(|_| body.push(&*frame, |_| ()));
            let Content::Segments(segments) = body.content else {
                panic!("the second frame must start a segment")
            };
            assert_eq!((segments.full.len(), segments.last.capacity()), (0, expected), "frames of {size}");
        }
    }

    #[test]
    fn does_not_copy_a_single_frame() {
        let frame = Bytes::from(vec![7; 100]);
        let mut body = Body::default();
        body.push(frame.clone(), |_| ());
        assert_eq!(body.into_bytes().as_ptr(), frame.as_ptr());
    }
}
