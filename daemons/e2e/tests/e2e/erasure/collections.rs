//! A person is erased from MongoDB: of every collection that there is it is said here whether it may hold one.

use super::{ADDRESS, AGENT, NO_CLICK, VISITOR, World, rows, visitor};
use reqwest::StatusCode;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tfx_api::alerts::AlertLogQuery;
use tfx_domain::entity::Kind;
use tfx_e2e::{Namespace, Services, Up};
use tokio::time::sleep;

/// What the link says of him.
const SUB: &str = "canary-sub-77";
const CANARIES: [&str; 4] = [VISITOR, ADDRESS, AGENT, SUB];

/// Collections in which people are, and what of him is there before he is erased.
const PEOPLE: [(&str, &[&str]); 4] = [
    // How rules stand by what he alone said, and what happened to them.
    ("alert_log", &[SUB]),
    ("alert_states", &[SUB]),
    // Facts of the click.
    ("conversions", &[SUB]),
    // Parked postbacks, as they came; what sources are still to be told.
    ("jobs", &CANARIES),
];

/// Collections in which no visitor is: the configuration as it is and was, who works on it and changed it; how destinations
/// stand; names of conversions and jobs; whom erasures were of, as hashes and ids of clicks; sums of
/// ids of what was accepted; rates of currencies; what earlier versions left empty.
const NOBODY: [&str; 25] = [
    "accounts",
    "alerts",
    "audit",
    "campaigns",
    "destination_health",
    "destination_health_history",
    "destinations",
    "erased",
    "job_lanes",
    "kept_revisions",
    "kept_versions",
    "keys",
    "leases",
    "ledger_instances",
    "ledger_pages",
    "migrations",
    "networks",
    "parked",
    "postback_logs",
    "rates",
    "revision",
    "sources",
    "streams",
    "templates",
    "told",
];

/// Every collection with its documents, out of an archive of `tfx backup mongo`: documents one after the other, `-1` in the
/// place of a length behind the list of collections and behind the documents of each.
fn collections(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut rest = &archive[4..];
    let mut next = || {
        let length = rest.first_chunk().map(|four| i32::from_le_bytes(*four))?;
        let (document, behind) = rest.split_at(usize::try_from(length).unwrap_or(4));
        rest = behind;
        Some(document).filter(|_| length > 0)
    };
    next().expect("a header");
    let mut all = BTreeMap::new();
    while let Some(listed) = next() {
        all.insert(name(listed), Vec::new());
    }
    while let Some(of) = next() {
        let documents: &mut Vec<u8> = all.get_mut(&name(of)).expect("it is listed");
        while let Some(document) = next() {
            documents.extend(document);
        }
    }
    all
}

/// Its text `collection`.
fn name(document: &[u8]) -> String {
    let field = b"\x02collection\0";
    let at = document.windows(field.len()).position(|w| w == field).expect("a name") + field.len() + 4;
    let name = document[at..].split(|byte| *byte == 0).next().expect("its end");
    String::from_utf8(name.to_vec()).expect("text")
}

/// What MongoDB holds now.
fn held(settings: &[(&str, &str)], into: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = into.display().to_string();
    tokio::task::block_in_place(|| Services::embedded(settings).said(&["backup", "mongo", &file]));
    collections(&fs::read(into).expect("the archive"))
}

fn stands_in(documents: &[u8], canary: &str) -> bool {
    documents.windows(canary.len()).any(|w| w == canary.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_erased_from_every_collection() {
    let namespace = Namespace::with_mongo();
    let dir = tempfile::tempdir().expect("dir");
    let mut settings = namespace.settings();
    settings.extend([
        ("TRUSTED_PROXY_CIDRS", "127.0.0.0/8"),
        ("OUTBOUND_ALLOW_PRIVATE", "true"),
        ("ALERT_INTERVAL_MS", "100"),
    ]);
    tokio::task::block_in_place(|| Services::embedded(&settings).said(&["migrate", "up"]));
    let up = Up::start(dir.path(), &settings);
    let (world, api) = (World::of(&up), up.api());
    // Nobody listens on port 1: what the source is to be told waits.
    let push = json!({ "slug": "push", "name": "Push", "postback_url": "http://127.0.0.1:1/?c={click_id}" });
    api.create(Kind::Source, &push).await.expect("a source");
    let campaign = json!({ "slug": "pushed", "name": "Pushed", "source": "push" });
    api.create(Kind::Campaign, &campaign).await.expect("its campaign");
    let stream = json!({ "campaign": "pushed", "slug": "main", "name": "M", "destinations": [{ "destination": "demo" }] });
    api.create(Kind::Stream, &stream).await.expect("its stream");
    let link = api.campaign_link("pushed", None).await.expect("a link").url;

    let alert = json!({
        "slug": "subs", "when": "hits > 0", "by": ["sub1"], "channels": ["webhook:http://127.0.0.1:1/hook"],
    });
    api.create(Kind::Alert, &alert).await.expect("a rule");
    let his = world.click_on(&format!("{link}?sub1={SUB}"), VISITOR, ADDRESS, AGENT).await;
    let other = world.click("00000000000000000000000000000abc", "203.0.113.9", "Other/1").await;
    world.eventually("the clicks", 2, 0).await;
    assert_eq!(world.postback(&his, "his").await, StatusCode::OK);
    assert_eq!(world.postback(&other, "other").await, StatusCode::OK);
    assert!(world.postback(NO_CLICK, "parked").await.is_success());
    world.eventually("the sales", 2, 2).await;
    let limit = Instant::now() + Duration::from_secs(60);
    while api.alert_log(&AlertLogQuery::default()).await.expect("the log").items.len() < 2 {
        assert!(Instant::now() < limit, "the rule does not fire");
        sleep(Duration::from_millis(50)).await;
    }

    for (name, documents) in &held(&settings, &dir.path().join("before.archive")) {
        let holds = PEOPLE.iter().find(|(people, _)| people == name).map_or(&[][..], |(_, holds)| holds);
        for canary in CANARIES {
            assert_eq!(stands_in(documents, canary), holds.contains(&canary), "{canary} in {name}");
        }
    }

    let receipt = world.erase(visitor(false)).await;
    assert!(receipt.complete && receipt.refused.is_none(), "{receipt:?}");
    for (what, want) in
        [("conversions", 1), ("parked and unmatched postbacks", 1), ("postbacks to sources", 1)]
    {
        assert_eq!(rows(&receipt, what), want, "{what}: {receipt:?}");
    }
    // A look may have seen his clicks once more before they went.
    assert!(rows(&receipt, "alerts by what he alone said") > 0, "{receipt:?}");
    assert!(rows(&receipt, "notices of alerts") > 0, "{receipt:?}");
    let after = held(&settings, &dir.path().join("after.archive"));
    for (name, documents) in &after {
        let said = PEOPLE.iter().any(|(people, _)| people == name) || NOBODY.contains(&name.as_str());
        assert!(said, "may {name} hold a person? erase him from there, and say it in this test");
        for canary in CANARIES {
            assert!(!stands_in(documents, canary), "{canary} is in {name}");
        }
    }
    assert!(stands_in(&after["erased"], &his), "the ids of his clicks are remembered");
    assert_eq!(tfx_e2e::totals(&api).await, (1, 2), "the money stays");
    assert_eq!(up.terminate().0, Some(0));
}
