//! Reads the pictures of states in the documentation.

/// Returns the state, the call and the next state of each arrow, such as `running ──complete (owner)──▶ done`.
///
/// Three spaces separate two arrows in a line, and an arrow can begin where the one before it ends.
///
/// # Panics
///
/// Panics if an arrow has no end.
#[must_use]
pub fn arrows(text: &str) -> Vec<[&str; 3]> {
    let mut arrows = Vec::new();
    let lines = text.lines().map(|line| line.trim_start_matches("///").trim());
    for chain in lines.filter(|line| line.contains("──▶")).flat_map(|line| line.split("   ")) {
        let mut parts = chain.split(" ──");
        let mut from = parts.next().unwrap_or_default().trim();
        for part in parts {
            let (call, to) = part.split_once("──▶ ").expect("an arrow has an end");
            arrows.push([from, call, to]);
            from = to.split(" (").next().unwrap_or_default();
        }
    }
    arrows
}
