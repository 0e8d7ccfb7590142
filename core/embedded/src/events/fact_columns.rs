//! The columns of clicks and conversions that hold facts of a click: the statements that fill them, and what is bound.

use super::{
    click_row::{ClickRow, List, Text},
    texts::Numbering,
};
use rusqlite::Statement;
use smol_str::SmolStr;
use std::{borrow::Cow, str::FromStr};
use tfx_domain::{
    event::{ClickDims, FactText},
    id::{CampaignId, DestinationId, InvalidId, NetworkId, SourceId, StreamId},
};

impl FactText for Text<'_> {
    fn fact_text(&self) -> &str {
        &self.0
    }
}

/// A fact that is a list, as JSON; none: it is empty.
trait Json {
    fn json(&self) -> rusqlite::Result<Option<Cow<'_, str>>>;
}

impl Json for List<'_> {
    fn json(&self) -> rusqlite::Result<Option<Cow<'_, str>>> {
        Ok(self.0.map(|raw| Cow::Borrowed(raw.get())))
    }
}

impl Json for Vec<SmolStr> {
    fn json(&self) -> rusqlite::Result<Option<Cow<'_, str>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let json = serde_json::to_string(self);
        json.map(|j| Some(Cow::Owned(j))).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
    }
}

/// What the text of a fact must be.
trait Valid {
    fn valid(text: &str) -> Result<(), InvalidId>;
}

/// An id must be one of its kind, or absent.
impl<Id: FromStr<Err = InvalidId>> Valid for Option<Id> {
    fn valid(text: &str) -> Result<(), InvalidId> {
        if text.is_empty() { Ok(()) } else { text.parse::<Id>().map(|_| ()) }
    }
}

impl Valid for SmolStr {
    fn valid(_: &str) -> Result<(), InvalidId> {
        Ok(())
    }
}

/// Something for each fact that has a column of its own.
macro_rules! each {
    (bits $($rest:tt)*) => {
        ""
    };
    ($kept:ident $before:literal $column:ident) => {
        concat!($before, stringify!($column))
    };
    ($kept:ident place) => {
        ", ?"
    };
    ($kept:ident set $column:ident) => {
        concat!(", ", stringify!($column), " = excluded.", stringify!($column))
    };
}

macro_rules! check {
    (numbered $type:ty, $text:expr) => {
        <$type>::valid($text.fact_text())?
    };
    ($kept:ident $type:ty, $text:expr) => {};
}

macro_rules! bind {
    (numbered $s:ident $places:ident $texts:ident $fact:expr) => {
        $s.raw_bind_parameter($places.next().unwrap_or(0), $texts.number($fact.fact_text())?)?
    };
    (text $s:ident $places:ident $texts:ident $fact:expr) => {
        $s.raw_bind_parameter($places.next().unwrap_or(0), Some($fact.fact_text()).filter(|t| !t.is_empty()))?
    };
    (list $s:ident $places:ident $texts:ident $fact:expr) => {
        $s.raw_bind_parameter($places.next().unwrap_or(0), $fact.json()?)?
    };
    (bits $s:ident $places:ident $texts:ident $fact:expr) => {};
}

