//! `--format markdown`: a table for an issue, a page or a chat. Texts come from strangers: none of them makes markup.

use crate::output::Listing;

/// The lines.
pub(super) fn lines(listing: &Listing) -> Vec<String> {
    let columns = &listing.columns;
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![row(columns.iter().map(|c| escaped(&c.title)).collect())];
    lines.push(row(columns.iter().map(|c| if c.right { "---:" } else { ":---" }.to_owned()).collect()));
    lines.extend(listing.rows.iter().map(|of| row(columns.iter().map(|c| escaped(&c.cell(of))).collect())));
    lines
}

/// A text that is shown as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Where programs make links of addresses by themselves.
            ':' => out.push_str("&#58;"),
            '@' => out.push_str("&#64;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '!' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Column;
    use serde_json::json;

    #[test]
    fn a_strangers_text_makes_no_column_no_link_and_no_markup() {
        let columns = vec![Column::text("keyword", "keyword"), Column::number("clicks", "clicks")];
        let rows = vec![json!({ "keyword": "a|b <img> [x](http://y) `z` *s*\n| me@x", "clicks": "3" })];
        let lines = lines(&Listing { columns, rows, name: "keyword" });
        assert_eq!(
            lines,
            [
                "| keyword | clicks |",
                "| :--- | ---: |",
                "| a\\|b &lt;img&gt; \\[x\\](http&#58;//y) \\`z\\` \\*s\\*\u{fffd}\\| me&#64;x | 3 |",
            ]
        );
    }
}
