//! What traffic sources are to be told, put into the queue in the transaction of the states: each name once, for good.

use super::{record::WHAT, write::refused};
use crate::{
    db::Db,
    error::Failed,
    queue::steps::{self, enqueue_new},
};
use mongodb::{
    ClientSession, Collection,
    bson::{Bson, Document, doc},
};
use std::collections::{BTreeMap, BTreeSet};
use tfx_domain::source_postback::SourcePostback;
use tfx_ports::{
    StoreError,
    queue::{JobKind, NewJob},
};

/// Names taken with one command.
const TOGETHER: usize = 500;

fn told(db: &Db) -> Collection<Document> {
    db.collection("told")
}

/// Puts them in, but for those that were told before.
pub(super) async fn put(
    db: &Db,
    session: &mut ClientSession,
    tells: &[SourcePostback],
) -> Result<(), Failed> {
    for some in tells.chunks(TOGETHER) {
        put_some(db, session, some).await?;
    }
    Ok(())
}

async fn put_some(db: &Db, session: &mut ClientSession, tells: &[SourcePostback]) -> Result<(), Failed> {
    let mut kept: Vec<&SourcePostback> = tells.iter().filter(|t| !t.only_if_told()).collect();
    let firsts = || kept.iter().map(|t| (t.first_name(), *t));
    let names = || kept.iter().map(|t| (t.name(), *t));
    let all: Vec<(String, &SourcePostback)> = firsts().chain(names()).collect();
    let mut new = if all.is_empty() { BTreeSet::new() } else { take(db, session, &all).await? };
    // What gave way is looked at behind those that were told, its sale among them.
    for tell in tells.iter().filter(|t| t.only_if_told()) {
        if is_any_told(db, session, tell).await? {
            kept.push(tell);
        }
    }
    let firsts: Vec<(String, &SourcePostback)> = kept.iter().map(|t| (t.first_name(), *t)).collect();
    let mut owners = owners(db, session, firsts.iter().filter(|(name, _)| !new.contains(name))).await?;
    for (name, tell) in firsts {
        owners.entry(name).or_insert_with(|| tell.conversion.id.to_string());
    }
    let is_first = |tell: &SourcePostback| {
        owners.get(&tell.first_name()).is_some_and(|of| *of == tell.conversion.id.as_str())
    };
    let late = kept.iter().filter(|t| t.only_if_told());
    let late: Vec<(String, &SourcePostback)> = late.map(|t| (t.name(), *t)).collect();
    if !late.is_empty() {
        new.extend(take(db, session, &late).await?);
    }
    let mut jobs = Vec::new();
    for tell in kept {
        // A name that stands twice in a batch is told once.
        if new.remove(&tell.name()) {
            jobs.push(NewJob::tell(&SourcePostback { not_first: !is_first(tell), ..tell.clone() })?);
        }
    }
    if jobs.is_empty() { Ok(()) } else { enqueue_new(db, session, &jobs).await }
}

/// Whether its conversion is the first of its click that is told, from now on if there was none.
pub(super) async fn is_first(db: &Db, tell: &SourcePostback) -> Result<bool, StoreError> {
    let mut retry = db.retry();
    loop {
        let mut session = db.begin(WHAT).await.map_err(Failed::into_error)?;
        let steps = first_in(db, &mut session, tell).await;
        match db.end(WHAT, session, steps).await {
            Ok(first) => return Ok(first),
            Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
            Err(e) => return Err(e.into_error()),
        }
    }
}

async fn first_in(db: &Db, session: &mut ClientSession, tell: &SourcePostback) -> Result<bool, Failed> {
    let name = [(tell.first_name(), tell)];
    if !take(db, session, &name).await?.is_empty() {
        return Ok(true);
    }
    let owners = owners(db, session, name.iter()).await?;
    Ok(owners.values().any(|of| *of == tell.conversion.id.as_str()))
}

/// Its source is not told of it: another conversion of its click can be the first, unless the source was told of a state of
/// this one, or one waits. `forget`: its own name is given back too. In the transaction in which its job ends.
pub(crate) async fn give_back(
    db: &Db,
    session: &mut ClientSession,
    payload: &str,
    forget: bool,
) -> Result<(), Failed> {
    // What cannot be read here keeps what it took.
    let Ok(tell) = serde_json::from_str::<SourcePostback>(payload) else { return Ok(()) };
    let jobs = steps::of_group(db, session, JobKind::SourcePostback, &tell.group()).await?;
    let all = told(db);
    let free = |name: String| doc! {"_id": name, "conversion": tell.conversion.id.as_str()};
    if forget {
        let own = all.delete_one(free(tell.name()));
        db.step(WHAT, own.session(&mut *session)).await?;
    }
    if jobs.iter().any(|(_, waits)| *waits) {
        return Ok(());
    }
    let names = names(db, session, &tell).await?;
    let given_up: Vec<String> = jobs.into_iter().map(|(key, _)| key).collect();
    if !tell.is_any_told(names.iter().map(String::as_str), &given_up) {
        let place = all.delete_one(free(tell.first_name()));
        db.step(WHAT, place.session(&mut *session)).await?;
    }
    Ok(())
}

/// Whether its source was told of a later state of its conversion.
pub(super) async fn is_later_told(db: &Db, tell: &SourcePostback) -> Result<bool, StoreError> {
    let mut retry = db.retry();
    loop {
        let mut session = db.begin(WHAT).await.map_err(Failed::into_error)?;
        let steps = later_in(db, &mut session, tell).await;
        match db.end(WHAT, session, steps).await {
            Ok(told) => return Ok(told),
            Err(Failed::Conflict(e) | Failed::Taken(e)) => retry.pause(e).await?,
            Err(e) => return Err(e.into_error()),
        }
    }
}

async fn later_in(db: &Db, session: &mut ClientSession, tell: &SourcePostback) -> Result<bool, Failed> {
    let jobs = steps::of_group(db, session, JobKind::SourcePostback, &tell.group()).await?;
    let jobs: Vec<String> = jobs.into_iter().map(|(key, _)| key).collect();
    let names = names(db, session, tell).await?;
    Ok(tell.is_later_told(names.iter().map(String::as_str), &jobs))
}

/// The names that are kept of its conversion.
async fn names(db: &Db, session: &mut ClientSession, tell: &SourcePostback) -> Result<Vec<String>, Failed> {
    // `0` comes behind `/`.
    let until = format!("{}0", tell.conversion.id);
    let of_it = doc! {"_id": {"$gte": tell.names(), "$lt": &until}};
    let found = doc! {"find": told(db).name(), "filter": of_it, "batchSize": 1000, "singleBatch": true};
    let found = db.step(WHAT, db.database().run_command(found).session(session)).await?;
    let found = found.get_document("cursor").and_then(|c| c.get_array("firstBatch"));
    let id = |one: &Bson| one.as_document()?.get_str("_id").ok().map(str::to_owned);
    Ok(found.map(|all| all.iter().filter_map(id).collect()).unwrap_or_default())
}

/// Whether a state of its conversion was told.
async fn is_any_told(db: &Db, session: &mut ClientSession, tell: &SourcePostback) -> Result<bool, Failed> {
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
    names: &[(String, &SourcePostback)],
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
    names: impl Iterator<Item = &'n (String, &'n SourcePostback)>,
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
