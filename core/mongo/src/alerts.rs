//! [`AlertStore`]. A state and what it leads to are one transaction; states that lead to nothing are written together.

use crate::{
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
    queue::steps::enqueue_each,
    time::{date, date_from},
};
use async_trait::async_trait;
use mongodb::{
    ClientSession, Collection,
    bson::{DateTime, Document, doc},
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use tfx_domain::{
    Timestamp,
    alert::{AlertEvent, AlertState, Happened},
    id::{AlertId, ClickId},
};
use tfx_ports::{
    StoreError,
    alerts::{AlertLogQuery, AlertStore, Looked, StoredAlert, group_key},
    left_out::LeftOut,
    page::Page,
};

const SAVE: &str = "save how alerts stand";
const READ: &str = "read how alerts stand";
const LOG: &str = "read the log of alerts";
const APPEND: &str = "write the log of alerts";
/// Statements in one command, which is one document of at most 16 MB.
const STATEMENTS: usize = 500;

/// How alerts stand, on MongoDB.
pub(crate) struct AlertTable {
    db: Arc<Db>,
    states: Collection<Document>,
    lines: Collection<Document>,
    left_out: LeftOut,
}

impl AlertTable {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Self {
            states: db.collection("alert_states"),
            lines: db.collection("alert_log"),
            db,
            left_out: LeftOut::default(),
        }
    }

    /// States that lead to nothing, of groups that have one already.
    async fn save_plain(&self, looked: &[&Looked]) -> Result<(), StoreError> {
        for some in looked.chunks(STATEMENTS) {
            let statement =
                |one: &&Looked| Ok(doc! {"q": before(&one.state), "u": {"$set": state(&one.state)?}});
            let statements: Vec<Document> = some.iter().map(statement).collect::<Result<_, StoreError>>()?;
            self.db.updates(SAVE, self.states.name(), statements, self.db.operation_timeout()).await?;
        }
        Ok(())
    }

    /// One state with what it leads to, or the first of a group, or the end of one.
    async fn save_one(&self, looked: &Looked) -> Result<(), StoreError> {
        let mut retry = self.db.retry();
        loop {
            let mut session = self.db.begin(SAVE).await.map_err(Failed::into_error)?;
            let steps = self.steps(looked, &mut session).await;
            match self.db.end(SAVE, session, steps).await {
                // Taken: another instance was faster.
                Ok(()) | Err(Failed::Taken(_)) => return Ok(()),
                Err(Failed::Conflict(e)) => retry.pause(e).await?,
                Err(e) => return Err(e.into_error()),
            }
        }
    }

    async fn steps(&self, looked: &Looked, session: &mut ClientSession) -> Result<(), Failed> {
        let new = &looked.state;
        let mut condition = before(new);
        let this = doc! {"_id": state_id(new)};
        if new.version == 1 && !looked.over {
            let find = self.states.find_one(this.clone()).session(&mut *session);
            match self.db.step(SAVE, find).await? {
                None => {}
                // One that cannot be read counts as none.
                Some(there) if read::<AlertState>(&there).is_err() => condition = this,
                Some(_) => return Ok(()),
            }
        }
        let saved = if looked.over {
            let gone = self.states.delete_one(condition).session(&mut *session);
            self.db.step(SAVE, gone).await?.deleted_count
        } else {
            let update = doc! {"$set": state(new)?};
            let update = self.states.update_one(condition, update).upsert(new.version == 1);
            let done = self.db.step(SAVE, update.session(&mut *session)).await?;
            done.matched_count + u64::from(done.upserted_id.is_some())
        };
        if saved == 0 {
            return Ok(());
        }
        for one in &looked.log {
            self.append_one(one, session).await?;
        }
        enqueue_each(&self.db, session, &looked.jobs).await
    }

    async fn append_one(&self, one: &AlertEvent, session: &mut ClientSession) -> Result<(), Failed> {
        let this = doc! {"_id": one.id.to_string()};
        let put = self.lines.update_one(this, doc! {"$setOnInsert": line(one)?}).upsert(true);
        self.db.step(APPEND, put.session(&mut *session)).await?;
        if one.happened == Happened::Sent {
            let group = doc! {"_id": format!("{} {}", one.alert, group_key(&one.group))};
            let sent = self.states.update_one(group, doc! {"$max": {"sent": date(one.at)}});
            self.db.step(APPEND, sent.session(session)).await?;
        }
        Ok(())
    }

    async fn append_all(&self, lines: &[AlertEvent], session: &mut ClientSession) -> Result<(), Failed> {
        for line in lines {
            self.append_one(line, session).await?;
        }
        Ok(())
    }

    /// What a document holds; that it cannot be read is noted.
    fn read<T: DeserializeOwned>(&self, row: &Document) -> Result<T, StoreError> {
        self.left_out.noted(row.get_str("_id").unwrap_or("without an id"), read(row))
    }
}

