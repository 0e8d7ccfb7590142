//! The table of entities.

use crate::{
    error::OrStoreError,
    paging::{cursor, limit, page, sql_limit},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use tfx_domain::entity::Kind;
use tfx_ports::{
    StoreError,
    config::{Change, NewRecord, Record, RecordQuery},
    page::Page,
};

/// The columns [`Raw`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, kind, id, parent, slug, status, version, created_at, updated_at, spec FROM records ",
            $rest
        )
    };
}

pub(super) fn revision(conn: &Connection) -> Result<u64, StoreError> {
    let read =
        conn.prepare_cached("SELECT value FROM revision").and_then(|mut s| s.query_row([], |r| r.get(0)));
    read.map(i64::unsigned_abs).or_store_error("read the revision")
}

pub(super) fn create(conn: &Connection, record: &Record) -> Result<(), StoreError> {
    check_slug(conn, record)?;
    if get(conn, record.kind, &record.id)?.is_some() {
        return Err(StoreError::Broken { what: format!("the id {} is taken", record.id), source: None });
    }
    let insert = "INSERT INTO records (id, kind, parent, slug, status, version, created_at, updated_at, spec)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    conn.prepare_cached(insert)
        .and_then(|mut s| {
            s.execute(params![
                record.id,
                record.kind.noun(),
                record.parent,
                record.slug,
                record.status.as_str(),
                version(record),
                record.created_at.to_string(),
                record.updated_at.to_string(),
                record.spec.to_string(),
            ])
        })
        .or_store_error("create")?;
    keep_aliases(conn, record)
}

pub(super) fn update(conn: &Connection, record: &Record) -> Result<(), StoreError> {
    let before = get(conn, record.kind, &record.id)?.ok_or(StoreError::NotFound)?;
    if before.version + 1 != record.version {
        return Err(StoreError::VersionMismatch { current: before.version });
    }
    check_slug(conn, record)?;
    let update =
        "UPDATE records SET parent = ?2, slug = ?3, status = ?4, version = ?5, updated_at = ?6, spec = ?7
                  WHERE id = ?1";
    conn.prepare_cached(update)
        .and_then(|mut s| {
            s.execute(params![
                record.id,
                record.parent,
                record.slug,
                record.status.as_str(),
                version(record),
                record.updated_at.to_string(),
                record.spec.to_string(),
            ])
        })
        .or_store_error("update")?;
    keep_aliases(conn, record)
}

/// Takes away the names of all that are to have others, so that in the end only counts who has which: two may swap theirs.
pub(super) fn let_go_of_names(conn: &Connection, changes: &[Change]) -> Result<(), StoreError> {
    let what = "let go of slugs";
    // No slug looks like an id.
    let slug = "UPDATE records SET slug = id WHERE id = ?1 AND (slug != ?2 OR parent != ?3)";
    let mut slug = conn.prepare_cached(slug).or_store_error(what)?;
    let mut aliases = conn.prepare_cached("DELETE FROM aliases WHERE id = ?").or_store_error(what)?;
    for Change { record, .. } in changes.iter().filter(|change| !change.new) {
        slug.execute(params![record.id, record.slug, record.parent]).or_store_error(what)?;
        aliases.execute([&record.id]).or_store_error(what)?;
    }
    Ok(())
}

fn version(record: &Record) -> i64 {
    i64::try_from(record.version).unwrap_or(i64::MAX)
}

/// Whether slug and former slugs are nobody else's, neither now nor formerly. The transaction holds the write lock, so
/// this answer stays true until it ends; the indexes are the second line.
fn check_slug(conn: &Connection, record: &Record) -> Result<(), StoreError> {
    let taken = "SELECT id FROM records WHERE kind = ?1 AND parent = ?2 AND slug = ?3 AND id != ?4
                 UNION ALL SELECT id FROM aliases WHERE kind = ?1 AND parent = ?2 AND slug = ?3 AND id != ?4";
    let mut statement = conn.prepare_cached(taken).or_store_error("look for a slug")?;
    for slug in [record.slug.as_str()].into_iter().chain(record.aliases()) {
        let who = params![record.kind.noun(), record.parent, slug, record.id];
        let existing = statement.query_row(who, |r| r.get(0)).optional().or_store_error("look for a slug")?;
        if let Some(existing) = existing {
            return Err(StoreError::SlugTaken { existing });
        }
    }
    Ok(())
}

