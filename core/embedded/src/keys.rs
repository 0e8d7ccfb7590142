//! [`Keys`] on `config.db`.

use crate::{db::Database, error::OrStoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};
use std::sync::Arc;
use tfx_ports::{StoreError, keys::Keys};

const READ: &str = "read a key of the installation";
const AGREE: &str = "agree on a key of the installation";
const SELECT: &str = "SELECT secret FROM keys WHERE name = ?1";

/// Keys on SQLite.
pub(crate) struct KeyTable(pub(crate) Arc<Database<()>>);

#[async_trait]
impl Keys for KeyTable {
    async fn key(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        let read = move |conn: &Connection| {
            let mut select = conn.prepare_cached(SELECT).or_store_error(READ)?;
            select.query_row([name], |r| r.get(0)).optional().or_store_error(READ)
        };
        self.0.read(READ, read).await
    }

    async fn agree(&self, name: &str, proposed: &str) -> Result<String, StoreError> {
        let (name, proposed) = (name.to_owned(), proposed.to_owned());
        let agree = move |conn: &Connection, (): &mut ()| {
            let insert = "INSERT INTO keys (name, secret) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            conn.execute(insert, [&name, &proposed]).or_store_error(AGREE)?;
            conn.query_row(SELECT, [&name], |r| r.get(0)).or_store_error(AGREE)
        };
        self.0.write(AGREE, agree).await
    }
}
