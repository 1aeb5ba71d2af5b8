//! The format of inputs: numbers, fields and a rest.
//!
//! A field ends with a separator instead of starting with its length, so that a byte that the fuzzer inserts
//! does not shift the borders of all later fields.

/// Ends a field.
const SEPARATOR: u8 = 0x1e;

/// Escapes the next byte, which becomes part of the field.
const ESCAPE: u8 = 0x1b;

/// Reads an input. After its end, numbers are zero and fields are empty.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads a byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// Reads a number of two bytes.
    pub fn short(&mut self) -> i16 {
        i16::from_le_bytes(self.array())
    }

    /// Reads a number of eight bytes.
    pub fn long(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// Reads the bytes up to a separator.
    pub fn field(&mut self) -> Vec<u8> {
        let mut field = Vec::new();
        while let [first, rest @ ..] = self.0 {
            self.0 = rest;
            match *first {
                SEPARATOR => break,
                ESCAPE => field.push(self.byte()),
                byte => field.push(byte),
            }
        }
        field
    }

    /// Returns the remaining bytes.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    fn array<const LENGTH: usize>(&mut self) -> [u8; LENGTH] {
        let (taken, rest) = self.0.split_at(self.0.len().min(LENGTH));
        self.0 = rest;
        let mut array = [0; LENGTH];
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}

/// Writes an input that [`Input`] reads.
#[derive(Debug, Default)]
pub struct Output(Vec<u8>);

impl Output {
    /// Writes a byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Writes a number of two bytes.
    pub fn short(&mut self, number: i16) {
        self.0.extend(number.to_le_bytes());
    }

    /// Writes a number of eight bytes.
    pub fn long(&mut self, number: i64) {
        self.0.extend(number.to_le_bytes());
    }

    /// Writes a field.
    pub fn field(&mut self, field: &[u8]) {
        for byte in field {
            if matches!(*byte, SEPARATOR | ESCAPE) {
                self.0.push(ESCAPE);
            }
            self.0.push(*byte);
        }
        self.0.push(SEPARATOR);
    }

    /// Writes the rest and returns the input.
    pub fn rest(mut self, rest: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(rest);
        self.0
    }
}

/// Bits that change between sender and receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flip {
    /// The index of the byte, modulo the length.
    pub place: u16,
    /// The bits to flip. 0 changes nothing.
    pub mask: u8,
}

impl Flip {
    /// Reads a flip.
    pub fn read(input: &mut Input<'_>) -> Self {
        Self { place: input.short().cast_unsigned(), mask: input.byte() }
    }

    /// Writes a flip.
    pub fn write(self, output: &mut Output) {
        output.short(self.place.cast_signed());
        output.byte(self.mask);
    }

    /// Flips the bits and returns whether the bytes changed.
    pub fn apply(self, bytes: &mut [u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let place = usize::from(self.place) % bytes.len();
        bytes[place] ^= self.mask;
        self.mask != 0
    }
}
