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
    let firsts: Vec<(String, &Tell)> = tells.iter().filter_map(|t| Some((t.first_name()?, t))).collect();
    let owners = if firsts.is_empty() {
        BTreeMap::new()
    } else {
        take(db, session, &firsts).await?;
        owners(db, session, &firsts).await?
    };
    let is_first = |tell: &&Tell| {
        tell.first_name()
            .is_none_or(|name| owners.get(&name).is_some_and(|of| *of == tell.conversion.id.as_str()))
    };
    let named: Vec<(String, &Tell)> = tells.iter().filter(is_first).map(|t| (t.name(), t)).collect();
    if named.is_empty() {
        return Ok(());
    }
    let new = take(db, session, &named).await?;
    let jobs = named.iter().enumerate().filter(|(i, _)| new.contains(i));
    let jobs = jobs.map(|(_, (_, tell))| NewJob::tell(tell)).collect::<Result<Vec<_>, _>>()?;
    if jobs.is_empty() { Ok(()) } else { enqueue_new(db, session, &jobs).await }
}

/// Takes names that nobody has: the places of those that were free.
async fn take(
    db: &Db,
    session: &mut ClientSession,
    names: &[(String, &Tell)],
) -> Result<BTreeSet<usize>, Failed> {
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
    Ok(upserted.iter().filter_map(place).collect())
}

/// Whose names are.
async fn owners(
    db: &Db,
    session: &mut ClientSession,
    names: &[(String, &Tell)],
) -> Result<BTreeMap<String, String>, Failed> {
    let ids: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    let find = doc! {"find": told(db).name(), "filter": {"_id": {"$in": &ids}}, "batchSize": 1000, "singleBatch": true};
    let found = db.step(WHAT, db.database().run_command(find).session(session)).await?;
    let found = found.get_document("cursor").and_then(|c| c.get_array("firstBatch"));
    let owner = |one: &Bson| {
        let one = one.as_document()?;
        Some((one.get_str("_id").ok()?.to_owned(), one.get_str("conversion").ok()?.to_owned()))
    };
    Ok(found.map(|all| all.iter().filter_map(owner).collect()).unwrap_or_default())
}
