//! Every preset reads, says where it is from, and does what it says by the code that the services run.

use super::*;
use std::{collections::BTreeSet, path::Path};
use tfx_domain::{
    Timestamp,
    entity::{self, NetworkSpec, SourceSpec, TemplateSpec},
    event::ClickDims,
    id::{ClickId, ConversionId, NetworkId, SourceId},
    money::Money,
    postback::{Conversion, ConversionStatus, Interpreted, interpret},
    query,
    source_postback::{self, SourcePostback, Subscription},
};

fn with(mut fields: Spec, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

fn template(preset: &Preset) -> TemplateSpec {
    let of = preset.network.as_ref().expect("a network");
    let more =
        serde_json::json!({ "network": "net_0000000000000000000", "slug": "default", "name": preset.title });
    let more = match of.signature.is_empty() {
        true => more,
        false => with(
            more.as_object().cloned().unwrap_or_default(),
            serde_json::json!({ "signature": of.signature }),
        ),
    };
    entity::parse(with(of.template.clone(), more)).unwrap_or_else(|e| panic!("{}: {e}", preset.name))
}

fn network(preset: &Preset) -> NetworkSpec {
    let of = preset.network.as_ref().expect("a network");
    let more = serde_json::json!({ "slug": preset.name, "name": preset.title });
    entity::parse(with(of.fields.clone(), more)).unwrap_or_else(|e| panic!("{}: {e}", preset.name))
}

fn source(preset: &Preset, account: &BTreeMap<&str, &str>) -> SourceSpec {
    let (fields, _) = preset.traffic.as_ref().expect("a source").fields(account);
    let more = serde_json::json!({ "slug": preset.name, "name": preset.title });
    entity::parse(with(fields, more)).unwrap_or_else(|e| panic!("{}: {e}", preset.name))
}

#[test]
fn every_file_is_in_the_program_and_says_where_it_is_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
    for (kind, sub, list) in
        [(PresetKind::Network, "networks", files::NETWORKS), (PresetKind::Source, "sources", files::SOURCES)]
    {
        let mut found = 0;
        for entry in std::fs::read_dir(folder.join(sub)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a file");
            let preset: Preset = serde_norway::from_str(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let shown = path.display();
            assert!(list.contains(&text.as_str()), "{shown} is not in the list of cli/src/presets/files.rs");
            assert_eq!(path.file_stem().and_then(|n| n.to_str()), Some(preset.name.as_str()), "{shown}");
            assert_eq!(preset.kind(), kind, "{shown}");
            assert_eq!(preset.network.is_some(), kind == PresetKind::Network, "{shown}: one of the two");
            assert!(preset.source.starts_with("http"), "{shown}: its source is a page");
            assert!(
                text.contains(&format!("# Source: {}", preset.source)),
                "{shown}: and stands in a comment"
            );
            assert!(preset.looked_up.parse::<jiff::civil::Date>().is_ok(), "{shown}: {}", preset.looked_up);
            found += 1;
        }
        assert_eq!(found, list.len(), "{sub}");
    }
    let names: BTreeSet<&str> = all(None).map(|preset| preset.name.as_str()).collect();
    assert_eq!(
        names.len(),
        files::NETWORKS.len() + files::SOURCES.len(),
        "names are unique, and all files are read"
    );
}

#[test]
fn every_network_means_by_its_example_what_it_says() {
    for preset in all(Some(PresetKind::Network)) {
        let (name, of) = (&preset.name, preset.network.as_ref().expect("a network"));
        let (network, template) = (network(preset), template(preset));
        let given: Vec<(String, String)> = query::pairs(of.example.postback.as_bytes())
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect();
        let read = match interpret(&network, Some(&template), &given, &[]) {
            Ok(Interpreted::Report(read)) => read,
            other => panic!("{name}: {other:?}"),
        };
        let currency = (read.currency != network.currency || of.example.means.currency.is_some())
            .then(|| read.currency.to_string());
        let means = Means {
            status: read.status.to_string(),
            payout: read.payout.map(|payout| payout.to_string()),
            currency,
            transaction_id: read.transaction_id.clone(),
        };
        assert_eq!(means, of.example.means, "{name}");
        assert!(!read.unmapped, "{name}: a word that nobody knows");
        // The URL asks for what the example has, by the same names, and a macro that was not filled in says nothing.
        let url: Vec<(String, String)> = of
            .query()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        assert_eq!(names(&url), names(&given), "{name}: {}", of.query());
        let left = interpret(&network, Some(&template), &url, &[]).expect_err(name);
        assert!(left.message.contains("sent its macro"), "{name}: {left}");
    }
}

fn conversion() -> Conversion {
    let at = Timestamp::from_second(1_780_000_000).expect("a time");
    Conversion {
        id: ConversionId::generate(at, 1),
        version: 1,
        network: NetworkId::generate(at, 1),
        key: "tx:T-1".to_owned(),
        sale_claim: None,
        displaced: false,
        transaction_id: Some("T-1".to_owned()),
        click_id: ClickId::generate(at, 1),
        status: ConversionStatus::Sale,
        since_version: 1,
        raw_status: None,
        revenue: Money {
            amount: "12.5".parse().expect("an amount"),
            currency: "USD".parse().expect("a code"),
        },
        cost: None,
        cost_terms: tfx_domain::entity::Due::default(),
        signatures: tfx_domain::postback::Signatures::default(),
        created_at: at,
        updated_at: at,
        click: ClickDims::default(),
    }
}

#[test]
fn every_source_is_told_what_its_example_says() {
    for preset in all(Some(PresetKind::Source)) {
        let (name, of) = (&preset.name, preset.traffic.as_ref().expect("a source"));
        let account: BTreeMap<&str, &str> = of.account.keys().map(|key| (key.as_str(), "1")).collect();
        let spec = source(preset, &account);
        let url = of.fields.get("postback_url").and_then(Value::as_str).unwrap_or_default();
        for key in of.account.keys() {
            assert!(url.contains(&format!("<{key}>")), "{name}: {key} is asked for and not used");
        }
        assert_eq!(
            spec.postback_url.is_some(),
            of.example.is_some(),
            "{name}: an example of what it is told"
        );
        assert!(!of.query().is_empty() || spec.params.external_id.is_some(), "{name}: links carry nothing");
        let Some(want) = &of.example else {
            assert!(!preset.notes.is_empty(), "{name}: says why it is told nothing");
            continue;
        };
        let conversion = conversion();
        let asked = Subscription::unsure(SourceId::generate(conversion.created_at, 1), "abc123", None);
        let tell = SourcePostback::new(&asked, &conversion, conversion.created_at);
        let form =
            source_postback::form(&spec, &conversion.status, true).unwrap_or_else(|e| panic!("{name}: {e}"));
        let message = form.fill(&tell.facts(), &conversion, &mut rand::rng());
        assert_eq!((&message.url, &message.empty), (want, &Vec::new()), "{name}");
        // Without what an account knows it is told nothing, rather than something made up.
        if !of.account.is_empty() {
            let (fields, missing) = of.fields(&BTreeMap::new());
            assert_eq!(missing.len(), of.account.len(), "{name}");
            assert!(fields.keys().all(|field| !field.starts_with("postback_")), "{name}");
        }
    }
}

#[test]
fn what_is_not_there_is_told_with_what_may_have_been_meant() {
    let told = |name| find(None, name).expect_err("no such preset").message;
    assert!(told("evreflow").ends_with("did you mean everflow?"), "{}", told("evreflow"));
    assert!(told("hasoffers").ends_with("did you mean tune?"), "{}", told("hasoffers"));
    assert_eq!(told("xyzzyx"), "there is no preset 'xyzzyx'");
    assert!(find(Some(PresetKind::Source), "everflow").is_err());
    assert_eq!(find(None, " Everflow ").map(|preset| preset.name.as_str()).ok(), Some("everflow"));
}
