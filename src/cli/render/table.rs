//! Aligned columns.

use console::measure_text_width;

/// To which side of its column a cell leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells as lines: columns two spaces apart, as wide as their widest cell, nothing behind the last word.
///
/// Colours in cells do not count towards the width. Columns without an alignment lean left.
pub(super) fn lines(indent: usize, aligns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter().map(|row| line(indent, aligns, &widths, row)).collect()
}

fn line(indent: usize, aligns: &[Align], widths: &[usize], row: &[String]) -> String {
    let mut line = " ".repeat(indent);
    for (i, cell) in row.iter().enumerate() {
        let gap = " ".repeat(widths[i] - measure_text_width(cell));
        if i > 0 {
            line.push_str("  ");
        }
        match aligns.get(i) {
            Some(Align::Right) => line.extend([gap.as_str(), cell]),
            _ => line.extend([cell.as_str(), &gap]),
        }
    }
    line.truncate(line.trim_end().len());
    line
}
