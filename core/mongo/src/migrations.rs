//! [`Migrations`]: the indexes of each collection are a step, recorded in `migrations`. A step counts as applied
//! only while its indexes are really there: a restored or hand-mended database is found out.

use crate::{
    db::Db,
    error::{code, describe, is_duplicate_key, store_error},
    indexes::{ALL, CollectionIndexes, Index},
};
use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::{
    Collection, IndexModel,
    bson::{DateTime, Document, doc},
    options::IndexOptions,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError, clock,
    migrate::{Difference, Migrations, Remedy, Step, StepState},
};

/// The collection of what was applied.
pub(crate) const MIGRATIONS: &str = "migrations";

const NAMESPACE_NOT_FOUND: i32 = 26;
const INDEX_NOT_FOUND: i32 = 27;
/// An index of that name with other keys, or of those keys with another name or other options.
const INDEX_DIFFERS: [i32; 2] = [85, 86];

/// What was applied, and when.
#[derive(Serialize, Deserialize)]
struct Applied {
    #[serde(rename = "_id")]
    id: String,
    text: String,
    applied_at: DateTime,
}

/// The steps of MongoDB.
pub(crate) struct Indexes {
    db: Arc<Db>,
}

impl Indexes {
    pub(crate) const fn new(db: Arc<Db>) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Migrations for Indexes {
    fn target(&self) -> &'static str {
        "mongo"
    }

    async fn engine(&self) -> Result<Option<String>, StoreError> {
        Ok(Some(format!("MongoDB {}", crate::backup::version(&self.db).await?)))
    }

    async fn status(&self) -> Result<Vec<Step>, StoreError> {
        crate::check::check(&self.db).await?;
        let mut steps = status(&self.db).await?;
        if let (Some(what), Some(first)) = (crate::backup::half_restored(&self.db).await?, steps.first_mut())
        {
            let todo = "services write nothing meanwhile; tfx restore mongo again with --drop ends it";
            first.differs.push(Difference::new(what, Remedy::ByHand, todo));
            if first.state == StepState::Applied {
                first.state = StepState::Differs;
            }
        }
        Ok(steps)
    }

    async fn up(&self, done: &(dyn for<'s> Fn(&'s Step) + Send + Sync)) -> Result<Vec<Step>, StoreError> {
        crate::check::check(&self.db).await?;
        let mut steps = status(&self.db).await?;
        for (all, step) in ALL.iter().zip(&mut steps) {
            if step.state != StepState::Applied {
                *step = apply(&self.db, all).await?;
                done(step);
            }
        }
        crate::config::begin_to_keep(&self.db).await?;
        Ok(steps)
    }
}

/// What the stores need before they write. A step that was applied in another text is left to `tfx migrate`: it may
/// be the text of a newer build beside this one.
pub(crate) async fn apply_pending(db: &Db) -> Result<(), StoreError> {
    for (all, step) in ALL.iter().zip(status(db).await?) {
        if matches!(step.state, StepState::Pending | StepState::Differs) {
            apply(db, all).await?;
        }
    }
    Ok(())
}

async fn status(db: &Db) -> Result<Vec<Step>, StoreError> {
    let what = "read the migrations";
    let applied = db.rows(what, db.collection::<Applied>(MIGRATIONS).find(doc! {})).await?;
    let applied: HashMap<String, Applied> = applied.into_iter().map(|a| (a.id.clone(), a)).collect();
    let mut steps = Vec::with_capacity(ALL.len());
    for all in ALL {
        let recorded = applied.get(all.id);
        let state = match recorded {
            Some(a) if a.text != text(all)? => StepState::Changed,
            Some(_) => StepState::Applied,
            None => StepState::Pending,
        };
        let applied_at =
            recorded.and_then(|a| Timestamp::from_millisecond(a.applied_at.timestamp_millis()).ok());
        let (id, what) = (all.id.to_owned(), all.what.to_owned());
        let step = Step { id, what, state, applied_at, differs: Vec::new() };
        steps.push(match state {
            StepState::Applied => step.compared(differing(db, all).await?),
            _ => step,
        });
    }
    Ok(steps)
}

/// What is recorded: the list as this build has it.
fn text(all: &CollectionIndexes) -> Result<String, StoreError> {
    serde_json::to_string(all.indexes).map_err(|e| StoreError::broken(all.id, e))
}