/// Makes an entity be found by its former slugs.
fn keep_aliases(conn: &Connection, record: &Record) -> Result<(), StoreError> {
    let what = "keep former slugs";
    let mut forget = conn.prepare_cached("DELETE FROM aliases WHERE id = ?").or_store_error(what)?;
    forget.execute([&record.id]).or_store_error(what)?;
    let insert = "INSERT INTO aliases (kind, parent, slug, id) VALUES (?, ?, ?, ?)";
    for alias in record.aliases() {
        conn.prepare_cached(insert)
            .and_then(|mut s| s.execute(params![record.kind.noun(), record.parent, alias, record.id]))
            .or_store_error(what)?;
    }
    Ok(())
}

pub(super) fn get(conn: &Connection, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
    one(conn, select!("WHERE id = ?1 AND kind = ?2"), params![id, kind.noun()])
}

pub(super) fn find(
    conn: &Connection,
    kind: Kind,
    parent: &str,
    slug: &str,
) -> Result<Option<Record>, StoreError> {
    let by_slug = select!("WHERE kind = ?1 AND parent = ?2 AND slug = ?3");
    let by_alias =
        select!("WHERE id = (SELECT id FROM aliases WHERE kind = ?1 AND parent = ?2 AND slug = ?3)");
    match one(conn, by_slug, params![kind.noun(), parent, slug])? {
        None => one(conn, by_alias, params![kind.noun(), parent, slug]),
        found => Ok(found),
    }
}

/// Those of which the audit log has a line after a revision.
pub(super) fn changed_since(conn: &Connection, revision: u64) -> Result<Vec<Record>, StoreError> {
    let changed = select!("WHERE id IN (SELECT id FROM audit WHERE revision > ?) ORDER BY seq");
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    Ok(many(conn, changed, params![revision])?.into_iter().map(|(_, record)| record).collect())
}

pub(super) fn all(conn: &Connection) -> Result<Vec<Record>, StoreError> {
    Ok(many(conn, select!("ORDER BY seq"), params![])?.into_iter().map(|(_, record)| record).collect())
}

pub(super) fn list(conn: &Connection, query: &RecordQuery) -> Result<Page<Record>, StoreError> {
    let after = cursor(&query.page, |c| c.parse::<i64>().ok())?.unwrap_or(0);
    let limit = limit(&query.page);
    let words: Vec<&str> = query.statuses.iter().map(|s| s.as_str()).collect();
    let items = many(
        conn,
        select!(
            "WHERE kind = :kind AND seq > :after AND (:parent IS NULL OR parent = :parent)
               AND (:statuses = '' OR instr(:statuses, status) > 0)
             ORDER BY seq LIMIT :limit"
        ),
        named_params! {
            ":kind": query.kind.noun(),
            ":after": after,
            ":parent": query.parent,
            ":statuses": words.join(" "),
            ":limit": sql_limit(limit + 1),
        },
    )?;
    Ok(page(items, limit, i64::to_string))
}

fn one(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Option<Record>, StoreError> {
    let raw = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row(params, Raw::read).optional())
        .or_store_error("read an entity")?;
    Ok(raw.and_then(Raw::record).map(|(_, record)| record))
}

pub(super) fn many(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<(i64, Record)>, StoreError> {
    let mut statement = conn.prepare_cached(sql).or_store_error("read entities")?;
    let rows = statement.query_map(params, Raw::read).or_store_error("read entities")?;
    // A row that cannot be read does not hide the others.
    rows.filter_map(|raw| raw.or_store_error("read entities").map(Raw::record).transpose()).collect()
}

/// A row before its texts are understood.
struct Raw {
    seq: i64,
    kind: String,
    id: String,
    parent: String,
    slug: String,
    status: String,
    version: i64,
    created_at: String,
    updated_at: String,
    spec: String,
}

impl Raw {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            kind: row.get(1)?,
            id: row.get(2)?,
            parent: row.get(3)?,
            slug: row.get(4)?,
            status: row.get(5)?,
            version: row.get(6)?,
            created_at: row.get(7)?,
            updated_at: row.get(8)?,
            spec: row.get(9)?,
        })
    }

    /// As far as this program knows what it reads: another one may have written it. What it does not know of the spec is
    /// told where the spec is read; a kind that it does not know has no place here.
    fn record(self) -> Option<(i64, Record)> {
        let Some(kind) = Kind::ALL.into_iter().find(|k| k.noun() == self.kind) else {
            tracing::warn!(
                id = self.id,
                kind = self.kind,
                "an entity of a kind that this program does not know is left out"
            );
            return None;
        };
        let stored = NewRecord {
            kind,
            id: self.id,
            parent: self.parent,
            slug: self.slug,
            status: &self.status,
            version: self.version.unsigned_abs(),
            created_at: &self.created_at,
            updated_at: &self.updated_at,
            spec: &self.spec,
        };
        Some((self.seq, stored.record()))
    }
}
