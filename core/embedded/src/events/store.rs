//! Storing a batch of events in a transaction.

use super::{
    click_row::ClickRow,
    currency_code, fact_columns,
    facts::{Class, Facts},
    id_bytes, id_ms,
    packed::pack,
    texts::{Numbering, Texts},
    visits::Visits,
};
use crate::{
    db::Cache,
    error::{OrStoreError, is_of_the_value, store_error},
};
use rusqlite::{CachedStatement, Connection, params};
use tfx_domain::{
    event::{ConversionEvent, PostbackLogEvent, PostbackResult, SCHEMA, Topic},
    id::{ClickId, VisitorId},
};
use tfx_ports::{
    StoreError,
    sink::{Envelope, Refused},
};

const WHAT: &str = "store events";

/// Stores what can be read; everything else is refused, each with its reason. An error is the store's: no event is to
/// blame for it, and none of the batch is in.
pub(super) fn store(
    conn: &Connection,
    texts: &mut Texts,
    batch: &[Envelope],
) -> Result<Vec<Refused>, StoreError> {
    let run = |sql| conn.execute_batch(sql).or_store_error(WHAT);
    let mut unfit: Vec<Refused> = Vec::new();
    loop {
        run("SAVEPOINT batch")?;
        match store_all(conn, texts, batch, &unfit) {
            Ok(mut refused) => {
                run("RELEASE batch")?;
                refused.append(&mut unfit);
                refused.sort_by_key(|r| r.index);
                return Ok(refused);
            }
            // Half of it may be in: once more without it.
            Err(Spoiled::By(event)) => {
                run("ROLLBACK TO batch; RELEASE batch")?;
                texts.forget();
                unfit.push(event);
            }
            Err(Spoiled::Store(e)) => return Err(e),
        }
    }
}

/// Why a batch is not stored.
enum Spoiled {
    /// A value of this event fits in no store.
    By(Refused),
    /// The store fails.
    Store(StoreError),
}

impl From<StoreError> for Spoiled {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// Stores all but `unfit`.
fn store_all(
    conn: &Connection,
    texts: &mut Texts,
    batch: &[Envelope],
    unfit: &[Refused],
) -> Result<Vec<Refused>, Spoiled> {
    let mut batch_store = BatchStore {
        conn,
        texts: Numbering::new(texts, conn)?,
        clicks: conn.prepare_cached(fact_columns::CLICK).or_store_error(WHAT)?,
        bodies: Bodies::new(conn)?,
        visits: Visits::default(),
    };
    let mut refused = Vec::new();
    for (index, event) in batch.iter().enumerate() {
        if unfit.iter().any(|r| r.index == index) {
            continue;
        }
        let result = match event.topic {
            Topic::ClickEvents | Topic::TrafficbackEvents => batch_store.click(event),
            Topic::ConversionEvents => batch_store.conversion(event),
            Topic::PostbackLogEvents => batch_store.postback(event),
            Topic::DestinationHealthEvents => batch_store.other(event),
        };
        match result {
            Ok(()) => {}
            Err(Failed::Unreadable(reason)) => refused.push(Refused { index, reason }),
            Err(Failed::Store(e)) if is_of_the_value(&e) => {
                return Err(Spoiled::By(Refused { index, reason: e.to_string() }));
            }
            Err(Failed::Store(e)) => return Err(Spoiled::Store(store_error(WHAT, e))),
        }
    }
    batch_store.visits.save(conn)?;
    Ok(refused)
}

/// Why an event is not stored.
enum Failed {
    /// It cannot be read, now or later: why.
    Unreadable(String),
    /// The store fails.
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(e: rusqlite::Error) -> Self {
        Self::Store(e)
    }
}

fn unreadable(e: impl std::fmt::Display) -> Failed {
    Failed::Unreadable(e.to_string())
}

struct BatchStore<'t, 'c> {
    conn: &'c Connection,
    texts: Numbering<'t, 'c>,
    clicks: CachedStatement<'c>,
    bodies: Bodies<'c>,
    visits: Visits,
}

impl BatchStore<'_, '_> {
    /// The time of a click is its id's.
    fn click(&mut self, event: &Envelope) -> Result<(), Failed> {
        let row: ClickRow<'_> = serde_json::from_slice(&event.payload).map_err(unreadable)?;
        check_schema(row.schema)?;
        let id: ClickId = row.click_id.0.parse().map_err(unreadable)?;
        let visitor: VisitorId = row.visitor_id.0.parse().map_err(unreadable)?;
        fact_columns::check_click(&row).map_err(unreadable)?;
        let unique = [row.unique_campaign, row.unique_stream, row.unique_destination];
        let visitor_facts = Facts::of_visitor(row.is_bot, row.device_type, row.test);
        let facts = Facts::of_click(row.outcome, row.request, unique, visitor_facts)
            .with_cost_refused(!row.cost_refused.0.is_empty());
        let cost = row.any_cost();
        let texts = &mut self.texts;
        let stream = texts.number(&row.stream_id.0)?;
        let destination = texts.number(&row.destination_id.0)?;
        let s = &mut self.clicks;
        s.raw_bind_parameter(1, id_bytes(id))?;
        s.raw_bind_parameter(2, facts.0)?;
        s.raw_bind_parameter(3, cost.map(|c| c.amount.micros()))?;
        s.raw_bind_parameter(4, cost.map(|c| currency_code(c.currency)))?;
        s.raw_bind_parameter(5, visitor.0.to_be_bytes())?;
        s.raw_bind_parameter(6, self.bodies.next)?;
        fact_columns::bind_click(s, 7, texts, &row)?;
        if s.raw_execute()? == 1 {
            // Who asks for a campaign that there is not is a stranger.
            if row.campaign_id.0.is_empty() {
                self.bodies.insert(&pack(&event.payload))?;
            } else {
                self.bodies.insert(&event.payload)?;
            }
            if facts.class() == Class::Click {
                self.visits.add(stream, id_ms(id));
                self.visits.add(destination, id_ms(id));
            }
        }
        Ok(())
    }

