//! Erasing, store by store, until nothing more is found.

use super::{
    Asked, alerts,
    reach::{self, Forms, Reached},
};
use crate::app::App;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use tfx_api::erasure::{ErasedRange, ErasedRows, ErasureReceipt, ErasureRefused};
use tfx_domain::{
    Timestamp,
    alert::Said,
    event::{EventCounts, PersonNames},
    id::{ClickId, VisitorId},
};
use tfx_ports::{
    StoreError,
    erasure::{ErasedEntry, MOST_CLICKS, Traces, Whom},
    page::PageRequest,
    queue::JobKind,
};

/// How often everything is gone through at most: once more than anything was found.
const PASSES: usize = 5;
/// The shortest time for which it is kept what was erased: journals that come back, backups of clicks.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Jobs that hold what a person left.
const JOBS: [(JobKind, &str); 2] = [
    (JobKind::ParkedPostback, "parked and unmatched postbacks"),
    (JobKind::SourcePostback, "postbacks to sources"),
];

/// What is known of him so far.
#[derive(Default)]
struct Known {
    clicks: BTreeSet<ClickId>,
    visitors: BTreeSet<VisitorId>,
    /// Ids and addresses as they may stand in texts.
    texts: Vec<String>,
    /// What his clicks alone say, of that by which groups of alerts go.
    said: Said,
}

/// Does what was asked for, and writes down what it came to.
pub(super) async fn run(
    app: &App,
    asked: Asked,
    whole_range: bool,
    receipt: &mut ErasureReceipt,
) -> Result<(), StoreError> {
    let (mut known, mut reached) = (Known::default(), Reached::default());
    let whom = whom(app, asked, receipt, &mut known).await?;
    if let (Some(range), Some(whom)) = (&mut receipt.range, &whom) {
        range.clicks = app.stores.erasure.find(whom, receipt.asked_at).await?.len() as u64;
        if !whole_range && !receipt.dry_run {
            receipt.refused = Some(of_many(asked, *range));
            return Ok(());
        }
    }
    let listed = app.stores.erased.entries().await?;
    let of_before = |entry: &&ErasedEntry| match asked {
        Asked::Again => true,
        Asked::Click(click) => entry.id == receipt.hash || entry.clicks.contains(&click),
        Asked::Visitor(_) | Asked::Ip(_) => entry.id == receipt.hash,
    };
    let mut was_erased = false;
    for entry in listed.iter().filter(of_before) {
        was_erased = true;
        known.clicks.extend(&entry.clicks);
    }
    let mut rows = Rows::of(app);
    if matches!(asked, Asked::Click(_)) && whom.is_none() && !was_erased {
        // The click has left by age, or never was: what it brought, or was said of it, may be there all the same.
        pass_over(app, &mut known, true, &mut rows).await?;
        if rows.total() == 0 {
            return Err(StoreError::NotFound);
        }
        rows = Rows::of(app);
    }
    for pass in 0..PASSES {
        if let Some(whom) = &whom {
            for found in app.stores.erasure.find(whom, receipt.asked_at).await? {
                known.clicks.insert(found.click);
                known.visitors.insert(found.visitor);
            }
        }
        if known.clicks.len() > MOST_CLICKS && asked != Asked::Again {
            let what = format!("there are more than {MOST_CLICKS} clicks, which are no one person's");
            return Err(StoreError::TooMuch { what });
        }
        receipt.visitors = known.visitors.len() as u64;
        let before = rows.total();
        if receipt.dry_run {
            pass_over(app, &mut known, true, &mut rows).await?;
            break;
        }
        if asked != Asked::Again {
            remember(app, receipt, &known, &listed, false).await?;
        }
        pass_over(app, &mut known, false, &mut rows).await?;
        let found = rows.total() - before;
        if pass > 0 && found == 0 {
            break;
        }
        if !known.said.is_empty() {
            app.alerts.looks_ended().await;
        }
        // What is on its way comes with the next pass.
        reached.missing.clear();
        let visitors: Vec<VisitorId> = known.visitors.iter().copied().collect();
        reach::services(app, &visitors, &known.all_texts(), &mut reached).await;
        if let Err(why) = reach::ingested(app).await {
            reached.missing.push(why);
        }
    }
    for (service, refused) in &reached.refused {
        rows.add(service, "refused events", "removed", *refused);
    }
    receipt.rows = rows.all;
    receipt.missing.append(&mut reached.missing);
    receipt.left.append(&mut reached.left);
    match reach::topics(app).await {
        Ok(topics) => receipt.topics = topics,
        Err(e) => receipt.missing.push(format!("the brokers do not say how long topics hold it: {e}")),
    }
    if receipt.dry_run {
        return Ok(());
    }
    wipe(app, receipt).await;
    left(app, receipt);
    let rules = alerts::rules_that_name(app, &known.said).await?;
    if !rules.is_empty() {
        let rules = rules.join(", ");
        receipt.left.push(format!(
            "alert rules whose filters name him, as somebody wrote them: {rules}; tfx alert update RULE --where changes that, \
             and the audit log keeps what stood there"
        ));
    }
    if asked == Asked::Again {
        return app.stores.erased.forget(receipt.asked_at).await.map(|_| ());
    }
    remember(app, receipt, &known, &listed, receipt.missing.is_empty()).await
}

