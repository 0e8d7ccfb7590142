//! Partitions out of the real ClickHouse and back into it: nothing bent, nothing doubled, nothing half.

use crate::kit::{Database, click, postback, report, sale};
use std::{
    collections::HashMap,
    io::{self, Cursor, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tfx_domain::event::Topic;
use tfx_ports::{
    backup::{ArchiveSink, RestoreFailed, Restored, Stage},
    table_backup::{Catalogue, ServerPlace, StoredPartition, TableBackup},
};

/// An archive in memory; none until it was ended.
#[derive(Clone, Default)]
struct MemoryFile(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink for MemoryFile {
    fn end(self: Box<Self>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        Ok(())
    }
}

/// A catalogue, and the archives of its partitions by file.
#[derive(Clone)]
pub(crate) struct Taken {
    pub(crate) catalogue: Catalogue,
    pub(crate) files: HashMap<String, Vec<u8>>,
}

pub(crate) async fn take(of: &Database) -> Taken {
    let backup = of.store().backup();
    let mut catalogue = backup.catalogue().await.expect("a catalogue");
    let mut files = HashMap::new();
    for table in &mut catalogue.tables {
        let like = table.clone();
        for partition in &mut table.partitions {
            let archive = backup.partition(&like, &partition.id);
            let kept = MemoryFile::default();
            let written = archive.write(Box::new(kept.clone()), &|_| {}).await.expect("written");
            let (bytes, ended) = kept.0.lock().expect("alone").clone();
            assert!(ended);
            let read = archive.check(&mut &*bytes, &|_| {}).expect("whole");
            assert_eq!(read.parts, written.parts);
            partition.rows = written.documents();
            partition.file = format!("{}/{}", like.name, partition.id);
            files.insert(partition.file.clone(), bytes);
        }
    }
    Taken { catalogue, files }
}

pub(crate) async fn restore(
    backup: &Arc<dyn TableBackup>,
    taken: &Taken,
) -> Result<Vec<Restored>, RestoreFailed> {
    let open = |partition: &StoredPartition| -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(taken.files[&partition.file].clone())))
    };
    backup.restore(&taken.catalogue, &open, &|_| {}).await
}

/// Clicks and sales of these numbers, each twice, and something broken.
pub(crate) async fn fill(database: &Database, numbers: std::ops::Range<u32>) {
    let clicks: Vec<_> = numbers.clone().map(|n| serde_json::to_vec(&click(n)).expect("JSON")).collect();
    let sales: Vec<_> = numbers.clone().map(|n| serde_json::to_vec(&sale(n)).expect("JSON")).collect();
    let postbacks: Vec<_> = numbers.map(|n| serde_json::to_vec(&postback(n)).expect("JSON")).collect();
    let mut messages: Vec<(Topic, &[u8])> = clicks.iter().map(|m| (Topic::ClickEvents, &m[..])).collect();
    messages.extend(sales.iter().map(|m| (Topic::ConversionEvents, &m[..])));
    messages.extend(postbacks.iter().map(|m| (Topic::PostbackLogEvents, &m[..])));
    messages.push((Topic::ClickEvents, b"\xff\0broken"));
    database.insert(&messages).await.expect("insert");
    database.insert(&messages).await.expect("insert");
}

/// All that reports and caps are made of.
pub(crate) async fn counts(database: &Database) -> Vec<(String, u64, u64)> {
    let mut all = Vec::new();
    for (table, columns) in [
        ("click_events", "*"),
        ("trafficback_events", "*"),
        ("conversion_events", "*"),
        ("postback_log_events", "*"),
        ("kafka_ingestion_errors", "*, content, earliness"),
        ("conversion_use", "*"),
    ] {
        let sql = format!("SELECT '{table}', count(), sum(cityHash64({columns})) FROM {table} FINAL");
        all.extend(database.column::<(String, u64, u64)>(&sql).await);
    }
    all
}

