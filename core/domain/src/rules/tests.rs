//! The rules as tables: what there is, what is changed, and the problems.

use super::*;
use crate::entity::{CampaignSpec, DestinationSpec, SourceSpec, Spec, StreamSpec};
use serde_json::{Value, json};

fn id(kind: Kind, name: &str) -> String {
    format!("{}_{name:0>19}", kind.prefix())
}

fn node<S: Spec>(name: &str, fields: &Value) -> Node {
    let mut spec = S::example();
    spec["slug"] = name.into();
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    let id = id(S::KIND, name).parse().ok().expect("an id");
    Node::of::<S>(&id, &S::deserialize(&spec).expect("a spec"))
}

fn campaign(name: &str, fields: &Value) -> Node {
    node::<CampaignSpec>(name, fields)
}

/// A stream named `campaign.name`.
fn stream(name: &str, fields: &Value) -> Node {
    let mut fields = fields.clone();
    let (of, _) = name.split_once('0').expect("campaign0stream");
    fields["campaign"] = id(Kind::Campaign, of).into();
    if fields.get("destinations").is_none() {
        let none = fields.get("action").is_some();
        fields["destinations"] =
            if none { json!([]) } else { json!([{ "destination": id(Kind::Destination, "d") }]) };
    }
    node::<StreamSpec>(name, &fields)
}

fn to(name: &str) -> Value {
    json!({ "action": { "type": "campaign", "campaign": id(Kind::Campaign, name) } })
}

fn relations(nodes: Vec<Node>) -> Relations {
    let mut relations = Relations::new(&["Links.Example.".to_owned()]);
    relations.put(node::<DestinationSpec>("d", &json!({})));
    for node in nodes {
        relations.put(node);
    }
    relations
}

fn paths(problems: &Problems) -> Vec<&str> {
    problems.0.iter().map(|p| p.path.as_str()).collect()
}

#[test]
fn a_split_serves_somebody() {
    let weight = |n: u32| json!({ "weight": n });
    let by_weight = json!({ "rotation": "weight" });
    let table: &[(Vec<Node>, Node, &[&str])] = &[
        (vec![campaign("a", &by_weight)], stream("a0x", &weight(0)), &["weight"]),
        (vec![campaign("a", &by_weight)], stream("a0x", &weight(1)), &[]),
        (vec![campaign("a", &json!({}))], stream("a0x", &weight(0)), &[]),
        (vec![campaign("a", &by_weight), stream("a0y", &weight(5))], stream("a0x", &weight(0)), &[]),
        (
            vec![campaign("a", &by_weight), stream("a0y", &weight(5)), stream("a0x", &weight(0))],
            stream("a0y", &json!({ "weight": 5, "status": "paused" })),
            &["weight"],
        ),
        (
            vec![campaign("a", &json!({})), stream("a0x", &weight(0))],
            campaign("a", &by_weight),
            &["rotation"],
        ),
        // What was so before is not the fault of another field.
        (
            vec![campaign("a", &by_weight), stream("a0x", &weight(0))],
            stream("a0x", &json!({ "weight": 0, "name": "Other" })),
            &[],
        ),
    ];
    for (there, change, want) in table {
        assert_eq!(paths(&relations(there.clone()).check(std::slice::from_ref(change))), *want, "{change:?}");
    }
}

#[test]
fn clicks_are_not_handed_round_in_a_circle() {
    let all = ["a", "b", "k"].map(|c| campaign(c, &json!({})));
    let mut relations = relations(all.to_vec());
    relations.put(stream("a0x", &to("b")));
    relations.put(stream("b0x", &to("k")));
    let problems = relations.check(&[stream("k0x", &to("a"))]);
    assert_eq!(paths(&problems), ["action.campaign"]);
    assert!(problems.to_string().contains("k → a → b → k"), "{problems}");
    assert!(relations.check(&[stream("k0x", &json!({}))]).is_empty());
    // Two that are fine by themselves are not together.
    let both = [stream("k0x", &to("b")), stream("b0y", &to("k"))];
    assert!(!relations.check(&both).is_empty());
    let archived = json!({ "status": "archived", "action": to("b")["action"] });
    relations.put(stream("a0x", &archived));
    assert!(relations.check(&[stream("k0x", &to("a"))]).is_empty(), "an archived stream hands nothing over");
}

