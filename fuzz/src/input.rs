//! How an input is made of numbers, fields and a rest.
//!
//! Fields end at a separator instead of beginning with a length, so that bytes which the fuzzer inserts do not move
//! the borders of everything behind them.

/// Ends a field.
const SEPARATOR: u8 = 0x1e;

/// Takes the byte behind it as it is.
const ESCAPE: u8 = 0x1b;

/// Takes an input apart; what is not there any more is zero or empty.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes a byte.
    pub fn byte(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// Takes a number of two bytes.
    pub fn short(&mut self) -> i16 {
        i16::from_le_bytes(self.array())
    }

    /// Takes a number of eight bytes.
    pub fn long(&mut self) -> i64 {
        i64::from_le_bytes(self.array())
    }

    /// Takes the bytes up to a separator.
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

    /// Takes everything that is left.
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

/// Puts an input together, the reverse of [`Input`].
#[derive(Debug, Default)]
pub struct Output(Vec<u8>);

impl Output {
    /// Adds a byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// Adds a number of two bytes.
    pub fn short(&mut self, number: i16) {
        self.0.extend(number.to_le_bytes());
    }

    /// Adds a number of eight bytes.
    pub fn long(&mut self, number: i64) {
        self.0.extend(number.to_le_bytes());
    }

    /// Adds a field.
    pub fn field(&mut self, field: &[u8]) {
        for byte in field {
            if matches!(*byte, SEPARATOR | ESCAPE) {
                self.0.push(ESCAPE);
            }
            self.0.push(*byte);
        }
        self.0.push(SEPARATOR);
    }

    /// Adds what is left and returns the input.
    pub fn rest(mut self, rest: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(rest);
        self.0
    }
}

/// Bits that change on the way from the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flip {
    /// Where, counted round and round.
    pub place: u16,
    /// Which bits; none leaves everything as it is.
    pub mask: u8,
}

impl Flip {
    /// Takes a flip.
    pub fn read(input: &mut Input<'_>) -> Self {
        Self { place: input.short().cast_unsigned(), mask: input.byte() }
    }

    /// Adds a flip.
    pub fn write(self, output: &mut Output) {
        output.short(self.place.cast_signed());
        output.byte(self.mask);
    }

    /// Changes the bits and returns whether anything is different now.
    pub fn apply(self, bytes: &mut [u8]) -> bool {
        if bytes.is_empty() {
            return false;
        }
        let place = usize::from(self.place) % bytes.len();
        bytes[place] ^= self.mask;
        self.mask != 0
    }
}