const BY: [&str; 3] = ["country", "status", "destination"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_brings_everything_back_and_doubles_nothing() {
    let from = Database::without_queues().await;
    fill(&from, 0..20).await;
    let (want, reported) = (counts(&from).await, report(&from.store(), &BY).await);
    assert_eq!((want[0].1, want[2].1, want[3].1, want[4].1, want[5].1), (20, 20, 20, 1, 20));
    let taken = take(&from).await;
    assert!(taken.catalogue.definitions.iter().any(|d| d.name == "conversion_use_mv"));
    assert!(taken.catalogue.tables.iter().all(|t| !t.name.starts_with("tfx_")));

    let into = Database::unmade();
    let backup = into.store().backup();
    let standing = backup.standing(&taken.catalogue).await.expect("nothing is there");
    assert!(
        standing.tables.iter().all(|t| t.there.is_none() && t.problem.is_none()) && standing.half.is_none()
    );
    for round in 0..2 {
        let restored = restore(&backup, &taken).await.expect("restored");
        assert!(restored.iter().all(|part| part.stage == Stage::Done), "{restored:?}");
        assert_eq!(counts(&into).await, want, "{round}");
        assert_eq!(report(&into.store(), &BY).await, reported, "{round}");
    }
    assert_eq!(
        into.column::<String>(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'tfx_restoring%'"
        )
        .await,
        Vec::<String>::new()
    );

    // Where some of it is, and some that the backup has not, with all views at work.
    let other = Database::without_queues().await;
    fill(&other, 10..30).await;
    restore(&other.store().backup(), &taken).await.expect("restored");
    let both = Database::without_queues().await;
    fill(&both, 10..30).await;
    fill(&both, 0..20).await;
    assert_eq!(report(&other.store(), &BY).await, report(&both.store(), &BY).await);
    let counted = |all: Vec<(String, u64, u64)>| all.into_iter().map(|(t, n, _)| (t, n)).collect::<Vec<_>>();
    assert_eq!(counted(counts(&other).await), counted(counts(&both).await));
}

/// Without its own table what caps are counted from is there too, and events that only the database has keep counting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_are_counted_again() {
    let from = Database::without_queues().await;
    fill(&from, 0..5).await;
    let mut taken = take(&from).await;
    taken.catalogue.tables.retain(|t| !matches!(t.name.as_str(), "conversion_use" | "closed_days"));
    let into = Database::without_queues().await;
    fill(&into, 5..7).await;
    restore(&into.store().backup(), &taken).await.expect("restored");
    assert_eq!(into.column::<u64>("SELECT count() FROM conversion_use FINAL").await, [7]);
    let days = "SELECT sum(clicks) FROM closed_days FINAL WHERE entity = 'dst_0000000000000000001'";
    assert_eq!(into.column::<u64>(days).await, [7]);
}

/// More rows than go into one block, with every kind of value that is easily bent on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_blocks_bend_no_value() {
    let (from, into) = (Database::without_queues().await, Database::unmade());
    let texts = r"['', '\0', '\'', '\\N', '\t\r\n', '\xff\xfe', 'größe 🦀', repeat('x', 70000)]";
    from.execute(&format!(
        "INSERT INTO click_events (click_id, at, kind, outcome, country, keyword, subs, is_bot, cost, cost_currency,
             status, event, _partition, _offset)
         SELECT concat('c', toString(number)), toDateTime64('2026-11-20 10:00:00.001', 3, 'UTC') + number % 86400,
             ['click', 'bot', 'prefetch', 'trafficback'][number % 4 + 1], {texts}[number % 7 + 1],
             toString(number % 300), {texts}[if(number % 10000 = 0, 8, number % 7 + 1)],
             arraySlice({texts}, 1, number % 8), number % 2,
             [-999999999999.999999, 999999999999.999999, 0, 0.000001]::Array(Decimal(18, 6))[number % 4 + 1],
             'EUR', number % 65536, {texts}[number % 7 + 1], -2147483648 + number, 9223372036854775807 - number
         FROM numbers(200000) SETTINGS max_block_size = 65409"
    ))
    .await;
    from.execute(
        "CREATE TABLE `odd ``name'` (n UInt64, `a ``b` Map(LowCardinality(String), Array(Nullable(Decimal(38, 9)))),
             t Tuple(x FixedString(3), `y z` Array(LowCardinality(Nullable(String)))), u UUID, d Date32, f Nullable(Float64),
             e Enum16('it''s' = 1, 'a, (b' = 300), i IPv6, l Array(Array(String)), m UInt64 MATERIALIZED n * 2, a UInt64 ALIAS n)
         ENGINE = MergeTree PARTITION BY (n % 3, toString(n % 2)) ORDER BY n",
    )
    .await;
    from.execute(
        "INSERT INTO `odd ``name'` SELECT number, map(toString(number % 5), [NULL, number / 7]), (toFixedString('abc', 3),
             if(number % 2, [NULL, 'q', toString(number)], [])), generateUUIDv4(), toDate32('1901-01-01') + number,
             if(number % 3 = 0, NULL, number), 'a, (b', toIPv6('::1'), if(number % 7, [[], ['x', '']], []) FROM numbers(100000)",
    )
    .await;
    restore(&into.store().backup(), &take(&from).await).await.expect("restored");
    for (table, columns) in [("click_events FINAL", "*"), ("`odd ``name'`", "*, m, a")] {
        let sum = format!("SELECT count(), sum(cityHash64(toString(tuple({columns})))) FROM {table}");
        let (there, back) = (from.column::<(u64, u64)>(&sum).await, into.column::<(u64, u64)>(&sum).await);
        assert_eq!(there, back, "{table}");
    }
    assert_eq!(into.column::<u64>("SELECT count() FROM click_events FINAL").await, [200_000]);
}

