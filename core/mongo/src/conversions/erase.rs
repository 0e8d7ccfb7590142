//! Taking the facts of clicks off what they brought.

use super::{
    conversions,
    stored::{ConversionDocument, body},
    write::STATEMENTS,
};
use crate::{
    db::Db,
    error::{Failed, timed_out},
};
use mongodb::bson::doc;
use tfx_domain::id::{ClickId, ConversionId};
use tfx_ports::StoreError;

const WHAT: &str = "erase a person from conversions";
/// How often a conversion is looked at anew that changes meanwhile.
const TRIES: usize = 20;

/// The conversions of these clicks, and whether each held something. One that cannot be read is an error: what it holds
/// is not known.
pub(super) async fn erase(
    db: &Db,
    clicks: &[ClickId],
    dry_run: bool,
) -> Result<Vec<(ConversionId, bool)>, StoreError> {
    let mut found = Vec::new();
    for some in clicks.chunks(STATEMENTS) {
        let ids: Vec<String> = some.iter().map(ToString::to_string).collect();
        let all = conversions(db);
        for stored in db.rows(WHAT, all.find(doc! {"click": {"$in": ids}})).await? {
            found.push(one(db, stored, dry_run).await?);
        }
    }
    Ok(found)
}

async fn one(
    db: &Db,
    mut stored: ConversionDocument,
    dry_run: bool,
) -> Result<(ConversionId, bool), StoreError> {
    let all = conversions(db);
    for _ in 0..TRIES {
        let conversion = stored.conversion()?;
        let left = conversion.without_person();
        if dry_run || left == conversion {
            return Ok((left.id.clone(), left != conversion));
        }
        // If it is still as it was read.
        let this = doc! {"_id": &stored.id, "body": &stored.body};
        let set = all.update_one(this, doc! {"$set": {"body": body(&left)?}});
        if db.write(WHAT, set).await.map_err(Failed::into_error)?.matched_count > 0 {
            return Ok((left.id, true));
        }
        let again = db.call(WHAT, all.find_one(doc! {"_id": &stored.id})).await?;
        stored = again.ok_or(StoreError::NotFound)?;
    }
    Err(timed_out(WHAT, db.operation_timeout()))
}
