//! Rows of a file, taken as postbacks are: read by the network's template, matched with their clicks, recorded, logged. Many
//! at once: one look-up of clicks, one transaction, one sync of the journal. Who may is for api-service to say: no secret
//! is asked for.
//!
//! Unlike a postback, a row counts from when the file says, and one whose click is not known is refused unless it is to
//! wait: of an old file most such clicks never come.

use crate::{
    clicks::KnownClick,
    config::Index,
    exposed::without_secret,
    log::{self, IMPORT, Origin, PostbackOutcome},
    params::Params,
    parked::first_pause,
    record::{became, changed, incoming, state},
    take::{Postbacks, readable},
    turns::Place,
    why,
};
use futures_util::{StreamExt as _, stream};
use std::{collections::HashMap, time::Duration};
use tfx_api::imports::{ImportAnswer, ImportRequest, ImportRow, ImportedRow, There};
use tfx_domain::{
    Timestamp,
    entity::{Network, TemplateSpec},
    event::{Event, PostbackResult},
    id::ClickId,
    postback::{Conversion, Field, FileRow, Interpreted, Postback, differs},
};
use tfx_ports::{clock, conversions, conversions::Recorded, entropy};
use tokio::time::{Instant, sleep};

/// So many events may wait in the journal: a file never fills it up before the postbacks of networks.
const MOST_WAITING: u64 = 20_000;
/// How long a request waits for the journal to be delivered.
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(20);
/// Rows that are parked, or whose conversions are looked for, at the same time.
const AT_ONCE: usize = 32;
/// A row may be from so long before its click: clocks differ, and some files tell days alone.
const BEFORE_CLICK: i64 = 86_400;
/// And so long ahead of this clock.
const AHEAD: i64 = 300;

/// Imports rows, in their order, or says what would become of them.
///
/// # Errors
/// Why none of them can be taken now, or some cannot be known to be: asked again, each counts once.
pub(crate) async fn import(postbacks: &Postbacks, asked: &ImportRequest) -> Result<ImportAnswer, String> {
    let index = postbacks.config.owned().ok_or("the configuration is not loaded yet")?;
    if !asked.dry_run {
        room(postbacks).await?;
    }
    let batch = Batch { postbacks, index: &index, dry_run: asked.dry_run, park: asked.park };
    let mut rows: Vec<Row> = asked.rows.iter().map(|row| batch.read(asked, row)).collect();
    batch.find_clicks(&mut rows).await?;
    batch.record(&mut rows).await?;
    if !asked.dry_run {
        batch.park(&mut rows).await?;
        batch.log(&rows).await?;
    }
    let rows = rows.into_iter().map(|row| row.answer(asked.park)).collect();
    Ok(ImportAnswer { dry_run: asked.dry_run, rows })
}

/// Waits until the journal has room.
async fn room(postbacks: &Postbacks) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = postbacks.producer.stats();
        let waiting = stats.outbox_depth_events;
        if waiting < MOST_WAITING {
            return Ok(());
        }
        if stats.degraded || Instant::now() > until {
            return Err(format!(
                "{waiting} events wait for the event store, and a file is imported no faster than that takes them"
            ));
        }
        sleep(PAUSE).await;
    }
}

struct Batch<'b> {
    postbacks: &'b Postbacks,
    index: &'b Index,
    dry_run: bool,
    park: bool,
}

/// A row on its way.
struct Row<'b> {
    origin: Origin,
    network: Option<&'b Network>,
    at: Standing,
}

/// How far a row is.
enum Standing {
    /// It is read.
    Report(Postback),
    /// Its click is known.
    Matched(Postback, Box<KnownClick>),
    /// Its click is not.
    Unmatched(Postback),
    /// What became of it; what changed by it, or stands where nothing did. Logged already: it was parked.
    Ended { outcome: PostbackOutcome, changed: Vec<Conversion>, there: Option<Box<There>>, logged: bool },
}

impl Standing {
    fn ended(outcome: PostbackOutcome) -> Self {
        Self::Ended { outcome, changed: Vec::new(), there: None, logged: false }
    }
}

const NO_CLICK: &str = "there is no such click";