impl Known {
    fn all_texts(&self) -> Vec<String> {
        let clicks = self.clicks.iter().map(ToString::to_string);
        self.texts.iter().cloned().chain(clicks).collect()
    }
}

/// Whose clicks are looked for; none: only those that are known by their ids.
async fn whom(
    app: &App,
    asked: Asked,
    receipt: &mut ErasureReceipt,
    known: &mut Known,
) -> Result<Option<Whom>, StoreError> {
    match asked {
        Asked::Visitor(visitor) => {
            known.texts.push(visitor.to_string());
            known.visitors.insert(visitor);
            Ok(Some(Whom::Visitor(visitor)))
        }
        Asked::Click(click) => {
            known.clicks.insert(click);
            let Some(found) = app.stores.analytics.click(click).await? else { return Ok(None) };
            known.texts.push(found.visitor_id.to_string());
            known.visitors.insert(found.visitor_id);
            Ok(Some(Whom::Visitor(found.visitor_id)))
        }
        Asked::Ip(ip) => {
            let forms = match reach::stored_forms(app, ip).await {
                Ok(Forms { forms, shared_bits }) => {
                    receipt.range = shared_bits.map(|bits| ErasedRange { bits, clicks: 0 });
                    forms
                }
                Err(why) => {
                    let what =
                        format!("only the whole address was looked for, not its hash or short form: {why}");
                    receipt.missing.push(what);
                    vec![ip.to_string()]
                }
            };
            // A short form is of many: what others said of it stays.
            known.texts.push(ip.to_string());
            Ok(Some(Whom::Address(forms)))
        }
        Asked::Again => Ok(None),
    }
}

/// Why an address is not erased whose stored form is that of many.
fn of_many(asked: Asked, ErasedRange { bits, clicks }: ErasedRange) -> ErasureRefused {
    let address = if let Asked::Ip(ip) = asked { ip.to_string() } else { String::new() };
    let detail = format!(
        "addresses are kept cut short here (IP_STORAGE=truncated): {address} is stored as every address with the same first \
         {bits} bits is, and {clicks} clicks are of that range, of others too; whole_range (--whole-range) erases them all, a \
         visitor or a click names him alone"
    );
    ErasureRefused { code: "whole_range".to_owned(), detail }
}

/// Goes through every store once.
async fn pass_over(app: &App, known: &mut Known, dry_run: bool, rows: &mut Rows) -> Result<(), StoreError> {
    // First: what he alone said is known as long as his clicks are there.
    let held = alerts::pass_over(app, &known.clicks, &mut known.said, dry_run).await?;
    for (what, how, count) in [
        ("alerts by what he alone said", "removed", held.states),
        ("lines of the log of alerts", "blanked", held.lines),
        ("notices of alerts", "removed", held.jobs),
    ] {
        rows.add(rows.config, what, how, count);
    }
    let clicks: Vec<ClickId> = known.clicks.iter().copied().collect();
    let brought = app.stores.conversions.erase(&clicks, dry_run).await?;
    let held = brought.iter().filter(|(_, held)| *held).count() as u64;
    rows.add(rows.config, "conversions", "blanked", held);
    for (kind, what) in JOBS {
        let jobs = jobs(app, kind, known).await?;
        let removed = match dry_run {
            true => jobs.len() as u64,
            false => app.stores.queue.remove(kind, &jobs).await?,
        };
        rows.add(rows.config, what, "removed", removed);
    }
    let conversions = brought.into_iter().map(|(id, _)| id).collect();
    let traces = Traces { clicks, conversions, texts: known.texts.clone() };
    let EventCounts { clicks, trafficback, conversions, postbacks, other } =
        app.stores.erasure.erase(&traces, dry_run).await?;
    for (what, how, count) in [
        ("clicks", "removed", clicks),
        ("trafficback", "removed", trafficback),
        ("conversions in reports", "blanked", conversions),
        ("lines of the postback log", "blanked", postbacks),
        ("messages that are no events", "removed", other),
    ] {
        rows.add(rows.events, what, how, count);
    }
    Ok(())
}

