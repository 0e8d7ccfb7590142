//! The server stops answering, is killed and comes back: calls end in time with an error that says so, work goes on
//! by itself, and what was answered is there, once. On a MongoDB of this test's own.

use crate::reports::report;
use mongodb::bson::{Document, doc};
use serde_json::json;
use std::{path::Path, process::Command, sync::Arc, time::Duration};
use tfx_domain::{
    Timestamp,
    entity::{Kind, Status},
    event::PostbackResult,
    postback::Incoming,
};
use tfx_mongo::{Mongo, MongoConfig};
use tfx_ports::{
    StoreError,
    audit::{AuditEntry, Caller},
    config::{ConfigStore, Record},
    conversions::ConversionStore,
};
use tokio::{task::JoinSet, time::Instant};

/// A MongoDB of its own, taken down at the end.
struct Stand {
    dir: tempfile::TempDir,
}

impl Stand {
    fn up() -> Self {
        let stand = Self { dir: tempfile::tempdir().expect("a folder") };
        stand.stack(&["up", "--only", "mongo"]);
        stand
    }

    fn stack(&self, args: &[&str]) {
        let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack");
        let done = Command::new(stack).args(args).arg("--dir").arg(self.dir.path()).output().expect("runs");
        assert!(done.status.success(), "stack {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn config(&self) -> MongoConfig {
        let uri = crate::support::named(&self.dir.path().join("env").display().to_string(), "MONGO_URI");
        let mut config = MongoConfig::new(uri, "tfx_test");
        config.server_selection_timeout = Duration::from_millis(700);
        config.operation_timeout = Duration::from_secs(1);
        config.give_up_after = Duration::from_secs(2);
        config
    }

    async fn open(&self) -> Mongo {
        Mongo::new(&self.config()).await.expect("settings")
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stack(&["down", "--purge"]);
    }
}

/// As a network does it: again until it is answered. How often there was no answer.
async fn until_recorded(store: &Arc<dyn ConversionStore>, report: &Incoming) -> u32 {
    for failures in 0.. {
        match store.record(std::slice::from_ref(report)).await {
            Ok(answers) => {
                // What was written before its answer got lost is found by the next try.
                let known = failures > 0 && answers[0].result == PostbackResult::Duplicate;
                assert!(known || answers[0].result == PostbackResult::Recorded, "{:?}", answers[0].result);
                assert_eq!(answers[0].conversion.id, report.new_id);
                return failures;
            }
            Err(e) => assert!(e.is_retryable(), "{e}"),
        }
    }
    unreachable!("tries end only with an answer")
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match look().await {
            Ok(done) => return done,
            Err(e) => assert!(Instant::now() < end && e.is_retryable(), "{what}: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn change(store: &Arc<dyn ConfigStore>, n: u32) -> Result<u64, StoreError> {
    let at = Timestamp::from_second(1_790_000_000).expect("a time");
    let record = Record {
        kind: Kind::Source,
        id: format!("src_{n:019}"),
        parent: String::new(),
        slug: format!("s{n}"),
        status: Status::Active,
        version: 1,
        created_at: at,
        updated_at: at,
        spec: json!({}),
    };
    let audit = AuditEntry {
        at,
        caller: Caller::named("test"),
        action: "create".to_owned(),
        kind: record.kind.noun().to_owned(),
        id: record.id.clone(),
        version: 1,
        changes: json!({}),
    };
    store.create(record, audit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_and_comes_back_costs_time_and_nothing_else() {
    let stand = Stand::up();
    let mongo = stand.open().await;
    let (conversions, config) = (mongo.conversions(), mongo.config());
    until_recorded(&conversions, &report(0)).await;
    let revision = change(&config, 0).await.expect("a change");

    // It stops answering, with its sockets open.
    stand.stack(&["pause", "mongo"]);
    let began = Instant::now();
    for e in [
        conversions.record(&[report(1)]).await.map(|_| ()).expect_err("paused"),
        conversions.ping().await.expect_err("paused"),
        config.load().await.map(|_| ()).expect_err("paused"),
        config.wait_for_change(revision, Duration::from_secs(60)).await.map(|_| ()).expect_err("paused"),
        change(&config, 1).await.map(|_| ()).expect_err("paused"),
        mongo.check().await.map_err(StoreError::from).expect_err("paused"),
    ] {
        println!("paused: {e}");
        assert!(e.is_retryable(), "{e}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    stand.stack(&["resume", "mongo"]);
    until("after the pause", async || conversions.ping().await).await;
    until_recorded(&conversions, &report(1)).await;

    // It is killed under load, over two instances, and started again.
    let other = stand.open().await.conversions();
    let mut networks = JoinSet::new();
    for first in 0..20 {
        let store = Arc::clone(if first % 2 == 0 { &conversions } else { &other });
        networks.spawn(async move {
            let mut failures = 0;
            for n in 0..40 {
                failures += until_recorded(&store, &report(2 + first * 40 + n)).await;
            }
            failures
        });
    }
    until("some of it", async || {
        match conversions.unpublished(&tfx_ports::page::PageRequest::first(1_000)).await?.items.len() {
            100.. => Ok(()),
            few => Err(StoreError::Unavailable { what: format!("{few} so far"), source: None }),
        }
    })
    .await;
    stand.stack(&["stop", "mongo", "--kill"]);
    stand.stack(&["start", "mongo"]);
    let failures: u32 = networks.join_all().await.into_iter().sum();
    println!("killed under load: {failures} calls without an answer");

    // All of it is there, once, and nothing else.
    let client = mongodb::Client::with_uri_str(&stand.config().uri).await.expect("a client");
    let all = client.database("tfx_test").collection::<Document>("conversions");
    assert_eq!(all.count_documents(doc! {}).await.expect("count"), 802);
    for n in 0..802 {
        let found = conversions.get(&report(n).new_id).await.expect("get").expect("there");
        assert_eq!((found.key, found.version), (report(n).key, 1));
    }
    assert_eq!(
        conversions
            .unpublished(&tfx_ports::page::PageRequest::first(1_000))
            .await
            .expect("unpublished")
            .items
            .len(),
        802
    );

    // Waiters of both instances hear of changes again.
    let (now, _) = until("load", async || config.load().await).await;
    let waiter = stand.open().await.config();
    let waiting = tokio::spawn(async move { waiter.wait_for_change(now, Duration::from_secs(30)).await });
    let made = until("a change", async || change(&config, 2).await).await;
    assert_eq!(waiting.await.expect("the waiter").expect("wait"), made);
}
