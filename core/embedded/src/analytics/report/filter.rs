//! Conditions on dimensions.

use super::{
    calendar::Calendar,
    column::{Cells, DimensionColumn, device},
};
use crate::events::texts::Names;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use tfx_domain::report::ReportFilter;
use tfx_ports::StoreError;

/// How many numbers a condition remembers. Referrers and cities are many; beyond this it starts anew.
const REMEMBERED: usize = 50_000;

/// A condition, with what is known already of the numbers it met.
pub(in crate::analytics) struct Filter {
    pub(in crate::analytics) column: DimensionColumn,
    /// Ids are compared as they are, everything else in lower case.
    ids: bool,
    values: Vec<String>,
    negate: bool,
    known: FxHashMap<i64, bool>,
}

impl Filter {
    pub(in crate::analytics) fn new(filter: &ReportFilter) -> Self {
        let column = DimensionColumn::of(filter.dimension);
        let ids = filter.dimension.is_id();
        let values = filter.values.iter().map(|v| if ids { v.clone() } else { v.to_lowercase() }).collect();
        Self { column, ids, values, negate: filter.negate, known: FxHashMap::default() }
    }

    pub(in crate::analytics) fn passes(
        &mut self,
        cells: &Cells<'_>,
        names: &mut Names<'_>,
        calendar: &mut Calendar,
    ) -> Result<bool, StoreError> {
        match self.column {
            DimensionColumn::Number(name) => self.number(cells.number(name)?, |n| names.name(n)),
            DimensionColumn::Status => self.number(cells.status, |n| names.name(n)),
            DimensionColumn::Bot => Ok(self.text(if cells.facts.is_bot() { "true" } else { "false" })),
            // "unknown" is a word here, and unknown all the same.
            DimensionColumn::Device => match device(cells.facts.device()).as_str() {
                "unknown" => Ok((self.is_one("unknown") || self.is_one("")) != self.negate),
                word => Ok(self.text(word)),
            },
            DimensionColumn::Text(_) | DimensionColumn::Sub(_) => Ok(self.text(&cells.text(self.column)?)),
            DimensionColumn::Time(unit) => {
                self.number(calendar.number(unit, cells.at_ms), |n| Ok(unit.label(n)))
            }
        }
    }

    fn number(
        &mut self,
        number: i64,
        mut name: impl FnMut(i64) -> Result<SmolStr, StoreError>,
    ) -> Result<bool, StoreError> {
        if let Some(known) = self.known.get(&number) {
            return Ok(*known);
        }
        let passes = self.text(&name(number)?);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(number, passes);
        Ok(passes)
    }

    fn text(&self, text: &str) -> bool {
        self.is_one(text) != self.negate
    }

    fn is_one(&self, text: &str) -> bool {
        if self.ids {
            return self.values.iter().any(|v| v == text);
        }
        let lower = text.to_lowercase();
        self.values.contains(&lower)
    }
}