fn model(index: &Index) -> IndexModel {
    let keys: Document = index.keys.iter().map(|(field, way)| ((*field).to_owned(), (*way).into())).collect();
    let partial = index.only_with.map(|field| doc! {field: {"$exists": true}});
    let options = IndexOptions::builder()
        .name(index.name.to_owned())
        .unique(index.unique.then_some(true))
        .partial_filter_expression(partial)
        .build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// The indexes that are not there as they should be. Making them anew loses no document.
async fn differing(db: &Db, all: &CollectionIndexes) -> Result<Vec<Difference>, StoreError> {
    let there = existing(db, &db.collection(all.collection)).await?;
    let differs = all.indexes.iter().filter_map(|index| {
        let wanted = model(index);
        if there.iter().any(|t| equal(t, &wanted)) {
            return None;
        }
        let name = format!("index {}.{}", all.collection, index.name);
        let named =
            |t: &&IndexModel| t.options.as_ref().is_some_and(|o| o.name.as_deref() == Some(index.name));
        let what = match there.iter().find(named) {
            None => format!("{name} is missing"),
            Some(is) => format!("{name} is ({}) instead of ({})", in_words(is), in_words(&wanted)),
        };
        let todo = if index.unique {
            "tfx migrate up makes it; until then what it forbids can be written twice"
        } else {
            "tfx migrate up makes it"
        };
        Some(Difference::new(what, Remedy::Up, todo))
    });
    Ok(differs.collect())
}

fn equal(one: &IndexModel, other: &IndexModel) -> bool {
    let of = |m: &IndexModel| {
        let options = m.options.clone().unwrap_or_default();
        let keys: Vec<(String, i64)> = m.keys.iter().map(|(k, v)| (k.clone(), direction(v))).collect();
        (options.name, keys, options.partial_filter_expression)
    };
    of(one) == of(other) && marks(one) == marks(other)
}

/// What is said about an index beside its keys.
fn marks(index: &IndexModel) -> Vec<&'static str> {
    let Some(options) = &index.options else { return Vec::new() };
    let all = [
        (options.unique == Some(true), "unique"),
        (options.sparse == Some(true), "sparse"),
        (options.hidden == Some(true), "hidden"),
        (options.collation.is_some(), "with a collation"),
        // Removes documents.
        (options.expire_after.is_some(), "with an expiry"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect()
}

fn in_words(index: &IndexModel) -> String {
    let keys = index.keys.iter().map(|(field, way)| format!("{field} {}", direction(way)));
    let mut words: Vec<String> = keys.chain(marks(index).into_iter().map(str::to_owned)).collect();
    if let Some(partial) = index.options.as_ref().and_then(|o| o.partial_filter_expression.as_ref()) {
        words.push(format!("where {partial}"));
    }
    words.join(", ")
}

/// mongosh writes 1 as a double or an integer, the driver as an integer.
fn direction(value: &mongodb::bson::Bson) -> i64 {
    value.as_i64().or_else(|| value.as_i32().map(i64::from)).unwrap_or_else(|| match value.as_f64() {
        Some(way) if way < 0.0 => -1,
        Some(_) => 1,
        None => 0,
    })
}

async fn existing(db: &Db, collection: &Collection<Document>) -> Result<Vec<IndexModel>, StoreError> {
    let what = "list the indexes";
    let listed = async { collection.list_indexes().await?.try_collect().await };
    let listed = async {
        match listed.await {
            Err(e) if code(&e) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
            other => other,
        }
    };
    db.call(what, Box::pin(listed)).await
}

/// Creates the indexes, replacing those that are defined otherwise, and records it.
async fn apply(db: &Db, all: &CollectionIndexes) -> Result<Step, StoreError> {
    let what = format!("migration {} (indexes of {})", all.id, all.collection);
    let collection: Collection<Document> = db.collection(all.collection);
    // No time limit: on a collection that is large already this takes as long as it takes.
    let create = || collection.create_indexes(all.indexes.iter().map(model));
    let created = match create().await {
        Err(e) if code(&e).is_some_and(|c| INDEX_DIFFERS.contains(&c)) => {
            drop_differing(db, &collection, all, &what).await?;
            create().await
        }
        // The server takes an index as the one asked for that it hides from every query.
        Ok(_) if !differing(db, all).await?.is_empty() => {
            drop_differing(db, &collection, all, &what).await?;
            create().await
        }
        other => other,
    };
    created.map_err(|e| {
        if is_duplicate_key(&e) {
            let why = describe(&e);
            let what = format!("{what}: two documents have the same unique key; remove one of them: {why}");
            StoreError::Broken { what, source: Some(Box::new(e)) }
        } else {
            store_error(&what, e)
        }
    })?;
    let now = clock::now();
    let set = doc! {"$set": {"text": text(all)?, "applied_at": DateTime::from_millis(now.as_millisecond())}};
    let records = db.collection::<Applied>(MIGRATIONS);
    match db.write(&what, records.update_one(doc! {"_id": all.id}, set).upsert(true)).await {
        // Another instance has recorded the same at the same moment.
        Ok(_) | Err(crate::error::Failed::Taken(_)) => {}
        Err(e) => return Err(e.into_error()),
    }
    let (id, what) = (all.id.to_owned(), all.what.to_owned());
    Ok(Step { id, what, state: StepState::Applied, applied_at: Some(now), differs: Vec::new() })
}

/// Drops what stands in the way: indexes with the name or the keys of one that should be there.
async fn drop_differing(
    db: &Db,
    collection: &Collection<Document>,
    all: &CollectionIndexes,
    what: &str,
) -> Result<(), StoreError> {
    for there in existing(db, collection).await? {
        let Some(name) = there.options.as_ref().and_then(|o| o.name.clone()) else { continue };
        let stands = |wanted: &IndexModel| {
            let same_name = wanted.options.as_ref().and_then(|o| o.name.as_ref()) == Some(&name);
            (same_name || wanted.keys == there.keys) && !equal(wanted, &there)
        };
        if name != "_id_" && all.indexes.iter().map(model).any(|wanted| stands(&wanted)) {
            tracing::info!(collection = all.collection, index = name, "replacing an index that differs");
            match collection.drop_index(&name).await {
                Err(e) if code(&e) != Some(INDEX_NOT_FOUND) => return Err(store_error(what, e)),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}
