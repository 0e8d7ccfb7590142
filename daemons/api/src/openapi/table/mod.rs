//! The table of operations: each route of `access::routes` with what it takes and answers.

mod accounts;
mod configuration;
mod events;
mod house;
mod postbacks;

use super::operation::Operation;
use serde_json::{Value, json};

/// All operations, in the order in which they are told.
pub(super) fn all() -> Vec<Operation> {
    let mut all = configuration::operations();
    all.extend(events::operations());
    all.extend(postbacks::operations());
    all.extend(house::operations());
    all.extend(accounts::operations());
    all
}

/// What the tags are about.
pub(super) const TAGS: [(&str, &str); 5] = [
    (
        "configuration",
        "Campaigns, streams, destinations, sources, networks, templates, alerts, rates: what is configured",
    ),
    ("events", "Reports, clicks, conversions: what happened"),
    ("postbacks", "What networks report, and what sources are told"),
    ("house", "How the services are, and what keeps them going"),
    ("accounts", "Logins, users, tokens"),
];

/// A text that may not be empty.
fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// `true` or `false`.
fn flag() -> Value {
    json!({ "type": "boolean" })
}
