//! Back into the database, a partition at a time: into a table beside, which no view sees, and from there attached as a whole.

use super::{
    RESTORING,
    catalogue::{self, Found},
    mark, names, not_sound, quoted_name, standing, there,
};
use crate::{
    client::Client,
    migrate,
    sql::{Sql, quoted},
};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read},
    time::Duration,
};
use tfx_ports::{
    StoreError,
    backup::{BackupError, OnProgress, Progress, RestoreFailed, Restored, Stage},
    table_backup::{Catalogue, OpenArchive, ServerPlace, StoredColumn, StoredTable, TableStanding},
};
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
};

/// How much goes to the server at once.
const PORTION: usize = 1 << 18;
/// Portions that wait for the server.
const WAITING: usize = 2;
/// For what goes over all rows that are there.
const LONG: Duration = Duration::from_secs(6 * 3_600);

/// Where the rows come from.
pub(super) enum From<'f> {
    /// The archives of partitions.
    Archives(OpenArchive<'f>),
    /// What the server itself wrote.
    Server(&'f ServerPlace),
}

pub(super) async fn restore(
    client: &Client,
    wanted: &Catalogue,
    from: &From<'_>,
    told: OnProgress<'_>,
) -> Result<Vec<Restored>, RestoreFailed> {
    let untouched = |table: &StoredTable| Restored {
        from: table.name.clone(),
        to: format!("{}.{}", client.database, table.name),
        stage: Stage::Untouched,
        documents: 0,
        refused: 0,
        indexes: 0,
        problem: None,
        aside: None,
    };
    let mut done: Vec<Restored> = wanted.tables.iter().map(untouched).collect();
    let mut work = Work { client, wanted, progress: Progress::default(), told };
    match work.all(from, &mut done).await {
        Ok(()) => Ok(done),
        Err(error) => Err(RestoreFailed { error, parts: done }),
    }
}

struct Work<'w> {
    client: &'w Client,
    wanted: &'w Catalogue,
    progress: Progress,
    told: OnProgress<'w>,
}

