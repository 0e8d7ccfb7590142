//! Restores that are refused, that end early, or that somebody should know more of.

use crate::{
    backup::{Taken, counts, fill, restore, take},
    kit::Database,
};
use tfx_ports::backup::{BackupError, Stage};

async fn problem(into: &Database, taken: &Taken) -> String {
    let backup = into.store().backup();
    let standing = backup.standing(&taken.catalogue).await.expect("it stands");
    let told = standing.tables.iter().find_map(|t| t.problem.clone()).expect("a problem");
    let before = counts(into).await;
    let refused = restore(&backup, taken).await.expect_err("refused");
    assert!(refused.error.to_string().contains(&told), "{} {told}", refused.error);
    assert!(refused.parts.iter().all(|part| part.stage == Stage::Untouched));
    assert_eq!(counts(into).await, before);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_before_anything_is_changed() {
    let from = Database::without_queues().await;
    fill(&from, 0..3).await;
    from.execute("INSERT INTO clicks (click_id, campaign_id) VALUES ('a', 'x'), ('b', 'x')").await;
    let taken = take(&from).await;

    let plain = Database::without_queues().await;
    plain.execute("INSERT INTO clicks (click_id) VALUES ('c')").await;
    let told = problem(&plain, &taken).await;
    assert!(told.contains("has 1 rows without ids where the backup has 2"), "{told}");
    plain.execute("TRUNCATE TABLE clicks").await;
    for _ in 0..2 {
        restore(&plain.store().backup(), &taken).await.expect("restored");
        assert_eq!(
            plain.column::<u64>("SELECT count() FROM clicks").await,
            [2],
            "not doubled, without any ids"
        );
    }

    let lacks = Database::without_queues().await;
    lacks.execute("ALTER TABLE postback_log_events DROP COLUMN attempt").await;
    let told = problem(&lacks, &taken).await;
    assert!(told.contains("no column attempt") && told.contains("tfx migrate up clickhouse"), "{told}");
    let other = Database::without_queues().await;
    other.execute("ALTER TABLE postback_log_events MODIFY COLUMN attempt UInt32").await;
    let told = problem(&other, &taken).await;
    assert!(told.contains("attempt is of type UInt32 there and of UInt16"), "{told}");
    let more = Database::without_queues().await;
    more.execute("ALTER TABLE postback_log_events ADD COLUMN later String DEFAULT concat('of ', id)").await;
    restore(&more.store().backup(), &taken).await.expect("a newer table takes it");
    let later = "SELECT count() FROM postback_log_events FINAL WHERE later = concat('of ', id)";
    assert_eq!(more.column::<u64>(later).await, [3]);

    let nothing = Database::unmade();
    nothing.outside(&format!("CREATE DATABASE {}", nothing.config.database)).await;
    let e = nothing.store().backup().catalogue().await.expect_err("nothing to back up").to_string();
    assert!(e.contains("has no tables with rows") && e.contains("CLICKHOUSE_DATABASE"), "{e}");
    let e = Database::unmade().store().backup().catalogue().await.expect_err("no database").to_string();
    assert!(e.contains("tfx migrate up clickhouse") || e.contains("has no tables"), "{e}");

    from.execute("CREATE TABLE sketches (n UInt8, u AggregateFunction(uniq, String)) ENGINE = AggregatingMergeTree ORDER BY n").await;
    from.execute("CREATE TABLE notes (t String) ENGINE = Log").await;
    let left_out = from.store().backup().catalogue().await.expect("the rest").left_out;
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[0].starts_with("notes: of the engine Log") && left_out[1].contains("AggregateFunction"));
}

/// A restore that ends early leaves whole partitions and its mark; the next one ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_a_restore_is_told_and_ended_by_the_next() {
    let from = Database::without_queues().await;
    fill(&from, 0..8).await;
    let (taken, want) = (take(&from).await, counts(&from).await);
    let into = Database::unmade();
    let backup = into.store().backup();
    let mut cut = taken.clone();
    let file = cut.files.get_mut("conversion_events/2026").expect("sales");
    file.truncate(file.len() - 1);
    let failed = restore(&backup, &cut).await.expect_err("it is cut off");
    let stages: Vec<_> = failed.parts.iter().map(|p| (p.from.as_str(), p.stage)).collect();
    assert!(
        stages.contains(&("click_events", Stage::Done))
            && stages.contains(&("postback_log_events", Stage::Untouched)),
        "{stages:?}"
    );
    assert_eq!(
        into.column::<u64>("SELECT count() FROM conversion_events").await,
        [0],
        "nothing of half a partition"
    );
    let e = backup.catalogue().await.expect_err("half");
    assert!(matches!(&e, BackupError::HalfRestored { .. }) && e.to_string().contains("run it again"), "{e}");
    let open = async || backup.standing(&taken.catalogue).await.expect("it stands").half;
    let left = open().await.expect("half");
    assert!(left.contains(&"conversion_events".to_owned()), "{left:?}");
    let told = into.store().analytics().not_whole().await.expect("an answer").expect("half");
    assert!(told.contains("conversion_events"), "reports say it: {told}");
    // What is restored of it ends that alone.
    let mut some = taken.clone();
    some.catalogue.tables.retain(|table| table.name == "click_events");
    restore(&backup, &some).await.expect("one table");
    let still = open().await.expect("still half");
    assert!(still.contains(&"conversion_events".to_owned()) && !still.contains(&"click_events".to_owned()));
    let from_now_on = restore(&backup, &taken).await.expect("restored");
    assert!(from_now_on.iter().all(|part| part.stage == Stage::Done));
    assert_eq!(counts(&into).await, want);
    backup.catalogue().await.expect("whole again");
    assert_eq!((open().await, into.store().analytics().not_whole().await.expect("an answer")), (None, None));
    let archive = backup.partition(&taken.catalogue.tables[0], "2026");
    let e = archive.check(&mut &b"no blocks"[..], &|_| {}).expect_err("no archive");
    assert!(matches!(e, BackupError::Damaged { .. }), "{e}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_events_is_told() {
    let database = Database::without_queues().await;
    fill(&database, 0..1).await;
    let backup = database.store().backup();
    let catalogue = backup.catalogue().await.expect("a catalogue");
    assert_eq!(backup.standing(&catalogue).await.expect("it stands").running, Vec::<String>::new());
    database
        .execute(
            "CREATE TABLE some_queue (raw String) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1',
                 kafka_topic_list = 'none', kafka_group_name = 'none', kafka_format = 'RawBLOB'",
        )
        .await;
    assert_eq!(
        backup.standing(&catalogue).await.expect("it stands").running,
        Vec::<String>::new(),
        "nobody reads it"
    );
    database.execute("CREATE TABLE raw_rows (raw String) ENGINE = Null").await;
    database.execute("CREATE MATERIALIZED VIEW some_mv TO raw_rows AS SELECT raw FROM some_queue").await;
    let running = backup.standing(&catalogue).await.expect("it stands").running;
    assert_eq!(running, ["ClickHouse reads topics into it (some_queue)"]);
}
