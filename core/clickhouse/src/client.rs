//! One server, one database: queries with a time limit, and errors that say what to do.

use crate::{
    ClickHouseConfig,
    cluster::Cluster,
    error::store_error,
    sql::{Sql, quoted},
};
use clickhouse::{RowOwned, RowRead, error::Error, insert_formatted::InsertFormatted, query::BytesCursor};
use std::time::Duration;
use tfx_ports::StoreError;

/// Longest text of a question, bytes: a report may ask for tens of thousands of values.
const LONGEST_QUERY: &str = "16777216";
/// How long a statement of a migration may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Clone)]
pub(crate) struct Client {
    inner: clickhouse::Client,
    pub(crate) url: String,
    pub(crate) database: String,
    pub(crate) cluster: Option<Cluster>,
    timeout: Duration,
    pub(crate) lease: Duration,
}

impl Client {
    pub(crate) fn new(config: &ClickHouseConfig) -> Result<Self, StoreError> {
        config.check()?;
        let mut inner =
            clickhouse::Client::default().with_url(&config.url).with_product_info("traffoflex", "1");
        if let Some(user) = &config.user {
            inner = inner.with_user(user);
        }
        if let Some(password) = &config.password {
            inner = inner.with_password(password);
        }
        Ok(Self {
            inner,
            url: config.url.clone(),
            database: config.database.clone(),
            cluster: config.cluster.as_deref().map(Cluster::new).transpose()?,
            timeout: config.timeout,
            lease: config.lease,
        })
    }

    /// The table in which the rows of such a one lie.
    pub(crate) fn stored(&self, table: &str) -> String {
        if self.cluster.is_some() { Cluster::local(table) } else { table.to_owned() }
    }

    /// How a statement names the table whose rows or engine it changes, on all servers that have it.
    pub(crate) fn altered(&self, table: &str) -> String {
        let on = self.cluster.as_ref().map(Cluster::on).unwrap_or_default();
        self.stored(table) + &on
    }

    /// A table of the system: of `every` server, or of one of those that hold the same; where there is but one, of that.
    pub(crate) fn system(&self, table: &str, every: bool) -> String {
        self.cluster.as_ref().map_or_else(|| format!("system.{table}"), |c| c.system(table, every))
    }

    /// Our database in a condition, wherever that is looked at.
    pub(crate) fn own(&self) -> String {
        quoted(&self.database)
    }

    /// All rows.
    pub(crate) async fn all<T: RowOwned + RowRead>(
        &self,
        what: &str,
        sql: Sql,
    ) -> Result<Vec<T>, StoreError> {
        let limit = self.timeout.as_secs_f64().to_string();
        let query = sql.query(
            &self
                .inner
                .clone()
                .with_database(&self.database)
                .with_setting("max_execution_time", limit)
                .with_setting("max_query_size", LONGEST_QUERY),
        );
        self.in_time(self.timeout, what, query.fetch_all()).await
    }

    /// Each row as it comes, until `take` has an error. A query whose rows nobody takes any more ends: the connection is
    /// closed with it.
    pub(crate) async fn each<T: RowOwned + RowRead>(
        &self,
        what: &str,
        sql: Sql,
        settings: &[(&str, String)],
        mut take: impl FnMut(T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let limit = self.timeout.as_secs_f64().to_string();
        let mut client = self
            .inner
            .clone()
            .with_database(&self.database)
            .with_setting("max_execution_time", limit)
            .with_setting("max_query_size", LONGEST_QUERY)
            .with_setting("cancel_http_readonly_queries_on_client_close", "1");
        for (name, value) in settings {
            client = client.with_setting(*name, value);
        }
        let mut cursor = sql.query(&client).fetch::<T>().map_err(|e| self.failed(what, e))?;
        let until = tokio::time::Instant::now() + self.timeout;
        loop {
            let next = tokio::time::timeout_at(until, cursor.next()).await;
            match next.unwrap_or(Err(Error::TimedOut)).map_err(|e| self.failed(what, e))? {
                Some(row) => take(row)?,
                None => return Ok(()),
            }
        }
    }

    /// Runs a statement for its effect.
    pub(crate) async fn execute(&self, what: &str, sql: Sql) -> Result<(), StoreError> {
        self.execute_within(PATIENCE, what, sql).await
    }

    /// Runs a statement that may take so long.
    pub(crate) async fn execute_within(
        &self,
        limit: Duration,
        what: &str,
        sql: Sql,
    ) -> Result<(), StoreError> {
        let query = sql.query(&self.inner.clone().with_database(&self.database));
        self.in_time(limit, what, query.execute()).await
    }

    /// Runs a statement outside of our database, which need not be there yet.
    pub(crate) async fn execute_outside(&self, what: &str, sql: Sql) -> Result<(), StoreError> {
        self.in_time(PATIENCE, what, sql.query(&self.inner).execute()).await
    }

    /// Bytes of a result as they come, however long that takes. It ends in the server too when nobody reads it any more.
    pub(crate) fn bytes(&self, what: &str, sql: Sql, format: &str) -> Result<BytesCursor, StoreError> {
        let client = self.inner.clone().with_database(&self.database);
        let client = client
            .with_setting("max_execution_time", "0")
            .with_setting("cancel_http_readonly_queries_on_client_close", "1");
        sql.query(&client).fetch_bytes(format).map_err(|e| self.failed(what, e))
    }

    /// Takes rows as bytes of a format. What is not ended is not inserted, or not all of it.
    pub(crate) fn insert(&self, statement: &str) -> InsertFormatted {
        let client = self.inner.clone().with_database(&self.database);
        client
            // Waited for, and every row as it is.
            .with_setting("async_insert", "0")
            .with_setting("optimize_on_insert", "0")
            .with_setting("max_partitions_per_insert_block", "0")
            .with_setting("max_execution_time", "0")
            .insert_formatted_with(statement)
            .with_timeouts(Some(PATIENCE), Some(PATIENCE))
    }

    /// What a failure means.
    pub(crate) fn failed(&self, what: &str, e: Error) -> StoreError {
        store_error(what, &self.url, &self.database, e)
    }

    async fn in_time<T>(
        &self,
        limit: Duration,
        what: &str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(limit, answer).await.unwrap_or(Err(Error::TimedOut));
        answer.map_err(|e| self.failed(what, e))
    }
}