    fn conversion(&mut self, event: &Envelope) -> Result<(), Failed> {
        let mut e: ConversionEvent = serde_json::from_slice(&event.payload).map_err(unreadable)?;
        check_schema(e.schema)?;
        // Whoever reported it is its network here.
        e.dims.network_id = Some(e.reporter_id);
        let (d, texts) = (&e.dims, &mut self.texts);
        let mut s = self.conn.prepare_cached(fact_columns::CONVERSION)?;
        s.raw_bind_parameter(1, e.conversion_id.as_str())?;
        s.raw_bind_parameter(2, i64::try_from(e.version).map_err(unreadable)?)?;
        s.raw_bind_parameter(3, e.click_at.as_millisecond())?;
        s.raw_bind_parameter(4, e.created_at.as_millisecond())?;
        s.raw_bind_parameter(5, texts.number(e.conversion_status.as_str())?)?;
        s.raw_bind_parameter(6, Facts::of_visitor(d.is_bot, d.device_type, d.test).0)?;
        s.raw_bind_parameter(7, e.revenue.amount.micros())?;
        s.raw_bind_parameter(8, currency_code(e.revenue.currency))?;
        s.raw_bind_parameter(9, e.cost.map(|c| c.amount.micros()))?;
        s.raw_bind_parameter(10, e.cost.map(|c| currency_code(c.currency)))?;
        fact_columns::bind_conversion(&mut s, 11, texts, d)?;
        s.raw_execute()?;
        Ok(())
    }

    fn postback(&mut self, event: &Envelope) -> Result<(), Failed> {
        let e: PostbackLogEvent = serde_json::from_slice(&event.payload).map_err(unreadable)?;
        check_schema(e.schema)?;
        let inserted = self
            .conn
            .prepare_cached(
                "INSERT OR IGNORE INTO postbacks (id, network, result, body, test, click) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                id_bytes(e.id),
                self.texts.number(&e.network)?,
                result_code(e.result),
                self.bodies.next,
                e.test,
                e.click_id.map(|id| id_bytes(id).to_vec()).unwrap_or_default()
            ])?;
        if inserted == 1 {
            if e.result == PostbackResult::Rejected {
                self.bodies.insert(&pack(&event.payload))?;
            } else {
                self.bodies.insert(&event.payload)?;
            }
        }
        Ok(())
    }

    fn other(&mut self, event: &Envelope) -> Result<(), Failed> {
        serde_json::from_slice::<serde::de::IgnoredAny>(&event.payload).map_err(unreadable)?;
        self.conn
            .prepare_cached("INSERT OR IGNORE INTO other_events (topic, id, json) VALUES (?, ?, ?)")?
            .execute(params![event.topic.code(), event.id.as_str(), event.payload.as_ref()])?;
        Ok(())
    }
}

/// What an event of another schema means is not known here.
fn check_schema(schema: u16) -> Result<(), Failed> {
    if schema == SCHEMA {
        return Ok(());
    }
    Err(Failed::Unreadable(format!("the event has schema {schema}, this build reads {SCHEMA}")))
}

/// A result as a number: its place in `PostbackResult::ALL`.
pub(crate) fn result_code(result: PostbackResult) -> i64 {
    PostbackResult::ALL.iter().position(|r| *r == result).and_then(|i| i64::try_from(i).ok()).unwrap_or(-1)
}

/// The bodies, appended in order.
struct Bodies<'c> {
    insert: CachedStatement<'c>,
    /// The number of the next. The transaction holds the write lock: nobody else takes it.
    next: i64,
}

impl<'c> Bodies<'c> {
    fn new(conn: &'c Connection) -> Result<Self, StoreError> {
        let last = conn
            .prepare_cached("SELECT coalesce(max(id), 0) FROM bodies")
            .and_then(|mut s| s.query_row([], |r| r.get::<_, i64>(0)))
            .or_store_error(WHAT)?;
        let insert =
            conn.prepare_cached("INSERT INTO bodies (id, json) VALUES (?, ?)").or_store_error(WHAT)?;
        Ok(Self { insert, next: last + 1 })
    }

    fn insert(&mut self, json: &[u8]) -> rusqlite::Result<()> {
        self.insert.raw_bind_parameter(1, self.next)?;
        self.insert.raw_bind_parameter(2, json)?;
        self.insert.raw_execute()?;
        self.next += 1;
        Ok(())
    }
}
