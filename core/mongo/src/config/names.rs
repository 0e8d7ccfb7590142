//! Slugs and former slugs of what changes together. Unique indexes compare each write with what there is at that moment; here
//! only what there is in the end counts, so whoever is to have another name lets go of his first.

use super::{
    Config,
    change::{Net, parts},
    records,
};
use crate::error::Failed;
use futures_util::TryStreamExt;
use mongodb::{
    ClientSession,
    bson::{Document, doc},
};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use tfx_domain::entity::Kind;
use tfx_ports::{StoreError, config::Record};

/// What is looked at of an entity.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "_id")]
    id: String,
    parent: String,
    slug: String,
    version: i64,
    #[serde(default)]
    aliases: Vec<String>,
}

impl Named {
    /// Whether it has other names than it is to have.
    fn differs(&self, record: &Record) -> bool {
        self.slug != record.slug || self.parent != record.parent || self.aliases != record.aliases()
    }
}

/// Names of one parent that are looked for together.
const TOGETHER: usize = 500;

impl Config {
    /// Checks that changes of a kind are of what there is, and that nobody else has their names when all are made; takes
    /// away the names of those that are to have others.
    ///
    /// # Errors
    /// There is none, or at another version; a name is taken.
    pub(super) async fn settle_names(
        &self,
        what: &str,
        kind: Kind,
        changes: &[&Net<'_>],
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let before = self.named_before(what, kind, changes, session).await?;
        let mut renamed: Vec<&Record> = Vec::new();
        let mut let_go: Vec<Document> = Vec::new();
        for Net { record, new, before: version, .. } in changes.iter().copied() {
            match (before.get(&record.id), *new) {
                (Some(_), true) => {
                    let what = format!("{what}: the id is taken");
                    return Err(Failed::Refused(StoreError::Broken { what, source: None }));
                }
                (None, true) => renamed.push(record),
                (None, false) => return Err(Failed::Refused(StoreError::NotFound)),
                (Some(now), false) => {
                    let current = now.version.cast_unsigned();
                    if *version != Some(current) {
                        return Err(Failed::Refused(StoreError::VersionMismatch { current }));
                    }
                    if now.differs(record) {
                        // No slug looks like an id.
                        let none = doc! {"$set": {"slug": &record.id}, "$unset": {"aliases": ""}};
                        let_go.push(doc! {"q": {"_id": &record.id}, "u": none});
                        renamed.push(record);
                    }
                }
            }
        }
        if changes.len() > 1 {
            for part in parts(&let_go, |_| 0) {
                self.update(what, kind, part.to_vec(), session).await?;
            }
        }
        self.names_are_free(what, kind, &renamed, session).await
    }

    /// Those that are there, by id.
    async fn named_before(
        &self,
        what: &str,
        kind: Kind,
        changes: &[&Net<'_>],
        session: &mut ClientSession,
    ) -> Result<HashMap<String, Named>, Failed> {
        let ids: Vec<&String> = changes.iter().map(|change| &change.record.id).collect();
        let mut before = HashMap::with_capacity(ids.len());
        for part in parts(&ids, |_| 0) {
            let found = self.named(what, kind, doc! {"_id": {"$in": part.to_vec()}}, session).await?;
            before.extend(found.into_iter().map(|named| (named.id.clone(), named)));
        }
        Ok(before)
    }

    /// No index holds slugs and former ones together; the turn that the revision gives does.
    async fn names_are_free(
        &self,
        what: &str,
        kind: Kind,
        renamed: &[&Record],
        session: &mut ClientSession,
    ) -> Result<(), Failed> {
        let mut wanted: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for record in renamed {
            for name in [record.slug.as_str()].into_iter().chain(record.aliases()) {
                if let Some(other) = wanted.insert((&record.parent, name), &record.id)
                    && other != record.id
                {
                    return Err(taken(other));
                }
            }
        }
        let all: Vec<(&str, &str)> = wanted.keys().copied().collect();
        for part in all.chunks(TOGETHER) {
            let mut of_parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (parent, name) in part {
                of_parents.entry(parent).or_default().push(name);
            }
            let either = of_parents.iter().flat_map(|(parent, names)| {
                ["slug", "aliases"].map(|field| doc! {"parent": parent, field: {"$in": names}})
            });
            let either: Vec<Document> = either.collect();
            for other in self.named(what, kind, doc! {"$or": either}, session).await? {
                let names = std::iter::once(&other.slug).chain(&other.aliases);
                let wants = |name: &String| wanted.get(&(other.parent.as_str(), name.as_str())).copied();
                if names.filter_map(wants).any(|id| id != other.id) {
                    return Err(taken(&other.id));
                }
            }
        }
        Ok(())
    }

    async fn named(
        &self,
        what: &str,
        kind: Kind,
        filter: Document,
        session: &mut ClientSession,
    ) -> Result<Vec<Named>, Failed> {
        let all = records::collection(&self.db, kind).clone_with_type::<Named>();
        let fields = doc! {"parent": 1, "slug": 1, "version": 1, "aliases": 1};
        let read = async {
            let mut cursor = all.find(filter).projection(fields).session(&mut *session).await?;
            cursor.stream(session).try_collect().await
        };
        self.db.step(what, Box::pin(read)).await
    }
}

fn taken(id: &str) -> Failed {
    Failed::Refused(StoreError::SlugTaken { existing: id.to_owned() })
}