macro_rules! fact_columns {
    ($(
        $(#[$meta:meta])*
        $field:ident: $type:ty {
            json: $json:expr, clickhouse: $clickhouse:literal, sqlite: $how:ident($column:ident) since $since:literal
            $(, dimension: $dimension:ident $word:literal)?
        }
    )*) => {
        /// Adds a click that is not there: id, facts, cost, currency, visitor, body, and the facts' columns.
        pub(super) const CLICK: &str = concat!(
            "INSERT OR IGNORE INTO clicks (id, facts, cost, currency, visitor, body",
            $(each!($how ", " $column),)*
            ") VALUES (?, ?, ?, ?, ?, ?",
            $(each!($how place),)*
            ")"
        );

        /// Adds or changes a conversion: id, version, `click_ms`, `created_ms`, status, facts, revenue, currency, cost,
        /// `cost_currency`, and the facts' columns. The highest version stays, in whatever order they come. A row whose
        /// status, money or time is not that of its version takes it once more; so does one with the click's network, as
        /// earlier programs kept it, in place of who reported it. A state that left by age does not come
        /// back when it is delivered again; a later one does.
        pub(super) const CONVERSION: &str = concat!(
            "INSERT INTO conversions (id, version, click_ms, created_ms, status, facts, revenue, currency, cost, cost_currency",
            $(each!($how ", " $column),)*
            ") SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?",
            $(each!($how place),)*
            " WHERE NOT EXISTS (SELECT 1 FROM conversions_left WHERE id = ?1 AND version >= ?2)
            ON CONFLICT (id) DO UPDATE SET version = excluded.version, click_ms = excluded.click_ms,
            created_ms = excluded.created_ms, status = excluded.status, facts = excluded.facts,
            revenue = excluded.revenue, currency = excluded.currency, cost = excluded.cost,
            cost_currency = excluded.cost_currency",
            $(each!($how set $column),)*
            " WHERE excluded.version > version OR (excluded.version = version AND (excluded.network IS NOT network
            OR excluded.created_ms <> created_ms OR excluded.status <> status OR excluded.revenue <> revenue
            OR excluded.currency <> currency OR excluded.cost IS NOT cost OR excluded.cost_currency IS NOT cost_currency))"
        );

        /// Whether every id is one of its kind.
        pub(super) fn check_click(row: &ClickRow<'_>) -> Result<(), InvalidId> {
            $(check!($how $type, row.$field);)*
            Ok(())
        }

        /// Binds the facts of a click from the parameter `first` on.
        pub(super) fn bind_click(
            s: &mut Statement<'_>,
            first: usize,
            texts: &mut Numbering<'_, '_>,
            row: &ClickRow<'_>,
        ) -> rusqlite::Result<()> {
            let mut places = first..;
            $(bind!($how s places texts row.$field);)*
            Ok(())
        }

        /// Binds the facts of a conversion's click from the parameter `first` on.
        pub(super) fn bind_conversion(
            s: &mut Statement<'_>,
            first: usize,
            texts: &mut Numbering<'_, '_>,
            dims: &ClickDims,
        ) -> rusqlite::Result<()> {
            let mut places = first..;
            $(bind!($how s places texts dims.$field);)*
            Ok(())
        }
    };
}
tfx_domain::click_facts!(fact_columns);

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use std::collections::BTreeSet;
    use tfx_domain::event::RowColumn;

    /// Columns that hold no facts, or all of those that are bits, and the migration that brought each.
    const OWN: [(&str, &[(&str, u16)]); 2] = [
        ("clicks", &[("id", 1), ("facts", 1), ("cost", 1), ("currency", 1), ("visitor", 1), ("body", 1)]),
        (
            "conversions",
            &[
                ("id", 1),
                ("version", 1),
                ("click_ms", 1),
                ("created_ms", 1),
                ("status", 1),
                ("facts", 1),
                ("revenue", 1),
                ("currency", 1),
                ("cost", 7),
                ("cost_currency", 7),
            ],
        ),
    ];

    #[test]
    fn each_migration_brings_the_columns_that_the_list_of_facts_says() {
        let conn = Connection::open_in_memory().expect("a database");
        for (version, migration) in (1..).zip(crate::EVENTS.migrations) {
            conn.execute_batch(migration).expect("migrated");
            for (table, own) in OWN {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let mut columns = conn.prepare(&columns).expect("a statement");
                let columns: BTreeSet<String> =
                    columns.query_map([], |r| r.get(0)).and_then(Iterator::collect).expect("columns");
                let facts =
                    ClickDims::FIELDS.iter().filter(|f| f.since <= version).filter_map(|f| match f.row {
                        RowColumn::Numbered(column) | RowColumn::Text(column) | RowColumn::List(column) => {
                            Some(column)
                        }
                        RowColumn::Bits | RowColumn::Own => None,
                    });
                let wanted: BTreeSet<String> = facts
                    .chain(own.iter().filter(|(_, since)| *since <= version).map(|(name, _)| *name))
                    .map(str::to_owned)
                    .collect();
                assert_eq!(columns, wanted, "{table} at schema {version}");
            }
        }
    }
}
