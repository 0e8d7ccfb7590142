//! What is at the places of a restore, and whether services run on it: leases that are held, jobs that are being done, and
//! change streams and other operations of clients in those databases.

use super::{PATIENCE, mark, split};
use crate::{
    db::Db,
    error::{is_unauthorized, store_error, timed_out},
    leases::is_free,
};
use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Document, doc},
    options::ReadConcern,
};
use std::collections::{BTreeMap, BTreeSet};
use tfx_ports::{StoreError, backup::Standing};
use tokio::time::timeout;

const WHAT: &str = "look at what is there";

pub(super) async fn standing(db: &Db, places: &[String]) -> Result<Standing, StoreError> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for place in places {
        let (database, collection) = split(place);
        wanted.entry(database).or_default().insert(collection);
    }
    let mut found = Standing::default();
    for (name, collections) in wanted {
        let database = db.other(name);
        let there = db.call_within(WHAT, PATIENCE, database.list_collection_names()).await?;
        let there = there.iter().filter(|c| collections.contains(c.as_str()));
        found.there.extend(there.map(|collection| format!("{name}.{collection}")));
        found.running.extend(running(db, &database).await?);
        let open = mark::open(db, &database).await?;
        found.open.extend(open.into_iter().map(|collection| format!("{name}.{collection}")));
    }
    found.there.sort();
    Ok(found)
}

/// What tells that services run on a database.
pub(super) async fn running(db: &Db, database: &Database) -> Result<Vec<String>, StoreError> {
    let name = database.name();
    let mut why = Vec::new();
    let held = doc! {"$expr": {"$not": [is_free()]}};
    let leases = database.collection::<Document>("leases");
    for lease in db.rows(WHAT, leases.find(held).projection(doc! {"_id": 1_i32})).await? {
        why.push(format!(
            "somebody holds the lease {:?} in {name}",
            lease.get_str("_id").unwrap_or_default()
        ));
    }
    let doing = doc! {"held": true, "$expr": {"$gt": ["$due", "$$NOW"]}};
    let doing = db.call(WHAT, database.collection::<Document>("job_lanes").count_documents(doing)).await?;
    if doing > 0 {
        why.push(format!("{doing} jobs of {name} are being done"));
    }
    let clients = clients(db, name).await?;
    if clients > 0 {
        why.push(format!("{clients} change streams and operations of clients are open in {name}"));
    }
    Ok(why)
}

/// Operations and open cursors of clients, as far as this user may see them.
async fn clients(db: &Db, name: &str) -> Result<usize, StoreError> {
    let admin = db.other("admin");
    for everybody in [true, false] {
        let current = doc! {"$currentOp": {"allUsers": everybody, "idleCursors": true}};
        let of_clients = doc! {"$or": [{"client": {"$exists": true}}, {"type": "idleCursor"}]};
        let starts = doc! {"$indexOfBytes": [{"$ifNull": ["$ns", ""]}, format!("{name}.")]};
        let found = doc! {"$match": {"$and": [of_clients, {"$expr": {"$eq": [starts, 0_i32]}}]}};
        let look = async {
            // What goes on is of no majority.
            let found = admin.aggregate([current, found]).read_concern(ReadConcern::local()).await?;
            found.try_collect::<Vec<Document>>().await
        };
        match timeout(db.operation_timeout(), Box::pin(look)).await {
            Ok(Ok(found)) => return Ok(found.len()),
            // Others' operations, or all of them, are not for this user.
            Ok(Err(e)) if is_unauthorized(&e) => {}
            Ok(Err(e)) => return Err(store_error(WHAT, e)),
            Err(_) => return Err(timed_out(WHAT, db.operation_timeout())),
        }
    }
    Ok(0)
}
