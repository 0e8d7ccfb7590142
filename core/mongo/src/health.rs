//! [`HealthStore`]. A change and its state are one transaction; states without a change are written together.

use crate::{
    db::Db,
    error::Failed,
    paging::{after, limit, page, query_limit},
    sequence,
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
    event::HealthEvent,
    health::DestinationHealth,
    id::{ClickId, DestinationId},
    routing::Health,
};
use tfx_ports::{
    StoreError,
    health::{HealthQuery, HealthStore, Probed},
    left_out::LeftOut,
    page::Page,
};

const SAVE: &str = "save the health of destinations";
const READ: &str = "read the health of destinations";
const MARK: &str = "mark changes of health published";
/// Statements in one command, which is one document of at most 16 MB.
const STATEMENTS: usize = 500;

/// The health of destinations on MongoDB.
pub(crate) struct Healths {
    db: Arc<Db>,
    states: Collection<Document>,
    changes: Collection<Document>,
    left_out: LeftOut,
}

impl Healths {
    pub(crate) fn new(db: Arc<Db>) -> Self {
        Self {
            states: db.collection("destination_health"),
            changes: db.collection("destination_health_history"),
            db,
            left_out: LeftOut::default(),
        }
    }

    /// States without a change, of destinations that have one already.
    async fn save_unchanged(&self, probed: &[&Probed]) -> Result<(), StoreError> {
        for some in probed.chunks(STATEMENTS) {
            let statement = |p: &&Probed| Ok(doc! {"q": before(&p.health), "u": {"$set": state(&p.health)?}});
            let statements: Vec<Document> = some.iter().map(statement).collect::<Result<_, StoreError>>()?;
            self.db.updates(SAVE, self.states.name(), statements, self.db.operation_timeout()).await?;
        }
        Ok(())
    }

    /// One state with its change, or the first of a destination.
    async fn save_one(&self, probed: &Probed) -> Result<(), StoreError> {
        let mut retry = self.db.retry();
        loop {
            let mut session = self.db.begin(SAVE).await.map_err(Failed::into_error)?;
            let steps = self.steps(probed, &mut session).await;
            match self.db.end(SAVE, session, steps).await {
                // Taken: another instance was faster.
                Ok(()) | Err(Failed::Taken(_)) => return Ok(()),
                Err(Failed::Conflict(e)) => retry.pause(e).await?,
                Err(e) => return Err(e.into_error()),
            }
        }
    }

    async fn steps(&self, probed: &Probed, session: &mut ClientSession) -> Result<(), Failed> {
        let health = &probed.health;
        let all = &self.states;
        let mut condition = before(health);
        if health.version == 1 {
            let find = all.find_one(doc! {"_id": health.destination_id.as_str()}).session(&mut *session);
            match self.db.step(SAVE, find).await? {
                None => {}
                // One that cannot be read counts as none.
                Some(there) if read::<DestinationHealth>(&there).is_err() => {
                    condition = doc! {"_id": health.destination_id.as_str()};
                }
                Some(_) => return Ok(()),
            }
        }
        let update = doc! {"$set": state(health)?};
        let update = all.update_one(condition, update).upsert(health.version == 1).session(&mut *session);
        let saved = self.db.step(SAVE, update).await?;
        let Some(change) = &probed.change else { return Ok(()) };
        if saved.matched_count == 0 && saved.upserted_id.is_none() {
            return Ok(());
        }
        let line = doc! {
            "_id": change.id.to_string(),
            "destination_id": change.destination_id.as_str(),
            "at": date(change.at),
            "unpublished": sequence::next(),
            "body": text(change)?,
        };
        self.db.step(SAVE, self.changes.insert_one(line).session(session)).await.map(|_| ())
    }

    /// What a document holds; that it cannot be read is noted.
    fn read<T: DeserializeOwned>(&self, row: &Document) -> Result<T, StoreError> {
        self.left_out.noted(row.get_str("_id").unwrap_or("without an id"), read(row))
    }

    fn readable<T: DeserializeOwned>(&self, rows: &[Document]) -> impl Iterator<Item = T> {
        rows.iter().filter_map(|row| self.read(row).ok())
    }
}

