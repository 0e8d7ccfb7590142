//! Parked postbacks as versions before this one kept them, in `parked`: they become jobs. Such a version may still run
//! beside this one during an upgrade, and park more.

use super::steps::{self, Change};
use crate::db::Db;
use mongodb::{
    Collection,
    bson::{Bson, Document, doc},
};
use serde_json::json;
use tfx_domain::Timestamp;
use tfx_ports::{
    StoreError,
    queue::{JobKind, NewJob},
};

const WHAT: &str = "take over parked postbacks";
/// The most that are taken over at once.
const AT_ONCE: i64 = 200;

pub(super) fn parked(db: &Db) -> Collection<Document> {
    db.collection("parked")
}

/// How many there are.
pub(super) async fn count(db: &Db, kind: JobKind) -> Result<u64, StoreError> {
    match kind {
        JobKind::ParkedPostback => db.call(WHAT, parked(db).count_documents(doc! {})).await,
        JobKind::Probe | JobKind::SourcePostback | JobKind::Alert => Ok(0),
    }
}

/// Makes them jobs, the first received first.
pub(super) async fn take_over(db: &Db, kind: JobKind) -> Result<(), StoreError> {
    if kind != JobKind::ParkedPostback {
        return Ok(());
    }
    let all = parked(db);
    let some = db.rows(WHAT, all.find(doc! {}).sort(doc! {"received": 1, "_id": 1}).limit(AT_ONCE)).await?;
    if some.is_empty() {
        return Ok(());
    }
    db.ready().await?;
    for row in some {
        let (id, job) = job(&row);
        steps::alone(db, WHAT, &Change::TakeOver(&id, &job)).await?;
    }
    Ok(())
}

/// What cannot be read goes as it is: whoever takes the job tells.
fn job(row: &Document) -> (Bson, NewJob) {
    let text = |field| row.get_str(field).unwrap_or_default();
    let params = serde_json::from_str(text("params")).unwrap_or_else(|_| json!(text("params")));
    let payload = json!({
        "id": text("_id"), "network": text("network"), "template": text("template"), "click_id": text("click"),
        "params": params, "received_at": text("received_at"),
    });
    let came = row.get_datetime("received").map_or(0, |at| at.timestamp_millis());
    let job = NewJob {
        kind: JobKind::ParkedPostback,
        key: text("_id").to_owned(),
        group: Some(format!("{}:{}", text("network"), text("click"))),
        came: Timestamp::from_millisecond(came).unwrap_or(Timestamp::UNIX_EPOCH),
        payload: payload.to_string(),
    };
    (row.get("_id").cloned().unwrap_or(Bson::Null), job)
}
