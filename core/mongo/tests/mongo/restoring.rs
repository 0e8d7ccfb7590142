//! Restores that meet something: what is there, what is refused, what runs, what ends too early.

use crate::{
    archives::{UNIQUE, back_up, moves, put, restore, sample},
    support::Fresh,
};
use mongodb::bson::{Document, doc};
use std::time::Duration;
use tfx_ports::backup::{BackupError, Restoring, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_unless_it_is_dropped() {
    let fresh = Fresh::new();
    let unique = fresh.raw().await.collection::<Document>("unique");
    unique
        .insert_many([doc! {"_id": 3_i32, "k": "mine"}, doc! {"_id": 99_i32, "k": "more"}])
        .await
        .expect("inserted");
    let backup = fresh.open().await.backup();
    let how = |drop, stop_on_error| {
        let fresh = &fresh;
        async move { Restoring { moves: moves(UNIQUE, fresh).await, drop, stop_on_error } }
    };
    let places: Vec<String> = how(false, false).await.moves.into_iter().map(|m| m.to).collect();
    assert_eq!(backup.standing(&places).await.expect("an answer").there, places);

    let beside = restore(&backup, UNIQUE, &how(false, false).await).await.expect("restored");
    assert_eq!((beside[0].documents, beside[0].refused), (19, 1), "{beside:?}");
    assert!(beside[0].problem.as_deref().is_some_and(|p| p.contains("E11000")), "{beside:?}");
    let kept = unique.find_one(doc! {"_id": 3_i32}).await.expect("an answer").expect("there");
    assert_eq!(kept.get_str("k").expect("a text"), "mine");

    let stopped = restore(&backup, UNIQUE, &how(false, true).await).await.expect_err("the first is refused");
    assert!(matches!(stopped.error, BackupError::Refused { .. }), "{:?}", stopped.error);
    assert_eq!(stopped.parts[0].stage, Stage::Begun);

    let anew = restore(&backup, UNIQUE, &how(true, true).await).await.expect("restored");
    assert_eq!((anew[0].documents, anew[0].stage, anew[0].indexes), (20, Stage::Done, 1));
    assert_eq!(unique.count_documents(doc! {}).await.expect("a count"), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_documents_break_is_told_and_the_rest_is_there() {
    let fresh = Fresh::new();
    let unique = fresh.raw().await.collection::<Document>("unique");
    unique.insert_one(doc! {"_id": "other", "k": "k7"}).await.expect("inserted");
    let how = Restoring { moves: moves(UNIQUE, &fresh).await, ..Restoring::default() };
    let restored = restore(&fresh.open().await.backup(), UNIQUE, &how).await.expect("restored");
    assert_eq!((restored[0].documents, restored[0].indexes), (20, 0));
    assert!(restored[0].problem.as_deref().is_some_and(|p| p.starts_with("index u: ")), "{restored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_left_half_done_is_not_backed_up() {
    let (fresh, whole) = (Fresh::new(), sample());
    let backup = fresh.open().await.backup();
    let how = Restoring { moves: moves(&whole, &fresh).await, drop: true, stop_on_error: false };
    let failed = restore(&backup, &whole[..whole.len() - 40], &how).await.expect_err("it ends too early");
    assert!(matches!(failed.error, BackupError::Damaged { .. }), "{:?}", failed.error);
    let done = failed.parts.iter().filter(|p| p.stage == Stage::Done).count();
    assert!(done > 0 && done < failed.parts.len(), "it says how far it came: {:?}", failed.parts);
    let refused = back_up(&fresh).await.expect_err("half of it is there");
    assert!(matches!(refused, BackupError::HalfRestored { .. }), "{refused}");
    assert!(refused.to_string().contains("run it again with --drop"), "{refused}");
    put(&whole, &fresh).await;
    back_up(&fresh).await.expect("whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_left_open_is_open_until_all_of_it_is_there() {
    let (fresh, whole) = (Fresh::new(), sample());
    let backup = fresh.open().await.backup();
    let all = moves(&whole, &fresh).await;
    let how = Restoring { moves: all.clone(), drop: true, stop_on_error: false };
    let failed = restore(&backup, &whole[..whole.len() - 40], &how).await.expect_err("it ends too early");
    let missing = |p: &&tfx_ports::backup::Restored| p.stage != Stage::Done;
    let left: Vec<String> = failed.parts.iter().filter(missing).map(|p| p.to.clone()).collect();
    assert!(left.len() > 1, "{left:?}");
    let open = async || backup.standing(&[format!("{}.x", fresh.name)]).await.expect("an answer").open;
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(open().await), sorted(left.clone()));

    // One after the other, what is there first: the mark goes with the last one.
    let done = all.iter().find(|m| !left.contains(&m.to)).expect("one that is there").clone();
    let rest = all.iter().filter(|m| left.contains(&m.to)).cloned();
    for one in [done].into_iter().chain(rest) {
        let refused = back_up(&fresh).await.expect_err("some are open");
        assert!(matches!(refused, BackupError::HalfRestored { .. }), "{refused}");
        let how = Restoring { moves: vec![one], drop: true, stop_on_error: false };
        restore(&backup, &whole, &how).await.expect("restored");
    }
    assert!(open().await.is_empty());
    back_up(&fresh).await.expect("whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_neither_read_nor_write_what_is_half_restored() {
    let (fresh, whole) = (Fresh::new(), sample());
    let running = fresh.open().await;
    running.config().load().await.expect("nothing is there yet");
    running.keys().agree("before", "k").await.expect("agreed");
    let how = Restoring { moves: moves(&whole, &fresh).await, drop: true, stop_on_error: false };
    let backup = running.backup();
    restore(&backup, &whole[..whole.len() - 40], &how).await.expect_err("it ends too early");
    // Who runs learns of it within a second, who starts at once.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let line = || tfx_ports::audit::AuditEntry {
        at: tfx_ports::clock::now(),
        caller: tfx_ports::audit::Caller::default(),
        action: "create".to_owned(),
        kind: "source".to_owned(),
        id: "x".to_owned(),
        version: 1,
        changes: serde_json::Value::Null,
    };
    let report = crate::reports::report(1);
    for mongo in [&running, &fresh.open().await] {
        let refused = [
            mongo.conversions().record(std::slice::from_ref(&report)).await.map(|_| ()),
            mongo.config().append(line()).await,
            mongo.config().load().await.map(|_| ()),
            mongo.config().ping().await,
            mongo.keys().agree("visitors", "another").await.map(|_| ()),
            mongo.leases().take("tells", Duration::from_secs(1)).await.map(|_| ()),
        ];
        for told in refused {
            let e = told.expect_err("half of it is there");
            assert!(e.is_retryable() && e.to_string().contains("tfx restore mongo"), "{e}");
        }
    }
    let steps = running.migrations().status().await.expect("an answer");
    assert!(steps[0].differs.iter().any(|d| d.what.contains("did not come to its end")), "{steps:?}");
    put(&whole, &fresh).await;
    running.config().append(line()).await.expect("whole again");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_on_it_is_seen() {
    let fresh = Fresh::new();
    let mongo = fresh.open().await;
    let (backup, places) = (mongo.backup(), [format!("{}.leases", fresh.name)]);
    let running = async || backup.standing(&places).await.expect("an answer").running;
    assert!(running().await.is_empty(), "{:?}", running().await);
    let lease =
        mongo.leases().take("tells", Duration::from_secs(60)).await.expect("an answer").expect("free");
    let why = running().await;
    assert!(why.iter().any(|w| w.contains("\"tells\"")), "{why:?}");
    mongo.leases().release(&lease).await.expect("an answer");
    assert!(running().await.is_empty(), "{:?}", running().await);
    let stream = fresh.raw().await.collection::<Document>("revision").watch().await.expect("a stream");
    let why = running().await;
    assert!(why.iter().any(|w| w.contains("change streams")), "{why:?}");
    drop(stream);
    let other = Fresh::new();
    let elsewhere = other.open().await.backup().standing(&[format!("{}.leases", other.name)]).await;
    assert!(elsewhere.expect("an answer").running.is_empty(), "another database is not this one");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_touched() {
    let (fresh, whole) = (Fresh::new(), sample());
    let other = fresh.raw().await.collection::<Document>("german");
    other.insert_one(doc! {"_id": "mine"}).await.expect("inserted");
    let mut wanted = moves(&whole, &fresh).await;
    wanted.retain(|m| m.from == "sample.capped");
    wanted[0].to = format!("{}.ring", fresh.name);
    let how = Restoring { moves: wanted, drop: true, stop_on_error: true };
    restore(&fresh.open().await.backup(), &whole, &how).await.expect("restored");
    let raw = fresh.raw().await;
    let mut there = raw.list_collection_names().await.expect("names");
    there.sort();
    assert_eq!(there, ["german", "ring"]);
    let mut ring = raw.collection::<Document>("ring").find(doc! {}).await.expect("a cursor");
    let mut order = Vec::new();
    while ring.advance().await.expect("a batch") {
        order.push(ring.deserialize_current().expect("a document").get_i32("_id").expect("a number"));
    }
    assert_eq!(order, (50..150).collect::<Vec<_>>(), "a capped collection keeps its order");
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_come_back_with_the_configuration_and_go_on() {
    let (from, to) = (Fresh::new(), Fresh::new());
    let store = from.open().await.config();
    let record = |n: u32, version: u64| tfx_ports::config::Record {
        kind: tfx_domain::entity::Kind::Source,
        id: format!("src_{n:019}"),
        parent: String::new(),
        slug: format!("s{n}"),
        status: tfx_domain::entity::Status::Active,
        version,
        created_at: tfx_domain::Timestamp::UNIX_EPOCH,
        updated_at: tfx_domain::Timestamp::UNIX_EPOCH,
        spec: serde_json::json!({"slug": format!("s{n}"), "n": version}),
    };
    let line = |record: &tfx_ports::config::Record| tfx_ports::audit::AuditEntry {
        at: record.updated_at,
        caller: tfx_ports::audit::Caller::named("ann"),
        action: "create".to_owned(),
        kind: "source".to_owned(),
        id: record.id.clone(),
        version: record.version,
        changes: serde_json::Value::Null,
    };
    let first = record(1, 1);
    store.create(first.clone(), line(&first)).await.expect("created");
    store.update(record(1, 2), line(&record(1, 2))).await.expect("changed");
    let (archive, _) = back_up(&from).await.expect("backed up");
    // Beyond what the backup has: gone when it is back.
    let other = to.open().await.config();
    for n in 1..=5 {
        other.create(record(n, 1), line(&record(n, 1))).await.expect("created");
    }
    put(&archive, &to).await;
    let back = to.open().await.config();
    assert_eq!(back.at_revision(1).await.expect("kept"), [first]);
    assert_eq!(back.at_revision(2).await.expect("kept"), [record(1, 2)]);
    assert!(back.at_revision(5).await.is_err());
    assert_eq!(back.create(record(2, 1), line(&record(2, 1))).await.expect("it goes on"), 3);
    assert_eq!(back.at_revision(3).await.expect("kept"), [record(1, 2), record(2, 1)]);
}