#[async_trait]
impl HealthStore for Healths {
    async fn save(&self, probed: &[Probed]) -> Result<(), StoreError> {
        if probed.is_empty() {
            return Ok(());
        }
        self.db.ready().await?;
        let (unchanged, others): (Vec<_>, Vec<_>) =
            probed.iter().partition(|p| p.change.is_none() && p.health.version > 1);
        self.save_unchanged(&unchanged).await?;
        for one in others {
            self.save_one(one).await?;
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<DestinationHealth>, StoreError> {
        let rows = self.db.rows(READ, self.states.find(doc! {}).sort(doc! {"_id": 1})).await?;
        Ok(self.readable(&rows).collect())
    }

    async fn of(&self, destinations: &[DestinationId]) -> Result<Vec<DestinationHealth>, StoreError> {
        if destinations.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = destinations.iter().map(DestinationId::as_str).collect();
        let rows = self.db.rows(READ, self.states.find(doc! {"_id": {"$in": ids}})).await?;
        Ok(self.readable(&rows).collect())
    }

    async fn down(&self) -> Result<Vec<DestinationId>, StoreError> {
        let find = self.states.find(doc! {"down": true}).projection(doc! {"_id": 1}).sort(doc! {"_id": 1});
        let rows = self.db.rows(READ, find).await?;
        let id = |row: &Document| row.get_str("_id").unwrap_or_default().parse();
        rows.iter().map(|row| id(row).map_err(|e| StoreError::broken(READ, e))).collect()
    }

    async fn history(&self, query: &HealthQuery) -> Result<Page<HealthEvent>, StoreError> {
        let limit = limit(&query.page);
        let mut all = Vec::new();
        if let Some((at, id)) = after(&query.page, parse_place)? {
            all.push(doc! {"at": {"$lte": at}});
            all.push(doc! {"$or": [{"at": {"$lt": at}}, {"_id": {"$lt": id}}]});
        }
        if let Some(destination) = &query.destination {
            all.push(doc! {"destination_id": destination.as_str()});
        }
        all.extend(query.since.map(|at| doc! {"at": {"$gte": date_from(at)}}));
        all.extend(query.until.map(|at| doc! {"at": {"$lt": date_from(at)}}));
        let which = if all.is_empty() {
            doc! {}
        } else {
            doc! {"$and": all}
        };
        let find = self.changes.find(which).sort(doc! {"at": -1, "_id": -1}).limit(query_limit(limit + 1));
        Ok(page(self.db.rows(READ, find).await?, limit, place).map(|row| self.read(&row)).readable())
    }

    async fn unpublished(&self, limit: usize) -> Result<Vec<HealthEvent>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let waiting = self.changes.find(doc! {"unpublished": {"$exists": true}});
        let find =
            waiting.sort(doc! {"unpublished": 1}).limit(query_limit(limit.saturating_add(LeftOut::room())));
        let rows = self.db.rows(READ, find).await?;
        Ok(self.readable(&rows).take(limit).collect())
    }

    async fn mark_published(&self, changes: &[ClickId]) -> Result<(), StoreError> {
        let ids: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let mark = self.changes.update_many(doc! {"_id": {"$in": ids}}, doc! {"$unset": {"unpublished": ""}});
        self.db.call(MARK, mark).await.map(|_| ())
    }

    async fn forget(&self, destinations: &[DestinationId]) -> Result<(), StoreError> {
        let ids: Vec<&str> = destinations.iter().map(DestinationId::as_str).collect();
        self.db.call(SAVE, self.states.delete_many(doc! {"_id": {"$in": ids}})).await.map(|_| ())
    }

    fn left_out(&self) -> Vec<String> {
        self.left_out.told()
    }
}

/// The state that a probe was made of, if it is still the one.
fn before(health: &DestinationHealth) -> Document {
    doc! {"_id": health.destination_id.as_str(), "version": (health.version - 1).cast_signed()}
}

fn state(health: &DestinationHealth) -> Result<Document, StoreError> {
    Ok(doc! {
        "destination_id": health.destination_id.as_str(),
        "version": health.version.cast_signed(),
        "down": health.state == Health::Down,
        "body": text(health)?,
    })
}

fn text(of: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(of).map_err(|e| StoreError::broken(SAVE, e))
}

fn read<T: DeserializeOwned>(row: &Document) -> Result<T, StoreError> {
    let broken = |e| StoreError::broken("stored health of a destination", e);
    let body = row.get_str("body").map_err(|e| StoreError::broken("stored health of a destination", e))?;
    serde_json::from_str(body).map_err(broken)
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
