//! Networks, templates and what destinations pay, as postbacks ask for them.

use crate::{addresses::AddressFiles, clicks::KnownClick, masks::Masks};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use tfx_domain::{
    entity::{Kind, Network, Source, Status, Template},
    id::{DestinationId, NetworkId, SourceId},
    postback::Terms,
    problem::Problems,
    source_postback::Subscription,
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
    sources: HashMap<SourceId, Source>,
    unread: Unread,
    pub(crate) masks: Arc<Masks>,
    pub(crate) addresses: Arc<AddressFiles>,
}

/// A source as this program knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SourceOf<'i> {
    Known(&'i Source),
    /// It is there and cannot be read.
    Unreadable,
    Gone,
}

/// What is there and this program cannot read: damaged, or saved by a newer one. What needs it waits, since it is not
/// unknown.
#[derive(Debug, Default)]
struct Unread {
    ids: HashSet<String>,
    /// A network among them does not even tell its former slugs.
    network_of_any_slug: bool,
    /// Of each network: the id, slug and former slugs of a template.
    templates: HashMap<String, Vec<UnreadTemplate>>,
}

#[derive(Debug)]
struct UnreadTemplate {
    names: Vec<String>,
    status: Status,
}

/// What this program cannot read, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CannotRead(&'static str);

impl CannotRead {
    /// For the log and the answer.
    pub(crate) fn reason(self) -> String {
        format!("this program cannot read the {}, which is there (see /readyz); send it again", self.0)
    }
}

impl Index {
    /// From the records of a revision. What cannot be read is left out, logged and told. `tokens` are masked as secrets are.
    pub(crate) fn new(revision: u64, records: &[Record], tokens: &[String]) -> (Self, Problems) {
        let (config, problems) = config_of(revision, records);
        if !problems.is_empty() {
            tracing::warn!(error = %problems, revision, "configuration that cannot be read is left out");
        }
        let secrets = config.networks.iter().flat_map(|n| n.spec.secrets());
        let keys = config.sources.iter().filter_map(|s| s.spec.postback_signing_key.as_ref());
        let masks =
            Masks::of(secrets.chain(keys.map(|key| key.0.as_str())).chain(tokens.iter().map(String::as_str)));
        let mut index = Self { masks: Arc::new(masks), ..Self::default() };
        let left_out: HashSet<&str> = problems.0.iter().map(|p| p.path.as_str()).collect();
        let left_out: Vec<&Record> = records.iter().filter(|r| left_out.contains(r.id.as_str())).collect();
        let unread_networks = || left_out.iter().filter(|r| r.kind == Kind::Network);
        // A slug that a network has goes before a former one of another.
        for record in unread_networks() {
            for alias in record.aliases() {
                index.by_slug.extend(record.id.parse().ok().map(|id| (alias.to_owned(), id)));
            }
        }
        for network in &config.networks {
            for alias in &network.spec.aliases {
                index.by_slug.insert(alias.to_string(), network.id.clone());
            }
        }
        for network in config.networks {
            index.by_slug.insert(network.spec.slug.to_string(), network.id.clone());
            index.networks.insert(network.id.clone(), network);
        }
        for record in unread_networks() {
            index.by_slug.extend(record.id.parse().ok().map(|id| (record.slug.clone(), id)));
        }
        index.unread = Unread::of(&left_out);
        for template in config.templates {
            index.templates.entry(template.spec.network.clone()).or_default().push(template);
        }
        for d in config.destinations {
            index.destinations.insert(d.id, Terms::from(&d.spec));
        }
        index.sources = config.sources.into_iter().map(|s| (s.id.clone(), s)).collect();
        (index, problems)
    }

    /// With the lists of addresses that its networks name, read.
    pub(crate) fn with(mut self, addresses: &Arc<AddressFiles>) -> Self {
        let active = self.networks.values().filter(|network| network.spec.status == Status::Active);
        addresses.follow(active.filter_map(|network| network.spec.allowed_ips_file.as_deref()));
        self.addresses = Arc::clone(addresses);
        self
    }

