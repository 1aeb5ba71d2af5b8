//! Markdown tables and goals.

use std::fs;

use crate::apply::Fallible;

/// A table. All columns except the first contain numbers.
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    pub fn new<S: AsRef<str>>(header: &[S]) -> Self {
        let mut table = Self { columns: header.len(), text: String::new() };
        table.row(header);
        table.text.push_str("|---|");
        table.text.push_str(&"--:|".repeat(table.columns - 1));
        table.text.push('\n');
        table
    }

    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        assert_eq!(cells.len(), self.columns, "a row has a cell for each column");
        for cell in cells {
            self.text.push_str("| ");
            self.text.push_str(cell.as_ref());
            self.text.push(' ');
        }
        self.text.push_str("|\n");
    }

    pub fn print(&self) {
        println!("{}", self.text);
    }
}

/// A limit for a measured value.
pub struct Goal {
    pub of: String,
    pub measured: f64,
    pub wanted: Wanted,
}

#[derive(Clone, Copy)]
pub enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_reached(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.measured >= least,
            Wanted::AtMost(most) => self.measured <= most,
        }
    }
}

/// Prints the goals, and returns the number of missed goals.
pub fn judge(goals: &[Goal]) -> usize {
    if goals.is_empty() {
        return 0;
    }
    let mut table = Table::new(&["goal", "measured", "target", ""]);
    for goal in goals {
        let verdict = if goal.is_reached() { "reached" } else { "MISSED" };
        let wanted = match goal.wanted {
            Wanted::AtLeast(least) => format!("≥ {}", figure(least)),
            Wanted::AtMost(most) => format!("≤ {}", figure(most)),
        };
        table.row(&[goal.of.clone(), figure(goal.measured), wanted, verdict.into()]);
    }
    table.print();
    goals.iter().filter(|goal| !goal.is_reached()).count()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Formats a number with three significant digits, or with all digits before the decimal point.
pub fn figure(number: f64) -> String {
    match number.abs() {
        0.0..10.0 => format!("{number:.2}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => grouped(number.round() as i64),
    }
}

/// Formats an integer with thousands separators.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Returns the load average of the last minute.
pub fn load() -> Fallible<f64> {
    let average = fs::read_to_string("/proc/loadavg")?;
    Ok(average.split(' ').next().unwrap_or_default().parse()?)
}
