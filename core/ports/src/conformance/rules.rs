//! Two processes that check by the rules of the domain and save at the revision they checked: whatever the race, nothing
//! is saved that is refused when saved alone.

use super::config::{Stores, audit, create, record};
use crate::{
    config::{Change, ConfigStore, Record, config_of},
    error::StoreError,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tfx_domain::{
    entity::{CampaignSpec, Kind, Spec, StreamSpec, serves_nobody},
    routing::find_cycle,
    rules::{Node, Relations},
};

/// How often two meet.
const RACES: usize = 60;

fn campaign(n: usize, rotation: &str) -> Record {
    let slug = format!("c{n}");
    let spec = json!({"slug": slug, "name": "C", "rotation": rotation});
    Record { spec, ..record(Kind::Campaign, n, "", &slug) }
}

fn stream(n: usize, campaign: &Record, fields: &Value) -> Record {
    let slug = format!("s{n}");
    let mut spec = json!({"campaign": campaign.id, "slug": slug, "name": "S"});
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    Record { spec, ..record(Kind::Stream, n, &campaign.id, &slug) }
}

fn node(record: &Record) -> Option<Node> {
    match record.kind {
        Kind::Campaign => record.typed::<CampaignSpec>().map(|e| Node::of(&e.id, &e.spec)).ok(),
        Kind::Stream => record.typed::<StreamSpec>().map(|e| Node::of(&e.id, &e.spec)).ok(),
        _ => None,
    }
}

/// Checks and saves as api-service does; false if it is refused.
async fn save(store: &Arc<dyn ConfigStore>, change: Change) -> bool {
    loop {
        let (revision, records) = store.load().await.expect("load");
        let mut relations = Relations::new(&[]);
        records.iter().filter_map(node).for_each(|n| drop(relations.put(n)));
        if !relations.check(&[node(&change.record).expect("a spec")]).is_empty() {
            return false;
        }
        match store.apply(vec![change.clone()], Some(revision)).await {
            Ok(_) => return true,
            Err(StoreError::Moved { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Both at once, each through a handle of its own; how many were saved.
async fn race(s: &Stores, left: Change, right: Change) -> usize {
    let (one, two) = (Arc::clone(&s.one), Arc::clone(&s.two));
    let left = tokio::spawn(async move { save(&one, left).await });
    let right = tokio::spawn(async move { save(&two, right).await });
    usize::from(left.await.expect("left")) + usize::from(right.await.expect("right"))
}

async fn streams(s: &Stores) -> Vec<StreamSpec> {
    let (revision, records) = s.one.load().await.expect("load");
    let (config, problems) = config_of(revision, &records);
    assert!(problems.is_empty(), "{problems}");
    config.streams.into_iter().map(|s| s.spec).collect()
}

/// Two that hand over to each other.
pub async fn no_race_saves_a_circle(s: Stores) {
    for n in 0..RACES {
        let pair = [campaign(2 * n, "position"), campaign(2 * n + 1, "position")];
        for c in &pair {
            create(&s.one, c).await;
        }
        let hands_over = |from: &Record, to: &Record, n: usize| {
            let new = stream(n, from, &json!({"action": {"type": "campaign", "campaign": to.id}}));
            Change::create(new.clone(), audit(&new, "create"))
        };
        let left = hands_over(&pair[0], &pair[1], 2 * n);
        let right = hands_over(&pair[1], &pair[0], 2 * n + 1);
        assert_eq!(race(&s, left, right).await, 1, "one of them, race {n}");
    }
    assert_eq!(find_cycle(&streams(&s).await), None);
}

/// Two streams of one split, each of which is paused while the other still serves.
pub async fn no_race_saves_a_split_without_weight(s: Stores) {
    for n in 0..RACES {
        let split = campaign(n, "weight");
        create(&s.one, &split).await;
        let action = json!({"type": "text", "body": "x"});
        let zero = stream(3 * n, &split, &json!({"weight": 0, "action": action}));
        let pair = [1, 2].map(|i| stream(3 * n + i, &split, &json!({"weight": 5, "action": action})));
        for stream in pair.iter().chain([&zero]) {
            create(&s.one, stream).await;
        }
        let without = |before: &Record| {
            let mut after = Record { version: 2, ..before.clone() };
            after.spec["weight"] = 0.into();
            Change::update(after.clone(), audit(&after, "update"))
        };
        assert_eq!(race(&s, without(&pair[0]), without(&pair[1])).await, 1, "one of them, race {n}");
        let weights: Vec<u32> = streams(&s)
            .await
            .iter()
            .filter(|spec| spec.parent() == Some(split.id.as_str()))
            .map(|spec| spec.weight)
            .collect();
        assert!(weights.len() == 3 && !serves_nobody(weights), "race {n}");
    }
}
