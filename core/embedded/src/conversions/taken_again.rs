//! Lines of the postback log that were taken again: a name each among those that are taken once, for good. No conversion's id
//! begins like them.

use crate::error::OrStoreError;
use rusqlite::Connection;
use tfx_domain::id::ClickId;
use tfx_ports::StoreError;

const WHAT: &str = "take a postback again";

/// Whether it is the first time.
pub(super) fn is_first(conn: &Connection, later: ClickId) -> Result<bool, StoreError> {
    let take = "INSERT INTO told (name, conversion) VALUES (?1, '') ON CONFLICT DO NOTHING";
    conn.prepare_cached(take).and_then(|mut s| s.execute([name(later)])).or_store_error(WHAT).map(|n| n > 0)
}

/// It was not.
pub(super) fn give_back(conn: &Connection, later: ClickId) -> Result<(), StoreError> {
    let give_back = "DELETE FROM told WHERE name = ?1";
    conn.prepare_cached(give_back).and_then(|mut s| s.execute([name(later)])).or_store_error(WHAT).map(|_| ())
}

fn name(later: ClickId) -> String {
    format!("again/{later}")
}
