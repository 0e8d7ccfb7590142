//! What traffic sources are to be told, put into the queue in the transaction of the states: each name once, for good.

use super::{record::WHAT, write::refused};
use crate::{db::Db, error::Failed, queue::steps::enqueue_new};
use mongodb::{
    ClientSession, Collection,
    bson::{Bson, Document, doc},
};
use std::collections::{BTreeMap, BTreeSet};
use tfx_domain::tell::Tell;
use tfx_ports::queue::NewJob;

/// Names taken with one command.
const TOGETHER: usize = 500;

fn told(db: &Db) -> Collection<Document> {
    db.collection("told")
}

/// Puts them in, but for those that were told before.
pub(super) async fn put(db: &Db, session: &mut ClientSession, tells: &[Tell]) -> Result<(), Failed> {
    for some in tells.chunks(TOGETHER) {
        put_some(db, session, some).await?;
    }
    Ok(())
}

async fn put_some(db: &Db, session: &mut ClientSession, tells: &[Tell]) -> Result<(), Failed> {
    let mut kept: Vec<&Tell> = tells.iter().filter(|t| !t.only_if_told()).collect();
    let firsts = || kept.iter().map(|t| (t.first_name(), *t));
    let names = || kept.iter().map(|t| (t.name(), *t));
    let all: Vec<(String, &Tell)> = firsts().chain(names()).collect();
    let mut new = if all.is_empty() { BTreeSet::new() } else { take(db, session, &all).await? };
    // What gave way is looked at behind those that were told, its sale among them.
    for tell in tells.iter().filter(|t| t.only_if_told()) {
        if is_any_told(db, session, tell).await? {
            kept.push(tell);
        }
    }
    let firsts: Vec<(String, &Tell)> = kept.iter().map(|t| (t.first_name(), *t)).collect();
    let mut owners = owners(db, session, firsts.iter().filter(|(name, _)| !new.contains(name))).await?;
    for (name, tell) in firsts {
        owners.entry(name).or_insert_with(|| tell.conversion.id.to_string());
    }
    let is_first =
        |tell: &Tell| owners.get(&tell.first_name()).is_some_and(|of| *of == tell.conversion.id.as_str());
    let late = kept.iter().filter(|t| t.only_if_told());
    let late: Vec<(String, &Tell)> = late.map(|t| (t.name(), *t)).collect();
    if !late.is_empty() {
        new.extend(take(db, session, &late).await?);
    }
    let mut jobs = Vec::new();
    for tell in kept {
        // A name that stands twice in a batch is told once.
        if new.remove(&tell.name()) {
            jobs.push(NewJob::tell(&Tell { not_first: !is_first(tell), ..tell.clone() })?);
        }
    }
    if jobs.is_empty() { Ok(()) } else { enqueue_new(db, session, &jobs).await }
}

/// Whether a state of its conversion was told.
async fn is_any_told(db: &Db, session: &mut ClientSession, tell: &Tell) -> Result<bool, Failed> {
    let names = tell.names();
    let all = told(db);
    let next = all.find_one(doc! {"_id": {"$gte": &names}}).sort(doc! {"_id": 1});
    let next = db.step(WHAT, next.session(session)).await?;
    Ok(next.is_some_and(|one| one.get_str("_id").is_ok_and(|name| name.starts_with(&names))))
}

/// Takes names that nobody has: those that were free.
async fn take(
    db: &Db,
    session: &mut ClientSession,
    names: &[(String, &Tell)],
) -> Result<BTreeSet<String>, Failed> {
    let statements = names.iter().map(|(name, tell)| {
        let whose = doc! {"$setOnInsert": {"conversion": tell.conversion.id.as_str()}};
        doc! {"q": {"_id": name}, "u": whose, "upsert": true}
    });
    let command = doc! {"update": told(db).name(), "updates": statements.collect::<Vec<_>>()};
    let done = db.step(WHAT, db.database().run_command(command).session(session)).await?;
    refused(WHAT, &done)?;
    let upserted = done.get_array("upserted").map(Vec::as_slice).unwrap_or_default();
    let place = |one: &Bson| {
        let index = one.as_document()?.get("index")?;
        usize::try_from(index.as_i64().or_else(|| index.as_i32().map(i64::from))?).ok()
    };
    Ok(upserted.iter().filter_map(place).filter_map(|place| Some(names.get(place)?.0.clone())).collect())
}

/// Whose names are.
async fn owners<'n>(
    db: &Db,
    session: &mut ClientSession,
    names: impl Iterator<Item = &'n (String, &'n Tell)>,
) -> Result<BTreeMap<String, String>, Failed> {
    let ids: BTreeSet<&str> = names.map(|(name, _)| name.as_str()).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<&str> = ids.into_iter().collect();
    let find = doc! {"find": told(db).name(), "filter": {"_id": {"$in": &ids}}, "batchSize": 1000, "singleBatch": true};
    let found = db.step(WHAT, db.database().run_command(find).session(session)).await?;
    let found = found.get_document("cursor").and_then(|c| c.get_array("firstBatch"));
    let owner = |one: &Bson| {
        let one = one.as_document()?;
        Some((one.get_str("_id").ok()?.to_owned(), one.get_str("conversion").ok()?.to_owned()))
    };
    Ok(found.map(|all| all.iter().filter_map(owner).collect()).unwrap_or_default())
}
