//! Why a postback became what it became, where its result alone does not say it, and what a person does about it.

use crate::config::Index;
use tfx_domain::{
    entity::{Network, NetworkSpec, TemplateSpec},
    event::PostbackResult,
    id::NetworkId,
    postback::{Postback, advice, unknown_word},
};
use tfx_ports::conversions::Recorded;

/// A report about a click that was sent to another network.
pub(crate) fn foreign(
    index: &Index,
    network: &Network,
    template: Option<&TemplateSpec>,
    postback: &Postback,
    other: &NetworkId,
) -> String {
    let other = index.network_by_id(other).map_or_else(|| other.to_string(), |n| n.spec.slug.to_string());
    with_word(advice::foreign(&network.spec, &other), &network.spec, template, postback, false)
}

/// What the store made of a report.
pub(crate) fn recorded(
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    postback: &Postback,
    recorded: &Recorded,
) -> String {
    let there = &recorded.conversion;
    let why = match recorded.result {
        PostbackResult::Conflict => advice::known_id(network, postback, there),
        PostbackResult::Duplicate if there.transaction_id != postback.transaction_id => {
            format!("the click has its one sale, {}; its destination allows no upsell", there.id)
        }
        PostbackResult::Duplicate if there.status != postback.status => {
            let status = &there.status;
            format!(
                "another conversion has the click's one sale, so this one stays {status}; its destination allows no upsell"
            )
        }
        PostbackResult::Stale if there.status == postback.status => {
            let (since, status) = (there.updated_at, &there.status);
            format!(
                "reported before {since}, since when the conversion is {status} and brings {}",
                there.revenue
            )
        }
        PostbackResult::Stale => format!("a step backwards: the conversion is {} already", there.status),
        _ => recorded.displaced.as_ref().map(advice::displaced).unwrap_or_default(),
    };
    let after_sale = recorded.result == PostbackResult::Stale;
    with_word(why, network, template, postback, after_sale)
}

/// A postback that is refused.
pub(crate) fn refused(
    network: &NetworkSpec,
    read_by: Option<&TemplateSpec>,
    named: Option<&TemplateSpec>,
    params: &[(String, String)],
    reason: String,
) -> String {
    match unknown_word(read_by, params) {
        Some(said) if said.taken_back => {
            format!("{reason}; {}", advice::unmapped_word(network, named, &said))
        }
        _ => reason,
    }
}

/// And what to do about a word that nobody knows.
fn with_word(
    mut why: String,
    network: &NetworkSpec,
    template: Option<&TemplateSpec>,
    postback: &Postback,
    after_sale: bool,
) -> String {
    if let (true, Some(word)) = (postback.unmapped, &postback.raw_status) {
        if !why.is_empty() {
            why += "; ";
        }
        let said = advice::UnknownWord { word: word.clone(), taken_back: false, after_sale };
        why += &advice::unmapped_word(network, template, &said);
    }
    why
}
