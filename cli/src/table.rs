//! Tables on a terminal and in a pipe.
//!
//! Where a terminal is too narrow, columns without any value go first, then those of the least weight, the last of them
//! first, until every column has room for its title and some of its text; names, ids, times and figures are never broken. In a pipe every line is whole.

use crate::output::{Column, Listing};
use comfy_table::{
    Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets,
};
use dialoguer::console::measure_text_width;

/// Text is broken where it must be: into not less than the first of these if that gives every column room, else into
/// not less than the second.
const NARROW: [usize; 2] = [14, 8];
/// Between two columns.
const GAP: usize = 2;

/// A table, line by line.
pub(crate) struct Drawn {
    pub(crate) lines: Vec<String>,
    /// Titles of the columns that had values and no room.
    pub(crate) left_out: Vec<String>,
}

/// A column with its cells.
struct Filled<'l> {
    /// Where it stands among all.
    place: usize,
    column: &'l Column,
    cells: Vec<String>,
    whole: bool,
    /// What its title needs.
    title: usize,
    /// What it would like.
    most: usize,
    /// What it gets.
    width: usize,
}

impl<'l> Filled<'l> {
    fn new(place: usize, column: &'l Column, listing: &Listing) -> Self {
        let cells: Vec<String> = listing.rows.iter().map(|row| column.cell(row)).collect();
        let title = measure_text_width(&column.title);
        let widest = cells.iter().map(|c| measure_text_width(c)).max().unwrap_or(0);
        // The first column is what a row is called by.
        let whole = column.whole || place == 0;
        let most = title.max(widest);
        Self { place, column, cells, whole, title, most, width: most }
    }

    /// What it needs, where text is broken into not less than `narrow`.
    fn least(&self, narrow: usize) -> usize {
        if self.whole { self.most } else { self.title.max(self.most.min(narrow)) }
    }

    fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

/// Draws the rows of a listing, within `width` columns of a terminal if it goes to one.
pub(crate) fn draw(listing: &Listing, width: Option<u16>, color: bool) -> Drawn {
    let columns = listing.columns.iter().enumerate();
    let mut columns: Vec<Filled<'_>> = columns.map(|(i, c)| Filled::new(i, c, listing)).collect();
    let mut left_out = Vec::new();
    if let Some(width) = width.map(usize::from) {
        left_out = fit(&mut columns, width);
    }
    Drawn { lines: lines(&columns, listing.rows.len(), color), left_out }
}

/// Gives every column its width, or takes it out; tells which of those had something to say.
fn fit(columns: &mut Vec<Filled<'_>>, width: usize) -> Vec<String> {
    let mut out = Vec::new();
    if taken(columns, |c| c.most) > width {
        columns.retain(|c| c.cells.is_empty() || !c.is_empty());
    }
    let [wide, narrow] = NARROW;
    let narrow = if taken(columns, |c| c.least(wide)) <= width { wide } else { narrow };
    while columns.len() > 1 && taken(columns, |c| c.least(narrow)) > width {
        // The first is what a row is called by.
        let places = (1..columns.len()).rev();
        let Some(lightest) = places.min_by_key(|i| columns[*i].column.weight) else { break };
        out.push((columns[lightest].place, columns.remove(lightest).column.title.clone()));
    }
    out.sort_unstable();
    let out = out.into_iter().map(|(_, title)| title).collect();
    share(columns, width, narrow);
    out
}

/// Gives every column what it needs, and an equal share of what is left until it has what it would like.
fn share(columns: &mut [Filled<'_>], width: usize, narrow: usize) {
    let mut left = width.saturating_sub(taken(columns, |c| c.least(narrow)));
    columns.iter_mut().for_each(|c| c.width = c.least(narrow));
    while left > 0 && columns.iter().any(|c| c.width < c.most) {
        for column in columns.iter_mut().filter(|c| c.width < c.most) {
            let given = left.min(1);
            column.width += given;
            left -= given;
        }
    }
}

fn taken(columns: &[Filled<'_>], of: impl Fn(&Filled<'_>) -> usize) -> usize {
    columns.iter().map(of).sum::<usize>() + GAP * columns.len().saturating_sub(1)
}

fn lines(columns: &[Filled<'_>], rows: usize, color: bool) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
    if color {
        table.enforce_styling();
    }
    table.set_header(columns.iter().map(|c| {
        let cell = Cell::new(c.column.title.to_uppercase()).set_alignment(alignment(c.column));
        if color { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    for row in 0..rows {
        table.add_row(columns.iter().map(|c| Cell::new(&c.cells[row]).set_alignment(alignment(c.column))));
    }
    for (place, (column, filled)) in table.column_iter_mut().zip(columns).enumerate() {
        let gap = if place + 1 == columns.len() { 0 } else { GAP };
        column.set_padding((0, u16::try_from(gap).unwrap_or_default()));
        let width = u16::try_from(filled.width.max(1) + gap).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn alignment(column: &Column) -> CellAlignment {
    if column.right { CellAlignment::Right } else { CellAlignment::Left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listing() -> Listing {
        let columns = vec![
            Column::text("name", "name"),
            Column::id("id", "id"),
            Column::text("empty", "empty"),
            Column::text("url", "url"),
            Column::number("n", "n"),
        ];
        let row = json!({ "name": "summer-sale", "id": "cmp_1234567890",
            "url": "https://offer.example/with/a/long/path", "n": 7 });
        Listing { columns, rows: vec![row], name: "name" }
    }

    #[test]
    fn a_pipe_gets_whole_lines() {
        let drawn = draw(&listing(), None, false);
        assert_eq!(drawn.lines.len(), 2);
        assert_eq!(
            drawn.lines[0],
            "NAME         ID              EMPTY  URL                                     N"
        );
        assert_eq!(
            drawn.lines[1],
            "summer-sale  cmp_1234567890         https://offer.example/with/a/long/path  7"
        );
    }

    #[test]
    fn on_a_narrow_terminal_text_is_broken_and_ids_are_not() {
        let drawn = draw(&listing(), Some(60), false);
        assert_eq!(
            drawn.lines,
            [
                "NAME         ID              URL                           N",
                "summer-sale  cmp_1234567890  https://offer.example/with/a  7",
                "                             /long/path",
            ]
        );
        assert!(drawn.left_out.is_empty());
    }

    #[test]
    fn what_has_no_room_is_left_out_and_named() {
        let drawn = draw(&listing(), Some(30), false);
        assert_eq!(drawn.lines, ["NAME         ID", "summer-sale  cmp_1234567890"]);
        assert_eq!(drawn.left_out, ["url", "n"]);
        let drawn = draw(&listing(), Some(3), false);
        assert_eq!(drawn.lines, ["NAME", "summer-sale"]);
    }

    #[test]
    fn what_weighs_least_goes_first_and_the_last_of_them() {
        let columns = vec![
            Column::text("campaign", "campaign"),
            Column::number("hits", "hits"),
            Column::number("clicks", "clicks").of_weight(3),
            Column::number("bots", "bots"),
            Column::number("revenue usd", "revenue").of_weight(5),
            Column::number("cr", "cr"),
        ];
        let row = json!({ "campaign": "summer", "hits": "10", "clicks": "9", "bots": "1", "revenue": "12.50",
            "cr": "5%" });
        let listing = Listing { columns, rows: vec![row], name: "campaign" };
        let drawn = draw(&listing, Some(40), false);
        assert_eq!(drawn.lines[0], "CAMPAIGN  HITS  CLICKS  REVENUE USD");
        assert_eq!(drawn.left_out, ["bots", "cr"]);
        let drawn = draw(&listing, Some(24), false);
        assert_eq!(drawn.lines[0], "CAMPAIGN  REVENUE USD");
        assert_eq!(drawn.left_out, ["hits", "clicks", "bots", "cr"]);
    }

    #[test]
    fn a_table_without_rows_has_its_titles() {
        let empty = Listing { rows: Vec::new(), ..listing() };
        assert_eq!(draw(&empty, Some(80), false).lines, ["NAME  ID  EMPTY  URL  N"]);
    }
}
