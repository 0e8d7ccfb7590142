//! Marking states as not published, so that they are published once more: some at a time, between which others write.

use crate::{error::OrStoreError, time::ceil_ms};
use rusqlite::{Connection, named_params};
use tfx_domain::Timestamp;
use tfx_ports::StoreError;

pub(super) const WHAT: &str = "mark conversions as not published";
/// Conversions of a step.
const STEP: i64 = 1_000;

/// Behind which conversion a step begins, by the time of the first report and the id.
#[derive(Debug, Clone)]
pub(super) struct Place {
    ms: i64,
    id: String,
}

impl Place {
    /// Before all that were first reported since then.
    pub(super) fn before(since: Option<Timestamp>) -> Self {
        Self { ms: since.map_or(i64::MIN, ceil_ms), id: String::new() }
    }
}

/// What a step came to.
pub(super) struct Step {
    pub(super) marked: u64,
    /// Where the next one begins; none: there is no more.
    pub(super) next: Option<Place>,
}

pub(super) fn mark(
    conn: &Connection,
    after: &Place,
    until: Option<Timestamp>,
    dry_run: bool,
) -> Result<Step, StoreError> {
    let until = until.map_or(i64::MAX, ceil_ms);
    let some = "SELECT created_ms, id, unpublished IS NULL FROM conversions
        WHERE (created_ms, id) > (:ms, :id) AND created_ms < :until ORDER BY created_ms, id LIMIT :step";
    let params = named_params! { ":ms": after.ms, ":id": after.id, ":until": until, ":step": STEP };
    let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, bool>(2)?));
    let found = conn
        .prepare_cached(some)
        .and_then(|mut s| s.query_map(params, row)?.collect::<Result<Vec<_>, _>>())
        .or_store_error(WHAT)?;
    let published = found.iter().filter(|(_, _, published)| *published);
    let marked = published.clone().count() as u64;
    if !dry_run {
        let mark = "UPDATE conversions SET unpublished =
            (SELECT coalesce(max(unpublished), 0) + 1 FROM conversions WHERE unpublished IS NOT NULL) WHERE id = ?1";
        let mut mark = conn.prepare_cached(mark).or_store_error(WHAT)?;
        for (_, id, _) in published {
            mark.execute([id]).or_store_error(WHAT)?;
        }
    }
    let full = i64::try_from(found.len()) == Ok(STEP);
    let next = found.into_iter().next_back().filter(|_| full);
    Ok(Step { marked, next: next.map(|(ms, id, _)| Place { ms, id }) })
}