    /// A source.
    pub(crate) fn source(&self, id: &SourceId) -> SourceOf<'_> {
        match self.sources.get(id) {
            Some(source) => SourceOf::Known(source),
            None if self.unread.ids.contains(id.as_str()) => SourceOf::Unreadable,
            None => SourceOf::Gone,
        }
    }

    /// What the source of a click asks to be told of its conversions. One that is paused is asked too: what is not sent
    /// for that is kept and can be.
    pub(crate) fn asks(&self, click: &KnownClick) -> Option<Subscription> {
        let id = click.dims.source_id.as_ref()?;
        match self.source(id) {
            SourceOf::Known(source) => Subscription::of(source, &click.external_id, click.cost),
            // None is ever deleted: what is known here is behind.
            SourceOf::Unreadable | SourceOf::Gone => {
                Some(Subscription::unsure(id.clone(), &click.external_id, click.cost))
            }
        }
    }

    /// Whether the network of a path is there and cannot be read, or may be.
    pub(crate) fn unread_network(&self, reference: &str) -> Option<CannotRead> {
        let reference = reference.to_ascii_lowercase();
        let id = self.by_slug.get(&reference).cloned().or_else(|| reference.parse().ok());
        let unread = match id {
            Some(id) => self.unread.ids.contains(id.as_str()),
            None => self.unread.network_of_any_slug,
        };
        unread.then_some(CannotRead("network"))
    }

    /// Whether a network of that id is there and cannot be read.
    pub(crate) fn unread_network_by_id(&self, id: &NetworkId) -> Option<CannotRead> {
        self.unread.ids.contains(id.as_str()).then_some(CannotRead("network"))
    }

    /// Whether the template that a postback asks for, else the default one, is there and cannot be read.
    pub(crate) fn unread_template(&self, network: &NetworkId, reference: &str) -> Option<CannotRead> {
        let wanted = if reference.is_empty() { "default" } else { &reference.to_ascii_lowercase() };
        if self.template(network, wanted).is_some() {
            return None;
        }
        let mut unread = self.unread.templates.get(network.as_str())?.iter();
        // Another template than an active one does not serve those that ask for none.
        let serves = |t: &UnreadTemplate| !reference.is_empty() || t.status == Status::Active;
        unread.any(|t| serves(t) && t.names.iter().any(|n| n == wanted)).then_some(CannotRead("template"))
    }

    /// Whether a destination is there and cannot be read.
    pub(crate) fn unread_destination(&self, id: Option<&DestinationId>) -> Option<CannotRead> {
        self.unread.ids.contains(id?.as_str()).then_some(CannotRead("destination of its click"))
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

impl Unread {
    fn of(records: &[&Record]) -> Self {
        let mut unread = Self { ids: records.iter().map(|r| r.id.clone()).collect(), ..Self::default() };
        let no_aliases = |r: &&&Record| r.kind == Kind::Network && r.spec.get("slug").is_none();
        unread.network_of_any_slug = records.iter().any(|r| no_aliases(&r));
        for record in records.iter().filter(|r| r.kind == Kind::Template) {
            let names = [record.id.as_str(), record.slug.as_str()].into_iter().chain(record.aliases());
            let template =
                UnreadTemplate { names: names.map(str::to_owned).collect(), status: record.status };
            unread.templates.entry(record.parent.clone()).or_default().push(template);
        }
        unread
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

    /// None is ever deleted: the configuration here is behind, and what it asks for is not known.
    #[test]
    fn a_source_that_is_not_known_here_may_ask_for_anything() {
        let id = "src_0000000000000000001";
        let dims = tfx_domain::event::ClickDims { source_id: id.parse().ok(), ..Default::default() };
        let click = KnownClick {
            dims,
            external_id: "x".to_owned(),
            cost: None,
            due: tfx_domain::entity::Due::default(),
        };
        let asked = Index::default().asks(&click).expect("it may ask");
        assert_eq!((asked.on, asked.source.as_str(), asked.external_id.as_str()), (None, id, "x"));
        let spec = json!({ "slug": "s", "name": "S", "postback_first_only": true, "of_newer": 1 });
        let (index, _) = Index::new(1, &[record("source", id, "", &spec)], &[]);
        assert_eq!(index.asks(&click).expect("it may ask").on, None);
        let (index, _) =
            Index::new(1, &[record("source", id, "", &json!({ "slug": "s", "name": "S" }))], &[]);
        assert_eq!(index.asks(&click), None);
    }

    #[test]
    fn what_cannot_be_read_is_not_unknown() {
        let (read, torn) = ("net_0000000000000000001", "net_0000000000000000002");
        let (offer, other) = ("dst_0000000000000000001", "dst_0000000000000000002");
        let of_newer =
            |slug: &str| json!({ "slug": slug, "name": "N", "aliases": ["former"], "of_newer": 1 });
        let template = |id: &str, spec: Value| record("template", id, read, &spec);
        let mut records = vec![
            record("network", read, "", &json!({ "slug": "net", "name": "N", "aliases": ["torn", "was"] })),
            record("network", torn, "", &of_newer("torn")),
            template("tpl_0000000000000000001", json!({ "slug": "web", "name": "W", "network": read })),
            template("tpl_0000000000000000002", of_newer("app")),
            template("tpl_0000000000000000003", of_newer("default")),
            record("destination", offer, "", &of_newer("offer")),
        ];
        let (index, problems) = Index::new(1, &records, &[]);
        assert_eq!(problems.0.len(), 4);
        for (reference, unread) in [
            ("net", false),
            ("was", false),
            ("torn", true),
            ("TORN", true),
            (torn, true),
            ("former", true),
            ("no", false),
        ] {
            assert_eq!(index.unread_network(reference).is_some(), unread, "{reference}");
            let known = index.network(reference).is_some();
            assert_eq!(known, matches!(reference, "net" | "was"), "{reference}");
        }
        let network: NetworkId = read.parse().expect("id");
        for (reference, unread) in
            [("web", false), ("app", true), ("APP", true), ("former", true), ("", true), ("no", false)]
        {
            assert_eq!(index.unread_template(&network, reference).is_some(), unread, "{reference}");
        }
        for (id, unread) in [(offer, true), (other, false)] {
            assert_eq!(index.unread_destination(id.parse().ok().as_ref()).is_some(), unread, "{id}");
        }
        // One that is not active serves nobody, as if it could be read.
        records[4].status = Status::Paused;
        // Nobody can tell what it was called.
        records[1].spec = json!({ "unreadable": "EOF" });
        let (index, _) = Index::new(1, &records, &[]);
        assert!(
            index.unread_template(&network, "").is_none()
                && index.unread_template(&network, "default").is_some()
        );
        assert!(index.unread_network("no").is_some() && index.unread_network("was").is_none());
    }
}
