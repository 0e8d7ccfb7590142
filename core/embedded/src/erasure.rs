//! Erasing a person from `events.db`, and the list of what was erased in `config.db`.
//!
//! What is deleted or changed stays legible in a file of SQLite, in the free part of its pages and in the log beside it,
//! until other rows take its room. So a file is written anew in the end, and its log cut off ([`wipe`]).

use crate::{
    db::{Cache, Database},
    error::OrStoreError,
    events::{
        facts::{Facts, NOT_ROUTED},
        id_bytes, id_of,
        packed::unpack,
        texts::Texts,
    },
    time::ceil_ms,
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use tfx_domain::{
    Timestamp,
    event::{ClickDims, EventCounts, JsonType, PersonNames, PostbackLogEvent, RowColumn},
    id::{ClickId, ConversionId, VisitorId},
    routing::DeviceType,
};
use tfx_ports::{
    StoreError,
    erasure::{ErasedEntry, ErasedList, EventErasure, FoundClick, MOST_CLICKS, Traces, Whom},
};

const WHAT: &str = "erase a person";
/// Rows that are changed in one turn of the writer.
const AT_ONCE: usize = 200;
/// How long those who read are waited for, until the log can be cut off.
const PATIENCE: Duration = Duration::from_secs(20);

/// Erases events.
pub(crate) struct Eraser(pub(crate) Arc<Database<Texts>>);

/// What was erased.
pub(crate) struct Erased(pub(crate) Arc<Database<()>>);

/// Writes a file anew and cuts its log off: nothing is left of what was deleted. Takes as much room again; what is
/// delivered meanwhile is told to come again later.
pub(crate) async fn wipe<C: Cache>(db: &Database<C>) -> Result<(), StoreError> {
    let what = "write the file anew";
    let wipe = move |conn: &Connection| {
        conn.execute_batch("VACUUM").or_store_error(what)?;
        let until = Instant::now() + PATIENCE;
        loop {
            let cut = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get::<_, i64>(0));
            match cut {
                Ok(0) => return Ok(()),
                Ok(_) | Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
                Err(e) => return Err(e).or_store_error(what),
                Ok(_) => {
                    let what = format!("{what}: somebody has been reading the old one for {PATIENCE:?}");
                    return Err(StoreError::Unavailable { what, source: None });
                }
            }
        }
    };
    db.alone(what, wipe).await
}

#[async_trait]
impl EventErasure for Eraser {
    async fn find(&self, whom: &Whom, until: Timestamp) -> Result<Vec<FoundClick>, StoreError> {
        let (whom, before) = (whom.clone(), ClickId::floor(until));
        self.0.scan("find the clicks of a person", move |conn| find(conn, &whom, before)).await
    }

    async fn erase(&self, traces: &Traces, dry_run: bool) -> Result<EventCounts, StoreError> {
        let mut counts = EventCounts::default();
        for some in traces.clicks.chunks(AT_ONCE) {
            let some = some.to_vec();
            counts += self.0.write(WHAT, move |conn, _| clicks(conn, &some, dry_run)).await?;
        }
        for some in traces.conversions.chunks(AT_ONCE) {
            let some = some.to_vec();
            counts.conversions +=
                self.0.write(WHAT, move |conn, _| conversions(conn, &some, dry_run)).await?;
        }
        let asked = traces.clone();
        let his = self.0.scan("find what was said of a person", move |conn| postbacks(conn, &asked)).await?;
        counts.postbacks = his.len() as u64;
        for some in his.chunks(AT_ONCE).filter(|_| !dry_run) {
            let (some, texts) = (some.to_vec(), traces.texts.clone());
            self.0
                .write(WHAT, move |conn, _| some.iter().try_for_each(|row| blank(conn, row, &texts)))
                .await?;
        }
        Ok(counts)
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        wipe(&self.0).await
    }
}