#[async_trait]
impl AlertStore for AlertTable {
    async fn save(&self, looked: &[Looked]) -> Result<(), StoreError> {
        if looked.is_empty() {
            return Ok(());
        }
        self.db.ready().await?;
        let is_plain = |l: &&Looked| !l.over && l.state.version > 1 && l.log.is_empty() && l.jobs.is_empty();
        let (plain, others): (Vec<_>, Vec<_>) = looked.iter().partition(is_plain);
        self.save_plain(&plain).await?;
        for one in others {
            self.save_one(one).await?;
        }
        Ok(())
    }

    async fn states(&self, alert: Option<&AlertId>) -> Result<Vec<StoredAlert>, StoreError> {
        let which = alert.map_or_else(Document::new, |id| doc! {"alert": id.as_str()});
        let rows = self.db.rows(READ, self.states.find(which).sort(doc! {"_id": 1})).await?;
        let stored = |row: &Document| {
            let sent = row.get_datetime("sent").ok().map(|at| at.timestamp_millis());
            let sent_at = sent.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            Some(StoredAlert { state: self.read(row).ok()?, sent_at })
        };
        Ok(rows.iter().filter_map(stored).collect())
    }

    async fn append(&self, lines: &[AlertEvent]) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.db.ready().await?;
        let mut retry = self.db.retry();
        loop {
            let mut session = self.db.begin(APPEND).await.map_err(Failed::into_error)?;
            let steps = self.append_all(lines, &mut session).await;
            match self.db.end(APPEND, session, steps).await {
                Ok(()) => return Ok(()),
                Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
                Err(e) => return Err(e.into_error()),
            }
        }
    }

    async fn rewrite(&self, lines: &[AlertEvent]) -> Result<(), StoreError> {
        self.db.ready().await?;
        for some in lines.chunks(STATEMENTS) {
            let statement = |one: &AlertEvent| {
                Ok(doc! {"q": {"_id": one.id.to_string()}, "u": {"$set": {"body": text(one)?}}})
            };
            let statements: Vec<Document> = some.iter().map(statement).collect::<Result<_, StoreError>>()?;
            self.db.updates(APPEND, self.lines.name(), statements, self.db.operation_timeout()).await?;
        }
        Ok(())
    }

    async fn log(&self, query: &AlertLogQuery) -> Result<Page<AlertEvent>, StoreError> {
        let limit = limit(&query.page);
        let mut all = Vec::new();
        if let Some((at, id)) = after(&query.page, parse_place)? {
            all.push(doc! {"at": {"$lte": at}});
            all.push(doc! {"$or": [{"at": {"$lt": at}}, {"_id": {"$lt": id}}]});
        }
        all.extend(query.alert.as_ref().map(|alert| doc! {"alert": alert.as_str()}));
        all.extend(query.since.map(|at| doc! {"at": {"$gte": date_from(at)}}));
        all.extend(query.until.map(|at| doc! {"at": {"$lt": date_from(at)}}));
        let which = if all.is_empty() {
            doc! {}
        } else {
            doc! {"$and": all}
        };
        let find = self.lines.find(which).sort(doc! {"at": -1, "_id": -1}).limit(query_limit(limit + 1));
        Ok(page(self.db.rows(LOG, find).await?, limit, place).map(|row| self.read(&row)).readable())
    }

    async fn forget_log(&self, before: Timestamp) -> Result<u64, StoreError> {
        let old = self.lines.delete_many(doc! {"at": {"$lt": date_from(before)}});
        let done = self.db.call("forget old lines of the log of alerts", old).await?;
        Ok(done.deleted_count)
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

fn state_id(state: &AlertState) -> String {
    format!("{} {}", state.alert, group_key(&state.group))
}

/// The state that a look was made of, if it is still the one.
fn before(state: &AlertState) -> Document {
    doc! {"_id": state_id(state), "version": (state.version - 1).cast_signed()}
}

fn state(state: &AlertState) -> Result<Document, StoreError> {
    Ok(doc! {
        "alert": state.alert.as_str(),
        "version": state.version.cast_signed(),
        "body": text(state)?,
    })
}

fn line(line: &AlertEvent) -> Result<Document, StoreError> {
    Ok(doc! {"alert": line.alert.as_str(), "at": date(line.at), "body": text(line)?})
}

fn text(of: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(of).map_err(|e| StoreError::broken(SAVE, e))
}

fn read<T: DeserializeOwned>(row: &Document) -> Result<T, StoreError> {
    let what = "what is stored of alerts";
    let body = row.get_str("body").map_err(|e| StoreError::broken(what, e))?;
    serde_json::from_str(body).map_err(|e| StoreError::broken(what, e))
}

/// `MILLISECONDS.ID`: the next page begins after it.
fn place(last: &Document) -> String {
    let at = last.get_datetime("at").map_or(0, |at| at.timestamp_millis());
    format!("{at}.{}", last.get_str("_id").unwrap_or_default())
}

fn parse_place(cursor: &str) -> Option<(DateTime, String)> {
    let (ms, id) = cursor.split_once('.')?;
    Some((DateTime::from_millis(ms.parse().ok()?), id.parse::<ClickId>().ok()?.to_string()))
}