/// The keys of jobs about his clicks, or with his texts in them.
async fn jobs(app: &App, kind: JobKind, known: &Known) -> Result<Vec<String>, StoreError> {
    let names = PersonNames::new(known.texts.clone());
    let clicks: HashSet<String> = known.clicks.iter().map(ToString::to_string).collect();
    let his = |payload: &str| {
        let said: Value = serde_json::from_str(payload).unwrap_or_default();
        let click =
            said.pointer("/conversion/click_id").or_else(|| said.get("click_id")).and_then(Value::as_str);
        click.is_some_and(|click| clicks.contains(click)) || names.stand_in(payload.as_bytes())
    };
    let queue = &app.stores.queue;
    let mut keys = Vec::new();
    let mut page = PageRequest::first(1_000);
    loop {
        let found = queue.waiting(kind, "", &page).await?;
        keys.extend(found.items.into_iter().filter(|job| his(&job.payload)).map(|job| job.key));
        page.cursor = found.next;
        if page.cursor.is_none() {
            break;
        }
    }
    loop {
        let found = queue.dead_jobs(kind, &page).await?;
        keys.extend(found.items.into_iter().filter(|job| his(&job.payload)).map(|job| job.key));
        page.cursor = found.next;
        if page.cursor.is_none() {
            return Ok(keys);
        }
    }
}

/// Keeps the ids of his clicks as long as topics may bring them back.
async fn remember(
    app: &App,
    receipt: &ErasureReceipt,
    known: &Known,
    listed: &[ErasedEntry],
    complete: bool,
) -> Result<(), StoreError> {
    if known.clicks.is_empty() {
        return Ok(());
    }
    let mut ends = receipt.topics.iter().map(|topic| topic.until);
    let kept = receipt.asked_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX);
    // None: for ever. While the brokers have not been asked, for ever too.
    let until = if receipt.topics.is_empty() && (app.stores.pipeline.is_some() || !complete) {
        None
    } else {
        ends.try_fold(kept, |latest, until| until.map(|until| latest.max(until)))
    };
    let first =
        listed.iter().find(|entry| entry.id == receipt.hash).map_or(receipt.asked_at, |entry| entry.at);
    let clicks = known.clicks.iter().copied().collect();
    let entry = ErasedEntry { id: receipt.hash.clone(), at: first, until, complete, clicks };
    app.stores.erased.keep(&entry).await
}

/// What was deleted leaves the files of the stores.
async fn wipe(app: &App, receipt: &mut ErasureReceipt) {
    for (store, wiped) in
        [("configuration", app.stores.erased.wipe().await), ("events", app.stores.erasure.wipe().await)]
    {
        if let Err(e) = wiped {
            receipt.missing.push(format!("the rows are gone, but not from the file of the {store} yet: {e}"));
        }
    }
}

/// What may hold it still.
fn left(app: &App, receipt: &mut ErasureReceipt) {
    let engines = &app.settings.engines;
    let mut say = |text: &str| receipt.left.push(text.to_owned());
    say("backups made before: they hold it until they are deleted; after a restore of one, erase again");
    say("other data folders: journals of instances that do not run; start them, then erase again");
    if engines.mongo.is_some() {
        say(
            "MongoDB's oplog holds what was there until newer writes push it out, and its files until their room is used again",
        );
    }
    if engines.events.is_some() {
        say(
            "ClickHouse deletes parts of before some minutes later (old_parts_lifetime); its query_log may name whom reports were asked about",
        );
    }
    say(
        "logs of services and proxies, and what was told to sources, networks and channels of alerts, are not this program's to erase",
    );
}

/// What was found, by store and kind, in the order in which it was met.
struct Rows {
    config: &'static str,
    events: &'static str,
    all: Vec<ErasedRows>,
}

impl Rows {
    fn of(app: &App) -> Self {
        let engines = &app.settings.engines;
        Self {
            config: if engines.mongo.is_some() { "MongoDB" } else { "config.db" },
            events: if engines.events.is_some() { "ClickHouse" } else { "events.db" },
            all: Vec::new(),
        }
    }

    fn add(&mut self, store: &str, what: &str, how: &str, rows: u64) {
        if let Some(found) = self.all.iter_mut().find(|row| row.store == store && row.what == what) {
            found.rows += rows;
            return;
        }
        let row = ErasedRows { store: store.to_owned(), what: what.to_owned(), how: how.to_owned(), rows };
        self.all.push(row);
    }

    fn total(&self) -> u64 {
        self.all.iter().map(|row| row.rows).sum()
    }
}