#[test]
fn references_lead_to_something_that_takes_part() {
    let mut relations = relations(vec![campaign("a", &json!({}))]);
    let leads = |name: &str| json!({ "destinations": [{ "destination": id(Kind::Destination, name) }] });
    assert_eq!(paths(&relations.check(&[stream("a0x", &leads("e"))])), ["destinations[0].destination"]);
    assert_eq!(paths(&relations.check(&[stream("b0x", &leads("d"))])), ["campaign"]);
    relations.put(stream("a0x", &leads("d")));
    assert_eq!(relations.users_of(&id(Kind::Destination, "d")), ["stream a/a0x"]);
    relations.put(node::<DestinationSpec>("d", &json!({ "status": "archived" })));
    assert_eq!(paths(&relations.check(&[stream("a0y", &leads("d"))])), ["destinations[0].destination"]);
    assert!(relations.check(&[stream("a0x", &leads("d"))]).is_empty(), "it led there before");
}

#[test]
fn patterns_are_bounded_per_campaign_and_in_all() {
    let regexes = |n: usize| {
        let is: Vec<String> = (0..n).map(|i| format!("regex:^a{i}$")).collect();
        json!({ "filters": [{ "field": "keyword", "is": is }] })
    };
    let mut all =
        relations(vec![campaign("a", &json!({})), stream("a0x", &regexes(MAX_PATTERNS_OF_CAMPAIGN))]);
    assert_eq!(paths(&all.check(&[stream("a0y", &regexes(1))])), ["filters"]);
    assert!(
        all.check(&[stream("a0x", &regexes(MAX_PATTERNS_OF_CAMPAIGN))]).is_empty(),
        "no more than before"
    );
    for campaign_name in ["b", "k", "d", "e"] {
        all.put(campaign(campaign_name, &json!({})));
        all.put(stream(&format!("{campaign_name}0x"), &regexes(MAX_PATTERNS_OF_CAMPAIGN)));
    }
    all.put(campaign("f", &json!({})));
    assert_eq!(paths(&all.check(&[stream("f0x", &regexes(1))])), ["filters"]);
    assert!(all.check(&[stream("f0x", &json!({}))]).is_empty());
}

#[test]
fn sources_are_not_told_at_our_own_hosts() {
    let source = |urls: Value| node::<SourceSpec>("s", &urls);
    let mut relations = relations(Vec::new());
    let own = "https://links.example:8080/pb?t={tid}";
    assert_eq!(paths(&relations.check(&[source(json!({ "postback_url": own }))])), ["postback_url"]);
    let of_lead = json!({ "postback_url": "https://s.example/", "postback_on": ["lead"], "postback_urls": { "lead": own } });
    assert_eq!(paths(&relations.check(&[source(of_lead)])), ["postback_urls.lead"]);
    assert!(relations.check(&[source(json!({ "postback_url": "https://s.example/" }))]).is_empty());
    // What was saved before our hosts were called so stays.
    relations.put(source(json!({ "postback_url": own })));
    assert!(relations.check(&[source(json!({ "postback_url": own, "name": "other" }))]).is_empty());
}

#[test]
fn trafficback_does_not_lead_to_ourselves_and_a_check_leaves_no_trace() {
    let mut relations = relations(Vec::new());
    for host in ["links.example", "LINKS.example.", "links.example:8080"] {
        let back = campaign("a", &json!({ "trafficback_url": format!("https://{host}/c/x") }));
        assert_eq!(paths(&relations.check(&[back])), ["trafficback_url"], "{host}");
    }
    assert_eq!(
        paths(&relations.check(&[stream("a0x", &json!({}))])),
        ["campaign"],
        "the campaign was only checked"
    );
    assert!(relations.users_of(&id(Kind::Destination, "d")).is_empty());
}
