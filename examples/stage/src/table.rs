//! Tables for the terminal.

/// Rows of cells under a head; every column as wide as its widest cell, numbers to the right.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with nothing but its head.
    pub fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Table { rows: vec![head.into_iter().map(str::to_owned).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        // A column is one of numbers if every cell under its head begins with a digit, or is empty or a dash.
        let is_number = |cell: &str| {
            cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || "-–>+".contains(c))
        };
        let numbers: Vec<bool> = (0..columns)
            .map(|column| {
                self.rows.iter().skip(1).filter_map(|row| row.get(column)).all(|cell| is_number(cell))
            })
            .collect();
        for row in &self.rows {
            let mut line = String::from(" ");
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line +=
                    &if numbers[column] { format!(" {cell:>width$} ") } else { format!(" {cell:<width$} ") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_stand_to_the_right_and_words_to_the_left() {
        let mut table = Table::new(["who", "calls"]);
        table.row(["A".into(), "7".into()]);
        table.row(["everyone".into(), "1200".into()]);
        assert_eq!(table.to_string(), "  who       calls\n  A             7\n  everyone   1200\n");
    }
}
