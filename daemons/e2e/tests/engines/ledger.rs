//! What was answered against what is stored: click by click, conversion by conversion.

use crate::{
    journal::until_empty,
    load::Ledger,
    testbed::{PAYOUT, Testbed},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    time::{Duration, Instant},
};
use tfx_api::{
    clicks::ClickQuery,
    conversions::ConversionQuery,
    report::{Dimension, Metric, ReportFilter, ReportRequest},
};
use tfx_domain::{Timestamp, id::ClickId};
use tokio::time::sleep;

/// Parked postbacks are tried again after pauses that double: up to as long again as their click took to arrive.
const PATIENCE: Duration = Duration::from_secs(150);

/// What is stored of a campaign.
#[derive(Debug)]
pub(crate) struct StoredCounts {
    pub(crate) clicks: usize,
    pub(crate) conversions: usize,
    /// Messages beyond one for each click and each state of a conversion that ClickHouse still holds.
    pub(crate) delivered_twice: usize,
}

impl Display for StoredCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { clicks, conversions, delivered_twice } = self;
        write!(
            f,
            "stored {clicks} clicks and {conversions} conversions ({delivered_twice} events delivered twice)"
        )
    }
}

/// Waits until what was answered is in the report; then holds every click and every conversion against what was
/// answered: each is there once, and if `all` was answered, nothing else is.
pub(crate) async fn reconcile(testbed: &Testbed, ledger: &Ledger, all: bool) -> StoredCounts {
    let (answered, sales) = (ledger.clicks.len(), ledger.sales());
    assert!(answered > 0 && !sales.is_empty(), "{answered} clicks, {} sales", sales.len());
    let begun = Instant::now();
    // If they do not come, what follows says which.
    while begun.elapsed() < PATIENCE {
        let seen = totals(testbed).await.expect("a report");
        if seen.0 >= answered && seen.1 >= sales.len() {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    // What came late of something that was not answered is counted too.
    until_empty(testbed).await;
    testbed.until_ingested().await;
    let listed = clicks(testbed).await;
    once("click", ledger.clicks.iter().map(|c| c.id), &listed, all);
    once("conversion", sales.iter().copied(), &conversions(testbed).await, all);
    let converted = converted(testbed).await;
    once("conversion in ClickHouse", sales, &converted, all);
    let seen = totals(testbed).await.expect("a report");
    assert_eq!(seen, (listed.len(), converted.len()), "the report counts what the lists hold");
    StoredCounts {
        clicks: listed.len(),
        conversions: converted.len(),
        delivered_twice: surplus(testbed).await,
    }
}

fn once(
    what: &str,
    answered: impl IntoIterator<Item = ClickId>,
    stored: &BTreeMap<ClickId, usize>,
    all: bool,
) {
    let answered: BTreeSet<ClickId> = answered.into_iter().collect();
    let missing: Vec<_> = answered.iter().filter(|id| !stored.contains_key(id)).collect();
    assert!(missing.is_empty(), "answered, and no {what} is stored: {missing:?}");
    let double: Vec<_> = stored.iter().filter(|(_, n)| **n != 1).collect();
    assert!(double.is_empty(), "more than one {what}: {double:?}");
    let strange: Vec<_> = stored.keys().filter(|id| all && !answered.contains(id)).collect();
    assert!(strange.is_empty(), "a {what} that nobody was answered: {strange:?}");
}

/// Hits and conversions in the report. A sale that pays something else than it should is an error.
async fn totals(testbed: &Testbed) -> Result<(usize, usize), String> {
    let request = ReportRequest {
        since: Some(Timestamp::UNIX_EPOCH),
        filters: vec![ReportFilter {
            dimension: Dimension::Campaign,
            values: vec![testbed.campaign.clone()],
            negate: false,
        }],
        metrics: vec![Metric::Hits, Metric::Conversions, Metric::Revenue],
        ..ReportRequest::default()
    };
    let answer = testbed.api().report(&request).await.map_err(|e| e.to_string())?;
    let of = |m| answer.totals.get(&m).copied().unwrap_or_default();
    let conversions = of(Metric::Conversions);
    let paid = conversions * PAYOUT.parse::<rust_decimal::Decimal>().expect("an amount");
    if of(Metric::Revenue) != paid {
        return Err(format!("{conversions} conversions pay {}", of(Metric::Revenue)));
    }
    let count = |m| usize::try_from(of(m)).expect("a count");
    Ok((count(Metric::Hits), count(Metric::Conversions)))
}

async fn clicks(testbed: &Testbed) -> BTreeMap<ClickId, usize> {
    let (api, mut found) = (testbed.api(), BTreeMap::new());
    let campaign = Some(testbed.campaign.clone());
    let mut query = ClickQuery { campaign, limit: Some(1000), ..ClickQuery::default() };
    loop {
        let page = api.clicks(&query).await.expect("clicks");
        page.items.iter().for_each(|click| *found.entry(click.click_id).or_default() += 1);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
}

/// As the store of conversions has them.
async fn conversions(testbed: &Testbed) -> BTreeMap<ClickId, usize> {
    let (api, mut found) = (testbed.api(), BTreeMap::new());
    let network = Some(testbed.network.clone());
    let mut query = ConversionQuery { network, limit: Some(1000), ..ConversionQuery::default() };
    loop {
        let page = api.conversions(&query).await.expect("conversions");
        page.items.iter().for_each(|c| *found.entry(c.click_id).or_default() += 1);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
}

/// As the reports count them.
async fn converted(testbed: &Testbed) -> BTreeMap<ClickId, usize> {
    let id = &testbed.campaign_id;
    let rows = testbed
        .sql(&format!(
            "SELECT click_id, count() FROM conversion_events FINAL WHERE campaign_id = '{id}' GROUP BY 1"
        ))
        .await;
    let pair = |line: &str| {
        let (id, count) = line.split_once('\t').expect("two columns");
        (id.parse().expect("a click id"), count.parse().expect("a count"))
    };
    rows.lines().map(pair).collect()
}

async fn surplus(testbed: &Testbed) -> usize {
    let id = &testbed.campaign_id;
    let of = |table: &str, key: &str| {
        format!("(SELECT count() - uniqExact({key}) FROM {table} WHERE campaign_id = '{id}')")
    };
    let (clicks, states) =
        (of("click_events", "click_id"), of("conversion_events", "conversion_id, version"));
    testbed.sql(&format!("SELECT {clicks} + {states}")).await.parse().expect("a count")
}
