//! Takes a store of tables into a set: a file for each partition, and a catalogue of them. A partition that has not changed since
//! an earlier set of the same place is not exported again: its file, which is compared with its checksum first, is in both sets (a hard link, a copy that the server makes), so each is whole by itself and
//! may be deleted by itself.

use super::{
    FoundSet, SetError, Sets, list,
    make::{blocking, summed},
    manifest::{SetPart, sum},
    shelf::{Adopted, Draft, Files, Record},
};
use crate::backup::{OnPhase, Packing, Phase, TakeError, take::to_target};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tfx_ports::{
    backup::{BackupError, Progress},
    clock,
    table_backup::{CATALOGUE_FORMAT, Catalogue, ServerPlace, StoredPartition, StoredTable, TableBackup},
};
use tokio::task::JoinSet;

/// The longest text of a catalogue.
const LONGEST: u64 = 1 << 28;

/// A store of tables of which a set has parts.
#[derive(Clone)]
pub struct TableSource {
    /// `clickhouse`.
    pub store: &'static str,
    /// The store itself.
    pub backup: Arc<dyn TableBackup>,
    /// How many partitions are read at the same time, at most.
    pub parallel: usize,
}

/// How the partitions of a set came into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// Read from the store.
    pub read: usize,
    /// Read by an earlier run that did not come to its end, and unchanged since.
    pub resumed: usize,
    /// In an earlier set, and unchanged since.
    pub linked: usize,
    /// Files of that set that are not what was written: their partitions were read from the store.
    pub damaged: Vec<String>,
}

/// What the file of a store's catalogue is called.
fn catalogue_name(store: &str) -> String {
    format!("{store}.json")
}

/// Partitions that are whole somewhere, by table and name.
#[derive(Default)]
pub(super) struct Earlier(BTreeMap<(String, String), Record>);

impl Earlier {
    pub(super) fn of_run(records: Vec<Record>) -> Self {
        let at = |record: Record| ((record.table.clone(), record.partition.id.clone()), record);
        Self(records.into_iter().map(at).collect())
    }

    /// Of the newest whole set that has this store, and its name. It blocks.
    pub(super) fn of_set(sets: &Sets, store: &str) -> Result<Option<(String, Self)>, SetError> {
        for set in list(sets)?.iter().rev() {
            let Ok(catalogue) = catalogue(set, store) else { continue };
            let parts = set.whole().map(|m| m.parts.as_slice()).unwrap_or_default();
            let mut records = Vec::new();
            for table in catalogue.tables {
                for partition in table.partitions {
                    let Some(part) = parts.iter().find(|part| part.file == partition.file) else { continue };
                    let (name, definition) = (table.name.clone(), table.definition.clone());
                    records.push(Record { table: name, definition, partition, part: part.clone() });
                }
            }
            return Ok(Some((set.name.clone(), Self::of_run(records))));
        }
        Ok(None)
    }

    /// What was read of the partition, if it is the same as now.
    fn same(&self, table: &StoredTable, now: &StoredPartition) -> Option<&Record> {
        let found = self.0.get(&(table.name.clone(), now.id.clone()))?;
        let same =
            now.state.is_some() && found.partition.state == now.state && found.definition == table.definition;
        same.then_some(found)
    }
}

/// The catalogue of a store in a set that is whole.
///
/// # Errors
/// The set has none, or it is not what was written.
pub fn catalogue(set: &FoundSet, store: &str) -> Result<Catalogue, BackupError> {
    let not_sound = |what: String| BackupError::NotSound { what };
    let manifest = match &set.state {
        super::SetState::Whole(manifest) => manifest,
        super::SetState::Half(why) | super::SetState::Left { why, .. } => {
            let rest = if set.said.is_some() { "; --only-whole restores what is whole of it" } else { "" };
            return Err(not_sound(format!("{} is no whole backup: {why}{rest}", set.path.display())));
        }
    };
    let name = catalogue_name(store);
    let Some(part) = manifest.parts.iter().find(|part| part.file == name) else {
        return Err(not_sound(format!("{} has nothing of {store}", set.path.display())));
    };
    let path = set.path.join(&name);
    let archive = set.files.archive(&name).map_err(BackupError::Read)?;
    let (sha256, bytes) = sum(&mut *archive.raw(), &mut |_| {}).map_err(BackupError::Read)?;
    if (&sha256, bytes) != (&part.sha256, part.bytes) {
        return Err(not_sound(format!("{} is not what was written", path.display())));
    }
    let mut text = Vec::new();
    archive.raw().take(LONGEST).read_to_end(&mut text).map_err(BackupError::Read)?;
    #[derive(serde::Deserialize)]
    struct OfFormat {
        format: u32,
    }
    if serde_json::from_slice(&text).is_ok_and(|c: OfFormat| c.format > CATALOGUE_FORMAT) {
        return Err(not_sound(format!("{} is of a newer program: update tfx", path.display())));
    }
    let said: Catalogue = serde_json::from_slice(&text)
        .map_err(|e| not_sound(format!("{} is not what this version writes: {e}", path.display())))?;
    for partition in said.tables.iter().flat_map(|table| &table.partitions) {
        let held = manifest.parts.iter().any(|part| part.file == partition.file);
        if said.there.is_none() && !held {
            return Err(not_sound(format!("{}: {} is not in the set", path.display(), partition.file)));
        }
    }
    Ok(said)
}