fn find(conn: &Connection, whom: &Whom, before: ClickId) -> Result<Vec<FoundClick>, StoreError> {
    let mut found = Vec::new();
    let mut keep = |id: Vec<u8>, visitor: Vec<u8>| {
        let visitor =
            <[u8; 16]>::try_from(visitor).map_err(|_| StoreError::broken(WHAT, "a visitor is none"))?;
        found.push(FoundClick { click: id_of(&id)?, visitor: VisitorId(u128::from_be_bytes(visitor)) });
        if found.len() > MOST_CLICKS {
            let what = format!("there are more than {MOST_CLICKS} clicks, which are no one person's");
            return Err(StoreError::TooMuch { what });
        }
        Ok(())
    };
    match whom {
        Whom::Visitor(visitor) => {
            let sql = "SELECT id, visitor FROM clicks WHERE visitor = ?1 AND id < ?2";
            let mut statement = conn.prepare_cached(sql).or_store_error(WHAT)?;
            let values = params![visitor.0.to_be_bytes(), id_bytes(before)];
            let mut rows = statement.query(values).or_store_error(WHAT)?;
            while let Some(row) = rows.next().or_store_error(WHAT)? {
                keep(row.get(0).or_store_error(WHAT)?, row.get(1).or_store_error(WHAT)?)?;
            }
        }
        Whom::Address(forms) => {
            let names = PersonNames::new(forms);
            let sql =
                "SELECT c.id, c.visitor, b.json FROM clicks c JOIN bodies b ON b.id = c.body WHERE c.id < ?1";
            let mut statement = conn.prepare_cached(sql).or_store_error(WHAT)?;
            let mut rows = statement.query([id_bytes(before)]).or_store_error(WHAT)?;
            while let Some(row) = rows.next().or_store_error(WHAT)? {
                let body = row.get_ref(2).and_then(|b| Ok(b.as_blob()?)).or_store_error(WHAT)?;
                // One that cannot be read names nobody.
                if unpack(body).is_ok_and(|json| names.stand_in(&json) && came_from(&json, forms)) {
                    keep(row.get(0).or_store_error(WHAT)?, row.get(1).or_store_error(WHAT)?)?;
                }
            }
        }
    }
    Ok(found)
}

/// Whether a click came from one of these addresses.
fn came_from(json: &[u8], forms: &[String]) -> bool {
    #[derive(Deserialize)]
    struct From<'j> {
        #[serde(borrow, default)]
        ip: Cow<'j, str>,
    }
    serde_json::from_slice::<From<'_>>(json).is_ok_and(|e| forms.iter().any(|f| *f == e.ip))
}

fn clicks(conn: &Connection, ids: &[ClickId], dry_run: bool) -> Result<EventCounts, StoreError> {
    let sql = if dry_run {
        "SELECT body, facts FROM clicks WHERE id = ?1"
    } else {
        "DELETE FROM clicks WHERE id = ?1 RETURNING body, facts"
    };
    let mut click = conn.prepare_cached(sql).or_store_error(WHAT)?;
    let mut body = conn.prepare_cached("DELETE FROM bodies WHERE id = ?1").or_store_error(WHAT)?;
    let mut counts = EventCounts::default();
    for id in ids {
        let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?));
        let Some((of, facts)) = click.query_row([id_bytes(*id)], row).optional().or_store_error(WHAT)? else {
            continue;
        };
        if !dry_run {
            body.execute([of]).or_store_error(WHAT)?;
        }
        let counted = if facts & NOT_ROUTED == 0 { &mut counts.clicks } else { &mut counts.trafficback };
        *counted += 1;
    }
    Ok(counts)
}

/// The columns in which a conversion has facts of a person.
static PERSONAL: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let personal = ClickDims::FIELDS.iter().filter(|field| !matches!(field.json, JsonType::Id(_)));
    personal
        .filter_map(|field| match field.row {
            RowColumn::Numbered(column) | RowColumn::Text(column) | RowColumn::List(column) => Some(column),
            RowColumn::Own | RowColumn::Bits => None,
        })
        .collect()
});

fn conversions(conn: &Connection, ids: &[ConversionId], dry_run: bool) -> Result<u64, StoreError> {
    let each = |then: &str, between: &str| {
        PERSONAL.iter().map(|column| format!("{column} {then}")).collect::<Vec<_>>().join(between)
    };
    // The bits of bots and tests: the first device type has none.
    let kept = Facts::of_visitor(true, DeviceType::ALL[0], true).0;
    let unknown = Facts::of_visitor(false, DeviceType::Unknown, false).0;
    let held = format!("id = ?1 AND (facts <> (facts & ?2 | ?3) OR {})", each("IS NOT NULL", " OR "));
    let sql = if dry_run {
        format!("SELECT 1 FROM conversions WHERE {held}")
    } else {
        format!(
            "UPDATE conversions SET facts = facts & ?2 | ?3, {} WHERE {held} RETURNING 1",
            each("= NULL", ", ")
        )
    };
    let mut statement = conn.prepare_cached(&sql).or_store_error(WHAT)?;
    let mut changed = 0;
    for id in ids {
        let row = statement.query_row(params![id.as_str(), kept, unknown], |_| Ok(())).optional();
        changed += u64::from(row.or_store_error(WHAT)?.is_some());
    }
    Ok(changed)
}

/// A line of the postback log: its id and that of its body.
type Line = (Vec<u8>, i64);

