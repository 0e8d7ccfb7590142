//! How near recording postbacks comes to MongoDB's own insert rate: `cargo bench -p tfx-mongo` (a number as
//! argument: so many reports a round). It needs the engines of `make engines`.
//!
//! Each round records new reports, then inserts the very same documents past the adapter into a collection with the
//! same indexes and the same write concern, with as many calls at once: one report a call, as postback-service does
//! it, and in batches. The ratio is of the same round.

#![expect(clippy::print_stdout, reason = "figures are for reading")]

#[path = "../tests/mongo/support.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod support;

use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Collection, IndexModel,
    bson::{Document, doc},
    options::{Acknowledgment, CollectionOptions, WriteConcern},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use support::Fresh;
use tfx_domain::{
    Timestamp,
    event::{ClickDims, PostbackResult},
    id::{CampaignId, ClickId, ConversionId, NetworkId},
    money::{Currency, Money},
    postback::{ConversionStatus, Incoming, TransactionScope},
};
use tfx_ports::conversions::ConversionStore;

const ROUNDS: usize = 3;

fn report(n: usize) -> Incoming {
    let at =
        Timestamp::from_millisecond(1_790_000_000_000 + i64::try_from(n).expect("small")).expect("a time");
    let bits = (n as u128) << 64 | 0x5eed;
    Incoming {
        new_id: ConversionId::generate(at, (n as u128) << 30),
        network: NetworkId::generate(at, 1),
        scope: TransactionScope::Network,
        key: format!("tx:T{n:012}"),
        transaction_id: Some(format!("T{n:012}")),
        click_id: ClickId::generate(at, bits),
        status: ConversionStatus::Sale,
        raw_status: Some("approved".to_owned()),
        unmapped: false,
        revenue: Money { amount: "12.50".parse().expect("an amount"), currency: Currency::USD },
        revenue_given: true,
        allow_upsell: false,
        at,
        click: ClickDims {
            campaign_id: Some(CampaignId::generate(at, 1)),
            country: "DE".into(),
            city: "Köln".into(),
            os: "Android".into(),
            browser: "Chrome Mobile".into(),
            language: "de".into(),
            referrer_host: "news.example".into(),
            keyword: "blue shoes".into(),
            subs: (1..=6).map(|i| format!("sub-{i}").into()).collect(),
            ..ClickDims::default()
        },
        cost_terms: tfx_domain::entity::Due::default(),
        tell: None,
        signed: None,
        waited: false,
        replaces: None,
    }
}

/// Reports with ids of their own in one network.
fn reports(from: usize, count: usize) -> Vec<Incoming> {
    let network = NetworkId::generate(Timestamp::UNIX_EPOCH, 1);
    (from..from + count).map(|n| Incoming { network: network.clone(), ..report(n) }).collect()
}

async fn record(
    store: &Arc<dyn ConversionStore>,
    reports: &[Incoming],
    batch: usize,
    at_once: usize,
    want: PostbackResult,
) -> Duration {
    let began = Instant::now();
    stream::iter(reports.chunks(batch))
        .for_each_concurrent(at_once, async |some| {
            let recorded = store.record(some).await.expect("record");
            assert!(recorded.iter().all(|r| r.result == want), "{:?}", recorded[0].result);
        })
        .await;
    began.elapsed()
}

async fn insert(
    bare: &Collection<Document>,
    documents: &[Document],
    batch: usize,
    at_once: usize,
) -> Duration {
    let began = Instant::now();
    stream::iter(documents.chunks(batch))
        .for_each_concurrent(at_once, async |some| match some {
            [one] => drop(bare.insert_one(one).await.expect("insert")),
            many => drop(bare.insert_many(many).await.expect("insert")),
        })
        .await;
    began.elapsed()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let count: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(20_000);
    let fresh = Fresh::new();
    let store = fresh.open().await.conversions();
    store.record(&reports(0, 1)).await.expect("makes the indexes");
    let database = fresh.raw().await;
    let conversions = database.collection::<Document>("conversions");
    let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    let options = CollectionOptions::builder().write_concern(durable).build();
    let bare = database.collection_with_options::<Document>("bare", options);
    let indexes: Vec<IndexModel> =
        conversions.list_indexes().await.expect("indexes").try_collect().await.expect("indexes");
    let indexes = indexes.into_iter().filter(|i| i.keys != doc! {"_id": 1});
    bare.create_indexes(indexes).await.expect("the same indexes");

    println!(
        "{count} reports a round, the median of {ROUNDS} ratios; reports/s of new sales, bare inserts/s"
    );
    let mut from = 1;
    for (batch, at_once) in [(1, 1), (1, 20), (1, 200), (64, 4), (256, 4), (1_000, 2)] {
        let count = if at_once == 1 { count / 10 } else { count };
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let new = reports(from, count);
            let took = record(&store, &new, batch, at_once, PostbackResult::Recorded).await;
            let ids: Vec<&str> = new.iter().map(|r| r.new_id.as_str()).collect();
            let found = conversions.find(doc! {"_id": {"$in": ids}}).await.expect("find");
            let documents: Vec<Document> = found.try_collect().await.expect("find");
            assert_eq!(documents.len(), count);
            let plain = insert(&bare, &documents, batch, at_once).await;
            let rate = |d: Duration| count as f64 / d.as_secs_f64();
            rounds.push((rate(took) / rate(plain), rate(took), rate(plain)));
            from += count;
        }
        rounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (ratio, ours, theirs) = rounds[ROUNDS / 2];
        println!("batches of {batch:>4}, {at_once:>3} at once: {ours:>7.0} {theirs:>7.0}  ratio {ratio:.2}");
    }

    let known = reports(1, count);
    for (name, batch, at_once) in [("one by one", 1, 20), ("batches of 256", 256, 4)] {
        let took = record(&store, &known, batch, at_once, PostbackResult::Duplicate).await;
        println!("duplicates, {name}: {:.0} reports/s", count as f64 / took.as_secs_f64());
    }
    for (name, batch, at_once, payout) in [("one by one", 1, 20, "13"), ("batches of 256", 256, 4, "14")] {
        let revenue = Money { amount: payout.parse().expect("an amount"), currency: Currency::USD };
        let paid: Vec<Incoming> = known.iter().map(|r| Incoming { revenue, ..r.clone() }).collect();
        let took = record(&store, &paid, batch, at_once, PostbackResult::Updated).await;
        println!("updates, {name}: {:.0} reports/s", count as f64 / took.as_secs_f64());
    }
    database.client().clone().shutdown().immediate(true).await;
}
