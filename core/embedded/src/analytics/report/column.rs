//! The value of each dimension as a number per row, and its text once per group.

use super::calendar::{Calendar, Unit};
use crate::{
    error::OrStoreError,
    events::{facts::Facts, texts::Names},
};
use rusqlite::Row;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::borrow::Cow;
use tfx_domain::{event::RowColumn, report::Dimension, routing::DeviceType};
use tfx_ports::StoreError;

/// Where a dimension's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::analytics) enum DimensionColumn {
    /// A column of numbers of `texts`, or an expression of such columns.
    Number(&'static str),
    /// A column of texts.
    Text(&'static str),
    /// One of the list in `subs`, from 0.
    Sub(usize),
    /// The status of a conversion.
    Status,
    /// From the facts.
    Bot,
    /// From the facts.
    Device,
    /// From the time.
    Time(Unit),
}

/// A row and what is read of it already.
pub(in crate::analytics) struct Cells<'r> {
    pub(in crate::analytics) row: &'r Row<'r>,
    /// Where the stored columns stand.
    pub(in crate::analytics) places: &'r [(&'static str, usize)],
    pub(in crate::analytics) at_ms: i64,
    pub(in crate::analytics) facts: Facts,
    /// A number of `texts`; 0 for clicks.
    pub(in crate::analytics) status: i64,
}

impl Cells<'_> {
    fn place(&self, name: &str) -> usize {
        self.places.iter().find(|(n, _)| *n == name).map_or(usize::MAX, |(_, place)| *place)
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, StoreError> {
        super::integer(self.row, self.place(name))
    }

    fn stored_text(&self, name: &str) -> Result<&str, StoreError> {
        let value = self.row.get_ref(self.place(name)).or_store_error(super::WHAT)?;
        Ok(value.as_str_or_null().unwrap_or(None).unwrap_or_default())
    }

    /// The text of a column that is kept as one.
    pub(super) fn text(&self, column: DimensionColumn) -> Result<Cow<'_, str>, StoreError> {
        match column {
            DimensionColumn::Text(name) => self.stored_text(name).map(Cow::Borrowed),
            DimensionColumn::Sub(n) => match self.stored_text("subs")? {
                "" => Ok(Cow::Borrowed("")),
                json => nth(json, n).map_err(|e| StoreError::broken("stored sub ids", e)),
            },
            _ => Ok(Cow::Borrowed("")),
        }
    }
}

/// The table's own columns of some dimensions, to be read after `fixed` others: as SQL, and their places by name.
pub(in crate::analytics) fn stored<'c>(
    columns: impl Iterator<Item = &'c DimensionColumn>,
    fixed: usize,
) -> (String, Vec<(&'static str, usize)>) {
    let mut list = String::new();
    let mut places: Vec<(&'static str, usize)> = Vec::new();
    for name in columns.filter_map(DimensionColumn::stored) {
        if !places.iter().any(|(known, _)| *known == name) {
            places.push((name, fixed + places.len()));
            list.push_str(", ");
            list.push_str(name);
        }
    }
    (list, places)
}

/// The `n`th of a JSON list of texts; empty if it is shorter.
fn nth(json: &str, n: usize) -> serde_json::Result<Cow<'_, str>> {
    let list: Vec<crate::events::Text<'_>> = serde_json::from_str(json)?;
    Ok(list.into_iter().nth(n).map_or(Cow::Borrowed(""), |t| t.0))
}

/// Texts met in this report, as numbers; 0 is the empty one.
#[derive(Default)]
pub(super) struct Interned {
    numbers: FxHashMap<SmolStr, i64>,
    texts: Vec<SmolStr>,
}

impl Interned {
    fn number(&mut self, text: &str) -> i64 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.texts.push(SmolStr::new(text));
        let number = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        self.numbers.insert(SmolStr::new(text), number);
        number
    }

    fn text(&self, number: i64) -> SmolStr {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        place.and_then(|p| self.texts.get(p)).cloned().unwrap_or_default()
    }
}

impl DimensionColumn {
    pub(super) fn of(dimension: Dimension) -> Self {
        match dimension {
            Dimension::DecidingCampaign => Self::Number("coalesce(deciding, campaign)"),
            Dimension::Sub(n) => Self::Sub(usize::from(n).saturating_sub(1)),
            Dimension::DeviceType => Self::Device,
            Dimension::Status => Self::Status,
            Dimension::Bot => Self::Bot,
            Dimension::Hour => Self::Time(Unit::Hour),
            Dimension::Day => Self::Time(Unit::Day),
            Dimension::Week => Self::Time(Unit::Week),
            Dimension::Month => Self::Time(Unit::Month),
            Dimension::HourOfDay => Self::Time(Unit::HourOfDay),
            Dimension::Weekday => Self::Time(Unit::Weekday),
            // All others are facts with a column of their own.
            fact => match fact.fact().map(|f| f.row) {
                Some(RowColumn::Numbered(name)) => Self::Number(name),
                Some(RowColumn::Text(name)) => Self::Text(name),
                Some(RowColumn::List(_) | RowColumn::Bits | RowColumn::Own) | None => Self::Number("NULL"),
            },
        }
    }

    /// The table's column it is read from, if it is from one of its own.
    pub(super) const fn stored(&self) -> Option<&'static str> {
        match self {
            Self::Number(name) | Self::Text(name) => Some(name),
            Self::Sub(_) => Some("subs"),
            Self::Status | Self::Bot | Self::Device | Self::Time(_) => None,
        }
    }

    /// The row's value as a number; 0 is unknown.
    pub(super) fn cell(
        self,
        cells: &Cells<'_>,
        texts: &mut Interned,
        calendar: &mut Calendar,
    ) -> Result<i64, StoreError> {
        Ok(match self {
            Self::Number(name) => cells.number(name)?,
            Self::Text(_) | Self::Sub(_) => texts.number(&cells.text(self)?),
            Self::Status => cells.status,
            Self::Bot => i64::from(cells.facts.is_bot()),
            Self::Device => cells.facts.device(),
            Self::Time(unit) => calendar.number(unit, cells.at_ms),
        })
    }

    /// The text of such a number.
    pub(super) fn text(
        self,
        cell: i64,
        texts: &Interned,
        names: &mut Names<'_>,
    ) -> Result<SmolStr, StoreError> {
        Ok(match self {
            Self::Number(_) | Self::Status => names.name(cell)?,
            Self::Text(_) | Self::Sub(_) => texts.text(cell),
            Self::Bot => SmolStr::new_static(if cell == 0 { "false" } else { "true" }),
            Self::Device => SmolStr::new_static(device(cell).as_str()),
            Self::Time(unit) => unit.label(cell),
        })
    }
}

/// The device type of its number in the facts.
pub(super) fn device(number: i64) -> DeviceType {
    usize::try_from(number).ok().and_then(|n| DeviceType::ALL.get(n)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_that_reports_group_by_is_read_from_somewhere() {
        for name in Dimension::names() {
            let dimension: Dimension = name.parse().expect(name);
            assert_ne!(DimensionColumn::of(dimension), DimensionColumn::Number("NULL"), "{name}");
        }
    }
}