/// Takes everything of the store into the folder.
pub(super) async fn take(
    draft: &mut dyn Draft,
    source: &TableSource,
    resumed: &Earlier,
    (base_name, base): (Option<&str>, &Earlier),
    teller: &OnPhase,
) -> Result<(Vec<SetPart>, Catalogue, Origins), SetError> {
    let failed = |error: BackupError| SetError::Part { part: source.store.to_owned(), error: error.into() };
    let mut catalogue = source.backup.catalogue().await.map_err(failed)?;
    let told = Arc::new(Told::new(teller, catalogue.tables.iter().map(StoredTable::bytes).sum()));
    let files = draft.files();
    let (mut parts, mut origins, mut reading) = (Vec::new(), Origins::default(), Readings::new());
    let mut taken: BTreeMap<(usize, usize), StoredPartition> = BTreeMap::new();
    for (of, table) in catalogue.tables.iter().enumerate() {
        for (at, partition) in table.partitions.iter().enumerate() {
            if let Some(record) = resumed.same(table, partition) {
                origins.resumed += 1;
                told.passed(&record.partition);
                parts.push(record.part.clone());
                taken.insert((of, at), record.partition.clone());
                continue;
            }
            let file = file_name(source.store, &table.name, &partition.id);
            if let (Some(record), Some(set)) = (base.same(table, partition), base_name) {
                match adopted(&files, &file, set, record).await? {
                    Adopted::Done => {
                        origins.linked += 1;
                        told.passed(&record.partition);
                        draft.record(record)?;
                        parts.push(record.part.clone());
                        taken.insert((of, at), record.partition.clone());
                        continue;
                    }
                    Adopted::Damaged => origins.damaged.push(record.part.file.clone()),
                    Adopted::Impossible => {}
                }
            }
            while reading.len() >= source.parallel.max(1) {
                next(&mut reading, draft, &mut parts, &mut taken).await?;
            }
            origins.read += 1;
            // Of one that has changed since it was read: in the place of this one.
            if !resumed.0.is_empty() {
                files.remove(&file);
            }
            let work = Reading {
                source: source.clone(),
                table: StoredTable { partitions: Vec::new(), ..table.clone() },
                id: partition.id.clone(),
                files: Arc::clone(&files),
                file,
            };
            let told = Arc::clone(&told);
            reading.spawn(async move { Ok(((of, at), work.read(&told).await?)) });
        }
    }
    while !reading.is_empty() {
        next(&mut reading, draft, &mut parts, &mut taken).await?;
    }
    for ((of, at), partition) in taken {
        catalogue.tables[of].partitions[at] = partition;
    }
    parts.sort_by(|a, b| a.file.cmp(&b.file));
    parts.insert(0, written(files, source.store, &catalogue).await?);
    Ok((parts, catalogue, origins))
}

/// Has the server itself write everything, and puts the catalogue of it into the folder.
pub(super) async fn take_there(
    files: Arc<dyn Files>,
    source: &TableSource,
    place: ServerPlace,
    teller: &OnPhase,
) -> Result<(SetPart, Catalogue), SetError> {
    let failed = |error: BackupError| SetError::Part { part: source.store.to_owned(), error: error.into() };
    let mut catalogue = source.backup.catalogue().await.map_err(failed)?;
    let told = |progress| teller(Phase::Writing, progress);
    source.backup.write_there(&catalogue, &place, &told).await.map_err(failed)?;
    let store = format!("{}@{}", source.store, place.disk);
    catalogue.there = Some(place);
    let rows = catalogue.tables.iter().map(StoredTable::rows).sum();
    let part = written(files, source.store, &catalogue).await?;
    Ok((SetPart { store, documents: rows, ..part }, catalogue))
}

/// Puts a catalogue into the set.
async fn written(files: Arc<dyn Files>, store: &str, catalogue: &Catalogue) -> Result<SetPart, SetError> {
    let file = catalogue_name(store);
    let path = files.path().join(&file);
    let mut text = serde_json::to_vec_pretty(catalogue).map_err(|e| SetError::io(&path)(e.into()))?;
    text.push(b'\n');
    let (name, moment) = (file.clone(), Some(clock::now()));
    let (sha256, bytes) = blocking(path.clone(), move || {
        let written = files.put(&name, &text).and_then(|()| files.archive(&name));
        let summed = written.and_then(|archive| sum(&mut *archive.raw(), &mut |_| {}));
        summed.map_err(SetError::io(&path))
    })
    .await?;
    Ok(SetPart { file, store: store.to_owned(), bytes, sha256, documents: 0, moment })
}

