//! Writes the database as it is at one moment: every collection is read in one snapshot session, and what is listed before
//! the documents is what the server listed before and after that moment alike.

use super::{PATIENCE, TOLD_EVERY, list, mark, parts, pump::Pump};
use crate::{
    archive::{Damage, Kind, Namespace, Writer},
    db::Db,
    error::{code, describe, store_error, timed_out},
};
use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection,
    bson::{Document, RawDocumentBuf, doc},
    error::Error as DriverError,
    options::ReadConcern,
};
use tfx_ports::{
    StoreError,
    backup::{ArchiveSink, BackupError, Contents, OnProgress, Progress},
};
use tokio::time::timeout;

const WHAT: &str = "read the database";
/// Bytes that go to the device at once.
const CHUNK: usize = 1 << 20;
/// Documents that the server hands over at once: of usual ones a few megabytes, where it would else make it 16.
const BATCH: u32 = 2_000;
/// How often the list is read again when somebody changes collections meanwhile.
const TRIES: usize = 5;
/// The snapshot is older than what the server keeps.
const SNAPSHOT_TOO_OLD: i32 = 239;

pub(super) async fn write(
    db: &Db,
    to: Box<dyn ArchiveSink>,
    told: OnProgress<'_>,
) -> Result<Contents, BackupError> {
    if let Some(what) = mark::half_restored(db).await? {
        return Err(BackupError::HalfRestored { what });
    }
    let server = version(db).await?;
    let of = size(db).await;
    let (mut session, namespaces) = moment(db).await?;
    let writer = Writer::new(&server, namespaces).map_err(unwritable)?;
    let mut copy = Copy {
        db,
        writer,
        pump: Pump::to(to),
        told,
        last: 0,
        progress: Progress { of, ..Progress::default() },
    };
    let mut apart = Vec::new();
    for place in 0..copy.writer.namespaces().len() {
        let namespace = copy.writer.namespaces()[place].clone();
        copy.writer.begin(place).map_err(unwritable)?;
        match namespace.metadata.kind {
            Kind::View => {}
            _ if is_capped(&namespace) => {
                apart.push(namespace.name());
                copy.as_it_is(place, &namespace).await?;
            }
            _ => copy.in_snapshot(place, &namespace, &mut session).await?,
        }
        copy.writer.end(place).map_err(unwritable)?;
        copy.flush(0).await?;
    }
    copy.flush(0).await?;
    let Copy { writer, pump, progress, .. } = copy;
    told(progress);
    pump.end().await.map_err(BackupError::Write)?;
    let parts = parts(writer.namespaces(), writer.tallies());
    Ok(Contents {
        made_by: format!("tfx {}", env!("CARGO_PKG_VERSION")),
        server,
        parts,
        apart,
        moment: None,
        left_out: Vec::new(),
    })
}

/// The server reads no snapshot of it.
fn is_capped(namespace: &Namespace) -> bool {
    namespace.metadata.options.get_bool("capped").unwrap_or(false)
}

/// A session whose moment is fixed, and what is there at that moment.
async fn moment(db: &Db) -> Result<(ClientSession, Vec<Namespace>), BackupError> {
    let mut before = list::namespaces(db, db.database()).await?;
    for _ in 0..TRIES {
        let mut session = db.snapshot(WHAT).await?;
        let any = before.iter().find(|n| n.metadata.kind == Kind::Collection && !is_capped(n));
        let any: Collection<Document> = db.collection(any.map_or("revision", |n| &n.collection));
        // The first read fixes it.
        let first =
            any.find_one(doc! {}).projection(doc! {"_id": 1_i32}).read_concern(ReadConcern::snapshot());
        db.call_within(WHAT, PATIENCE, first.session(&mut session)).await?;
        let after = list::namespaces(db, db.database()).await?;
        if before == after {
            return Ok((session, after));
        }
        before = after;
    }
    let what = format!(
        "{WHAT}: collections and indexes are changed all the time; take the backup when that has ended"
    );
    Err(StoreError::Unavailable { what, source: None }.into())
}

struct Copy<'t> {
    db: &'t Db,
    writer: Writer,
    pump: Pump,
    told: OnProgress<'t>,
    /// When somebody was told, in bytes.
    last: u64,
    progress: Progress,
}

