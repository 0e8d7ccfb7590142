//! Taking the facts of clicks off what they brought.

use super::list::{body, read_body};
use crate::error::OrStoreError;
use rusqlite::{Connection, params};
use tfx_domain::id::{ClickId, ConversionId};
use tfx_ports::StoreError;

const WHAT: &str = "erase a person from conversions";

/// The conversions of these clicks, and whether each held something. One that cannot be read is an error: what it holds
/// is not known.
pub(super) fn erase(
    conn: &Connection,
    clicks: &[ClickId],
    dry_run: bool,
) -> Result<Vec<(ConversionId, bool)>, StoreError> {
    let mut find =
        conn.prepare_cached("SELECT id, body FROM conversions WHERE click_id = ?1").or_store_error(WHAT)?;
    let mut update =
        conn.prepare_cached("UPDATE conversions SET body = ?2 WHERE id = ?1").or_store_error(WHAT)?;
    let mut found = Vec::new();
    for click in clicks {
        let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?));
        let rows = find.query_map([click.to_string()], row).or_store_error(WHAT)?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>().or_store_error(WHAT)?;
        for (id, text) in rows {
            let conversion = read_body(&id, &text)?;
            let left = conversion.without_person();
            let held = left != conversion;
            if held && !dry_run {
                let text = body(&left).or_store_error(WHAT)?;
                update.execute(params![id, text]).or_store_error(WHAT)?;
            }
            found.push((left.id, held));
        }
    }
    Ok(found)
}
