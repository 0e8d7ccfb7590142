//! Currencies that entities have from before they were checked.

use crate::{app::App, entities::kinds::ops, failure::Failure, labels};
use tfx_api::postbacks::{Finding, FindingKind};
use tfx_domain::{
    entity::{Kind, Status},
    money::Currency,
    postback::advice,
};
use tfx_ports::config::Record;

/// What is not archived and has a currency that ISO 4217 does not list; of one network: itself, its templates and the
/// destinations that it pays for.
pub(super) async fn unlisted(app: &App, network: Option<&Record>) -> Result<Vec<Finding>, Failure> {
    let config = app.stores.config.as_ref();
    let (_, records) = config.load().await?;
    let mut found = Vec::new();
    for record in records.iter().filter(|r| r.status != Status::Archived) {
        let said = record.kind.currency_in(&record.spec).and_then(|text| Currency::stored(text).ok());
        let Some(currency) = said.filter(|c| c.known().is_err()) else { continue };
        if network.is_some_and(|n| !is_of(record, n)) {
            continue;
        }
        let labels = labels::of(config, [record.id.clone()]).await?;
        let reference = labels.get(&record.id).cloned().unwrap_or_else(|| record.slug.clone());
        let because = format!(
            "'{currency}' is no currency of ISO 4217, so reports leave its amounts out; it is of before that was checked"
        );
        found.push(Finding {
            network: if record.kind == Kind::Network { reference.clone() } else { String::new() },
            source: if record.kind == Kind::Source { reference.clone() } else { String::new() },
            entity: format!("{} {reference}", record.kind),
            what: currency.to_string(),
            because,
            command: advice::another_currency(record.kind, &reference),
            postbacks: 0,
            ..Finding::new(FindingKind::UnlistedCurrency, record.updated_at)
        });
    }
    Ok(found)
}

/// Whether it is the network, or hangs on it.
pub(super) fn is_of(record: &Record, network: &Record) -> bool {
    let refers = || {
        let named = ops(record.kind).refs.iter().filter(|(_, kind)| *kind == Kind::Network);
        named
            .into_iter()
            .any(|(path, _)| record.spec.get(path).and_then(|id| id.as_str()) == Some(&network.id))
    };
    record.id == network.id || record.parent == network.id || refers()
}
