//! Backups that the server itself writes, to a disk of its own: `BACKUP … TO Disk(…)`. Which disks it may use for that, its
//! configuration says (`<backups><allowed_disk>`).

use super::{not_sound, quoted_name};
use crate::{
    client::Client,
    sql::{Sql, quoted},
};
use std::time::Duration;
use tfx_ports::{
    backup::{BackupError, OnProgress, Progress},
    entropy,
    table_backup::{Catalogue, ServerPlace},
};
use tokio::time::sleep;

/// How often the server is asked how far it is.
const EVERY: Duration = Duration::from_millis(250);

pub(super) async fn write(
    client: &Client,
    wanted: &Catalogue,
    to: &ServerPlace,
    told: OnProgress<'_>,
) -> Result<(), BackupError> {
    let tables: Vec<String> =
        wanted.tables.iter().map(|t| format!("TABLE {}.{}", client.database, quoted_name(&t.name))).collect();
    let statement = format!("BACKUP {} TO {}", tables.join(", "), disk(to));
    done(client, "back up on the server", &statement, "", told).await
}

/// The rows of a table into one that is there and has none.
pub(super) async fn restore(
    client: &Client,
    wanted: &Catalogue,
    from: &ServerPlace,
    table: &str,
    into: &str,
) -> Result<(), BackupError> {
    let statement = format!(
        "RESTORE TABLE {}.{} AS {}.{into} FROM {}",
        quoted_name(&wanted.database),
        quoted_name(table),
        client.database,
        disk(from)
    );
    done(client, "restore on the server", &statement, "allow_different_table_def = 1, ", &|_| {})
        .await
        .map(|_| ())
}

fn disk(place: &ServerPlace) -> String {
    format!("Disk({}, {})", quoted(&place.disk), quoted(&place.name))
}

/// Begins it and waits for its end, however long it takes: no answer is waited for, so none can time out.
async fn done(
    client: &Client,
    what: &str,
    statement: &str,
    settings: &str,
    told: OnProgress<'_>,
) -> Result<(), BackupError> {
    let id = format!("{:032x}", entropy::random_u128());
    let begun = Sql::verbatim(&format!("{statement} SETTINGS {settings}id = '{id}' ASYNC"));
    client.execute(what, begun).await?;
    loop {
        let mut sql = Sql::new(
            "SELECT toString(status), error, total_size, bytes_read FROM system.backups WHERE id = ?",
        );
        sql.text(&id);
        let found: Vec<(String, String, u64, u64)> = client.all(what, sql).await?;
        match found.into_iter().next() {
            Some((status, ..)) if matches!(status.as_str(), "BACKUP_CREATED" | "RESTORED") => {
                return Ok(());
            }
            Some((status, _, size, read)) if matches!(status.as_str(), "CREATING_BACKUP" | "RESTORING") => {
                told(Progress { bytes: read, documents: 0, of: Some(size).filter(|size| *size > 0) });
            }
            Some((status, error, ..)) => return Err(not_sound(format!("{what}: {}", why(&status, &error)))),
            None => {
                return Err(not_sound(format!("{what}: ClickHouse has forgotten it; was it started again?")));
            }
        }
        sleep(EVERY).await;
    }
}

/// The server's reason without where in its code it was.
fn why(status: &str, error: &str) -> String {
    let said = error.split_once("DB::Exception: ").map_or(error, |(_, rest)| rest);
    let said = said.split(", Stack trace").next().unwrap_or_default();
    let said = said.lines().next().unwrap_or_default();
    if said.is_empty() { format!("it ended as {status}") } else { said.to_owned() }
}