/// The lines about these clicks or with these texts that say something.
fn postbacks(conn: &Connection, traces: &Traces) -> Result<Vec<Line>, StoreError> {
    let clicks: HashSet<ClickId> = traces.clicks.iter().copied().collect();
    let names = PersonNames::new(&traces.texts);
    let sql = "SELECT p.id, p.body, p.click, b.json FROM postbacks p JOIN bodies b ON b.id = p.body";
    let mut statement = conn.prepare_cached(sql).or_store_error(WHAT)?;
    let mut rows = statement.query([]).or_store_error(WHAT)?;
    let mut his = Vec::new();
    while let Some(row) = rows.next().or_store_error(WHAT)? {
        let click: Option<Vec<u8>> = row.get(2).or_store_error(WHAT)?;
        let json = row.get_ref(3).and_then(|b| Ok(b.as_blob()?)).or_store_error(WHAT)?;
        let Ok(json) = unpack(json) else { continue };
        let named = match &click {
            Some(click) => id_of(click).is_ok_and(|id| clicks.contains(&id)),
            // Of before there was that column.
            None => line(&json).and_then(|l| l.click_id).is_some_and(|id| clicks.contains(&id)),
        };
        if (named || names.stand_in(&json))
            && line(&json).is_none_or(|line| line != line.without_person(&traces.texts))
        {
            his.push((row.get(0).or_store_error(WHAT)?, row.get(1).or_store_error(WHAT)?));
        }
    }
    Ok(his)
}

fn line(json: &[u8]) -> Option<PostbackLogEvent> {
    serde_json::from_slice(json).ok()
}

/// Takes off a line what it says; one that cannot be read goes as a whole.
fn blank(conn: &Connection, (id, body): &Line, texts: &[String]) -> Result<(), StoreError> {
    let read = "SELECT json FROM bodies WHERE id = ?1";
    let json: Option<Vec<u8>> = conn
        .prepare_cached(read)
        .and_then(|mut s| s.query_row([body], |r| r.get(0)).optional())
        .or_store_error(WHAT)?;
    let Some(json) = json else { return Ok(()) };
    let left = unpack(&json).ok().and_then(|json| line(&json)).map(|line| line.without_person(texts));
    match left.map(|line| serde_json::to_vec(&line)) {
        Some(Ok(json)) => conn
            .prepare_cached("UPDATE bodies SET json = ?2 WHERE id = ?1")
            .and_then(|mut s| s.execute(params![body, json])),
        _ => conn
            .prepare_cached("DELETE FROM postbacks WHERE id = ?1")
            .and_then(|mut s| s.execute([id]))
            .and_then(|_| conn.prepare_cached("DELETE FROM bodies WHERE id = ?1")?.execute([body])),
    }
    .or_store_error(WHAT)
    .map(|_| ())
}

const LIST: &str = "keep the list of what was erased";

#[async_trait]
impl ErasedList for Erased {
    async fn keep(&self, entry: &ErasedEntry) -> Result<(), StoreError> {
        let body = serde_json::to_string(entry).map_err(|e| StoreError::broken(LIST, e))?;
        let (id, until) = (entry.id.clone(), entry.until.map(ceil_ms));
        let keep = move |conn: &Connection, (): &mut ()| {
            conn.prepare_cached("INSERT OR REPLACE INTO erased (id, until_ms, body) VALUES (?1, ?2, ?3)")
                .and_then(|mut s| s.execute(params![id, until, body]))
                .or_store_error(LIST)
                .map(|_| ())
        };
        self.0.write(LIST, keep).await
    }

    async fn entries(&self) -> Result<Vec<ErasedEntry>, StoreError> {
        let read = |conn: &Connection| {
            let mut all = conn.prepare_cached("SELECT body FROM erased ORDER BY id").or_store_error(LIST)?;
            let rows = all.query_map([], |r| r.get::<_, String>(0)).or_store_error(LIST)?;
            rows.map(|body| {
                let body = body.or_store_error(LIST)?;
                serde_json::from_str(&body).map_err(|e| StoreError::broken(LIST, e))
            })
            .collect()
        };
        self.0.scan(LIST, read).await
    }

    async fn forget(&self, now: Timestamp) -> Result<u64, StoreError> {
        let now = now.as_millisecond();
        let forget = move |conn: &Connection, (): &mut ()| {
            let over = conn.execute("DELETE FROM erased WHERE until_ms <= ?1", [now]);
            over.map(|n| n as u64).or_store_error(LIST)
        };
        self.0.write(LIST, forget).await
    }

    async fn wipe(&self) -> Result<(), StoreError> {
        wipe(&self.0).await
    }
}