/// What an insert brings is in a backup whole or not at all, and what was there before it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_is_of_one_moment_under_write_load() {
    const EACH: u64 = 500;
    let database = Arc::new(Database::without_queues().await);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (database, stop) = (Arc::clone(&database), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut written = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                database
                    .execute(&format!(
                        "INSERT INTO click_events (click_id, at, kind, _offset) SELECT toString(number),
                             toDateTime64('2026-11-20 10:00:00', 3, 'UTC'), 'click', number FROM numbers({written}, {EACH})"
                    ))
                    .await;
                written += EACH;
            }
            written
        })
    };
    let mut backups = Vec::new();
    while backups.len() < 5 {
        let before: u64 = database.column("SELECT count() FROM click_events").await[0];
        backups.push((before, take(&database).await));
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.expect("the writer");
    assert!(written > 5 * EACH, "it wrote meanwhile");
    for (before, taken) in backups {
        let into = Database::unmade();
        restore(&into.store().backup(), &taken).await.expect("restored");
        let found = into.column::<(u64, i64)>("SELECT count(), max(_offset) FROM click_events").await[0];
        assert!(found.0 >= before && found.0 % EACH == 0, "{found:?} of {before}");
        if found.0 > 0 {
            assert_eq!(u64::try_from(found.1).expect("a number") + 1, found.0, "none in between is missing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_stays_as_long_as_its_rows_do() {
    let database = Database::without_queues().await;
    fill(&database, 0..3).await;
    let backup = database.store().backup();
    let all = async || {
        let tables = backup.catalogue().await.expect("a catalogue").tables.into_iter();
        let clicks = tables.filter(|t| t.name == "click_events").flat_map(|t| t.partitions);
        clicks.map(|p| p.state.expect("a state")).collect::<Vec<_>>()
    };
    database.execute("OPTIMIZE TABLE click_events FINAL").await;
    let first = all().await;
    assert_eq!((first.len(), all().await), (1, first.clone()));
    assert_eq!(backup.state("click_events", "2026").await.expect("one"), Some(first[0].clone()));
    assert_eq!(backup.state("click_events", "1999").await.expect("none"), None);
    database
        .execute("ALTER TABLE click_events UPDATE country = 'FR' WHERE 1 SETTINGS mutations_sync = 1")
        .await;
    let second = all().await;
    assert_ne!(second, first, "other values");
    database.execute("DELETE FROM click_events WHERE click_id LIKE '%1'").await;
    assert_ne!(all().await, second, "fewer rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_writes_and_restores_by_itself_where_it_may() {
    let from = Database::without_queues().await;
    fill(&from, 0..9).await;
    let backup = from.store().backup();
    let catalogue = backup.catalogue().await.expect("a catalogue");
    let name = from.config.database.clone();
    let nowhere = ServerPlace { disk: "no'where".to_owned(), name: name.clone() };
    let e = backup.write_there(&catalogue, &nowhere, &|_| {}).await.expect_err("not allowed").to_string();
    assert!(
        e.contains("not allowed for backups") && e.contains("allowed_disk") && !e.contains("Stack"),
        "{e}"
    );
    let place = ServerPlace { disk: "backups".to_owned(), name };
    backup.write_there(&catalogue, &place, &|_| {}).await.expect("written");
    let e = backup.write_there(&catalogue, &place, &|_| {}).await.expect_err("it is there").to_string();
    assert!(e.contains("already exists"), "{e}");
    let into = Database::unmade();
    for _ in 0..2 {
        into.store().backup().restore_from_there(&catalogue, &place, &|_| {}).await.expect("restored");
        assert_eq!(counts(&into).await, counts(&from).await);
    }
}