impl Copy<'_> {
    async fn in_snapshot(
        &mut self,
        place: usize,
        namespace: &Namespace,
        session: &mut ClientSession,
    ) -> Result<(), BackupError> {
        let all: Collection<RawDocumentBuf> = self.db.collection(&namespace.stored_in());
        let find =
            all.find(doc! {}).batch_size(BATCH).read_concern(ReadConcern::snapshot()).session(&mut *session);
        let mut cursor = match timeout(PATIENCE, find.into_future()).await {
            Ok(found) => self.moment_kept(found).await?,
            Err(_) => return Err(timed_out(WHAT, PATIENCE).into()),
        };
        loop {
            let more = match timeout(PATIENCE, cursor.advance(session)).await {
                Ok(more) => self.moment_kept(more).await?,
                Err(_) => return Err(timed_out(WHAT, PATIENCE).into()),
            };
            if !more {
                return Ok(());
            }
            self.document(place, cursor.current().as_bytes()).await?;
        }
    }

    /// At a moment of its own.
    async fn as_it_is(&mut self, place: usize, namespace: &Namespace) -> Result<(), BackupError> {
        let all: Collection<RawDocumentBuf> = self.db.collection(&namespace.stored_in());
        let mut cursor = self.db.call_within(WHAT, PATIENCE, all.find(doc! {}).batch_size(BATCH)).await?;
        while let Some(document) = self.db.call_within(WHAT, PATIENCE, cursor.try_next()).await? {
            self.document(place, document.as_bytes()).await?;
        }
        Ok(())
    }

    async fn document(&mut self, place: usize, document: &[u8]) -> Result<(), BackupError> {
        self.writer.document(place, document).map_err(unwritable)?;
        self.progress.documents += 1;
        self.progress.bytes += document.len() as u64;
        if self.progress.bytes - self.last >= TOLD_EVERY {
            self.last = self.progress.bytes;
            (self.told)(self.progress);
        }
        self.flush(CHUNK).await
    }

    /// Hands over what was made, if it is as much as that.
    async fn flush(&mut self, least: usize) -> Result<(), BackupError> {
        if self.writer.waiting() >= least.max(1) {
            self.pump.bytes(self.writer.take()).await.map_err(BackupError::Write)?;
        }
        Ok(())
    }

    async fn moment_kept<T>(&self, done: Result<T, DriverError>) -> Result<T, BackupError> {
        match done {
            Ok(done) => Ok(done),
            Err(e) if code(&e) == Some(SNAPSHOT_TOO_OLD) => Err(gone(self.db, &e).await),
            Err(e) => Err(store_error(WHAT, e).into()),
        }
    }
}

/// The server keeps a moment for some time only, and says for how long.
async fn gone(db: &Db, e: &DriverError) -> BackupError {
    const SETTING: &str = "minSnapshotHistoryWindowInSeconds";
    let admin = db.other("admin");
    let asked = admin.run_command(doc! {"getParameter": 1_i32, SETTING: 1_i32});
    let kept = db.call(WHAT, asked).await.ok().and_then(|answer| answer.get_i32(SETTING).ok());
    let kept = kept.map_or_else(|| "for a time".to_owned(), |seconds| format!("for {seconds} s"));
    let what = format!(
        "{}; MongoDB keeps it {kept} and the backup takes longer: let it keep more, on every member, with \
         db.adminCommand({{setParameter: 1, {SETTING}: 3600}}), and take the backup again",
        describe(e)
    );
    BackupError::MomentGone { what }
}

pub(crate) async fn version(db: &Db) -> Result<String, StoreError> {
    let info =
        db.call("ask for the server's version", db.database().run_command(doc! {"buildInfo": 1_i32})).await?;
    Ok(info.get_str("version").unwrap_or("0.0.0").to_owned())
}

/// Bytes of all documents, roughly: for people only.
async fn size(db: &Db) -> Option<u64> {
    let stats = db.call("ask for the size", db.database().run_command(doc! {"dbStats": 1_i32})).await.ok()?;
    let size = stats.get("dataSize")?;
    let whole = size.as_i64().or_else(|| size.as_i32().map(i64::from));
    #[expect(clippy::cast_possible_truncation, reason = "a size in bytes, for people")]
    let whole = whole.or_else(|| size.as_f64().map(|n| n as i64));
    whole.and_then(|n| u64::try_from(n).ok())
}

fn unwritable(damage: Damage) -> BackupError {
    StoreError::broken("write the archive", damage).into()
}
