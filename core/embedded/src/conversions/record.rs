//! Applying reports, inside a transaction that holds the write lock: what is read here stays true until it ends.
//! The unique indexes hold the keys even against a mistake made here.

use super::{
    list::{body, read_body},
    source_postback,
};
use crate::error::OrStoreError;
use rusqlite::{Connection, OptionalExtension, params};
use tfx_domain::{
    event::PostbackResult,
    id::{ClickId, ConversionId, NetworkId},
    postback::{Conversion, Decided, Incoming, Signed, Standing, decide},
    source_postback::tells,
};
use tfx_ports::{StoreError, conversions::Recorded};

const WHAT: &str = "record a conversion";

pub(super) fn record(conn: &Connection, report: &Incoming) -> Result<Recorded, StoreError> {
    let decided = decide(&StoredConversions(conn), report)?;
    let told = tells(report, &decided);
    let Decided { result, conversion, displaced, noted, .. } = decided;
    if let Some(noted) = &noted {
        note(conn, noted)?;
    }
    // First: it lets go of the sale that the other claims.
    if let Some(displaced) = &displaced {
        update(conn, displaced)?;
    }
    match result {
        PostbackResult::Recorded => insert(conn, &conversion)?,
        PostbackResult::Updated => update(conn, &conversion)?,
        _ => {}
    }
    for tell in &told {
        source_postback::put(conn, tell)?;
    }
    Ok(Recorded { result, conversion, displaced })
}

/// What recording them would answer: they are recorded, and undone within the same transaction.
pub(super) fn foresee(conn: &Connection, reports: &[Incoming]) -> Result<Vec<Recorded>, StoreError> {
    let what = "foresee a conversion";
    conn.execute_batch("SAVEPOINT foreseen").or_store_error(what)?;
    let answers = reports.iter().map(|report| record(conn, report)).collect();
    conn.execute_batch("ROLLBACK TO foreseen; RELEASE foreseen").or_store_error(what)?;
    answers
}

/// What is in the table.
pub(super) struct StoredConversions<'c>(pub(super) &'c Connection);

impl Standing for StoredConversions<'_> {
    type Error = StoreError;

    fn by_key(&self, network: &NetworkId, key: &str) -> Result<Option<Conversion>, StoreError> {
        find(self.0, "SELECT body FROM conversions WHERE network = ?1 AND key = ?2", network, key)
    }

    fn by_claim(&self, network: &NetworkId, claim: &str) -> Result<Option<Conversion>, StoreError> {
        find(self.0, "SELECT body FROM conversions WHERE network = ?1 AND sale_claim = ?2", network, claim)
    }

    fn by_signature(&self, click: ClickId, signed: &Signed) -> Result<Option<Conversion>, StoreError> {
        let of_click = "SELECT id, body FROM conversions INDEXED BY conversions_of_click
            WHERE click_id = ?1 AND instr(body, ?2) > 0 ORDER BY id";
        let mut statement = self.0.prepare_cached(of_click).or_store_error(WHAT)?;
        let mut rows = statement.query(params![click.to_string(), signed.mark]).or_store_error(WHAT)?;
        while let Some(row) = rows.next().or_store_error(WHAT)? {
            let (id, text): (String, String) = row.try_into().or_store_error(WHAT)?;
            let conversion = read_body(&id, &text)?;
            if conversion.signatures.has(signed) {
                return Ok(Some(conversion));
            }
        }
        Ok(None)
    }
}

fn find(
    conn: &Connection,
    sql: &str,
    network: &NetworkId,
    name: &str,
) -> Result<Option<Conversion>, StoreError> {
    let text: Option<String> = conn
        .prepare_cached(sql)
        .and_then(|mut s| s.query_row(params![network.as_str(), name], |r| r.get(0)).optional())
        .or_store_error(WHAT)?;
    text.map(|t| read_body(name, &t)).transpose()
}

fn insert(conn: &Connection, c: &Conversion) -> Result<(), StoreError> {
    let insert = "INSERT INTO conversions
        (id, version, network, key, sale_claim, click_id, campaign, status, created_ms, unpublished, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,
                (SELECT coalesce(max(unpublished), 0) + 1 FROM conversions WHERE unpublished IS NOT NULL), ?10)";
    let campaign = c.click.campaign_id.as_ref().map(tfx_domain::id::CampaignId::as_str);
    conn.prepare_cached(insert)
        .and_then(|mut s| {
            s.execute(params![
                c.id.as_str(),
                version(c.version),
                c.network.as_str(),
                c.key,
                c.sale_claim,
                c.click_id.to_string(),
                campaign,
                c.status.as_str(),
                c.created_at.as_millisecond(),
                body(c)?,
            ])
        })
        .or_store_error(WHAT)
        .map(|_| ())
}

fn update(conn: &Connection, c: &Conversion) -> Result<(), StoreError> {
    // Only what the status machine changes.
    let update = "UPDATE conversions SET version = ?2, sale_claim = ?3, status = ?4, body = ?5,
        unpublished = (SELECT coalesce(max(unpublished), 0) + 1 FROM conversions WHERE unpublished IS NOT NULL)
        WHERE id = ?1";
    conn.prepare_cached(update)
        .and_then(|mut s| {
            s.execute(params![c.id.as_str(), version(c.version), c.sale_claim, c.status.as_str(), body(c)?])
        })
        .or_store_error(WHAT)
        .map(|_| ())
}

/// What is not of its state: there is nothing to be published.
fn note(conn: &Connection, c: &Conversion) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE conversions SET body = ?2 WHERE id = ?1")
        .and_then(|mut s| s.execute(params![c.id.as_str(), body(c)?]))
        .or_store_error(WHAT)
        .map(|_| ())
}

fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

pub(super) fn mark_published(conn: &Connection, states: &[(ConversionId, u64)]) -> Result<(), StoreError> {
    let what = "mark a conversion published";
    let mark = "UPDATE conversions SET unpublished = NULL WHERE id = ?1 AND version = ?2 AND unpublished IS NOT NULL";
    let mut statement = conn.prepare_cached(mark).or_store_error(what)?;
    for (id, v) in states {
        statement.execute(params![id.as_str(), version(*v)]).or_store_error(what)?;
    }
    Ok(())
}
