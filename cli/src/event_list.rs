//! What the lists of events have in common: conditions, tests, columns, pages, and `--follow`.

use crate::{
    columns::{Columns, Rows},
    complete,
    context::Context,
    exit::Failure,
    follow::{self, Identity},
    output::Column,
    pages::{Paging, View},
    tests_too::TestsToo,
    when,
};
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use serde_json::Value;
use std::{fmt, str::FromStr};
use tfx_api::{ApiError, Page};
use tfx_domain::{
    Timestamp,
    event::{PostbackField, PostbackFilter, TestTraffic},
    problem::Problems,
    report::ReportFilter,
};

/// A condition on the rows of a list.
pub(crate) trait Condition:
    FromStr<Err = String> + Clone + fmt::Debug + Send + Sync + 'static
{
    /// For `--help`.
    const HELP: &'static str;

    /// What the fields are called.
    fn fields() -> ArgValueCompleter;
}

impl Condition for ReportFilter {
    const HELP: &'static str = "What must hold of each: country=US,CA, os!=iOS or weekday=sat, any dimension of reports; may be \
        repeated. Empty: not known";

    fn fields() -> ArgValueCompleter {
        complete::dimensions("=")
    }
}

impl Condition for PostbackFilter {
    const HELP: &'static str = "What must hold of each: status!=200 or param:txid=T1, of network, template, result, status, \
        click, conversion, ip, test, direction, source, job, param:NAME; may be repeated. Empty: not known";

    fn fields() -> ArgValueCompleter {
        complete::words(PostbackField::names(), "=")
    }
}

/// Flags of every list of events.
#[derive(Debug, Args)]
pub(crate) struct EventList<F: Condition> {
    #[arg(long = "where", value_name = "FIELD=VALUES", help = F::HELP, add = F::fields())]
    filters: Vec<F>,
    #[command(flatten)]
    tests: TestsToo,
    /// Go on with those to come, oldest first, until Ctrl-C. Without --since: only those to come. One that arrives more
    /// than an hour after its time is not shown.
    #[arg(long, conflicts_with_all = ["limit", "cursor", "all", "until"])]
    follow: bool,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    paging: Paging,
}

/// A part of a list that is asked for: what all lists of events ask for alike.
pub(crate) struct ListQuery<F> {
    pub(crate) since: Option<Timestamp>,
    pub(crate) test: Option<TestTraffic>,
    pub(crate) filters: Vec<F>,
    /// The zone in which conditions on times are meant.
    pub(crate) timezone: Option<String>,
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<String>,
}

impl<F: Condition> EventList<F> {
    /// What is wrong with what it says, beside flags that cannot be read.
    pub(crate) fn problems(&self, rows: Rows) -> Problems {
        match self.columns.of(rows, Vec::new()) {
            Ok(_) => Problems::default(),
            Err(failure) => Problems::one("", failure.message),
        }
    }

    /// Prints the list, or follows it: its usual columns, where a row marks tests, its names, and how a part is fetched.
    ///
    /// # Errors
    /// Columns that there are not; what the calls end with; a closed pipe.
    pub(crate) async fn print<T: Serialize>(
        &self,
        context: &Context,
        since: Option<Timestamp>,
        list: Shown<T>,
        fetch: impl AsyncFn(ListQuery<F>) -> Result<Page<T>, ApiError>,
    ) -> Result<(), Failure> {
        let usual = self.tests.marked(list.usual, list.test);
        let view = View { columns: self.columns.of(list.rows, usual)?, name: list.name };
        let part = async |since, limit, cursor| {
            let (test, filters) = (Some(self.tests.test), self.filters.clone());
            let timezone = (!filters.is_empty()).then(|| when::local_name().to_owned());
            fetch(ListQuery { since, test, filters, timezone, limit, cursor }).await
        };
        if self.follow {
            return follow::rows(context, view, list.identity, since, async |from, limit, cursor| {
                part(Some(from), Some(limit), cursor).await
            })
            .await;
        }
        self.paging.print(context, view, async |limit, cursor| part(since, limit, cursor).await).await
    }
}

/// How the rows of a list are shown.
pub(crate) struct Shown<T> {
    pub(crate) rows: Rows,
    pub(crate) usual: Vec<Column>,
    /// The field that marks a test.
    pub(crate) test: &'static str,
    /// What `--output name` prints of a row.
    pub(crate) name: fn(&Value) -> String,
    pub(crate) identity: Identity<T>,
}