impl Work<'_> {
    async fn all(&mut self, from: &From<'_>, done: &mut [Restored]) -> Result<(), BackupError> {
        let database = format!("CREATE DATABASE IF NOT EXISTS {}", self.client.database);
        self.client.execute_outside("make the database", Sql::new(database)).await?;
        let standing = standing::standing(self.client, self.wanted).await?;
        for table in &standing.tables {
            if let Some(problem) = &table.problem {
                return Err(not_sound(format!("{}: {problem}", table.name)));
            }
        }
        for statement in mark::set(self.wanted.tables.iter().map(|table| table.name.as_str())) {
            self.execute(&statement).await?;
        }
        self.clear_beside().await?;
        for table in &self.wanted.tables {
            let (name, definition) = (quoted_name(&table.name), &table.definition);
            self.execute(&format!("CREATE TABLE IF NOT EXISTS {name} {definition}")).await?;
        }
        for (at, table) in self.wanted.tables.iter().enumerate() {
            done[at].stage = Stage::Begun;
            let none = Vec::new();
            let passed_over = standing.tables.iter().find(|t: &&TableStanding| t.name == table.name);
            let passed_over = passed_over.map_or(&none, |t| &t.passed_over);
            let beside = format!("{RESTORING}_{at}");
            match from {
                From::Archives(open) => {
                    for partition in
                        table.partitions.iter().filter(|p| p.rows > 0 && !passed_over.contains(&p.id))
                    {
                        let archive = open(partition).map_err(BackupError::Read)?;
                        self.begin(table, &beside).await?;
                        self.insert(&beside, &table.columns, archive).await?;
                        self.attach(table, &beside, &[]).await?;
                        done[at].documents += partition.rows;
                        self.progress.documents += partition.rows;
                    }
                }
                From::Server(place) => {
                    self.begin(table, &beside).await?;
                    there::restore(self.client, self.wanted, place, &table.name, &beside).await?;
                    self.attach(table, &beside, passed_over).await?;
                    let rows = table.partitions.iter().filter(|p| !passed_over.contains(&p.id));
                    done[at].documents = rows.map(|p| p.rows).sum();
                    self.progress.documents += done[at].documents;
                    self.progress.bytes += table.bytes();
                    (self.told)(self.progress);
                }
            }
            done[at].stage = Stage::Done;
        }
        self.count().await?;
        for table in &self.wanted.tables {
            self.execute(&mark::done(&table.name)).await?;
        }
        if mark::open(self.client).await?.is_some_and(|open| open.is_empty()) {
            self.execute(&format!("DROP TABLE IF EXISTS {RESTORING}")).await?;
        }
        Ok(())
    }

    /// Takes away the tables beside of a restore that was killed.
    async fn clear_beside(&self) -> Result<(), BackupError> {
        let mut sql = Sql::new(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, ?)",
        );
        sql.text(format!("{RESTORING}_"));
        let left: Vec<String> = self.client.all("look for a restore", sql).await?;
        for table in left {
            self.execute(&format!("DROP TABLE IF EXISTS {}", quoted_name(&table))).await?;
        }
        Ok(())
    }

    /// A table like that one, without rows.
    async fn begin(&self, table: &StoredTable, beside: &str) -> Result<(), BackupError> {
        self.execute(&format!("DROP TABLE IF EXISTS {beside}")).await?;
        self.execute(&format!("CREATE TABLE {beside} AS {}", quoted_name(&table.name))).await
    }

    async fn insert(
        &mut self,
        into: &str,
        columns: &[StoredColumn],
        from: Box<dyn Read + Send>,
    ) -> Result<(), BackupError> {
        const WHAT: &str = "insert what the backup has";
        let failed = |e| BackupError::from(self.client.failed(WHAT, e));
        let mut insert =
            self.client.insert(&format!("INSERT INTO {into} ({}) FORMAT Native", names(columns)));
        let mut portions = portions(from);
        loop {
            match portions.recv().await {
                Some(Portion::Bytes(bytes)) => {
                    self.progress.bytes += bytes.len() as u64;
                    insert.send(bytes.into()).await.map_err(failed)?;
                    (self.told)(self.progress);
                }
                Some(Portion::End) => return insert.end().await.map_err(failed),
                // One that is not ended takes nothing.
                Some(Portion::Failed(e)) => return Err(BackupError::Read(e)),
                None => return Err(BackupError::Read(io::Error::other("the archive was given up"))),
            }
        }
    }

    /// Gives the table all partitions of the one beside, but for some.
    async fn attach(&self, table: &StoredTable, beside: &str, but: &[String]) -> Result<(), BackupError> {
        let mut sql = Sql::new(
            "SELECT DISTINCT partition_id FROM system.parts
             WHERE database = currentDatabase() AND active AND table = ? ORDER BY partition_id",
        );
        sql.text(beside);
        let partitions: Vec<String> = self.client.all("look at what was inserted", sql).await?;
        for partition in partitions.iter().filter(|p| !but.contains(p)) {
            let (name, partition) = (quoted_name(&table.name), quoted(partition));
            self.execute(&format!("ALTER TABLE {name} ATTACH PARTITION ID {partition} FROM {beside}"))
                .await?;
        }
        self.execute(&format!("DROP TABLE IF EXISTS {beside}")).await
    }

    /// What caps are counted from is made of events by views, which saw nothing of this. Counted twice it is the same.
    async fn count(&self) -> Result<(), BackupError> {
        let found: BTreeMap<String, Found> = catalogue::tables(self.client).await?;
        for (into, from, statement) in migrate::counts() {
            if self.wanted.tables.iter().any(|t| t.name == from) && found.contains_key(&into) {
                self.client.execute_within(LONG, "count the use of caps", Sql::verbatim(&statement)).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, statement: &str) -> Result<(), BackupError> {
        Ok(self.client.execute("restore", Sql::verbatim(statement)).await.map_err(beginning_again)?)
    }
}

/// Another restore takes away what this one works in.
fn beginning_again(e: StoreError) -> StoreError {
    if e.to_string().contains(RESTORING) && migrate::is_missing(&e) {
        let what = "restore: another restore into this database began, which ended this one".to_owned();
        return StoreError::Broken { what, source: None };
    }
    e
}

enum Portion {
    Bytes(Vec<u8>),
    End,
    Failed(io::Error),
}

/// Reads an archive on a thread of its own.
fn portions(mut from: Box<dyn Read + Send>) -> Receiver<Portion> {
    let (portions, next) = channel(WAITING);
    spawn_blocking(move || {
        loop {
            let mut bytes = vec![0; PORTION];
            let portion = match filled(&mut *from, &mut bytes) {
                Ok(0) => Portion::End,
                Ok(n) => {
                    bytes.truncate(n);
                    Portion::Bytes(bytes)
                }
                Err(e) => Portion::Failed(e),
            };
            let ends = !matches!(portion, Portion::Bytes(_));
            // Nobody may be there to take it any more.
            if portions.blocking_send(portion).is_err() || ends {
                return;
            }
        }
    });
    next
}

/// As much as there is, at most what fits.
fn filled(from: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < into.len() {
        match from.read(&mut into[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}
