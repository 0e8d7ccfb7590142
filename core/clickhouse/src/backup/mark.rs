//! The mark of a restore that goes on: a table without rows that has a column for each table that is not all there yet. It is there
//! from before the first change; a restore takes away the columns of what it has ended, and the mark with the last one.

use super::{RESTORING, quoted_name};
use crate::{client::Client, sql::Sql};
use tfx_ports::{StoreError, backup::named};

/// What the names of its columns begin with.
pub(crate) const OF: &str = "of ";
/// So many of what is open are named.
const NAMED: usize = 5;

fn column(table: &str) -> String {
    quoted_name(&format!("{OF}{table}"))
}

/// Before the first change.
pub(super) fn set<'t>(tables: impl Iterator<Item = &'t str>) -> Vec<String> {
    let begun =
        format!("CREATE TABLE IF NOT EXISTS {RESTORING} (begun DateTime DEFAULT now()) ENGINE = Null");
    let open = |table| format!("ALTER TABLE {RESTORING} ADD COLUMN IF NOT EXISTS {} UInt8", column(table));
    std::iter::once(begun).chain(tables.map(open)).collect()
}

/// All of a table is there.
pub(super) fn done(table: &str) -> String {
    format!("ALTER TABLE {RESTORING} DROP COLUMN IF EXISTS {}", column(table))
}

/// What is open; none: no restore goes on.
pub(crate) async fn open(client: &Client) -> Result<Option<Vec<String>>, StoreError> {
    let mut sql =
        Sql::new("SELECT name FROM system.columns WHERE database = currentDatabase() AND table = ?");
    sql.text(RESTORING).push(" ORDER BY position");
    let columns: Vec<String> = client.all("look for a restore", sql).await?;
    let open = columns.iter().filter_map(|name| name.strip_prefix(OF)).map(str::to_owned).collect();
    Ok((!columns.is_empty()).then_some(open))
}

/// What is wrong with a database in which these are open.
pub(crate) fn told(database: &str, open: &[String]) -> String {
    let open = if open.is_empty() { String::new() } else { format!(" ({})", named(open, NAMED)) };
    format!("a restore into {database} goes on or did not come to its end{open}")
}
