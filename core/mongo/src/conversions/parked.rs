//! Postbacks that wait for their click.

use crate::{
    db::Db,
    error::Failed,
    paging::query_limit,
    time::{date, date_from},
};
use mongodb::{
    Collection,
    bson::{Binary, DateTime, Document, deserialize_from_document, doc, spec::BinarySubtype},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tfx_domain::{
    Timestamp,
    id::{ClickId, NetworkId},
};
use tfx_ports::{
    StoreError,
    conversions::{LONGEST_PAUSE, Parked},
    left_out::LeftOut,
};

/// A parked postback as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(rename = "_id")]
    id: String,
    network: String,
    click: String,
    /// The text of the JSON.
    params: String,
    /// SHA-256 of template and `params`: an index key that stays small.
    digest: Binary,
    template: String,
    /// For the order, and as given.
    received: DateTime,
    received_at: String,
    /// For the condition, and as given.
    next_try: DateTime,
    next_try_at: String,
    tries: i64,
}

impl Stored {
    fn new(p: &Parked) -> Result<Self, StoreError> {
        let params =
            serde_json::to_string(&p.params).map_err(|e| StoreError::broken("park a postback", e))?;
        // A slug holds no NUL, so no two pairs run into one.
        let digest = Sha256::new()
            .chain_update(&p.template)
            .chain_update([0])
            .chain_update(&params)
            .finalize()
            .to_vec();
        Ok(Self {
            id: p.id.to_string(),
            network: p.network.to_string(),
            click: p.click_id.to_string(),
            params,
            digest: Binary { subtype: BinarySubtype::Generic, bytes: digest },
            template: p.template.clone(),
            received: date(p.received_at),
            received_at: p.received_at.to_string(),
            next_try: date_from(p.next_try_at),
            next_try_at: p.next_try_at.to_string(),
            tries: i64::from(p.tries),
        })
    }

    /// What a document holds, left out if it cannot be read.
    fn read(document: Document, left_out: &LeftOut) -> Option<Parked> {
        let id = document.get_str("_id").unwrap_or("without an id").to_owned();
        let stored = deserialize_from_document::<Self>(document)
            .map_err(|e| StoreError::broken(format!("stored parked postback {id}"), e));
        left_out.keep(&id, stored.and_then(Self::parked))
    }

    fn parked(self) -> Result<Parked, StoreError> {
        let broken = |e: &dyn std::fmt::Display| StoreError::Broken {
            what: format!("stored parked postback {}: {e}", self.id),
            source: None,
        };
        Ok(Parked {
            id: self.id.parse().map_err(|e| broken(&e))?,
            network: self.network.parse().map_err(|e| broken(&e))?,
            click_id: self.click.parse().map_err(|e| broken(&e))?,
            params: serde_json::from_str(&self.params).map_err(|e| broken(&e))?,
            received_at: self.received_at.parse().map_err(|e| broken(&e))?,
            next_try_at: self.next_try_at.parse().map_err(|e| broken(&e))?,
            tries: u32::try_from(self.tries).map_err(|e| broken(&e))?,
            template: self.template,
        })
    }
}

fn all(db: &Db) -> Collection<Stored> {
    db.collection("parked")
}

pub(super) async fn park(db: &Db, parked: &Parked) -> Result<(), StoreError> {
    match db.write("park a postback", all(db).insert_one(Stored::new(parked)?)).await {
        // The same is parked already. The server answers so only when a majority has what is there.
        Ok(_) | Err(Failed::Taken(_)) => Ok(()),
        Err(e) => Err(e.into_error()),
    }
}

pub(super) async fn due(
    db: &Db,
    now: Timestamp,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    let never =
        Timestamp::from_millisecond(now.as_millisecond().saturating_add(LONGEST_PAUSE.as_millis() as i64));
    let never = date(never.unwrap_or(Timestamp::MAX));
    let due = doc! {"$or": [{"next_try": {"$lte": date(now)}}, {"next_try": {"$gt": never}}]};
    in_order(db, due, limit, left_out).await
}

/// By the unique index, which begins with network and click.
pub(super) async fn of_click(
    db: &Db,
    network: &NetworkId,
    click: ClickId,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    in_order(db, doc! {"network": network.as_str(), "click": click.to_string()}, limit, left_out).await
}

/// The first received first.
async fn in_order(
    db: &Db,
    which: Document,
    limit: usize,
    left_out: &LeftOut,
) -> Result<Vec<Parked>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let all: Collection<Document> = db.collection("parked");
    let find = all.find(which).sort(doc! {"received": 1, "_id": 1});
    let find = find.limit(query_limit(limit.saturating_add(LeftOut::room())));
    let stored = db.rows("read parked postbacks", find).await?;
    Ok(stored.into_iter().filter_map(|s| Stored::read(s, left_out)).take(limit).collect())
}

pub(super) async fn postpone(db: &Db, id: ClickId, next_try_at: Timestamp) -> Result<(), StoreError> {
    let next = doc! {"next_try": date_from(next_try_at), "next_try_at": next_try_at.to_string()};
    let update = doc! {"$set": next, "$inc": {"tries": 1_i64}};
    let this = doc! {"_id": id.to_string()};
    db.call("postpone a postback", all(db).update_one(this, update)).await.map(|_| ())
}

pub(super) async fn unpark(db: &Db, id: ClickId) -> Result<(), StoreError> {
    db.call("unpark a postback", all(db).delete_one(doc! {"_id": id.to_string()})).await.map(|_| ())
}

pub(super) async fn count(db: &Db) -> Result<u64, StoreError> {
    db.call("count parked postbacks", all(db).count_documents(doc! {})).await
}
