//! Tables for a terminal and for a document.

/// Rows of text; all columns but the first are right-aligned.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: impl IntoIterator<Item = String>) -> Self {
        Self { rows: vec![header.into_iter().collect()] }
    }

    /// A further column. Before the first row.
    pub(super) fn column(&mut self, name: impl Into<String>) {
        self.rows[0].push(name.into());
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        assert_eq!(cells.len(), self.rows[0].len(), "a cell for each column");
        self.rows.push(cells);
    }

    pub(super) fn render(&self, markdown: bool) -> String {
        let widths = self.widths();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            let cells: Vec<_> = cells.collect();
            if markdown {
                text += &format!("| {} |\n", cells.join(" | "));
            } else {
                text += &format!("{}\n", cells.join("  "));
            }
            if number == 0 && markdown {
                text += &format!("|---|{}\n", "--:|".repeat(row.len() - 1));
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (0..self.rows[0].len()).map(width).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_align() {
        let mut table = Table::new(["who".to_string(), "ns".to_string()]);
        table.column("more");
        table.row(vec!["ours".into(), "4.9".into(), "0".into()]);
        assert_eq!(table.render(false), "who    ns  more\nours  4.9     0\n");
        assert_eq!(table.render(true), "| who  |  ns | more |\n|---|--:|--:|\n| ours | 4.9 |    0 |\n");
    }
}
