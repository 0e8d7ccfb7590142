//! `--test`: whether test traffic is among what is shown.

use crate::output::Column;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use serde_json::Value;
use tfx_domain::event::TestTraffic;

/// A column that marks tests. `field` is its path in a row.
pub(crate) fn column(field: &str) -> Column {
    let mark = |row: &Value| {
        let test = row["test"] == true || row["click"]["test"] == true;
        if test { "test" } else { "" }.to_owned()
    };
    Column::made("test", field, mark).raw()
}

/// What becomes of the traffic of campaigns that are tests.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TestsToo {
    /// Test traffic: leave it out, include it, or show it alone.
    #[arg(
        long,
        value_name = "WHICH",
        default_value = "exclude",
        value_parser = PossibleValuesParser::new(TestTraffic::ALL.map(TestTraffic::as_str))
            .try_map(|word| word.parse::<TestTraffic>())
    )]
    pub(crate) test: TestTraffic,
}

impl TestsToo {
    /// Columns of a list, with one that marks tests where there are both.
    pub(crate) fn marked(self, mut columns: Vec<Column>, field: &str) -> Vec<Column> {
        if self.test == TestTraffic::Include {
            columns.push(column(field));
        }
        columns
    }
}
