//! A namespace as it is listed, and the headers of its blocks.

use super::{BUCKETS, Damage, Kind, Metadata, fields::Fields};
use mongodb::bson::{Document, doc};

/// A collection, view or time series, as it is listed before the first block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Namespace {
    /// The database.
    pub(crate) database: String,
    /// The name in it.
    pub(crate) collection: String,
    /// Options and indexes.
    pub(crate) metadata: Metadata,
}

impl Namespace {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damage> {
        const WHAT: &str = "a listed namespace";
        let mut fields = Fields::of(WHAT, bytes)?;
        let (database, collection) = (name(WHAT, &mut fields, "db")?, name(WHAT, &mut fields, "collection")?);
        let metadata = fields.text("metadata")?;
        // Not written by versions that knew collections alone.
        let kind = fields.text_or("type", Kind::Collection.word())?;
        fields.count("size")?;
        fields.end()?;
        let damaged = |why| Damage::Metadata { namespace: format!("{database}.{collection}"), why };
        let kind = Kind::of(kind).ok_or_else(|| damaged(format!("the type {kind:?} is not known")))?;
        let metadata = Metadata::read(metadata, &collection, kind).map_err(damaged)?;
        Ok(Self { database, collection, metadata })
    }

    pub(super) fn document(&self) -> Document {
        doc! {
            "db": &self.database,
            "collection": &self.collection,
            "metadata": self.metadata.written(&self.collection),
            "size": 0_i32,
            "type": self.metadata.kind.word(),
        }
    }

    /// `DATABASE.NAME`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.database, self.collection)
    }

    /// Under which name its documents are stored.
    pub(crate) fn stored_in(&self) -> String {
        match self.metadata.kind {
            Kind::TimeSeries => format!("{BUCKETS}{}", self.collection),
            Kind::Collection | Kind::View => self.collection.clone(),
        }
    }
}

/// What stands at the begin of a block.
pub(super) struct BlockHeader {
    pub(super) database: String,
    pub(super) collection: String,
    /// The checksum of all documents, if this is the end of the namespace.
    pub(super) end: Option<u64>,
}

impl BlockHeader {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damage> {
        const WHAT: &str = "the header of a block";
        let mut fields = Fields::of(WHAT, bytes)?;
        let (database, collection) = (name(WHAT, &mut fields, "db")?, name(WHAT, &mut fields, "collection")?);
        let (end, checksum) = (fields.flag("EOF")?, fields.int64("CRC")?);
        fields.end()?;
        if !end && checksum != 0 {
            return Err(Damage::Field { what: WHAT, field: "CRC".to_owned(), wanted: "0 before the end" });
        }
        Ok(Self { database, collection, end: end.then_some(checksum.cast_unsigned()) })
    }

    pub(super) fn document(&self) -> Document {
        let checksum = self.end.unwrap_or(0).cast_signed();
        doc! { "db": &self.database, "collection": &self.collection, "EOF": self.end.is_some(), "CRC": checksum }
    }
}

fn name(what: &'static str, fields: &mut Fields<'_>, field: &'static str) -> Result<String, Damage> {
    let text = fields.text(field)?;
    if text.is_empty() || text.contains('\0') {
        return Err(Damage::Field { what, field: field.to_owned(), wanted: "a name" });
    }
    Ok(text.to_owned())
}
