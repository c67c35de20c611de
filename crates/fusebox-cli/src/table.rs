//! Tables for people.

use crate::look;

/// Columns side by side, each as wide as its widest cell; the last one as it is. Cells may be coloured.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| wide(&row[column]));
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width + 2 - wide(cell));
        }
        line.trim_end().to_owned()
    };
    let mut text = look::HEAD.paint(line(head.to_vec()));
    text.push('\n');
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
        text.push('\n');
    }
    text
}

/// Characters that are seen of a cell.
fn wide(cell: &str) -> usize {
    anstream::adapter::strip_str(cell).map(|part| part.chars().count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads() {
        let rows = [vec!["1".into(), look::BAD.paint("a longer cell"), "x".into()]];
        let text = table(&["ID", "B", "C"], &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "ID  B              C\n1   a longer cell  x\n");
    }
}
