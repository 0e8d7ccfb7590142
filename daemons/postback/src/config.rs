//! Networks, templates and what destinations pay, as postbacks ask for them.

use crate::masks::Masks;
use std::{collections::HashMap, sync::Arc};
use tfx_domain::{
    entity::{Network, Status, Template},
    id::{DestinationId, NetworkId},
    postback::Terms,
    problem::Problems,
};
use tfx_ports::config::{Record, config_of};

/// The index, followed.
pub(crate) type Configuration = tfx_service::Configuration<Index>;

/// The configuration as postbacks ask for it.
#[derive(Debug, Default)]
pub(crate) struct Index {
    networks: HashMap<NetworkId, Network>,
    by_slug: HashMap<String, NetworkId>,
    templates: HashMap<NetworkId, Vec<Template>>,
    destinations: HashMap<DestinationId, Terms>,
    pub(crate) masks: Arc<Masks>,
}

impl Index {
    /// From the records of a revision. What cannot be read is left out, logged and told. `tokens` are masked as secrets are.
    pub(crate) fn new(revision: u64, records: &[Record], tokens: &[String]) -> (Self, Problems) {
        let (config, problems) = config_of(revision, records);
        if !problems.is_empty() {
            tracing::warn!(error = %problems, revision, "configuration that cannot be read is left out");
        }
        let secrets = config.networks.iter().filter_map(|n| n.spec.postback_secret.as_ref());
        let masks = Masks::of(secrets.map(|s| s.0.as_str()).chain(tokens.iter().map(String::as_str)));
        let mut index = Self { masks: Arc::new(masks), ..Self::default() };
        // A slug that a network has goes before a former one of another.
        for network in &config.networks {
            for alias in &network.spec.aliases {
                index.by_slug.insert(alias.to_string(), network.id.clone());
            }
        }
        for network in config.networks {
            index.by_slug.insert(network.spec.slug.to_string(), network.id.clone());
            index.networks.insert(network.id.clone(), network);
        }
        for template in config.templates {
            index.templates.entry(template.spec.network.clone()).or_default().push(template);
        }
        for d in config.destinations {
            index.destinations.insert(d.id, Terms::from(&d.spec));
        }
        (index, problems)
    }

    /// The network of a path: by slug or former slug, whatever its case, or by id. Also one that is not active.
    pub(crate) fn network(&self, reference: &str) -> Option<&Network> {
        let reference = reference.to_ascii_lowercase();
        let id = self.by_slug.get(&reference).cloned().or_else(|| reference.parse().ok())?;
        self.networks.get(&id)
    }

    pub(crate) fn network_by_id(&self, id: &NetworkId) -> Option<&Network> {
        self.networks.get(id)
    }

    /// A template of a network by its slug, former slug or id. Also one that is not active.
    pub(crate) fn template(&self, network: &NetworkId, reference: &str) -> Option<&Template> {
        let reference = reference.to_ascii_lowercase();
        let named = |t: &&Template| t.spec.slug.as_str() == reference || t.id.as_str() == reference;
        let formerly = |t: &&Template| t.spec.aliases.iter().any(|alias| alias.as_str() == reference);
        let templates = self.templates.get(network)?;
        templates.iter().find(named).or_else(|| templates.iter().find(formerly))
    }

    /// The template for postbacks that name none: `default`, if it is active.
    pub(crate) fn default_template(&self, network: &NetworkId) -> Option<&Template> {
        self.template(network, "default").filter(|t| t.spec.status == Status::Active)
    }

    /// The template that a postback asks for, else the default one. Also one that is not active.
    pub(crate) fn asked_template(&self, network: &NetworkId, reference: &str) -> Option<&Template> {
        match reference {
            "" => self.default_template(network),
            reference => self.template(network, reference),
        }
    }

    /// The template whose words a person maps: as [`Self::asked_template`], and `default` also when it is not active.
    pub(crate) fn named_template(&self, network: &NetworkId, reference: &str) -> Option<&Template> {
        self.template(network, if reference.is_empty() { "default" } else { reference })
    }

    /// What a destination means for a conversion; one that is not known has no terms.
    pub(crate) fn terms(&self, destination: Option<&DestinationId>) -> Option<&Terms> {
        self.destinations.get(destination?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn record(kind: &str, id: &str, parent: &str, spec: &Value) -> Record {
        serde_json::from_value(json!({
            "kind": kind, "id": id, "parent": parent, "slug": spec["slug"], "status": "active", "version": 1,
            "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "spec": spec,
        }))
        .expect("a record")
    }

    #[test]
    fn postbacks_to_former_slugs_arrive_unless_another_has_them_now() {
        let (one, two) = ("net_0000000000000000001", "net_0000000000000000002");
        let (index, _) = Index::new(
            1,
            &[
                record("network", one, "", &json!({ "slug": "new", "name": "N", "aliases": ["old", "two"] })),
                record("network", two, "", &json!({ "slug": "two", "name": "T" })),
                record(
                    "template",
                    "tpl_0000000000000000001",
                    one,
                    &json!({ "slug": "main", "name": "M", "network": one, "aliases": ["default"] }),
                ),
            ],
            &[],
        );
        let found = |slug: &str| index.network(slug).map(|n| n.id.to_string());
        for (slug, want) in [("new", Some(one)), ("OLD", Some(one)), ("two", Some(two)), ("other", None)] {
            assert_eq!(found(slug).as_deref(), want, "{slug}");
        }
        let network = index.network("old").expect("found").id.clone();
        assert!(index.template(&network, "main").is_some() && index.template(&network, "nope").is_none());
        assert!(index.default_template(&network).is_some(), "it was the default one and still serves");
    }
}
