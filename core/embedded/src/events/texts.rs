//! Repeated texts as numbers: an id is 23 bytes, a provider's name 30, a small number one or two, on every click.

use crate::{db::Cache, error::OrStoreError};
use rusqlite::{CachedStatement, Connection, OptionalExtension};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use tfx_ports::StoreError;

/// Texts remembered by the writer, and by a reader. Referrers and cities are many; beyond this it starts anew.
const REMEMBERED: usize = 50_000;

/// What the writer knows of the table `texts`. A number never changes once committed.
#[derive(Default)]
pub(crate) struct Texts {
    known: FxHashMap<SmolStr, i64>,
}

impl Cache for Texts {
    fn forget(&mut self) {
        self.known.clear();
    }
}

/// Finds and makes numbers in a write transaction.
pub(crate) struct Numbering<'t, 'c> {
    texts: &'t mut Texts,
    find: CachedStatement<'c>,
    make: CachedStatement<'c>,
}

impl<'t, 'c> Numbering<'t, 'c> {
    pub(crate) fn new(texts: &'t mut Texts, conn: &'c Connection) -> Result<Self, StoreError> {
        let what = "number texts";
        Ok(Self {
            texts,
            find: conn.prepare_cached("SELECT id FROM texts WHERE text = ?1").or_store_error(what)?,
            make: conn
                .prepare_cached("INSERT INTO texts (text) VALUES (?1) RETURNING id")
                .or_store_error(what)?,
        })
    }

    /// The number of a text; none for the empty one.
    pub(crate) fn number(&mut self, text: &str) -> rusqlite::Result<Option<i64>> {
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(id) = self.texts.known.get(text) {
            return Ok(Some(*id));
        }
        let found = self.find.query_row([text], |r| r.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => self.make.query_row([text], |r| r.get(0))?,
        };
        if self.texts.known.len() >= REMEMBERED {
            self.texts.known.clear();
        }
        self.texts.known.insert(SmolStr::new(text), id);
        Ok(Some(id))
    }
}

/// The texts of numbers, for readers.
pub(crate) struct Names<'c> {
    find: CachedStatement<'c>,
    known: FxHashMap<i64, SmolStr>,
}

impl<'c> Names<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Result<Self, StoreError> {
        let find =
            conn.prepare_cached("SELECT text FROM texts WHERE id = ?1").or_store_error("name texts")?;
        Ok(Self { find, known: FxHashMap::default() })
    }

    /// The text of a number; empty for 0, which stands for unknown.
    pub(crate) fn name(&mut self, id: i64) -> Result<SmolStr, StoreError> {
        if id == 0 {
            return Ok(SmolStr::default());
        }
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let name: String = self.find.query_row([id], |r| r.get(0)).or_store_error("name texts")?;
        let name = SmolStr::from(name);
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(id, name.clone());
        Ok(name)
    }
}

/// The number of a text, if it has one.
pub(crate) fn number_of(conn: &Connection, text: &str) -> Result<Option<i64>, StoreError> {
    conn.prepare_cached("SELECT id FROM texts WHERE text = ?1")
        .and_then(|mut s| s.query_row([text], |r| r.get(0)).optional())
        .or_store_error("find a text")
}
