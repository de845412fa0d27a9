//! Owns: aligned text tables, and making hostile text safe for a terminal.
//! Never: what goes into them.

use unicode_width::UnicodeWidthStr;

const GAP: &str = "  ";
/// A column narrower than this says nothing any more; a narrower terminal gets wrapped lines instead.
const FLEXIBLE_WIDTH_MIN: usize = 12;

/// Rows under headings. The last column gives way when the terminal is narrow.
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    #[must_use]
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Short rows are filled up; cells are made printable here, so no caller can forget.
    pub fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| printable(&cell)).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    #[must_use]
    pub fn render(&self, width_max: Option<usize>) -> String {
        let widths: Vec<usize> = (0..self.headings.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].width());
                cells.chain([self.headings[column].width()]).max().unwrap_or(0)
            })
            .collect();
        let fixed: usize = widths.iter().rev().skip(1).map(|width| width + GAP.len()).sum();
        let last_max = width_max.map(|max| max.saturating_sub(fixed).max(FLEXIBLE_WIDTH_MIN));
        let headings: Vec<String> = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            text.push_str(render_row(row, &widths, last_max).trim_end());
            text.push('\n');
        }
        text
    }
}

fn render_row(row: &[String], widths: &[usize], last_max: Option<usize>) -> String {
    let mut line = String::new();
    for (column, cell) in row.iter().enumerate() {
        if column + 1 == row.len() {
            line.push_str(&last_max.map_or_else(|| cell.clone(), |max| shortened(cell, max)));
        } else {
            line.push_str(&padded(cell, widths[column]));
            line.push_str(GAP);
        }
    }
    line
}

/// `cell` filled with blanks to `width` columns.
#[must_use]
pub fn padded(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
}

/// `text` cut to `width` columns, the cut marked.
#[must_use]
pub fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if short.width() + letter.to_string().width() >= width {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

/// Names and command lines come from attackers: control characters would steer the reader's terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() || is_bidi(letter) {
                letter.escape_default().to_string()
            } else {
                letter.to_string()
            }
        })
        .collect()
}

/// Marks that reorder what the reader sees.
const fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{Table, printable, shortened};

    #[test]
    fn columns_line_up_and_the_last_gives_way() {
        let mut table = Table::new(&["ID", "NAME", "COMMAND"]);
        table.row(["1".into(), "für".into(), "sh -c id".into()]);
        table.row(["22".into(), "b".into(), "x".repeat(60)]);
        let wide = table.render(None);
        assert!(wide.contains(&"x".repeat(60)));
        assert_eq!(wide.lines().next(), Some("ID  NAME  COMMAND"));
        assert_eq!(wide.lines().nth(1), Some("1   für   sh -c id"));
        let narrow = table.render(Some(30));
        assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
        assert!(narrow.contains('…'));
    }

    #[test]
    fn hostile_text_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("exe\u{202e}cod"), "exe\\u{202e}cod");
    }

    #[test]
    fn shortening_counts_columns_not_bytes() {
        assert_eq!(shortened("日本語日本語", 5), "日本…");
        assert_eq!(shortened("abc", 3), "abc");
    }
}
