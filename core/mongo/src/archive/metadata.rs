//! Options and indexes of a namespace, as mongodump writes them: canonical Extended JSON in the order of the server.

use super::extjson;
use mongodb::bson::{Bson, Document};

/// What a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds documents.
    Collection,
    /// Shows documents of others; has none in the archive.
    View,
    /// Holds documents in buckets.
    TimeSeries,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Collection, Self::View, Self::TimeSeries];

    /// As the server and archives say it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::View => "view",
            Self::TimeSeries => "timeseries",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Options and indexes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metadata {
    /// As `create` takes them.
    pub(crate) options: Document,
    /// As `createIndexes` takes them.
    pub(crate) indexes: Vec<Document>,
    /// 32 digits; views and time series have none.
    pub(crate) uuid: Option<String>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// Options of `create` in all versions of the server that write them into archives.
const OPTIONS: &[&str] = &[
    "autoIndexId",
    "capped",
    "changeStreamPreAndPostImages",
    "clusteredIndex",
    "collation",
    "encryptedFields",
    "expireAfterSeconds",
    "flags",
    "idIndex",
    "indexOptionDefaults",
    "max",
    "pipeline",
    "recordIdsReplicated",
    "size",
    "storageEngine",
    "temp",
    "timeseries",
    "validationAction",
    "validationLevel",
    "validator",
    "viewOn",
];

/// Options of an index in all those versions.
const INDEX_OPTIONS: &[&str] = &[
    "2dsphereIndexVersion",
    "background",
    "bits",
    "bucketSize",
    "clustered",
    "coarsestIndexedLevel",
    "collation",
    "default_language",
    "dropDups",
    "expireAfterSeconds",
    "finestIndexedLevel",
    "hidden",
    "key",
    "language_override",
    "max",
    "min",
    "name",
    "ns",
    "originalSpec",
    "partialFilterExpression",
    "prepareUnique",
    "sparse",
    "storageEngine",
    "textIndexVersion",
    "unique",
    "v",
    "weights",
    "wildcardProjection",
];

impl Metadata {
    /// Reads it strictly: what is not known here would be lost on the way into a server, or is damage.
    pub(super) fn read(text: &str, collection: &str, kind: Kind) -> Result<Self, String> {
        if text.is_empty() {
            // As versions write it that take no metadata of what is not restored by them.
            return Ok(Self { options: Document::new(), indexes: Vec::new(), uuid: None, kind });
        }
        let all: Document = serde_json::from_str(text).map_err(|e| format!("it is no Extended JSON: {e}"))?;
        let mut found = Self { options: Document::new(), indexes: Vec::new(), uuid: None, kind };
        for (field, value) in all {
            match (field.as_str(), value) {
                ("options", Bson::Document(options)) => found.options = options,
                ("indexes", Bson::Array(indexes)) => {
                    for index in indexes {
                        let Bson::Document(index) = index else {
                            return Err("an index is no document".to_owned());
                        };
                        found.indexes.push(index);
                    }
                }
                ("uuid", Bson::String(uuid)) if is_uuid(&uuid) => found.uuid = Some(uuid),
                ("uuid", Bson::String(uuid)) if uuid.is_empty() => {}
                ("collectionName", Bson::String(name)) if name == collection => {}
                ("collectionName", _) => return Err("it is that of another collection".to_owned()),
                ("type", Bson::String(word)) if word == kind.word() => {}
                ("type", Bson::String(word)) if word.is_empty() => {}
                ("options" | "indexes" | "uuid" | "type", _) => {
                    return Err(format!("{field} cannot be that"));
                }
                (other, _) => return Err(format!("{other:?} is not known")),
            }
        }
        if let Some(option) = found.options.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
            return Err(format!("the option {option:?} is not known"));
        }
        for index in &found.indexes {
            let name = index.get_str("name").map_err(|_| "an index has no name".to_owned())?;
            if !index.get_document("key").is_ok_and(|key| !key.is_empty()) {
                return Err(format!("the index {name:?} has no key"));
            }
            if let Some(option) = index.keys().find(|option| !INDEX_OPTIONS.contains(&option.as_str())) {
                return Err(format!("the index {name:?} has {option:?}, which is not known"));
            }
        }
        Ok(found)
    }

    /// As the official tool writes it, byte for byte.
    pub(super) fn written(&self, collection: &str) -> String {
        let mut out = String::from("{");
        if !self.options.is_empty() {
            out.push_str("\"options\":");
            extjson::document(&mut out, &self.options);
            out.push(',');
        }
        out.push_str("\"indexes\":[");
        for (n, index) in self.indexes.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            extjson::document(&mut out, index);
        }
        out.push_str("],");
        if let Some(uuid) = &self.uuid {
            out.push_str("\"uuid\":");
            extjson::text(&mut out, uuid);
            out.push(',');
        }
        out.push_str("\"collectionName\":");
        extjson::text(&mut out, collection);
        out.push_str(",\"type\":");
        extjson::text(&mut out, self.kind.word());
        out.push('}');
        out
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
