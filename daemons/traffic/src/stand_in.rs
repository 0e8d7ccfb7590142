//! What this program cannot read of the configuration, damaged or saved by a newer one, as it was when it was last read.
//! Without it clicks would go elsewhere, or be recorded without what their source says, for good.

use serde_json::json;
use tfx_domain::{
    entity::{Entity, Kind, Spec},
    problem::{Problem, Problems},
    routing::{Config, Unread},
};
use tfx_ports::config::Record;

/// Puts in what is left out, from the configuration before; what is not in that either is told as unread. Problems say
/// which it is.
pub(crate) fn stand_in(
    config: &mut Config,
    records: &[Record],
    left_out: Problems,
    last: Option<&Config>,
) -> Problems {
    let mut told = Problems::default();
    for Problem { path, message } in left_out.0 {
        let Some(record) = records.iter().find(|r| r.id == path) else {
            told.add(path, message);
            continue;
        };
        let version = last.and_then(|last| match record.kind {
            Kind::Campaign => put(&last.campaigns, &mut config.campaigns, record),
            Kind::Stream => put(&last.streams, &mut config.streams, record),
            Kind::Destination => put(&last.destinations, &mut config.destinations, record),
            Kind::Source => put(&last.sources, &mut config.sources, record),
            Kind::Network => put(&last.networks, &mut config.networks, record),
            // No click needs one.
            Kind::Template | Kind::Alert => None,
        });
        let message = match version {
            Some(version) => format!("{message}; in use as it was in version {version}"),
            None => {
                let slugs = [record.slug.as_str()].into_iter().chain(record.aliases());
                let slugs = slugs.map(str::to_owned).collect();
                config.unread.push(Unread { kind: record.kind, id: record.id.clone(), slugs });
                match record.kind {
                    Kind::Campaign | Kind::Source => {
                        format!("{message}; clicks that need it are answered 503")
                    }
                    _ => message,
                }
            }
        };
        told.add(path, message);
    }
    told
}

/// The entity of before, with the status of now as far as that can be read; its version.
fn put<S: Spec>(last: &[Entity<S>], into: &mut Vec<Entity<S>>, record: &Record) -> Option<u64> {
    let before = last.iter().find(|e| e.id.to_string() == record.id)?;
    let mut entity = before.clone();
    if let Some(status) = record.known_status()
        && status != before.spec.status()
    {
        let mut spec = serde_json::to_value(&before.spec).ok()?;
        spec["status"] = json!(status);
        entity.spec = serde_json::from_value(spec).ok()?;
    }
    into.push(entity);
    Some(before.version)
}