impl<'b> Batch<'b> {
    /// What a row says.
    fn read(&self, asked: &ImportRequest, row: &ImportRow) -> Row<'b> {
        let now = clock::now();
        let named = row.network.as_ref().or(asked.network.as_ref()).cloned().unwrap_or_default();
        let file = FileRow { at: row.at.unwrap_or(now), ours: asked.ours, tell: asked.tell_sources };
        let mut origin = Origin {
            id: ClickId::generate(now, entropy::random_u128()),
            at: now,
            network: named,
            template: asked.template.clone().unwrap_or_default(),
            ip: None,
            method: IMPORT.into(),
            params: Vec::new(),
            note: String::new(),
            row: Some(file),
            signed: None,
            again: None,
        };
        let (network, template) = match readable(self.index, &origin) {
            Ok(found) => found,
            Err(outcome) => {
                let network = self.index.network(&origin.network);
                origin.params = params(row, None);
                return Row { origin, network, at: Standing::ended(outcome) };
            }
        };
        let template = template.map(|t| &t.spec).filter(|_| !asked.ours);
        origin.params = params(row, template);
        if let Some(why) = no_number(row) {
            let at = Standing::ended(PostbackOutcome::rejected(400, why));
            return Row { origin, network: Some(network), at };
        }
        let masks = &self.index.masks;
        let read = origin.read(&network.spec, template);
        let at = match read.and_then(|read| without_secret(masks, &network.spec, &origin, read)) {
            Ok(Interpreted::Report(postback)) => match untimely(file.at, now, postback.click_id) {
                None => Standing::Report(postback),
                Some(why) => Standing::ended(PostbackOutcome::rejected(400, why)),
            },
            Ok(Interpreted::Ignored { raw_status }) => {
                let mut outcome = PostbackOutcome::accepted(200, PostbackResult::Ignored);
                outcome.reason = format!("the template ignores status {raw_status}");
                Standing::ended(outcome)
            }
            Err(refusal) => {
                let mut outcome = PostbackOutcome::invalid(400, refusal);
                let named = self.named(network, &origin);
                outcome.reason = why::refused(&network.spec, template, named, &origin.params, outcome.reason);
                Standing::ended(outcome)
            }
        };
        Row { origin, network: Some(network), at }
    }

    fn named(&self, network: &Network, origin: &Origin) -> Option<&'b TemplateSpec> {
        self.index.named_template(&network.id, &origin.template).map(|t| &t.spec)
    }

    /// Finds the clicks of what was read; one that is not there any more is known by the conversion that is reported again.
    async fn find_clicks(&self, rows: &mut [Row<'b>]) -> Result<(), String> {
        let mut ids: Vec<ClickId> = rows.iter().filter_map(Row::click).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut known = self.postbacks.clicks.find_many(&ids).await.map_err(|missing| missing.reason())?;
        let store = &*self.postbacks.conversions;
        let mut looks = Vec::new();
        for row in rows.iter() {
            let (Standing::Report(postback), Some(network)) = (&row.at, row.network) else { continue };
            if !known.contains_key(&postback.click_id) {
                looks.push(conversions::reported(store, &network.id, postback));
            }
        }
        let found: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        for there in found {
            if let Some(Conversion { click_id, click: dims, cost_terms: due, .. }) =
                there.map_err(|e| e.to_string())?
            {
                known.insert(click_id, KnownClick { dims, external_id: String::new(), cost: None, due });
            }
        }
        for row in rows {
            row.meet(&known);
        }
        Ok(())
    }

    /// Records what has its click, in the order of the file.
    async fn record(&self, rows: &mut [Row<'b>]) -> Result<(), String> {
        let (mut reports, mut places) = (Vec::new(), Vec::new());
        for (place, row) in rows.iter_mut().enumerate() {
            let (Standing::Matched(postback, click), Some(network)) = (&row.at, row.network) else {
                continue;
            };
            if !self.dry_run {
                self.postbacks.count_word(postback);
            }
            match incoming(self.index, &row.origin, network, postback, click, 200) {
                Ok(incoming) => {
                    reports.push(incoming);
                    places.push(place);
                }
                Err(outcome) if outcome.status == 503 => return Err(outcome.told),
                Err(conflict) => row.at = Standing::ended(conflict),
            }
        }
        if reports.is_empty() {
            return Ok(());
        }
        let store = &self.postbacks.conversions;
        let recorded =
            if self.dry_run { store.foresee(&reports).await } else { store.record(&reports).await };
        let recorded = recorded.map_err(|e| e.to_string())?;
        if recorded.len() != places.len() {
            let (n, of) = (recorded.len(), places.len());
            return Err(format!("the conversion store gave {n} answers to {of} reports"));
        }
        if !self.dry_run && reports.iter().any(|report| report.tell.is_some()) {
            self.postbacks.to_tell.notify_one();
        }
        for (place, recorded) in places.into_iter().zip(recorded) {
            rows[place].became(self, &recorded);
        }
        Ok(())
    }

    /// Has those wait whose click is not known, if they may.
    async fn park(&self, rows: &mut [Row<'b>]) -> Result<(), String> {
        if !self.park {
            return Ok(());
        }
        // Their places are those of the file, however many are parked at once.
        let mut parked = Vec::new();
        for row in rows {
            let (Standing::Unmatched(postback), Some(network)) = (&row.at, row.network) else { continue };
            let place = self.postbacks.place(network, postback, row.origin.at);
            parked.push(self.park_one(network, postback.clone(), place, row));
        }
        let parked: Vec<_> = stream::iter(parked).buffered(AT_ONCE).collect().await;
        parked.into_iter().collect()
    }

    async fn park_one(
        &self,
        network: &Network,
        postback: Postback,
        place: Place,
        row: &mut Row<'b>,
    ) -> Result<(), String> {
        let _turn = self.postbacks.turns.take(&place.group).await;
        let (why, pause) = (NO_CLICK.to_owned(), first_pause(&self.postbacks.settings));
        let outcome = self.postbacks.park(&row.origin, network, &postback, why, pause, &place).await;
        let parked = if outcome.status == 503 { Err(outcome.told.clone()) } else { Ok(()) };
        row.at = Standing::Ended { outcome, changed: Vec::new(), there: None, logged: true };
        parked
    }

    /// Makes the events of all rows durable, and counts them.
    async fn log(&self, rows: &[Row<'b>]) -> Result<(), String> {
        let masks = self.postbacks.masks();
        let mut events: Vec<Event> = Vec::with_capacity(rows.len() * 2);
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in rows {
            let Some((outcome, changed)) = row.to_log() else { continue };
            events.extend(changed.iter().map(state));
            events.push(Event::PostbackLog(Box::new(log::event(&row.origin, &outcome, &masks))));
            outcomes.push(outcome);
        }
        if let Err(e) = self.postbacks.publish(&events).await {
            tracing::error!(error = e, rows = rows.len(), "cannot make the events of imported rows durable");
            self.postbacks.counters.not_taken();
            return Err(e);
        }
        outcomes.iter().for_each(|outcome| self.postbacks.counters.count(outcome));
        Ok(())
    }
}

impl Row<'_> {
    fn click(&self) -> Option<ClickId> {
        match &self.at {
            Standing::Report(postback) => Some(postback.click_id),
            _ => None,
        }
    }

    fn meet(&mut self, known: &HashMap<ClickId, KnownClick>) {
        if let Standing::Report(postback) = &self.at {
            self.at = match known.get(&postback.click_id) {
                Some(click) => Standing::Matched(postback.clone(), Box::new(click.clone())),
                None => Standing::Unmatched(postback.clone()),
            };
        }
    }

    fn became(&mut self, batch: &Batch<'_>, recorded: &Recorded) {
        let (Standing::Matched(postback, click), Some(network)) = (&self.at, self.network) else { return };
        let template = batch.named(network, &self.origin);
        let outcome = became(network, template, postback, click, recorded, 200);
        let changed: Vec<Conversion> = changed(recorded).cloned().collect();
        let there = changed.is_empty().then(|| Box::new(there(postback, &recorded.conversion)));
        self.at = Standing::Ended { outcome, changed, there, logged: false };
    }

    /// What goes into the log, if that is not there already.
    fn to_log(&self) -> Option<(PostbackOutcome, &[Conversion])> {
        let network = self.network.map(|n| n.id.clone());
        match &self.at {
            Standing::Ended { logged: true, .. } | Standing::Report(_) | Standing::Matched(..) => None,
            Standing::Ended { outcome, changed, .. } => {
                Some((PostbackOutcome { network, ..outcome.clone() }, changed))
            }
            Standing::Unmatched(postback) => {
                let outcome = PostbackOutcome::rejected(404, NO_CLICK);
                Some((PostbackOutcome { network, click: Some(postback.click_id), ..outcome }, &[]))
            }
        }
    }

    fn answer(self, park: bool) -> ImportedRow {
        let (outcome, there) = match self.at {
            Standing::Ended { outcome, there, .. } => (outcome, there),
            _ => {
                let result = if park { PostbackResult::Parked } else { PostbackResult::Unmatched };
                let reason = NO_CLICK.to_owned();
                (PostbackOutcome { reason, ..PostbackOutcome::accepted(404, result) }, None)
            }
        };
        let (status, revenue) = outcome.became.unzip();
        let (result, reason, conversion_id) = (outcome.result, outcome.reason, outcome.conversion);
        ImportedRow { result, reason, conversion_id, status, revenue, there: there.map(|there| *there) }
    }
}

/// What stands, whatever a row says.
fn there(postback: &Postback, stands: &Conversion) -> There {
    There {
        differs: differs(postback, stands),
        transaction_id: stands.transaction_id.clone(),
        click_id: stands.click_id,
        status: stands.status.clone(),
        revenue: stands.revenue,
        created_at: stands.created_at,
        test: stands.click.test,
    }
}

/// A row's facts under the names by which its template knows them.
fn params(row: &ImportRow, template: Option<&TemplateSpec>) -> Params {
    let mut row = row.clone();
    let fact = |field: Field| {
        let value = row.fact(field).take().filter(|value| !value.is_empty())?;
        let name = field.names(template).first().copied().unwrap_or(field.as_str());
        Some((name.to_owned(), value))
    };
    Field::ALL.into_iter().filter_map(fact).collect()
}

/// Why a payout is none. From a network that does not know its payout, `NaN` is a word for nothing; a file that has it was
/// calculated wrong.
fn no_number(row: &ImportRow) -> Option<String> {
    let value = row.payout.as_deref()?.trim();
    value.eq_ignore_ascii_case("nan").then(|| {
        format!("payout: '{value}' is no amount; leave it empty where the destination's payout counts")
    })
}

/// Why a time cannot be meant.
fn untimely(at: Timestamp, now: Timestamp, click: ClickId) -> Option<String> {
    let clicked = click.timestamp();
    if at.as_second() > now.as_second() + AHEAD {
        return Some(format!("time: {at} is still to come; is the time zone right?"));
    }
    (at.as_second() < clicked.as_second() - BEFORE_CLICK)
        .then(|| format!("time: {at} is more than a day before its click, which was at {clicked:.0}"))
}
