//! What a person is told to do about a postback: the commands that mend its configuration.

use super::{Conversion, Postback, words};
use crate::entity::{NetworkSpec, TemplateSpec};

/// The command that says what a word of a network means. The words that the template has for the same status stay.
pub fn map_word(network: &NetworkSpec, template: Option<&TemplateSpec>, word: &str) -> String {
    let status = words::nearest(word);
    let mut all: Vec<&str> = template
        .iter()
        .flat_map(|t| t.statuses.iter())
        .filter(|(s, _)| **s == status)
        .flat_map(|(_, words)| words.iter().map(String::as_str))
        .collect();
    all.push(word);
    let map = quoted(&format!("{status}={}", all.join(",")));
    match template {
        Some(t) => format!("tfx template update {} --network {} --map {map}", t.slug, network.slug),
        None => format!(
            "tfx template create --network {} --slug default --name Default --map {map}",
            network.slug
        ),
    }
}

/// The sentence about a word that nobody knows.
pub fn unmapped_word(network: &NetworkSpec, template: Option<&TemplateSpec>, word: &str) -> String {
    format!(
        "nobody knows the word {}; say what it means (lead, sale, rejected, rebill): {}",
        super::interpret::shown(word),
        map_word(network, template, word)
    )
}

/// The command for a network whose transaction ids are labels of a click's steps.
pub fn scope_click(network: &NetworkSpec) -> String {
    format!("tfx network update {} --transaction-scope click", network.slug)
}

/// The command for a network that may report clicks of others.
pub fn foreign_clicks(network: &NetworkSpec) -> String {
    format!("tfx network update {} --foreign-clicks", network.slug)
}

/// The sentence about a report of a click that was sent to another network.
pub fn foreign(network: &NetworkSpec, other: &str) -> String {
    let may = foreign_clicks(network);
    format!("the click was sent to network {other}, not to {}; if that is right: {may}", network.slug)
}

/// The sentence about a transaction id that is another click's.
pub fn known_id(network: &NetworkSpec, postback: &Postback, there: &Conversion) -> String {
    let id = super::interpret::shown(postback.transaction_id.as_deref().unwrap_or_default());
    format!(
        "the transaction id {id} is that of conversion {} of click {}, not of click {}; if the network's ids number the \
         steps of a click: {}",
        there.id,
        there.click_id,
        postback.click_id,
        scope_click(network)
    )
}

/// The sentence about a conversion that gives way to a sale.
pub fn displaced(there: &Conversion) -> String {
    let word = super::interpret::shown(there.raw_status.as_deref().unwrap_or_default());
    format!(
        "the click's one sale is this one; conversion {}, of the unknown word {word}, gives way to it",
        there.id
    )
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=,._-+/:@".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::parse;
    use serde_json::json;

    #[test]
    fn the_command_keeps_what_is_mapped_and_holds_any_word() {
        let network: NetworkSpec = parse(json!({"slug": "adnet", "name": "Ad network"})).expect("valid");
        let template: TemplateSpec = parse(json!({
            "network": "net_0000000000000000000", "slug": "web", "name": "Web",
            "statuses": {"sale": ["2", "paid up"], "rejected": ["3"]},
        }))
        .expect("valid");
        let table = [
            (None, "1", "tfx template create --network adnet --slug default --name Default --map sale=1"),
            (
                Some(&template),
                "aproved",
                "tfx template update web --network adnet --map 'sale=2,paid up,aproved'",
            ),
            (
                Some(&template),
                "rejceted",
                "tfx template update web --network adnet --map rejected=3,rejceted",
            ),
            (
                None,
                "it's; rm -rf /",
                "tfx template create --network adnet --slug default --name Default --map 'sale=it'\\''s; rm -rf /'",
            ),
        ];
        for (template, word, want) in table {
            assert_eq!(map_word(&network, template, word), want);
        }
    }
}