/// Puts a file of an earlier set into this one too; where that cannot be, it is read again.
async fn adopted(
    files: &Arc<dyn Files>,
    file: &str,
    set: &str,
    record: &Record,
) -> Result<Adopted, SetError> {
    let (into, file, set, part) = (Arc::clone(files), file.to_owned(), set.to_owned(), record.part.clone());
    blocking(files.path(), move || Ok(into.adopt(&file, &set, &part))).await
}

type Readings = JoinSet<Result<((usize, usize), Record), SetError>>;

/// Waits for one that is being read.
async fn next(
    reading: &mut Readings,
    draft: &mut dyn Draft,
    parts: &mut Vec<SetPart>,
    taken: &mut BTreeMap<(usize, usize), StoredPartition>,
) -> Result<(), SetError> {
    let Some(done) = reading.join_next().await else { return Ok(()) };
    let path = draft.files().path();
    let (at, record) = done.map_err(|e| SetError::io(&path)(io::Error::other(e)))??;
    draft.record(&record)?;
    parts.push(record.part);
    taken.insert(at, record.partition);
    Ok(())
}

/// A partition that is read.
struct Reading {
    source: TableSource,
    table: StoredTable,
    id: String,
    files: Arc<dyn Files>,
    file: String,
}

impl Reading {
    async fn read(self, told: &Arc<Told>) -> Result<Record, SetError> {
        let Self { source, table, id, files, file } = self;
        let failed = |error: TakeError| SetError::Part {
            part: format!("{}, {}/{id}", source.store, table.name),
            error,
        };
        let store = |e| failed(BackupError::Store(e).into());
        let moment = clock::now();
        let before = source.backup.state(&table.name, &id).await.map_err(store)?;
        let archive = source.backup.partition(&table, &id);
        let (begins, name) = (Arc::clone(&files), file.clone());
        let taken = to_target(&archive, move || begins.begin(&name), Packing::Zstd, &told.of_one()).await;
        let taken = taken.map_err(failed)?;
        let after = source.backup.state(&table.name, &id).await.map_err(store)?;
        let (sha256, bytes) = summed(&files, &file, &taken).await?;
        let rows = taken.contents.documents();
        let part = SetPart {
            file: file.clone(),
            store: source.store.to_owned(),
            bytes,
            sha256,
            documents: rows,
            moment: Some(moment),
        };
        // What changed meanwhile was read as it was at one of these moments, and nobody knows at which.
        let state = before.filter(|before| Some(before) == after.as_ref());
        let partition = StoredPartition { id, rows, bytes: taken.contents.bytes(), state, file };
        Ok(Record { table: table.name, definition: table.definition, partition, part })
    }
}

/// Of two tables and partitions never the same, whatever they are called.
fn file_name(store: &str, table: &str, partition: &str) -> String {
    let plain = |text: &str| {
        let plain = |byte: u8| match byte {
            b if b.is_ascii_alphanumeric() || b == b'_' => char::from(b).to_string(),
            b => format!("-{b:02x}"),
        };
        text.bytes().map(plain).collect::<String>()
    };
    format!("{store}.{}.{}.native{}", plain(table), plain(partition), Packing::Zstd.ending())
}

/// How far all are together.
struct Told {
    teller: OnPhase,
    of: u64,
    bytes: AtomicU64,
    documents: AtomicU64,
}

impl Told {
    fn new(teller: &OnPhase, of: u64) -> Self {
        Self { teller: Arc::clone(teller), of, bytes: AtomicU64::new(0), documents: AtomicU64::new(0) }
    }

    fn more(&self, bytes: u64, documents: u64) {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let documents = self.documents.fetch_add(documents, Ordering::Relaxed) + documents;
        (self.teller)(Phase::Writing, Progress { bytes, documents, of: Some(self.of) });
    }

    fn passed(&self, partition: &StoredPartition) {
        self.more(partition.bytes, partition.rows);
    }

    /// Whom one of them tells.
    fn of_one(self: &Arc<Self>) -> OnPhase {
        let (all, before) = (Arc::clone(self), (AtomicU64::new(0), AtomicU64::new(0)));
        Arc::new(move |phase, progress| {
            if phase == Phase::Writing {
                let bytes = progress.bytes.saturating_sub(before.0.swap(progress.bytes, Ordering::Relaxed));
                let documents =
                    progress.documents.saturating_sub(before.1.swap(progress.documents, Ordering::Relaxed));
                all.more(bytes, documents);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_partitions_have_one_file() {
        assert_eq!(
            file_name("clickhouse", "click_events", "202611"),
            "clickhouse.click_events.202611.native.zst"
        );
        assert_eq!(file_name("clickhouse", "a.b", "c"), "clickhouse.a-2eb.c.native.zst");
        assert_ne!(file_name("s", "a.b", "c"), file_name("s", "a", "b.c"));
        assert_ne!(file_name("s", "a-2e", "c"), file_name("s", "a.", "c"));
    }
}
