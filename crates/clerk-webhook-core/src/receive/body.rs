//! The bytes of a body, as they arrive.

use std::mem;

use bytes::{Buf, Bytes};

/// The most that is held beyond what has arrived, in bytes.
const SEGMENT: usize = 65_536;

/// The least that is allocated once a second frame arrives, in bytes.
const FIRST_ALLOCATION: usize = 4_096;

/// A body of one frame as it came, or the bytes of several.
///
/// Several are collected in segments and not in one buffer that grows: an allocator may have to move such a buffer
/// and then holds it twice. Only [`into_bytes`](Self::into_bytes) puts them together, and it is called for what is
/// authentic, so nobody else can make a process hold more than the bytes that they send and a segment.
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

    /// Takes over a frame that is not empty, and shows its bytes to `see`.
    pub(crate) fn push(&mut self, mut frame: impl Buf, mut see: impl FnMut(&[u8])) {
        let is_first = self.length == 0;
        self.length += frame.remaining();
        if is_first {
            // No copy where the frame is made of `Bytes`.
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
                // A body that has filled a segment is going to need most of the next one.
                let next = Vec::with_capacity(SEGMENT);
                self.full.push(mem::replace(&mut self.last, next));
            }
            let (fitting, rest) = bytes.split_at(bytes.len().min(SEGMENT - self.last.len()));
            self.reserve(fitting.len());
            self.last.extend_from_slice(fitting);
            bytes = rest;
        }
    }

    /// Makes room for more bytes, and then for as many again, within the segment.
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
        // Each is freed as soon as it is copied.
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
    fn nothing_more_than_a_segment_is_held_beyond_what_has_arrived() {
        for size in [1, 1000, 4096, 65_535, 65_536, 65_537, 200_000] {
            let frame: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let (mut body, mut expected, mut seen) = (Body::default(), Vec::new(), Vec::new());
            while expected.len() < 3 * SEGMENT.max(size) {
                body.push(&*frame, |chunk| seen.extend_from_slice(chunk));
                expected.extend_from_slice(&frame);
                assert_eq!(body.len(), expected.len());
                if let Content::Segments(segments) = &body.content {
                    let full: usize = segments.full.iter().map(Vec::capacity).sum();
                    let held = full + segments.last.capacity();
                    assert!(held <= expected.len() + SEGMENT, "{held} for {}", expected.len());
                }
            }
            assert_eq!(seen, expected);
            assert_eq!(body.into_bytes(), expected, "frames of {size}");
        }
    }

    #[test]
    fn small_frames_do_not_cost_a_segment() {
        // Room for as much again, and no less than 4 KiB.
        for (size, expected) in [(5, 4096), (2048, 4096), (5000, 10_000)] {
            let frame = vec![7; size];
            let mut body = Body::default();
            (0..2).for_each(|_| body.push(&*frame, |_| ()));
            let Content::Segments(segments) = body.content else {
                panic!("the second frame begins a segment")
            };
            assert_eq!((segments.full.len(), segments.last.capacity()), (0, expected), "frames of {size}");
        }
    }

    #[test]
    fn one_frame_is_not_copied() {
        let frame = Bytes::from(vec![7; 100]);
        let mut body = Body::default();
        body.push(frame.clone(), |_| ());
        assert_eq!(body.into_bytes().as_ptr(), frame.as_ptr());
    }
}
