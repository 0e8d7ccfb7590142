//! The slugs that go with ids in answers.

use crate::{entities::kinds::kind_of, failure::Failure};
use std::collections::{BTreeMap, BTreeSet};
use tfx_api::{Labels, page::EntityRef};
use tfx_ports::config::{ConfigStore, Record};

/// Above so many ids, reading everything once is cheaper than asking for each.
const ONE_BY_ONE: usize = 100;

/// The slugs of these ids. A stream's or template's stands with that of its parent: `summer/main`.
pub(crate) async fn of(
    config: &dyn ConfigStore,
    ids: impl IntoIterator<Item = String>,
) -> Result<Labels, Failure> {
    let ids: BTreeSet<String> = ids.into_iter().collect();
    let mut known: BTreeMap<String, Record> = BTreeMap::new();
    if ids.len() > ONE_BY_ONE {
        known = config.load().await?.1.into_iter().map(|r| (r.id.clone(), r)).collect();
    } else {
        for id in &ids {
            fetch(config, id, &mut known).await?;
            if let Some(parent) = known.get(id).map(|r| r.parent.clone()).filter(|p| !p.is_empty()) {
                fetch(config, &parent, &mut known).await?;
            }
        }
    }
    let label = |id: String| {
        let record = known.get(&id)?;
        let slug = match known.get(&record.parent) {
            Some(parent) => format!("{}/{}", parent.slug, record.slug),
            None => record.slug.clone(),
        };
        Some((id, slug))
    };
    Ok(ids.into_iter().filter_map(label).collect())
}

async fn fetch(
    config: &dyn ConfigStore,
    id: &str,
    known: &mut BTreeMap<String, Record>,
) -> Result<(), Failure> {
    if let Some(kind) = kind_of(id)
        && !known.contains_key(id)
        && let Some(record) = config.get(kind, id).await?
    {
        known.insert(id.to_owned(), record);
    }
    Ok(())
}

/// An id with its label.
pub(crate) fn entity_ref(labels: &Labels, id: &str) -> EntityRef {
    EntityRef { id: id.to_owned(), slug: labels.get(id).cloned().unwrap_or_default() }
}
