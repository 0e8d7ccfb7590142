//! Every index, by collection. `deploy/mongo/init/001_indexes.js` holds the same list for mongosh; a test holds the
//! two equal.

use serde::Serialize;

/// The indexes of one collection: one step of the migrations.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct CollectionIndexes {
    /// Orders the steps; never changes.
    pub(crate) id: &'static str,
    /// The collection.
    pub(crate) collection: &'static str,
    /// What they are for, for people.
    pub(crate) what: &'static str,
    /// Its indexes beside the one on `_id`.
    pub(crate) indexes: &'static [Index],
}

/// One index.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Index {
    /// Its name, unique in the collection.
    pub(crate) name: &'static str,
    /// Fields and directions, in order.
    pub(crate) keys: &'static [(&'static str, i32)],
    /// Whether two documents may not have the same keys.
    pub(crate) unique: bool,
    /// Holds only documents that have this field.
    pub(crate) only_with: Option<&'static str>,
}

const fn index(name: &'static str, keys: &'static [(&'static str, i32)]) -> Index {
    Index { name, keys, unique: false, only_with: None }
}

const fn unique(name: &'static str, keys: &'static [(&'static str, i32)]) -> Index {
    Index { unique: true, ..index(name, keys) }
}

/// A public name is taken once, also by what is archived.
const SLUG: Index = unique("slug", &[("parent", 1), ("slug", 1)]);
/// A former one too.
const ALIASES: Index =
    Index { only_with: Some("aliases"), ..unique("aliases", &[("parent", 1), ("aliases", 1)]) };
/// Lists, oldest first.
const IN_ORDER: Index = index("in_order", &[("seq", 1)]);

pub(crate) const ALL: &[CollectionIndexes] = &[
    CollectionIndexes {
        id: "001_sources",
        collection: "sources",
        what: "traffic sources by slug",
        indexes: &[SLUG, IN_ORDER],
    },
    CollectionIndexes {
        id: "002_networks",
        collection: "networks",
        what: "affiliate networks by slug",
        indexes: &[SLUG, IN_ORDER],
    },
    CollectionIndexes {
        id: "003_templates",
        collection: "templates",
        what: "postback templates by network and slug",
        indexes: &[SLUG, IN_ORDER, index("of_network", &[("parent", 1), ("seq", 1)])],
    },
    CollectionIndexes {
        id: "004_destinations",
        collection: "destinations",
        what: "destinations by slug",
        indexes: &[SLUG, IN_ORDER],
    },
    CollectionIndexes {
        id: "005_campaigns",
        collection: "campaigns",
        what: "campaigns by slug",
        indexes: &[SLUG, IN_ORDER],
    },
    CollectionIndexes {
        id: "006_streams",
        collection: "streams",
        what: "streams by campaign and slug",
        indexes: &[SLUG, IN_ORDER, index("of_campaign", &[("parent", 1), ("seq", 1)])],
    },
    CollectionIndexes {
        id: "007_audit",
        collection: "audit",
        what: "the audit log of one entity",
        indexes: &[index("of_entity", &[("entity", 1), ("_id", -1)])],
    },
    CollectionIndexes {
        id: "008_conversions",
        collection: "conversions",
        what: "conversions: once per network and transaction, one sale per click, by time, by click, to publish",
        indexes: &[
            unique("once", &[("network", 1), ("key", 1)]),
            Index {
                only_with: Some("sale_claim"),
                ..unique("one_sale", &[("network", 1), ("sale_claim", 1)])
            },
            index("in_order", &[("created", -1), ("_id", -1)]),
            index("of_click", &[("click", 1)]),
            Index { only_with: Some("unpublished"), ..index("unpublished", &[("unpublished", 1)]) },
        ],
    },
    CollectionIndexes {
        id: "009_parked",
        collection: "parked",
        what: "parked postbacks: once each, by the time of the next try",
        indexes: &[
            unique("once", &[("network", 1), ("click", 1), ("digest", 1)]),
            index("due", &[("next_try", 1)]),
        ],
    },
    CollectionIndexes {
        id: "010_postback_logs",
        collection: "postback_logs",
        what: "postback log look-up by network and time, and by click",
        indexes: &[
            index("of_network", &[("network_id", 1), ("created_at", -1)]),
            index("of_click", &[("click_id", 1)]),
        ],
    },
    CollectionIndexes {
        id: "011_destination_health",
        collection: "destination_health",
        what: "the health state of a destination",
        indexes: &[unique("of_destination", &[("destination_id", 1)])],
    },
    CollectionIndexes {
        id: "012_destination_health_history",
        collection: "destination_health_history",
        what: "changes of a destination's health, newest first",
        indexes: &[index("of_destination", &[("destination_id", 1), ("at", -1)])],
    },
    CollectionIndexes {
        id: "013_networks",
        collection: "networks",
        what: "affiliate networks by former slug",
        indexes: &[ALIASES],
    },
    CollectionIndexes {
        id: "014_templates",
        collection: "templates",
        what: "postback templates by network and former slug",
        indexes: &[ALIASES],
    },
    CollectionIndexes {
        id: "015_campaigns",
        collection: "campaigns",
        what: "campaigns by former slug",
        indexes: &[ALIASES],
    },
    CollectionIndexes {
        id: "016_jobs",
        collection: "jobs",
        what: "what is to be done later, in order, and what was given up",
        indexes: &[
            index("in_lane", &[("lane", 1), ("died", 1), ("came", 1), ("_id", 1)]),
            index("of_kind", &[("kind", 1), ("died", 1), ("_id", 1)]),
            index("by_age", &[("kind", 1), ("died", 1), ("came", 1)]),
        ],
    },
    CollectionIndexes {
        id: "017_job_lanes",
        collection: "job_lanes",
        what: "whose turn it is, by the time of the next try",
        indexes: &[index("due", &[("kind", 1), ("due", 1)])],
    },
    CollectionIndexes {
        id: "018_destination_health",
        collection: "destination_health",
        what: "destinations that are down",
        indexes: &[Index { only_with: Some("down"), ..index("down", &[("down", 1)]) }],
    },
    CollectionIndexes {
        id: "019_destination_health_history",
        collection: "destination_health_history",
        what: "changes of destinations' health in order, and those that wait to be published",
        indexes: &[
            index("in_order", &[("at", -1), ("_id", -1)]),
            Index { only_with: Some("unpublished"), ..index("unpublished", &[("unpublished", 1)]) },
        ],
    },
    CollectionIndexes {
        id: "021_accounts",
        collection: "accounts",
        what: "users, API tokens, login codes and sessions: once by name, in order, by when they are over",
        indexes: &[
            unique("by_name", &[("kind", 1), ("name", 1)]),
            index("in_order", &[("kind", 1), ("id", 1)]),
            Index { only_with: Some("until"), ..index("until", &[("until", 1)]) },
        ],
    },
    CollectionIndexes {
        id: "022_audit",
        collection: "audit",
        what: "the audit log by revision of the configuration",
        indexes: &[Index { only_with: Some("revision"), ..index("by_revision", &[("revision", 1)]) }],
    },
    CollectionIndexes {
        id: "023_alerts",
        collection: "alerts",
        what: "alert rules by slug",
        indexes: &[SLUG, IN_ORDER],
    },
    CollectionIndexes {
        id: "024_alert_states",
        collection: "alert_states",
        what: "how one alert stands",
        indexes: &[index("of_alert", &[("alert", 1), ("_id", 1)])],
    },
    CollectionIndexes {
        id: "025_alert_log",
        collection: "alert_log",
        what: "what happened to alerts, newest first",
        indexes: &[
            index("in_order", &[("at", -1), ("_id", -1)]),
            index("of_alert", &[("alert", 1), ("at", -1), ("_id", -1)]),
        ],
    },
    CollectionIndexes {
        id: "026_rates",
        collection: "rates",
        what: "rates of currencies by either of the two",
        indexes: &[index("from", &[("from", 1), ("day", 1)]), index("to", &[("to", 1), ("day", 1)])],
    },
    CollectionIndexes {
        id: "027_kept_versions",
        collection: "kept_versions",
        what: "the versions of one entity",
        indexes: &[index("of_entity", &[("entity", 1), ("_id", 1)])],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    const SCRIPT: &str = include_str!("../../../deploy/mongo/init/001_indexes.js");

    /// The list in the script is JSON between `const INDEXES = ` and `;`. Its keys are pairs, since the order of
    /// an object's members counts here.
    fn list_of_the_script() -> Value {
        let list = SCRIPT.split_once("const INDEXES = ").expect("its beginning").1;
        let list = list.split_once(";\n").expect("its end").0;
        serde_json::from_str(list).expect("JSON")
    }

    fn as_in_the_script(all: &CollectionIndexes) -> Value {
        let indexes = all.indexes.iter().map(|i| {
            let mut members = Map::new();
            members.insert("name".to_owned(), json!(i.name));
            members.insert("keys".to_owned(), json!(i.keys));
            if i.unique {
                members.insert("unique".to_owned(), json!(true));
            }
            if let Some(field) = i.only_with {
                members.insert("onlyWith".to_owned(), json!(field));
            }
            Value::Object(members)
        });
        json!({"collection": all.collection, "indexes": indexes.collect::<Vec<_>>()})
    }

    #[test]
    fn the_script_of_the_deploy_folder_has_the_same_list() {
        let here: Vec<Value> = ALL.iter().map(as_in_the_script).collect();
        assert_eq!(list_of_the_script(), Value::Array(here));
    }

    #[test]
    fn steps_are_in_order_and_names_are_unique() {
        assert!(ALL.windows(2).all(|w| w[0].id < w[1].id && w[0].collection != w[1].collection));
        for all in ALL {
            assert_eq!(&all.id[4..], all.collection);
            let mut names: Vec<&str> = all.indexes.iter().map(|i| i.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all.indexes.len(), "{}", all.collection);
        }
    }
}
