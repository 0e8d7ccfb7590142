//! Lists: `--limit`, `--cursor`, `--all`, and the loop over pages behind them.

use crate::{
    context::Context,
    exit::Failure,
    input,
    output::{Column, Format, Listing, line},
};
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tfx_api::{ApiError, Labels, Page};

/// What a list shows when nothing is said.
const DEFAULT_LIMIT: usize = 100;
/// The most that api-service gives at once.
const PAGE: usize = 1000;

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct Paging {
    /// At most this many [default: 100].
    #[arg(long, value_name = "N", value_parser = input::positive, help_heading = "Paging")]
    limit: Option<u64>,
    /// Go on where an earlier page ended.
    #[arg(long, value_name = "CURSOR", help_heading = "Paging")]
    cursor: Option<String>,
    /// To the end of the list.
    #[arg(long, conflicts_with = "limit", help_heading = "Paging")]
    all: bool,
}

/// How rows are shown.
pub(crate) struct View {
    pub(crate) columns: Vec<Column>,
    /// What `--output name` prints of a row.
    pub(crate) name: fn(&Value) -> String,
}

impl Paging {
    /// Asks for page after page and prints them. Formats of a row per line print each page as it comes.
    ///
    /// # Errors
    /// What the calls end with; a closed pipe.
    pub(crate) async fn print<T: Serialize>(
        &self,
        context: &Context,
        view: View,
        fetch: impl AsyncFn(Option<usize>, Option<String>) -> Result<Page<T>, ApiError>,
    ) -> Result<(), Failure> {
        let out = context.out;
        let wanted = self.limit.map_or(DEFAULT_LIMIT, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut left = if self.all { usize::MAX } else { wanted };
        let mut cursor = self.cursor.clone();
        let mut left_out = Vec::new();
        let mut listing = Listing { columns: view.columns, rows: Vec::new(), name: "" };
        loop {
            let page = fetch(Some(left.min(PAGE)), cursor).await?;
            left = left.saturating_sub(page.items.len());
            for item in &page.items {
                let row = labelled(serde_json::to_value(item).map_err(Failure::failed)?, &page.labels);
                if let Some(why) = row["unreadable"].as_str() {
                    out.note(format!("warning: {} cannot be read: {}", (view.name)(&row), line(why)));
                }
                listing.rows.push(row);
            }
            cursor = page.next;
            left_out.extend(page.left_out);
            match out.format {
                Format::Name => out.lines(listing.rows.drain(..).map(|row| line(&(view.name)(&row))))?,
                Format::Jsonl => out.lines(listing.rows.drain(..).map(|row| row.to_string()))?,
                _ => {}
            }
            if cursor.is_none() || left == 0 {
                return out.page(&listing, cursor.as_deref(), &left_out);
            }
        }
    }
}

/// A row with the slugs of what it mentions, as a single entity is shown.
pub(crate) fn labelled(mut row: Value, labels: &Labels) -> Value {
    let mut own = serde_json::Map::new();
    mentioned(&row, &mut |id| {
        if let Some(slug) = labels.get(id) {
            own.insert(id.to_owned(), json!(slug));
        }
    });
    if let (Value::Object(fields), false) = (&mut row, own.is_empty()) {
        fields.insert("labels".to_owned(), Value::Object(own));
    }
    row
}

fn mentioned(value: &Value, tell: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => tell(text),
        Value::Array(items) => items.iter().for_each(|i| mentioned(i, tell)),
        Value::Object(fields) => fields.values().for_each(|v| mentioned(v, tell)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_gets_the_labels_it_mentions_and_no_others() {
        let labels = Labels::from([
            ("cmp_1".to_owned(), "summer".to_owned()),
            ("cmp_2".to_owned(), "winter".to_owned()),
        ]);
        let row = labelled(json!({"a": {"b": ["cmp_1", "x"]}}), &labels);
        assert_eq!(row, json!({"a": {"b": ["cmp_1", "x"]}, "labels": {"cmp_1": "summer"}}));
        assert_eq!(labelled(json!({"a": 1}), &labels), json!({"a": 1}));
    }
}
